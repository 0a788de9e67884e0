"""Five years later, in the embedded AWS: the deployed functions forget one person, keep another, and stop at nothing.

Every item of all four tables is read past the API and searched for what was ever known of anybody.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from dunlin.adapters.dynamo.store import read_message
from dunlin.content.signing import sign
from dunlin.domain.ledger import verify
from dunlin.domain.retention import deletion_digest
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.domain.words import Channel
from dunlin.entry import bootstrap

from local.embedded import CallInfo, EmbeddedAws, Fault, FunctionError, VirtualClock
from local.simulator import Simulator
from local.simulator.faults import Faults
from local.simulator.finance import FinanceKeys
from local.simulator.wechat import WechatAccount
from tests.builders import CONTENT_DIR, NOW, ROOT, TODAY, loan_document
from tests.functional.conftest import AMOUNT, REGION, Stack, queue_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

TABLES = ("BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable")
SAID = "my husband has died, please wait"
GONE, HELD, ASKED = "b-gone", "b-held-for-law", "b-asked"
PHONES = {GONE: "+12125550101", HELD: "+12125550102", ASKED: "+12125550103"}
#: What stands in the messages, the records, the hot item and the texts of each of them.
PERSONAL = ("Wilhelmina", "Plantagenet", "1212555010", "husband", "7391.57", "7,391.57", "4821")
#: As they would stand in a line: the tail of an account is not four digits out of a time in milliseconds.
_TOLD = re.compile("|".join(rf"(?<!\d){re.escape(it)}(?!\d)" if len(it) == 4 else re.escape(it) for it in PERSONAL))
_WRITES = frozenset({"TransactWriteItems", "Query"})


@dataclass
class Storm:
    """Calls of the evaluation to its tables fail while it lasts: of three in a row one before, one after its effect."""

    lasts: int = 0
    seen: int = 0
    failed: list[str] = field(default_factory=list)

    def before(self, call: CallInfo) -> Fault | None:
        if call.function != "EvaluateStagesFunction" or call.operation not in _WRITES or not self.lasts:
            return None
        if "IndexName" in call.parameters:
            return None  # who is awake is another matter
        self.seen += 1
        if self.seen % 3 == 0:
            return None
        self.lasts -= 1
        self.failed.append(call.operation)
        error = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "storm"}}, call.operation)
        return Fault(error, after_effect=self.seen % 3 == 1)


@dataclass
class Estate:
    """The functions, a clock that leaps, and everything that is stored."""

    stack: Stack
    clock: VirtualClock
    storm: Storm
    events: int = 0

    def tell(self, type_: str, borrower_id: str, **carried: Any) -> None:
        self.events += 1
        event = {
            "event_id": f"t-{self.events}",
            "type": type_,
            "occurred_at": self.clock.now().isoformat(),
            "borrower_id": borrower_id,
        }
        answer = self.stack.call("ingest_events", queue_event(json.dumps({"detail": event | carried})))
        assert answer == {"batchItemFailures": []}

    def text(self, borrower_id: str, words: str, inbound_id: str) -> None:
        body = {
            "originationNumber": PHONES[borrower_id],
            "destinationNumber": "+18005550199",
            "messageKeyword": "K",
            "messageBody": words,
            "inboundMessageId": inbound_id,
        }
        event = queue_event(json.dumps(body))
        event["Records"][0]["attributes"]["SentTimestamp"] = str(int(self.clock.now().timestamp() * 1000))
        assert self.stack.call("receive_inbound", event) == {"batchItemFailures": []}

    def leap(self, by: timedelta, wakes: int = 1) -> None:
        self.clock.advance_to(self.clock.now() + by)
        for _ in range(wakes):
            for shard in WAKE_SHARDS:
                # A wake that fails is a letter that comes again: here, the next minute's.
                with suppress(FunctionError) if self.storm.lasts else nullcontext():
                    self.stack.call("evaluate_stages", queue_event(json.dumps({"shard": shard})))
            self.clock.advance_to(self.clock.now() + timedelta(minutes=16))

    def items(self, borrower_id: str | None = None) -> list[dict[str, Any]]:
        """Every item, or every one that is filed under a borrower or under one of that borrower's points."""
        found = [{"table": table, **item} for table in TABLES for item in self.stack.aws.items(table)]
        if borrower_id is None:
            return found
        point = self.point(borrower_id)
        return [item for item in found if item.get("borrower_id") == borrower_id or item.get("point") == point]

    def found(self, borrower_id: str | None = None) -> set[str]:
        stored = json.dumps(self.items(borrower_id), default=str, ensure_ascii=False)
        return {planted for planted in PERSONAL if planted in stored}

    def point(self, borrower_id: str) -> str:
        secret = self.stack.aws.template.physical_name("PointKeySecret")
        return str(_keys(secret).point(Channel.SMS, PHONES[borrower_id]))

    def tombstone(self, borrower_id: str) -> dict[str, Any]:
        (stone,) = (
            json.loads(item["document"])
            for item in self.items(borrower_id)
            if str(item.get("item", "")).startswith("TOMBSTONE#")
        )
        assert isinstance(stone, dict)
        return stone

    def expected_digest(self, borrower_id: str) -> str:
        """What the hash of everything that goes must come to, from what is stored now."""
        own = self.items(borrower_id)
        messages = [(item["key"], item["document"]) for item in own if item["table"] == "MessagesTable"]
        rest = [(item["item"], item.get("document") or "", item["table"]) for item in own if "item" in item]
        records = [(name, text) for name, text, table in rest if table == "BorrowersTable" and name != "HOT"]
        under = [(name, text) for name, text, table in rest if table == "SuppressionsTable" and name != "STATE"]
        return deletion_digest("", [*sorted(messages), *sorted(records), *sorted(under)])


def _keys(secret: str) -> Any:
    import boto3
    from dunlin.adapters.aws import HmacPointKeys, Secrets

    return HmacPointKeys(Secrets(boto3.client("secretsmanager", region_name=REGION)).text(secret))


def _content(root: Path) -> Path:
    """The shipped content, as it will stand when its packs have been signed year after year."""
    shutil.copytree(CONTENT_DIR, root, dirs_exist_ok=True)
    for pack in (root / "packs").glob("*.yaml"):
        text = pack.read_text(encoding="utf-8")
        pack.write_text(text.replace("until: 2027-12-31", "until: 2060-12-31"), encoding="utf-8")
    sign(root, "author@marram.example", "reviewer@marram.example", "approver@marram.example", TODAY)
    return root


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    clock, storm, keys = VirtualClock(NOW), Storm(), FinanceKeys()
    simulator = Simulator(clock.now, 7, Faults(), on_delivered=lambda _: None, finance_keys=keys)
    url = simulator.start()
    aws = EmbeddedAws(
        ROOT / "template.yaml",
        clock=clock,
        seed=7,
        parameters={"Environment": "dev", "Traces": "false", "SendingMode": "live"},
        environment={
            "CONTENT_DIR": str(_content(tmp_path / "content")),
            "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": url,
            "AWS_ENDPOINT_URL_SESV2": url,
        },
        logs_dir=tmp_path,
        on_start=lambda: bootstrap.use_clock(clock.now),
        before_call=storm.before,
        region=REGION,
    )
    try:
        with aws:
            estate = Estate(Stack(aws, tmp_path), clock, storm)
            _put_provider_secret(aws, url, keys, simulator.wechat)
            _put_recipients(aws)
            yield estate
    finally:
        bootstrap.reset()
        simulator.close()


def _put_provider_secret(aws: EmbeddedAws, url: str, keys: FinanceKeys, wechat: WechatAccount) -> None:
    import boto3

    finance: Mapping[str, str] = {
        "base_url": url,
        "key_id": keys.key_id,
        "secret": keys.secret,
        "webhook_token": keys.webhook_token,
        "webhook_secret": keys.webhook_secret,
    }
    follows = {
        "base_url": url,
        "app_id": wechat.app_id,
        "app_secret": wechat.secret,
        "webhook_token": wechat.webhook_token,
        "signing_token": wechat.signing_token,
    }
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId=aws.template.physical_name("ProvidersSecret"),
        SecretString=json.dumps({"finance_sms": finance, "wechat": follows}),
    )


def _put_recipients(aws: EmbeddedAws) -> None:
    import boto3

    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId=aws.template.physical_name("RecipientsSecret"),
        SecretString=json.dumps({"recipients": list(PHONES.values())}),
    )


def _live(estate: Estate) -> None:
    """Each is reminded, writes back, pays and is closed; one opts out, one is held for the law."""
    stack = estate.stack
    stack.call("sweep_messages", {})
    for ear, function in (("reports", "receive_report"), ("inbound", "receive_inbound")):
        stack.call(function, queue_event(json.dumps({"probe": f"{ear}-{NOW.isoformat()}"})))
    for borrower_id, phone in PHONES.items():
        stack.know(borrower_id, phone)
    stack.evaluate()
    stack.call("pace_lines", {})
    for _ in range(2 * len(PHONES)):
        estate.clock.advance_to(estate.clock.now() + timedelta(seconds=2))
        stack.call("pace_lines", queue_event(json.dumps({"line": "us-10dlc"}), at=estate.clock.now()))
    stack.render(*PHONES)
    stack.send(*PHONES)
    for borrower_id in PHONES:
        assert stack.message(borrower_id)["state"] == "SENT"
        estate.text(borrower_id, SAID, f"in-{borrower_id}")
    estate.text(GONE, "STOP", "in-stop")
    estate.tell("legal_hold.placed", HELD, legal_hold={"hold_id": "lh", "matter": "M-2026/17", "by": "court"})
    estate.clock.advance_to(NOW + timedelta(days=5))
    for _ in range(3):
        stack.call("sweep_messages", {})  # nobody reported on them: in the end that is all there is to know
    for borrower_id in PHONES:
        loan = loan_document(
            due_on=TODAY, as_of=estate.clock.now(), sequence=2, status="closed", instalments=[], outstanding=AMOUNT
        )
        payment = {"payment_id": f"p-{borrower_id}", "amount": AMOUNT}
        estate.tell("payment.applied", borrower_id, payment=payment, loan=loan)
    stack.evaluate()


def test_a_tail_is_four_digits_that_stand_alone() -> None:
    """Four out of a time in milliseconds are none: a run in the wrong second would have failed."""
    assert _TOLD.search('{"said":"account 4821 is due"}')
    assert _TOLD.search("+12125550101 (4821)")
    assert not _TOLD.search('{"_aws":{"Timestamp":1796048214185}}')


def test_five_years_later(estate: Estate) -> None:
    _live(estate)
    for borrower_id in PHONES:
        assert estate.found(borrower_id) >= {"Wilhelmina", "1212555010", "husband", "7391.57", "4821"}
    estate.leap(timedelta(days=300))
    estate.tell("erasure.requested", ASKED, erasure={"request_id": "r-1", "by": "borrower"})
    assert not any("Plantagenet" in json.dumps(item, default=str) for item in estate.items(ASKED) if "HOT" in str(item))
    estate.leap(timedelta(days=365 * 4))
    assert estate.found(ASKED) == set(), "three years, as the law has it"
    assert estate.found(GONE) >= {"Wilhelmina", "husband"}, "five years, as the lender has it"
    head = estate.stack.borrower(GONE)["chain_head"]
    documents = [item["document"] for item in estate.items(GONE) if item["table"] == "MessagesTable"]
    assert verify(map(read_message, documents), head) is None
    expected = estate.expected_digest(GONE)
    held_before = estate.items(HELD)
    everything = [item for item in held_before if item["item" if "item" in item else "key"] != "HOT"]

    estate.storm.lasts = 40
    estate.leap(timedelta(days=365), wakes=60)
    assert len(estate.storm.failed) == 40
    assert {"TransactWriteItems", "Query"} == set(estate.storm.failed)

    assert estate.found(GONE) == set()
    stone = estate.tombstone(GONE)
    assert (stone["chain_head"], stone["chain_was_whole"]) == (head, True)
    assert stone["deleted_digest"] == expected, "each item once, however often a step was interrupted"
    assert (stone["rule"], stone["messages"], stone["texts"]) == ("own.US.forget_after_years", len(documents), 2)
    names = {(item["table"], str(item.get("item", item.get("key"))).partition("#")[0]) for item in estate.items(GONE)}
    assert names == {("BorrowersTable", "HOT"), ("BorrowersTable", "TOMBSTONE"), ("SuppressionsTable", "STATE")}
    (state,) = (item for item in estate.items(GONE) if item.get("item") == "STATE")
    assert set(state["blocked"]) == {"sms#*"}, "who opted out has opted out"

    assert estate.found(HELD) >= {"Wilhelmina", "1212555010", "husband", "7391.57", "4821"}
    after = estate.items(HELD)
    assert all(item in after for item in everything), "under a legal hold not a byte of it has moved"
    assert not any("expires_at" in item for item in after if str(item.get("item", "")).startswith("IN#"))

    estate.tell("legal_hold.lifted", HELD, legal_hold={"hold_id": "lh", "by": "court"})
    estate.leap(timedelta(minutes=1), wakes=3)
    assert estate.found() == set(), "of nobody, in no table"
    assert not _TOLD.search(estate.stack.waiting()), "nor in a queue"
    logs = estate.stack.written()
    assert logs
    assert not _TOLD.search(logs)
