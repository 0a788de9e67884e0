"""Processor time of a message: ours, and that of the SDK's calls that it makes.

Ours is measured in the run, without the calls. The embedded AWS answers calls by a short cut, so what they cost the SDK
is measured apart: calls that the run really made are made again, by the same clients with the network cut out just
below them; serialising, signing and parsing are all there.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from local.bench.meter import Sample
from local.bench.operations import Counted

__all__ = ["processor"]

#: Each sample is made again so often.
_REPEATS = 12
_CONFIG = Config(retries={"total_max_attempts": 1}, region_name="us-east-1")
_KEYS = {"aws_access_key_id": "BENCH", "aws_secret_access_key": "bench"}
_XML = b"<R><PublishResult><MessageId>m</MessageId></PublishResult></R>"


def processor(counted: Counted) -> dict[str, object]:
    """Microseconds a message, and their ratio."""
    costs = {name: _seconds_a_call(samples) for name, samples in counted.samples.items() if samples}
    mean = sum(costs.values()) / len(costs)
    warm = counted.warm
    own = sum(warm.own_seconds.values())
    sdk = sum(made * costs.get(name, mean) for name, made in warm.calls.items())
    by_function = sorted(warm.own_seconds.items(), key=lambda one: -one[1])
    return {
        "own_microseconds_a_message": _micros(own / warm.sent),
        "sdk_microseconds_a_message": _micros(sdk / warm.sent),
        "own_to_sdk": round(own / sdk, 3),
        "own_microseconds_by_function": {name: _micros(spent / warm.sent) for name, spent in by_function},
        "sdk_microseconds_a_call": {name: _micros(spent) for name, spent in sorted(costs.items())},
        "messages_a_second_embedded": round(counted.sent / counted.wall_seconds, 1),
        "share_of_our_own_code": round(sum(counted.work.own_seconds.values()) / counted.thread_seconds, 3),
    }


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)


def _seconds_a_call(samples: Sequence[Sample]) -> float:
    """The least of several rounds over the samples, a call: what others on the machine do only adds to it."""
    client = boto3.client(samples[0].service, config=_CONFIG, **_KEYS)  # type: ignore[call-overload]
    answers: list[bytes] = []
    client.meta.events.register("before-send", lambda request, **_: _answered(request, answers[0]))
    query = client.meta.service_model.metadata["protocol"] == "query"
    bodies = [_XML if query else _body(sample.answer) for sample in samples]
    rounds = []
    for _ in range(_REPEATS):
        began = time.thread_time()
        for sample, body in zip(samples, bodies, strict=True):
            answers[:] = [body]
            client._make_api_call(sample.operation, sample.parameters)
        rounds.append((time.thread_time() - began) / len(samples))
    return min(rounds)


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.getvalue()


def _answered(request: AWSPreparedRequest, body: bytes) -> AWSResponse:
    headers = HTTPHeaders.from_dict({"Content-Type": "application/x-amz-json-1.0"})
    return AWSResponse(request.url, 200, headers, _Raw(body))


def _body(answer: Mapping[str, Any]) -> bytes:
    """The answer as it came over the wire."""
    content = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return json.dumps(content, default=_wire).encode()


def _wire(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"an answer carries a {type(value).__name__}")
