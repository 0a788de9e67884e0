"""`dunlin export`, `dunlin erase`, `dunlin verify` against the deployed functions: nothing is left but the proof."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from dunlin.adapters.dynamo.holdings import DynamoHoldings
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from typer.testing import CliRunner, Result

from local import cli
from local.commands import deployment, people
from tests.builders import NOW, loan_document
from tests.functional.conftest import AMOUNT, KEY, REGION, Stack, prepared, queue_event

#: Powertools says so whenever a function had nothing to count.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

ASKED, OPEN, HELD = "b-sent", "b-sent-2", "b-erased"
PHONE = "+12125550108"
SAID = "my husband has died, please wait"
TABLES = ("BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable")
_EVENTS = itertools.count()


def tell(stack: Stack, type_: str, borrower_id: str, **carried: Any) -> None:
    event = {"event_id": f"t-{next(_EVENTS)}", "type": type_, "occurred_at": stack.aws.clock.now().isoformat()}
    body = json.dumps({"detail": event | {"borrower_id": borrower_id} | carried})
    assert stack.call("ingest_events", queue_event(body)) == {"batchItemFailures": []}


def text(stack: Stack, phone: str, words: str, inbound_id: str) -> None:
    body = {
        "originationNumber": phone,
        "destinationNumber": "+18005550199",
        "messageKeyword": "K",
        "messageBody": words,
        "inboundMessageId": inbound_id,
    }
    answer = stack.call("receive_inbound", queue_event(json.dumps(body), at=stack.aws.clock.now()))
    assert answer == {"batchItemFailures": []}


@pytest.fixture(scope="module")
def world(content: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One was written to, wrote back, opted out and paid; one still owes; a court asks for the records of a third."""
    with prepared(content, tmp_path_factory.mktemp("logs")) as (stack, _):
        text(stack, PHONE, SAID, "in-1")
        text(stack, PHONE, "STOP", "in-2")
        closed = loan_document(
            as_of=stack.aws.clock.now(), sequence=2, status="closed", instalments=[], outstanding=AMOUNT
        )
        tell(stack, "payment.applied", ASKED, payment={"payment_id": "p-9", "amount": AMOUNT}, loan=closed)
        tell(stack, "legal_hold.placed", HELD, legal_hold={"hold_id": "lh", "matter": "M-2026/17", "by": "court"})
        yield stack


@pytest.fixture
def dunlin(world: Stack, content: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command against that stack, whose functions take what is on the queue whenever the command waits."""
    sqs, queue = boto3.client("sqs", region_name=REGION), world.aws.template.ref("CoreEventsQueue")

    def work(_: float) -> None:
        for letter in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            assert world.call("ingest_events", queue_event(letter["Body"])) == {"batchItemFailures": []}
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])

    monkeypatch.setattr(people, "pause", work)
    monkeypatch.setattr(deployment, "clock", world.aws.clock.now)
    monkeypatch.setenv("COLUMNS", "220")
    template = world.aws.template
    named = [*((table, template.physical_name(table)) for table in TABLES), ("CoreEventsQueue", queue)]
    where = [f"--resource={name}={value}" for name, value in named]

    def run(command: str, *arguments: str) -> Result:
        more = ["--content", str(content)] if command == "erase" else []
        return CliRunner().invoke(cli.app, [command, *arguments, *where, "--region", REGION, *more])

    return run


def items(stack: Stack, borrower_id: str) -> str:
    found = [item for table in TABLES for item in stack.aws.items(table) if item.get("borrower_id") == borrower_id]
    return json.dumps(found, default=str, ensure_ascii=False)


def exported(dunlin: Callable[..., Result], borrower_id: str) -> dict[str, Any]:
    result = dunlin("export", borrower_id)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def saved(tmp_path: Path, document: object) -> str:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def checked(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["verify", *arguments])


def test_what_is_open_is_refused_with_its_rule(dunlin: Callable[..., Result]) -> None:
    shown = dunlin("erase", OPEN)
    assert shown.exit_code == 1
    assert "It would be refused, by loan.status." in shown.output
    asked = dunlin("erase", OPEN, "--go", "--yes", "--request-id", "r-open")
    assert (asked.exit_code, "r-open: refused" in asked.output) == (1, True)


def test_a_legal_hold_stands_before_a_request(dunlin: Callable[..., Result]) -> None:
    shown = dunlin("erase", HELD, "--by", "compliance")
    assert shown.exit_code == 1
    for said in ("It would be put_off, by legal_hold.", "legal hold lh", "M-2026/17", "court", "until it is lifted"):
        assert said in shown.output


def test_who_is_not_known_and_what_is_no_export(dunlin: Callable[..., Result], tmp_path: Path) -> None:
    for command in ("export", "erase", "verify"):
        refused = dunlin(command, "b-nobody")
        assert (refused.exit_code, "borrower: is not known" in refused.output) == (2, True)
    assert "party: is not one of p-1" in dunlin("export", ASKED, "--party", "p-9").output
    for document, field in (([], "export"), ({}, "format"), ({"format": "dunlin.export/1"}, "ledger")):
        refused = checked("--export", saved(tmp_path, document))
        assert (refused.exit_code, f"{field}: must be" in refused.output) == (2, True)
    assert checked().exit_code == 2


def changes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one thing in it changed, and the digest made again by whoever changed it."""
    from dunlin.services.disclosure import digest_of

    def after(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        changed = copy.deepcopy(document)
        change(changed)
        return changed | {"digest": digest_of(changed)}

    def entry(changed: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = next(message for message in changed["messages"] if message["entry_hash"])
        return found

    wrong = "0" * 64
    yield "another body", after(lambda each: entry(each).update(body="pay to this account"))
    yield "another subject", after(lambda each: entry(each).update(subject="x"))
    yield "another digest", after(lambda each: entry(each).update(body="", body_digest=wrong))
    yield "another time", after(lambda each: entry(each).update(reserved_at="2026-01-01T00:00:00Z"))
    yield "another purpose", after(lambda each: entry(each).update(purpose="marketing"))
    yield "another content", after(lambda each: entry(each).update(content_version="v0"))
    yield "another number", after(lambda each: entry(each).update(point="elsewhere"))
    yield "another hash", after(lambda each: entry(each).update(entry_hash=wrong))
    yield "a message that went", after(lambda each: each["messages"].remove(entry(each)))
    yield "a message twice", after(lambda each: each["messages"].append(entry(each)))
    yield "an entry that went", after(lambda each: each["ledger"]["links"].pop())
    yield "no entries", after(lambda each: each["ledger"].update(links=[], head=""))
    yield "another head", after(lambda each: each["ledger"].update(head=wrong))
    yield "another link", after(lambda each: each["ledger"]["links"][0].update(entry_hash=wrong))
    yield "a link before", after(lambda each: each["ledger"]["links"][0].update(previous_hash=wrong))
    yield "a text", {**document, "texts": []}


def test_an_erased_borrower_s_proof_still_verifies(world: Stack, dunlin: Callable[..., Result], tmp_path: Path) -> None:
    before = exported(dunlin, ASKED)
    held = json.dumps(before, ensure_ascii=False)
    for there in ("Wilhelmina Plantagenet", PHONE, SAID, "l-1"):
        assert there in held
    (link,) = before["ledger"]["links"]
    assert link["ref"] == f"{ASKED}/{KEY}"
    assert before["withheld"] == {}
    path = saved(tmp_path, before)
    whole = dunlin("verify", ASKED, "--export", path)
    assert (whole.exit_code, whole.output.count("whole, 1 entries")) == (0, 2), whole.output
    assert checked("--export", path).exit_code == 0
    for what, changed in changes(before):
        assert checked("--export", saved(tmp_path, changed)).exit_code == 1, what

    shown = dunlin("erase", ASKED)
    assert shown.exit_code == 0, shown.output
    for said in ("It would be granted", "contact points", "goes at once", "keep_records", "opt-outs, under an HMAC"):
        assert said in shown.output, said
    assert "Nothing was changed." in shown.output
    assert "Plantagenet" in items(world, ASKED), "shown, and no more"
    assert dunlin("erase", ASKED, "--go").exit_code == 2, "nobody is there to say yes"
    done = dunlin("erase", ASKED, "--go", "--yes", "--request-id", "r-1")
    assert (done.exit_code, "r-1: granted" in done.output) == (0, True), done.output

    stored = json.dumps(json.loads(items(world, ASKED)), ensure_ascii=False)
    assert "Plantagenet" not in json.dumps(world.borrower(ASKED))
    assert PHONE not in stored
    path = saved(tmp_path, before)
    again = dunlin("verify", ASKED, "--export", path)
    assert (again.exit_code, again.output.count("whole, 1 entries")) == (0, 2), again.output
    after = exported(dunlin, ASKED)
    assert after["ledger"] == before["ledger"]
    assert (after["person"]["name"], after["person"]["points"]) == ("", [])
    assert any(state["blocked"] == ["sms#*"] for state in after["opt_outs"]), "who opted out has opted out"
    assert not any(planted in world.waiting() for planted in ("Plantagenet", PHONE[1:], SAID))
    logs = world.written()
    assert logs
    assert not any(planted in logs for planted in ("Plantagenet", PHONE[1:], "husband"))


def test_what_was_changed_in_the_table_is_found(world: Stack, dunlin: Callable[..., Result], tmp_path: Path) -> None:
    path = saved(tmp_path, exported(dunlin, OPEN))
    name = world.aws.template.physical_name
    bind(
        region=REGION,
        borrowers=name("BorrowersTable"),
        messages=name("MessagesTable"),
        suppressions=name("SuppressionsTable"),
        controls=name("ControlsTable"),
    )
    store, holdings = DynamoStore(REGION), DynamoHoldings(REGION)
    assert holdings.tombstones(OPEN) == []
    kept = store.message(OPEN, KEY)
    assert kept is not None
    from dunlin.services.ports import Change

    revision = kept.revision
    for wrong in (
        replace(kept, body="pay to this account"),
        replace(kept, reserved_at=NOW),
        replace(kept, entry_hash="0" * 64),
    ):
        store.commit(Change(moved_messages=(replace(wrong, revision=revision),)))
        revision += 1
        found = dunlin("verify", OPEN)
        assert (found.exit_code, KEY in found.output or "head" in found.output) == (1, True)
    store.commit(Change(moved_messages=(replace(kept, revision=revision, previous_hash="", entry_hash=""),)))
    borrower = store.borrower(OPEN)
    assert borrower is not None
    store.commit(Change(borrower=replace(borrower, chain_head="")))
    assert dunlin("verify", OPEN).exit_code == 0, "whoever can write the table can write the chain anew"
    beside = dunlin("verify", OPEN, "--export", path)
    assert (beside.exit_code, "no longer in the ledger" in beside.output) == (1, True), "but not what is kept outside"
