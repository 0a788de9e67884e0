"""Every AWS call of every function goes wrong in every way it can, and every promise is kept.

The list of calls is not written down anywhere: it is what the functions really called in a run without faults. Run
all of it with `pytest -m proof tests/faults/test_aws_calls.py`; coverage is written to `build/faults.json`.
`DUNLIN_FAULTS_ALONE=1` gives each fault of a critical call, and each outage, a run of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from local.behaviour import Behaviour, enact, read_by
from local.commands.run import CHINESE_LINE, line_of
from local.core.core import Core
from local.portfolio.generate import generate
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered
from local.world import ROOT, Reply, World
from tests.faults.kinds import Kind
from tests.faults.matrix import Injection, Injector, Plan, Recorded, lasting, planned, shares
from tests.faults.small_world import shared_content
from tests.faults.trial import Trial, calm, tried

SHARES = 10
LASTING_SHARES = 10
#: 1: every fault of a critical call, and every outage, in a run of its own. It takes an hour rather than minutes.
ALONE = os.environ.get("DUNLIN_FAULTS_ALONE") == "1"
OUTAGE_HOURS = 3
REPORT = ROOT / "build" / "faults.json"


def plans(recorded: Recorded) -> list[Plan]:
    return planned(recorded, each=4, critical=1) if ALONE else planned(recorded)


def outages(recorded: Recorded) -> list[Plan]:
    return lasting(recorded, OUTAGE_HOURS, together=1) if ALONE else lasting(recorded, OUTAGE_HOURS)


def kept(trial: Trial) -> None:
    assert not trial.wrong, f"{trial.plan}: {'; '.join(trial.wrong)}"


def test_without_faults_nothing_is_wrong_and_every_function_is_heard_of() -> None:
    without = calm()
    assert without.outcome.wrong == ()
    assert without.outcome.refused == 2
    assert not without.outcome.dead_letters
    functions = {site.function for site in without.recorded.sites}
    assert functions == {
        path.parent.name.title().replace("_", "") + "Function" for path in ROOT.glob("functions/*/app.py")
    }
    made = {(site.function, site.operation) for site in without.recorded.sites}
    assert ("EvaluateStagesFunction", "events.PutEvents") in made
    assert ("ReceiveReportFunction", "dynamodb.TransactWriteItems") in made, "no report taught anything"
    stages = Counter(stage.partition("~")[0] for _, stage in without.outcome.said)
    assert set(stages) >= {
        "loan_closed",
        "application_declined",
        "reminder_1",
        "due_today",
        "tier_1",
        "opt_out_confirmation",
        "opt_in_confirmation",
        "help",
    }
    run = without.outcome.run
    told = {message.stage for message in run.messages if str(message.state) in ("DELIVERED", "UNKNOWN")}
    assert {"reminder_1", "due_today", "tier_1"} <= told, "what is suppressed makes few calls"
    assert {str(message.state) for message in run.messages} >= {"DELIVERED", "UNKNOWN", "FAILED", "SUPPRESSED"}
    assert {given.answer for given in run.hand_overs} >= {"OK", "THROTTLED"}
    assert {given.provider for given in run.hand_overs} == {
        "aws_sms",
        "aws_ses",
        "finance_sms",
        "aws_push",
        "aws_whatsapp",
        "wechat",
    }
    assert {str(case["outcome"]) for case in run.cases} >= {"cured"}


def test_the_plan_has_every_site_with_every_kind_it_can_suffer() -> None:
    recorded = calm().recorded
    wanted = {(site, kind) for site, kinds in recorded.suffers.items() for kind in kinds}
    found = [(injection.site, injection.kind) for plan in plans(recorded) for injection in plan.injections]
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert set(recorded.suffers) == set(recorded.sites)
    for site in recorded.sites:
        assert {Kind.FAILS_BEFORE, Kind.TIMES_OUT_BEFORE, Kind.THROTTLED, Kind.KILLED_BEFORE} <= set(
            recorded.suffers[site]
        )


@pytest.mark.parametrize(
    ("function", "operation", "kind"),
    [
        ("SendMessageFunction", "pinpoint-sms-voice-v2.SendTextMessage", Kind.KILLED_AFTER),
        ("SendMessageFunction", "dynamodb.TransactWriteItems", Kind.ASKED_TWICE),
    ],
)
def test_the_worst_moments(function: str, operation: str, kind: Kind) -> None:
    """The quick part of what is below: the process dies with a text in the air; a reservation hears its own echo."""
    site = next(
        site for site in sorted(calm().recorded.sites) if (site.function, site.operation) == (function, operation)
    )
    trial = tried(Plan((Injection(site, kind),)))
    assert not trial.missed
    kept(trial)


@pytest.mark.proof
@pytest.mark.parametrize("share", range(SHARES))
def test_every_call_goes_wrong_once(share: int) -> None:
    for plan in shares(plans(calm().recorded), SHARES)[share]:
        trial = tried(plan)
        kept(trial)
        for injection in trial.missed:
            # Another fault of the run led past this call: alone it is reached, as it was without any.
            again = tried(Plan((injection,)))
            assert not again.missed, f"{injection} was never reached"
            kept(again)


@pytest.mark.proof
@pytest.mark.parametrize("share", range(LASTING_SHARES))
def test_an_operation_fails_for_hours_and_heals(share: int) -> None:
    for plan in shares(outages(calm().recorded), LASTING_SHARES)[share]:
        kept(tried(plan))


@pytest.mark.proof
def test_no_call_of_the_demo_is_forgotten() -> None:
    """What a portfolio calls under the providers' worst, the matrix has covered; the figures are written down."""
    recorded = calm().recorded
    covered = {(site.function, site.operation) for site in recorded.sites}
    made = _calls_of_the_demo()
    REPORT.parent.mkdir(exist_ok=True)
    report = {
        "calls_covered": len(covered),
        "calls_made": len(made),
        "sites": len(recorded.sites),
        "faults": sum(map(len, recorded.suffers.values())),
        "runs": len(plans(recorded)),
        "lasting_runs": len(outages(recorded)),
        "not_covered": sorted(map(list, made - covered)),
        "by_site": {
            str(site): {"calls": count, "kinds": [str(kind) for kind in recorded.suffers[site]]}
            for site, count in sorted(recorded.sites.items())
        },
    }
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{len(made & covered)} of {len(made)} calls covered, {report['faults']} faults at {report['sites']} sites")  # noqa: T201
    assert made <= covered


def _calls_of_the_demo() -> set[tuple[str, str]]:
    portfolio = generate(31, 30, 1)
    core = Core(portfolio.accounts, seed=1, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)
    injector = Injector()

    def reached(delivered: Delivered) -> list[Reply]:
        actions = read_by(behaviour, delivered)
        return [(text.from_address, text.text, text.at, str(text.meaning)) for text in enact(actions, core)]

    with (
        shared_content(),
        tempfile.TemporaryDirectory() as folder,
        World(
            core,
            portfolio.start,
            portfolio.end,
            1,
            Faults.heavy(),
            Path(folder),
            reached,
            line_of,
            unreachable=portfolio.numbers,
            before_call=injector.before_call,
            finance_numbers=(CHINESE_LINE,),
        ) as world,
    ):
        for text in enact(behaviour.at_start(), core):
            world.text(text.from_address, text.text, text.at, str(text.meaning))
        world.run()
    return set(injector.calls)
