"""Portfolios to run: generated borrowers with cohorts, and real accounts to replay."""

from local.portfolio.cohorts import Cohort
from local.portfolio.generate import DEFAULT_START, Portfolio, generate

__all__ = ["DEFAULT_START", "Cohort", "Portfolio", "generate"]
