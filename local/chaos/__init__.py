"""The storm: worlds drawn from a seed, in which everything that can fail does, and a judge who forgives nothing.

Each round is a world of its own: people, dates, faults at the providers, in AWS, at the core and in ourselves are drawn
from (seed, round), so the same round is the same storm, to the byte. When it is over there is a calm time in which
everything has to settle; then the auditor judges, and what the auditor cannot see is looked for here.
"""

from __future__ import annotations

from local.chaos.forecast import Forecast, draw_forecast
from local.chaos.rounds import RoundResult, run_round
from local.chaos.storm import Storm
from local.chaos.totals import Totals, totals_of

__all__ = ["Forecast", "RoundResult", "Storm", "Totals", "draw_forecast", "run_round", "totals_of"]
