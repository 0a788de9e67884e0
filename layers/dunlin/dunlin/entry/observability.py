"""Logger, metrics and tracer, made once. Logs carry ids and reasons; never a phone, a name, an amount or a text."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, Tracer

__all__ = ["logger", "metrics", "tracer"]

logger = Logger()
metrics = Metrics()
tracer = Tracer(auto_patch=False)
