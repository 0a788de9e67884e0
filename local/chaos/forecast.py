"""What a round will be like: drawn before it begins, from the seed and the round's number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from local.core.feed import FeedFaults
from local.portfolio.cohorts import FEATURES, SCRIPTED, Cohort
from local.simulator.faults import Draw, Faults

T = TypeVar("T")

__all__ = ["CALM_DAYS", "SETTLE_DAYS", "Forecast", "Outage", "Span", "draw_forecast"]

#: A day after the storm in which life goes on as ever; then all loans leave the lender.
CALM_DAYS = 1
#: Days after that: what a provider never reported on is closed after four.
SETTLE_DAYS = 6

#: Ordinary days, and those that calendars and clocks stumble over.
_STARTS = (
    date(2026, 2, 23),  # the clocks of the United States go forward on 8 March
    date(2026, 10, 20),  # and back on 1 November
    date(2026, 3, 20),  # the clocks of Europe go forward on 29 March, those of Australia back on 5 April
    date(2026, 12, 18),  # year end
)
#: Functions that take their work from queues and streams; any of them may sleep for hours.
LISTENERS = (
    "EvaluateStagesFunction",
    "IngestEventsFunction",
    "ReceiveInboundFunction",
    "ReceiveReportFunction",
    "RenderMessageFunction",
    "SendMessageFunction",
)
#: While nobody evaluates, the schedule asks every minute, and each minute is run through.
_MOST_DEAF_HOURS = {"EvaluateStagesFunction": 6.0}
_SERVICES = ("dynamodb", "sqs", "stepfunctions", "secretsmanager", "pinpoint-sms-voice-v2", "sesv2")
_BROKEN = (*LISTENERS, "AssessCaseFunction", "ParkCaseFunction", "PaceLinesFunction", "SweepMessagesFunction")
_STOPS = (("everything", ""), ("brand", ""), ("line", ""), ("template", ""))
_PROFILES = ("none", "light", "heavy", "heavier")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the run; `end` is no longer in it."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Outage:
    """A service (None: all of AWS) does not answer a function (None: any function)."""

    span: Span
    service: str | None
    function: str | None

    def hits(self, at: datetime, service: str, function: str) -> bool:
        return self.span.holds(at) and self.service in (None, service) and self.function in (None, function)


@dataclass(frozen=True, slots=True)
class Pressed:
    """The stop button: what is paused, and for how long. `pick` chooses among the brands, lines or templates."""

    span: Span
    scope: str
    pick: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """One round. `call_faults` is the share of AWS calls that fail, in the storm's worst hours."""

    seed: int
    number: int
    cohorts: tuple[Cohort, ...]
    start: datetime
    days: int
    profile: str
    provider: Faults
    call_faults: float
    outages: tuple[Outage, ...]
    deaf: tuple[tuple[str, Span], ...]
    quiet: tuple[Span, ...]
    feed: FeedFaults
    releases: tuple[datetime, ...]
    pauses: tuple[Pressed, ...]
    mischief: float
    interleave: bool

    @property
    def borrowers(self) -> int:
        return len(self.cohorts)

    @property
    def calm_from(self) -> datetime:
        return self.start + timedelta(days=self.days)

    @property
    def leave_at(self) -> datetime:
        return self.calm_from + timedelta(days=CALM_DAYS)

    @property
    def end(self) -> datetime:
        return self.leave_at + timedelta(days=SETTLE_DAYS)


def draw_forecast(seed: int, number: int, *, most_borrowers: int = 14, most_days: int = 26) -> Forecast:
    """The round `number` of the storm `seed`: the same for the same arguments, for ever."""
    draw = Draw(int(Draw(seed).identifier("round", number)[:12], 16))
    days = _whole(draw, min(8, most_days), most_days, "days")
    start = datetime.combine(_start(draw), time(), tzinfo=UTC)
    profile = _PROFILES[int(draw.between(0, len(_PROFILES), "profile"))]

    def span(*words: object, most_hours: float) -> Span:
        begin = start + timedelta(hours=draw.between(6, days * 24 - 6, *words, "from"))
        # Most are short; some last for days.
        hours = most_hours ** draw.between(0.0, 1.0, *words, "for")
        return Span(begin, min(begin + timedelta(hours=hours), start + timedelta(days=days)))

    def count(most: int, *words: object) -> int:
        return int(draw.between(0, most + 1, *words, "how many"))

    return Forecast(
        seed=draw.seed,
        number=number,
        cohorts=_cohorts(draw, _whole(draw, min(4, most_borrowers), most_borrowers, "borrowers")),
        start=start,
        days=days,
        profile=profile,
        provider=_provider(draw, profile),
        call_faults=draw.between(0.0, 1.0, "call faults") ** 2 * 0.06 + 0.002,
        outages=tuple(
            Outage(
                span("outage", n, most_hours=40),
                _one(draw, (*_SERVICES, None, "dynamodb"), "outage", n, "service"),
                _one(draw, (*_BROKEN, None, None, None, None), "outage", n, "function"),
            )
            for n in range(count(3, "outages"))
        ),
        deaf=tuple(
            (function, span("deaf", n, most_hours=_MOST_DEAF_HOURS.get(function, 60.0)))
            for n in range(count(2, "deaf"))
            for function in [_one(draw, LISTENERS, "deaf", n)]
        ),
        quiet=tuple(span("quiet", n, most_hours=60) for n in range(count(1, "quiet"))),
        feed=FeedFaults(
            repeated=draw.between(0, 0.15, "repeated"),
            late=draw.between(0, 0.1, "late"),
            out_of_order=draw.between(0, 0.15, "out of order"),
            late_by=timedelta(hours=draw.between(1, 20, "late by")),
        ),
        releases=tuple(sorted(span("release", n, most_hours=1).start for n in range(count(2, "releases")))),
        pauses=tuple(
            Pressed(
                span("pause", n, most_hours=40),
                _one(draw, _STOPS, "pause", n)[0],
                draw.uniform("pause", n, "which"),
            )
            for n in range(count(2, "pauses"))
        ),
        mischief=draw.between(0.0, 0.6, "mischief"),
        interleave=draw.happens(0.7, "interleave"),
    )


def _start(draw: Draw) -> date:
    if draw.happens(0.6, "a difficult day"):
        return _one(draw, _STARTS, "start") - timedelta(days=_whole(draw, 0, 6, "start before"))
    return date(2025, 6, 1) + timedelta(days=_whole(draw, 0, 700, "start"))


def _cohorts(draw: Draw, borrowers: int) -> tuple[Cohort, ...]:
    """Mostly people to whom something happens; whoever shares a number with somebody comes after them."""
    kinds = sorted(SCRIPTED, key=lambda cohort: draw.uniform("cohort", cohort))
    chosen: list[Cohort] = []

    def choose(cohort: Cohort) -> None:
        features = FEATURES[cohort]
        for other in (features.shares_number_with, features.same_person_as):
            if other is not None:
                choose(other)
        if cohort not in chosen:
            chosen.append(cohort)

    for cohort in kinds:
        choose(cohort)
    drawn = int(borrowers * draw.between(0.0, 0.5, "drawn"))
    return (*chosen[: borrowers - drawn], *[Cohort.DRAWN] * (borrowers - min(borrowers - drawn, len(chosen))))


def _provider(draw: Draw, profile: str) -> Faults:
    match profile:
        case "none":
            return Faults.none()
        case "light":
            return Faults.light()
        case "heavy":
            return Faults.heavy()
    worse = Faults.heavy()
    return worse.but(
        throttled=0.3,
        time_out=draw.between(0.03, 0.15, "time-out"),
        reset=draw.between(0.03, 0.1, "reset"),
        error_after=draw.between(0.03, 0.1, "error after"),
        lost_report=0.15,
        late_report=0.3,
        late_hours=100.0,
        duplicate_report=0.4,
        early_report=0.2,
        silence=0.6,
        stop_in_the_air=0.04,
        recycled=0.12,
        carrier_opt_out=0.1,
        complaint=0.2,
        spend_limit=0.25,
        broken=0.25,
        broken_hours=9.0,
    )


def _whole(draw: Draw, low: int, high: int, *words: object) -> int:
    return low + int(draw.between(0, high - low + 1, *words))


def _one(draw: Draw, options: Sequence[T], *words: object) -> T:
    return options[int(draw.between(0, len(options), *words, "which"))]
