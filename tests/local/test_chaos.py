"""The storm: the same seed is the same storm, it bites, and a guard that is missing does not stay unseen."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from dunlin.content import Content, load_content
from dunlin.domain.environments import EMBEDDED
from typer.testing import CliRunner

from local.chaos import Forecast, RoundResult, Storm, draw_forecast, run_round, totals_of
from local.chaos.forecast import Outage, Span
from local.chaos.mischief import QuietCore, make_mischief
from local.chaos.storm import KINDS
from local.cli import app
from local.commands.chaos import Chaos, chaos_summary, repeat_command
from local.core.core import Core
from local.demo import FAULTS, Demo, run_demo
from local.embedded.aws import CallInfo
from local.portfolio.cohorts import FEATURES, Cohort
from local.portfolio.generate import generate
from local.simulator.faults import Faults

SEED = 7


def live(root: Path, *, lazily: bool = False, environment: str = EMBEDDED) -> Content:
    """The shipped content, taken as live whatever its release says: an edit under review is not what is tested here."""
    return replace(load_content(root), live=True, not_live_because="")


@pytest.fixture(autouse=True)
def _released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.chaos.rounds.load_content", live)
    monkeypatch.setattr("local.commands.chaos.load_content", live)


def small(number: int = 0, **changes: Any) -> Forecast:
    return replace(draw_forecast(SEED, number, most_borrowers=2, most_days=2), **changes)


def told(result: RoundResult) -> RoundResult:
    return replace(result, wall_seconds=0.0, evidence=None)


# ── Forecasts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_forecast_is_drawn_from_seed_and_round_alone() -> None:
    assert [draw_forecast(1, n) for n in range(20)] == [draw_forecast(1, n) for n in range(20)]
    assert len({draw_forecast(seed, n).seed for seed in range(10) for n in range(20)}) == 200


def test_forecasts_differ_in_everything() -> None:
    forecasts = [draw_forecast(1, n) for n in range(200)]
    assert {forecast.profile for forecast in forecasts} == {"none", "light", "heavy", "heavier"}
    assert {len(forecast.outages) for forecast in forecasts} == {0, 1, 2, 3}
    assert {forecast.interleave for forecast in forecasts} == {True, False}
    for name in ("deaf", "quiet", "releases", "pauses"):
        assert {bool(getattr(forecast, name)) for forecast in forecasts} == {True, False}
    assert {cohort for forecast in forecasts for cohort in forecast.cohorts} == set(Cohort)
    assert min(forecast.borrowers for forecast in forecasts) >= 1
    assert max(forecast.borrowers for forecast in forecasts) <= 14
    longest = max(outage.span.end - outage.span.start for forecast in forecasts for outage in forecast.outages)
    assert timedelta(hours=20) < longest <= timedelta(hours=40)


def test_difficult_days_come_up() -> None:
    forecasts = [draw_forecast(1, n) for n in range(200)]
    difficult = [date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 12, 31)]
    for day in difficult:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        assert sum(forecast.start <= at < forecast.calm_from for forecast in forecasts) >= 10, day


def test_nothing_is_forecast_for_the_calm() -> None:
    for number in range(200):
        forecast = draw_forecast(2, number)
        spans = [outage.span for outage in forecast.outages]
        spans += [span for _, span in forecast.deaf]
        spans += [*forecast.quiet, *(pressed.span for pressed in forecast.pauses)]
        assert all(forecast.start < span.start <= span.end <= forecast.calm_from for span in spans)


def test_whoever_shares_a_number_comes_with_the_other() -> None:
    for number in range(200):
        cohorts = draw_forecast(3, number).cohorts
        for n, cohort in enumerate(cohorts):
            if cohort is not Cohort.DRAWN:
                features = FEATURES[cohort]
                assert {features.shares_number_with, features.same_person_as} <= {None, *cohorts[:n]}


# ── The storm itself ─────────────────────────────────────────────────────────────────────────────────────────────────


def call(number: int, function: str = "SendMessageFunction", service: str = "dynamodb") -> CallInfo:
    return CallInfo(function, service, "TransactWriteItems", number, {"TransactItems": [{}, {}]})


def test_every_kind_of_fault_is_injected_and_counted() -> None:
    forecast = small(call_faults=1.0, outages=(), deaf=())
    storm = Storm(forecast, lambda: forecast.start + timedelta(hours=30))
    happened: Counter[str] = Counter()
    for number in range(2000):
        fault = storm.hook(call(number))
        happened[type(fault.error).__name__ if fault is not None else "none"] += 1
    assert set(storm.injected) == set(KINDS)
    assert sum(storm.injected.values()) == 2000 - happened["none"]
    assert happened["ProcessKilledError"] == storm.injected["killed_before"] + storm.injected["killed_after"]


def test_an_answer_that_proves_nothing_happened_never_follows_an_effect() -> None:
    forecast = small(call_faults=1.0, outages=())
    storm = Storm(forecast, lambda: forecast.start + timedelta(hours=30))
    for number in range(2000):
        fault = storm.hook(call(number))
        if fault is not None and fault.after_effect and isinstance(fault.error, ClientError):
            assert fault.error.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_an_outage_hits_its_service_and_function_while_it_lasts() -> None:
    forecast = small()
    span = Span(forecast.start, forecast.start + timedelta(hours=2))
    one = Outage(span, "dynamodb", "SendMessageFunction")
    assert one.hits(span.start, "dynamodb", "SendMessageFunction")
    assert not one.hits(span.end, "dynamodb", "SendMessageFunction")
    assert not one.hits(span.start, "sqs", "SendMessageFunction")
    assert not one.hits(span.start, "dynamodb", "SweepMessagesFunction")
    assert Outage(span, None, None).hits(span.start, "sqs", "SweepMessagesFunction")
    storm = Storm(replace(forecast, outages=(one,), call_faults=0.0), lambda: span.start)
    assert storm.hook(call(1)) is not None
    assert storm.injected == {"outage": 1}


def test_after_the_storm_nothing_fails() -> None:
    forecast = small(call_faults=1.0)
    storm = Storm(forecast, lambda: forecast.calm_from)
    assert [storm.hook(call(number)) for number in range(100)] == [None] * 100
    assert not storm.injected


def test_a_quiet_feed_catches_up_with_everything() -> None:
    forecast = draw_forecast(SEED, 0)
    portfolio = generate(6, 10, 1, date(2026, 3, 1))

    def fed(core: Any) -> list[tuple[datetime, str]]:
        found, now = [], portfolio.start
        while now < portfolio.end:
            found += [(now, event.event_id) for event in core.due(now)]
            now = max(core.next_due(), now)
        return found

    def core() -> Core:
        made = Core(portfolio.accounts, seed=1, start=portfolio.start)
        make_mischief(made, portfolio.accounts, replace(forecast, start=portfolio.start, days=9), Counter())
        return made

    span = Span(portfolio.start + timedelta(days=2), portfolio.start + timedelta(days=4))
    happened: Counter[str] = Counter()
    always, quiet = fed(core()), fed(QuietCore(core(), (span,), happened))
    assert [event_id for _, event_id in quiet] == [event_id for _, event_id in always]
    assert not any(span.holds(at) for at, _ in quiet)
    held = sum(span.holds(at) for at, _ in always)
    assert sum(at == span.end for at, _ in quiet) >= held == happened["feed_quiet"] > 10


# ── Rounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tiny_round_keeps_every_promise_and_is_the_same_again() -> None:
    forecast = small()
    first, second = run_round(SEED, forecast), run_round(SEED, forecast)
    assert first.violations == ()
    assert told(first) == told(second)
    assert sum(first.injected.values()) > 0
    assert first.messages > 0
    assert first.decisions > 0
    assert first.evidence is None


def test_totals_add_up() -> None:
    one = RoundResult(
        seed=1, number=0, borrowers=2, days=4, profile="none", start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 11, tzinfo=UTC), messages=5, accepted=4, decisions=9, calls=100,
        injected={"killed_before": 2}, counters={"cap": 0}, violations=(), digest="a", evidence=None, wall_seconds=1.0,
    )  # fmt: skip
    other = replace(
        one, number=1, injected={"killed_before": 1, "deaf": 3}, counters={"cap": 2}, violations=("cap: 2",)
    )
    totals = totals_of([one, other])
    assert (totals.rounds, totals.failed, totals.faults, totals.days) == (2, 1, 6, 20)
    assert totals.injected == {"deaf": 3, "killed_before": 3}
    assert totals.counters == {"cap": 2}
    chaos = Chaos(seed=1, borrowers=5)
    summary = chaos_summary(chaos, [one, other])
    assert json.loads(json.dumps(summary)) == summary
    assert summary["rounds"][1]["repeat"] == "dunlin chaos --seed 1 --only-round 1 --borrowers 5"
    assert repeat_command(Chaos(seed=1), one) == "dunlin chaos --seed 1 --only-round 0"


def test_time_ends_the_rounds_and_one_is_always_run() -> None:
    assert list(Chaos(seed=1, minutes=0.0).numbers()) == [0]
    assert list(Chaos(seed=1, rounds=3).numbers()) == [0, 1, 2]
    assert list(Chaos(seed=1, rounds=3, only=8).numbers()) == [8]


@contextmanager
def broken_guard(name: str) -> Iterator[None]:
    """The application without one of its guards."""
    from dunlin.adapters.dynamo.store import DynamoStore
    from dunlin.domain import permit
    from dunlin.services.opt_outs import OptOuts
    from dunlin.services.ports import NotAccepted, Unsettled
    from dunlin.services.send import Send

    with pytest.MonkeyPatch.context() as patch:
        match name:
            case "opt_outs":  # nobody is told, and the reservation does not ask
                commit = DynamoStore.commit
                patch.setattr(
                    DynamoStore, "commit", lambda self, change: commit(self, replace(change, unless_blocked=None))
                )
                patch.setattr(OptOuts, "mirror", lambda self, borrower_id, point: self._store.borrower(borrower_id))
                patch.setattr("dunlin.services.ingest.blocked_purposes", lambda *_: frozenset())
                patch.setattr(OptOuts, "forbids", lambda self, message: False)
            case "once":  # a hand-over without an answer is made again
                record = Send._record
                patch.setattr(
                    Send,
                    "_record",
                    lambda self, message, result: record(
                        self, message, NotAccepted(result.reason) if isinstance(result, Unsettled) else result
                    ),
                )
            case "caps":
                patch.setattr(permit, "binding_cap", lambda *_, **__: None)
        yield


@pytest.mark.proof
@pytest.mark.parametrize(("guard", "kinds"), [("opt_outs", {"opt_out"}), ("once", {"duplicates"}), ("caps", {"cap"})])
def test_a_missing_guard_is_seen(guard: str, kinds: set[str], tmp_path: Path) -> None:
    """Within a few rounds in which there is something to guard against."""
    people = (
        Cohort.OPTS_OUT_HAS_EMAIL,
        Cohort.OPTS_OUT_NO_EMAIL,
        Cohort.NEVER_PAYS,
        Cohort.NEVER_PAYS_CN,
        Cohort.STOP_THIS_BILL,
        Cohort.MASSACHUSETTS_CAP,
        Cohort.TWO_LOANS_DIFFERENT_DAYS,
    )
    worst = Faults.heavy().but(time_out=0.2, reset=0.2, stop_in_the_air=0.1)
    found: set[str] = set()
    with broken_guard(guard):
        for number in range(3):
            forecast = replace(draw_forecast(SEED, number), cohorts=people, days=20, provider=worst, pauses=(), deaf=())
            result = run_round(SEED, forecast, tmp_path / str(number))
            found |= {kind for kind, count in result.counters.items() if count}
            if kinds <= found:
                assert result.violations
                assert result.evidence is not None
                assert (result.evidence / "found.json").is_file()
                return
    pytest.fail(f"nobody saw it; found was {sorted(found)}")


@pytest.mark.proof
def test_the_command_says_the_same_twice_and_fails_on_nothing(tmp_path: Path) -> None:
    told = []
    for name in ("one", "two"):
        file = tmp_path / f"{name}.json"
        sizes = ["--rounds", "2", "--borrowers", "5", "--days", "10"]
        ran = CliRunner().invoke(app, ["chaos", "--seed", "4", *sizes, "--json", str(file)])
        assert ran.exit_code == 0, ran.output
        assert "Every promise was kept in 2 rounds." in ran.output
        summary = json.loads(file.read_text(encoding="utf-8"))
        for row in summary["rounds"]:
            del row["wall_seconds"]
            assert row["digest"] in ran.output
        told.append(summary)
    assert told[0] == told[1]
    assert told[0]["totals"]["faults"] > 0
    assert set(told[0]["violations"].values()) == {0}


@pytest.mark.proof
def test_a_storm_of_the_usual_size() -> None:
    """One; `make chaos` has the others, some of which take minutes."""
    result = run_round(SEED, draw_forecast(SEED, 0))
    assert result.violations == ()


def test_a_round_in_which_nothing_failed_is_no_proof() -> None:
    forecast = small(
        provider=Faults.none(), profile="none", call_faults=0.0, outages=(), deaf=(), quiet=(), releases=(), pauses=(),
        mischief=0.0, days=1,
    )  # fmt: skip
    result = run_round(SEED, forecast)
    assert "faults were asked for, and there was none" in result.violations
    assert result.evidence is not None
    shutil.rmtree(result.evidence)


@pytest.mark.proof
def test_the_worst_of_the_providers_happens_to_the_application_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole application under each fault that the heavy profile has, more often than even there."""
    worst = Faults.heavy().but(
        early_report=0.3,
        silence=1.0,
        stop_in_the_air=0.05,
        recycled=0.3,
        carrier_opt_out=0.3,
        broken=0.5,
        spend_limit=0.5,
        complaint=0.5,
        time_out=0.1,
    )
    monkeypatch.setitem(FAULTS, "heavy", lambda: worst)
    monkeypatch.setattr("dunlin.content.loader.load_content", live)
    monkeypatch.setattr("local.commands.run.load_content", live)
    judged = run_demo(Demo(14, 16, seed=5, faults="heavy"))
    assert judged.broken == []
    injected = judged.summary["provider_faults_injected"]
    assert set(injected) >= {
        "broken",
        "carrier_opt_out",
        "complaint",
        "duplicate_report",
        "early_report",
        "out_of_order",
        "recycled",
        "silence",
        "spend_limit",
        "stop_in_the_air",
        "time_out",
    }
    # Who opted out there is heard of by a refusal, or before that from the provider's list.
    refused = judged.summary["provider_faults"].get("opted_out_there", 0)
    assert refused + judged.summary["checked"]["opted_out_at_provider"] > 0
    before_the_answer = [
        message
        for message in judged.run.messages
        if [str(move.state) for move in message.moves[-2:]] == ["RESERVED", "DELIVERED"]
    ]
    assert before_the_answer
