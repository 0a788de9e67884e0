"""Same seed, same run, to the byte: also in another process, with another order of sets, at the providers' worst.

Run as a module, with a seed and a file, it writes the history of one run down and prints its digest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from local.behaviour import Behaviour, Text, enact, read_by
from local.commands.run import CHINESE_LINE, line_of
from local.core.core import Core
from local.embedded.journal import Journal
from local.portfolio.cohorts import SCRIPTED, Cohort
from local.portfolio.generate import Portfolio, generate
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered
from local.world import ROOT, Reply, World

DAYS = 5
#: Few, and between them: both countries, texts and e-mail, STOP and START, a number nobody has, an escalation.
COHORTS = (
    Cohort.PAYS_IN_GRACE,
    Cohort.OPTS_OUT_HAS_EMAIL,
    Cohort.OPTS_OUT_NO_EMAIL,
    Cohort.ASKS_FOR_HELP,
    Cohort.INVALID_NUMBER,
    Cohort.PAYMENT_PENDING,
    Cohort.IMPORTED_IN_ARREARS,
    Cohort.IMPORTED_NEVER_PAYS,
)
TABLES = ("BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable")
QUEUES = ("RefusedInputQueue",)


def lived(seed: int) -> Journal:
    """The whole history of a small portfolio under heavy faults."""
    portfolio = _chosen(generate(len(SCRIPTED), DAYS, seed))
    core = Core(portfolio.accounts, seed=seed, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)

    def reached(delivered: Delivered) -> list[Reply]:
        actions = read_by(behaviour, delivered)
        return [_reply(text) for text in enact(actions, core)]

    journal = Journal()
    with (
        tempfile.TemporaryDirectory() as folder,
        World(
            core,
            portfolio.start,
            portfolio.end,
            seed,
            Faults.heavy(),
            Path(folder),
            reached,
            line_of,
            unreachable=portfolio.numbers,
            before_call=journal.before_call,
            finance_numbers=(CHINESE_LINE,),
        ) as world,
    ):
        for text in enact(behaviour.at_start(), core):
            world.text(*_reply(text))
        world.run()
        journal.finish(world.aws, TABLES, QUEUES)
        for given in world.simulator.record.hand_overs:
            journal.add("hand-over", repr(given))
        for inbound in world.simulator.record.inbound:
            journal.add("inbound", repr(inbound))
        for name, status in world.aws.executions("EscalationStateMachine").items():
            journal.add("execution", name, status)
        for log in sorted(Path(folder).glob("*.log")):
            journal.add("log", log.name, _without_machine(log.read_text(encoding="utf-8")))
    return journal


def _chosen(portfolio: Portfolio) -> Portfolio:
    wanted = {borrower_id: cohort for borrower_id, cohort in portfolio.cohorts.items() if cohort in COHORTS}
    accounts = tuple(account for account in portfolio.accounts if account.borrower_id in wanted)
    return replace(portfolio, accounts=accounts, cohorts=wanted)


def _reply(text: Text) -> Reply:
    return (text.from_address, text.text, text.at, str(text.meaning))


def _without_machine(log: str) -> int:
    """How many lines a log has. Its time-stamps and durations are the machine's: nothing reads them."""
    return log.count("\n")


def in_another_process(seed: int, hash_seed: str, lines: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.local.test_embedded_same_seed", str(seed), str(lines)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers' / 'dunlin'}",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.proof
def test_the_same_seed_is_the_same_run_to_the_byte(tmp_path: Path) -> None:
    here = lived(7)
    kinds = Counter(line.split('"', 2)[1] for line in here.lines)
    assert kinds["call"] > 500
    assert min(kinds["invocation"], kinds["item"], kinds["hand-over"], kinds["inbound"], kinds["execution"]) > 0
    answers = "".join(line for line in here.lines if line.startswith('["hand-over"'))
    assert all(f"answer='{answer}'" in answers for answer in ("OK", "THROTTLED"))
    file = tmp_path / "lines"
    digest = in_another_process(7, "4242", file)
    assert _first_difference(here.lines, file) is None
    assert digest == here.digest


def test_another_seed_is_another_run() -> None:
    first, second = Journal(), Journal()
    first.add("call", 1, {"b": 1, "a": 2})
    second.add("call", 1, {"a": 2, "b": 1})
    assert first.digest != second.digest


def _first_difference(lines: list[str], file: Path) -> tuple[int, str, str] | None:
    others = file.read_text(encoding="utf-8", errors="surrogatepass").split("\n")
    for number, (line, other) in enumerate(zip(lines, others, strict=False)):
        if line != other:
            return number, line[:300], other[:300]
    return None if len(lines) == len(others) else (min(len(lines), len(others)), "length", "differs")


if __name__ == "__main__":
    journal = lived(int(sys.argv[1]))
    Path(sys.argv[2]).write_text("\n".join(journal.lines), encoding="utf-8", errors="surrogatepass")
    print(journal.digest)  # noqa: T201
