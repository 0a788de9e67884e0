"""All orders of the small worlds: nothing is broken, and without any one of the guards something is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local import cli
from local.explorer import laws
from local.explorer.guards import BEHIND_OTHERS, GUARDS
from local.explorer.ports import Interner
from local.explorer.search import Explored, Explorer, changed, touched
from local.explorer.services import CLASSES, SmallContent, wired
from local.explorer.stepping import Call, Paused, Stage
from local.explorer.worlds import WORLDS, sent, small_world

#: Small enough for the inner loop.
QUICK = ("facts", "pace")


def without_seconds(explored: Explored) -> Explored:
    return replace(explored, seconds=0.0)


@pytest.mark.parametrize("name", QUICK)
def test_a_small_world_keeps_every_promise_in_every_order_and_is_the_same_each_time(name: str) -> None:
    explored = Explorer(WORLDS[name]).explore()
    assert explored.found is None
    assert explored.ends > 0
    assert without_seconds(explored) == without_seconds(Explorer(WORLDS[name]).explore())


@pytest.mark.proof
@pytest.mark.parametrize("name", [name for name in WORLDS if name not in QUICK])
def test_every_order_of_a_world_keeps_every_promise(name: str) -> None:
    explored = Explorer(WORLDS[name]).explore()
    assert explored.found is None, "\n".join((explored.found.law, *explored.found.steps))
    assert explored.states > 100
    assert explored.transitions > explored.states
    assert explored.ends > 0


@pytest.mark.proof
@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_there_is_a_way_to_break_a_law(name: str) -> None:
    guard = GUARDS[name]
    explored = Explorer(WORLDS[guard.world], guard.classes).explore()
    assert explored.found is not None, f"{name} guards nothing in {guard.world}"
    assert explored.found.steps
    assert "the service failed" not in explored.found.law
    assert "does not come to rest" not in explored.found.law


@pytest.mark.parametrize("name", BEHIND_OTHERS)
def test_a_guard_behind_others_is_still_behind_them(name: str) -> None:
    """Should one of these ever break a law, it has become a guard of its own and belongs to the others."""
    guard = BEHIND_OTHERS[name]
    assert Explorer(WORLDS[guard.world], guard.classes).explore().found is None


def test_a_crash_more_means_more_states() -> None:
    none, one = (Explorer(WORLDS["facts"], crashes=crashes).explore() for crashes in (0, 1))
    assert one.states > none.states


def test_an_actor_is_a_function_of_its_answers() -> None:
    """Run to a port call, answered, run again: it asks the next thing, and the clock it was told stays the same."""
    stage = Stage()
    store = stage.port("store")
    now = small_world().clock.now

    def actor() -> None:
        stage.clock()
        store.borrower("b-1")
        store.message("b-1", "k")

    told, asks, error = stage.run(actor, (), now)
    assert told == (now,)
    assert asks == Call("store", "borrower", ("b-1",), {})
    assert error is None


def test_no_service_can_keep_a_pause() -> None:
    assert not issubclass(Paused, Exception)


def test_a_call_nobody_knows_touches_everything() -> None:
    assert touched(Call("store", "something_new", (), {})) == frozenset({"*"})


def test_worlds_are_equal_when_what_they_hold_is() -> None:
    interner = Interner()
    first, second = small_world(), small_world()
    assert interner.port(first.store) == interner.port(second.store)
    second.store.link_point("point", "b-1")
    third = second.copy("store")
    third.store.link_point("point", "b-2")
    assert interner.port(first.store) != interner.port(third.store)
    assert changed(first, third) == {"links", ("links", "point")}
    assert second.store.links == {"point": {"b-1"}}


def test_the_laws_know_a_chain_that_is_broken() -> None:
    """A law that cannot be broken proves nothing: the ledger's, which no guard's removal breaks, by hand."""
    scenario = WORLDS["facts"]
    stage = Stage()
    services = wired(stage, SmallContent(1, 1.0), CLASSES)
    world = small_world()
    stage.world = world
    sent(world, services)
    assert scenario.check(world) is None
    borrower = world.store.borrowers["b-1"]
    world.store.borrowers["b-1"] = replace(borrower, chain_head="0" * 64)
    (broken,) = [law for law in laws.all_at_rest(world) if "chain" in law]
    assert broken


def test_the_command_prints_what_it_counted(tmp_path: Path) -> None:
    file = tmp_path / "explored.json"
    done = CliRunner().invoke(cli.app, ["explore", "--world", "facts", "--json", str(file)])
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["found"] == 0
    assert figures["states"] == figures["worlds"][0]["states"]
    assert f"{figures['states']:,}" in done.output


def test_the_command_tells_the_way_when_a_guard_is_gone() -> None:
    done = CliRunner().invoke(cli.app, ["explore", "--without", "reservation-version"])
    assert done.exit_code == 1, done.output
    assert "although" in done.output
    assert "commits" in done.output


@pytest.mark.parametrize("option", ["--world", "--without"])
def test_the_command_refuses_a_name_it_does_not_know(option: str) -> None:
    done = CliRunner().invoke(cli.app, ["explore", option, "nothing"])
    assert done.exit_code == 2
