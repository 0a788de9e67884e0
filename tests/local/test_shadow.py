"""Shadow mode in the embedded AWS, through `template.yaml`'s parameter: beside a live run it decides the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dunlin.domain.hours import local_date
from dunlin.entry import bootstrap

from local.commands.run import CHINESE_LINE, line_of
from local.core.core import Core
from local.portfolio.generate import generate
from local.portfolio.people import CN, TIME_ZONES
from local.simulator.faults import Faults
from local.world import World
from tests.local.test_demo import released_content

SEED, DAYS = 3, 9


@dataclass(frozen=True)
class Lived:
    """What a run left behind."""

    messages: tuple[Mapping[str, Any], ...]
    hand_overs: int
    answers: int
    clients: frozenset[str]
    chains: frozenset[str]


def lived(mode: str, logs: Path, **changes: Any) -> Lived:
    """The same people, who do not react to what reaches them, through the same weeks, with one STOP among them."""
    portfolio = generate(8, DAYS, SEED)
    core = Core(portfolio.accounts, seed=SEED, start=portfolio.start)
    calls: set[str] = set()

    def note(call: Any) -> None:
        calls.add(call.service)

    with World(
        core,
        portfolio.start,
        portfolio.end,
        SEED,
        Faults.none(),
        logs,
        lambda delivered: (),
        line_of,
        finance_numbers=(CHINESE_LINE,),
        sending_mode=mode,
        before_call=note,
        **changes,
    ) as world:
        phone = next(party.phone for account in portfolio.accounts for party in account.parties if party.phone)
        assert phone is not None
        world.text(phone, "STOP", portfolio.start, "opt_out")
        world.run()
        messages = tuple(
            json.loads(item["document"]) | {"key": item["key"], "borrower_id": item["borrower_id"]}
            for item in world.aws.items("MessagesTable")
        )
        chains = {str(hot.get("chain_head") or "") for hot in world.documents("BorrowersTable", "HOT")}
        senders = {name for runtime in bootstrap._runtimes.values() for name in runtime.__dict__.get("senders", ())}
        return Lived(
            messages, len(world.simulator.record.hand_overs), len(world.texts), frozenset(senders), frozenset(chains)
        )


def decisions(lived: Lived) -> list[tuple[object, ...]]:
    """What was said or not to whom, when and how, as both runs tell it."""
    found = []
    for message in lived.messages:
        went = message["reason"] == "shadow" or bool(message.get("reserved_at"))
        at = datetime.fromisoformat(message.get("reserved_at") or message["settled_at"] or message["requested_at"])
        zone = TIME_ZONES[CN]
        said = (message["body"], message["subject"], message["parts"]) if went else ()
        found.append(
            (
                *(message["borrower_id"], message["key"], message["stage"], message["channel"]),
                *(local_date(at, zone), went or message["reason"], said),
            )
        )
    return sorted(found, key=repr)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lived]:
    with released_content():
        return {mode: lived(mode, tmp_path_factory.mktemp(mode)) for mode in ("live", "shadow")}


pytestmark = pytest.mark.proof


def test_nothing_leaves_the_house(runs: dict[str, Lived]) -> None:
    assert runs["live"].hand_overs > 5
    assert runs["shadow"].hand_overs == 0
    assert runs["live"].clients >= {"aws_sms"}
    assert runs["shadow"].clients == frozenset(), "not even a client"
    assert runs["shadow"].chains == {""}, "no contact was made, and none is proved"


def test_it_decides_as_a_live_run_does(runs: dict[str, Lived]) -> None:
    assert decisions(runs["shadow"]) == decisions(runs["live"])
    stages = {message["stage"] for message in runs["shadow"].messages if message["reason"] == "shadow"}
    assert any(stage.startswith("tier") for stage in stages)


def test_what_it_would_have_said_is_kept(runs: dict[str, Lived]) -> None:
    shadowed = [message for message in runs["shadow"].messages if message["reason"] == "shadow"]
    assert len(shadowed) > 5
    for message in shadowed:
        assert (message["state"], message.get("reserved_at"), message["entry_hash"]) == ("SUPPRESSED", None, "")
        assert message["body"]
        assert message["settled_at"]
    assert {message["state"] for message in runs["shadow"].messages} <= {"SUPPRESSED", "EXPIRED", "REQUESTED"}


def test_nobody_is_reached_who_is_not_on_the_list(tmp_path: Path) -> None:
    with released_content():
        none = lived("live", tmp_path, recipients=())
    assert none.hand_overs == 0
    assert {message["reason"] for message in none.messages} >= {"not_on_allow_list"}
    assert none.chains == {""}
