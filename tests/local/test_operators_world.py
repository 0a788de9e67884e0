"""Something breaks in a running world; an operator sees it, mends it, redrives, and sees it gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.models import bind
from dunlin.services.render import Render
from moto.core.exceptions import JsonRESTError
from moto.sqs.responses import SQSResponse
from typer.testing import CliRunner, Result

from local import cli
from local.commands import deployment
from local.core.feed import CoreEvent
from local.simulator.faults import Faults
from local.world import REGION, World
from tests.builders import MINUTE, NOW, PHONE, TODAY, loan_document, party_document
from tests.local.test_demo import released_content

_PHYSICAL = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Serverless::StateMachine")


class NoCore:
    """A core that says nothing by itself."""

    def next_due(self) -> datetime | None:
        return None

    def due(self, now: datetime) -> list[CoreEvent]:
        return []


@dataclass
class Running:
    """A world whose clock goes a minute at a time, and an operator beside it."""

    world: World
    told: int = 0

    def tell(self, type_: str, borrower_id: str | None, **carried: Any) -> None:
        self.told += 1
        now = self.world.clock.now()
        detail = {"event_id": f"e-{self.told}", "type": type_, "occurred_at": now.isoformat(), **carried}
        if borrower_id is not None:
            detail["borrower_id"] = borrower_id
        self.world._feed([CoreEvent(f"e-{self.told}", type_, borrower_id, now, now, detail)])

    def profile(self, borrower_id: str) -> None:
        profile = {
            "sequence": 1,
            "jurisdiction": "US-NY",
            "time_zone": "America/New_York",
            "parties": [party_document(phone=PHONE)],
        }
        self.tell("borrower.updated", borrower_id, borrower=profile)

    def loan(self, borrower_id: str, as_of: datetime = NOW) -> None:
        due_on = TODAY + timedelta(days=7)
        self.tell("loan.snapshot", borrower_id, loan=loan_document(due_on=due_on, as_of=as_of))

    def checkpoint(self) -> None:
        self.tell("feed.checkpoint", None, complete_to=self.world.clock.now().isoformat())

    def minutes(self, count: int, every: int = 1) -> None:
        for _ in range(0, count, every):
            self.world.clock.advance_to(self.world.clock.now() + every * MINUTE)
            self.world._hand_on(self.world.simulator.due(self.world.clock.now()))
            self.world.aws.tick()

    def dunlin(self, *arguments: str) -> Result:
        template = self.world.aws.template
        named = [
            f"{each.logical_id}={template.arn(name) if 'StateMachine' in each.type else template.ref(name)}"
            for each in template.resources()
            if each.type in _PHYSICAL and (name := each.logical_id)
        ]
        options = [option for name in named for option in ("--resource", name)]
        result = CliRunner().invoke(cli.app, [*arguments, "--region", REGION, *options])
        assert PHONE not in result.output
        assert result.exit_code in (0, 1), result.output
        return result

    def stuck(self) -> dict[str, dict[str, Any]]:
        result = self.dunlin("stuck", "--json", "-")
        document = json.loads(result.stdout)
        assert (result.exit_code == 1) == document["stuck"]
        return {finding["kind"]: finding for finding in document["findings"]}

    def states(self) -> list[str]:
        return [str(item["state"]) for item in self.world.aws.items("MessagesTable")]

    def controls(self) -> DynamoControls:
        name = self.world.aws.template.physical_name("ControlsTable")
        bind(region=REGION, borrowers="", messages="", suppressions="", controls=name)
        return DynamoControls()


def no_move_task(_: object) -> str:
    """moto does not know the operation; where it may not be used AWS answers like this."""
    raise JsonRESTError("UnsupportedOperation", "not here")


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    # Before anything asks the queues: moto reads the names of their operations once.
    monkeypatch.setattr(SQSResponse, "start_message_move_task", no_move_task, raising=False)
    world = World(
        NoCore(),
        NOW,
        NOW + timedelta(days=1),
        3,
        Faults(),
        tmp_path / "logs",
        lambda _: (),
        lambda _: "+12065550100",
        recipients=[PHONE],
    )
    with released_content(), world:
        monkeypatch.setattr(deployment, "clock", world.clock.now)
        monkeypatch.setenv("COLUMNS", "220")
        yield Running(world)


@pytest.mark.proof
def test_the_renderer_is_dead_for_good(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("dead")

    with monkeypatch.context() as broken:
        broken.setattr(Render, "render", dies)  # the pacer weighs a text by other means
        running.profile("b-1")
        running.loan("b-1")
        running.minutes(50)
        assert running.states() == ["DUE"]
        found = running.stuck()
        assert set(found) == {"message", "dead letters"}
        assert found["message"]["what"] == "DUE (stage_due)"
        assert found["message"]["ids"][0].startswith("b-1/")
        assert found["dead letters"]["what"] == "StreamFailuresQueue (stream failure)"
        letters = running.world.aws.queue_bodies("StreamFailuresQueue")
        # Redriven while it is broken, the letter stays: it still says something.
        left = running.dunlin("redrive", "--go", "--yes")
        assert (left.exit_code, "messages stand since then" in left.output) == (1, True)
        assert running.world.aws.queue_bodies("StreamFailuresQueue") == letters

    running.minutes(20)
    assert running.states()[0] in ("SENT", "DELIVERED")
    assert set(running.stuck()) == {"dead letters"}
    assert running.dunlin("redrive", "--go", "--yes").exit_code == 0
    assert running.stuck() == {}
    assert running.dunlin("redrive").exit_code == 0


@pytest.mark.proof
def test_a_fact_is_given_up_and_the_feed_has_a_gap(running: Running) -> None:
    running.profile("b-1")
    running.checkpoint()
    running.minutes(3)
    first = running.controls().survey([], TODAY).feed_complete_to
    assert first == NOW
    # Nobody knows b-2 yet: this is tried again and again, and the checkpoint overtakes it.
    running.loan("b-2")
    running.minutes(1)
    running.checkpoint()
    running.minutes(12)
    feed = running.controls().feed()
    assert (feed.counts_to, feed.announced_to) == (first, NOW + 4 * MINUTE)
    running.minutes(30)
    assert len(running.world.aws.queue_bodies("CoreEventsDeadLetterQueue")) == 1
    survey = running.controls().survey([], TODAY)
    assert (survey.feed_complete_to, survey.feed_announced_to) == (None, NOW + 4 * MINUTE)
    assert set(running.stuck()) == {"feed", "dead letters"}
    shown = running.dunlin("redrive")
    assert all(word in shown.output for word in ("borrower_id=b-2", "loan.snapshot", "fails again"))

    running.profile("b-2")
    running.minutes(1)
    assert running.dunlin("redrive", "--go", "--yes", "--queue", "CoreEventsDeadLetterQueue").exit_code == 0
    assert running.controls().feed().counts_to is None
    running.minutes(4)
    assert running.controls().survey([], TODAY).feed_complete_to == NOW + 4 * MINUTE
    assert running.stuck() == {}
