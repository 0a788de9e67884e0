"""WeChat's side in the simulator, against the sender and the webhook that meet it; and what the auditor says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.adapters.providers import WebhookRequest, WebhookSecrets
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.senders.wechat import WechatKey, WechatSender
from dunlin.adapters.webhooks import WebhookAnswer, receive
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.services.ports import Accepted, HandOver, NotAccepted, Refused, Unsettled

from local.auditor import AuditReport, audit
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered, Outgoing, Simulator, Stirred
from local.simulator.wechat import WechatAccount
from tests.local.test_auditor import CN, CN_PHONE, Run, at, loan, party
from tests.unit.test_senders import line as a_line

OPENID = "oEx4mPollower_of-the-acct-01"
START = datetime.fromisoformat("2026-03-10T18:00:00+00:00")
FILED = "还款账户：{{thing1.DATA}}\n应还金额：{{amount2.DATA}}\n到期日期：{{time3.DATA}}"
WORDS = "还款账户：尾号4821\n应还金额：¥1820.00\n到期日期：2026年3月17日"
ACCOUNT = WechatAccount(templates={"TM-1": FILED})
REF = "b-1/2026-03-17#reminder_7#0#wechat#0"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def order(**changes: Any) -> HandOver:
    line = a_line(
        provider="wechat",
        channel=Channel.WECHAT,
        origination=ACCOUNT.app_id,
        templates=changes.pop("templates", (("TM-1", FILED),)),
    )
    fields: dict[str, Any] = {"ref": REF, "address": OPENID, "body": WORDS} | changes
    return HandOver(
        reserved_at=START, line=line, purpose=Purpose.SERVICING, subject="", ttl_seconds=900, locale="zh-CN", point="p",
        **fields,
    )  # fmt: skip


@contextmanager
def world(clock: Clock, faults: Faults | None = None, **seen: Any) -> Iterator[tuple[Simulator, WechatSender]]:
    with Simulator(clock, 1, faults or Faults(), wechat=ACCOUNT, **seen) as simulator:
        key = WechatKey(ACCOUNT.app_id, ACCOUNT.secret)
        sender = WechatSender(simulator.url, key, clock, read_timeout=2.0, connect_timeout=1.0)
        yield simulator, sender
        sender.close()


def told(outgoing: Outgoing, clock: Clock) -> WebhookAnswer:
    """What our webhook makes of what WeChat says, as WeChat says it."""
    query, raw = ACCOUNT.webhook_request(outgoing.payload, clock())
    token = ACCOUNT.webhook_token
    request = WebhookRequest("wechat", token, "inbound", (), raw, "POST", tuple(query.items()))
    return receive(request, WebhookSecrets(token, ACCOUNT.signing_token), clock())


def test_a_follower_reads_the_checked_text_and_we_hear_of_it() -> None:
    clock, seen = Clock(), list[Delivered]()
    with world(clock, on_delivered=seen.append) as (simulator, sender):
        accepted = sender.hand_over(order())
        assert isinstance(accepted, Accepted)
        (reported,) = simulator.due(START + timedelta(days=1))
    assert [each.body for each in seen] == [WORDS]
    clock.now = reported.at
    answer = told(reported, clock)
    (body,) = answer.accepted
    report = parse_report(body, clock())
    assert (answer.kind, report.state, report.address) == ("reports", MessageState.DELIVERED, OPENID)
    assert report.provider_message_id == accepted.provider_message_id
    (row,) = simulator.record.rows()
    assert (row["channel"], row["ref"], row["body"], row["to"]) == ("wechat", REF, WORDS, OPENID)


def test_tokens_end_and_a_new_one_is_taken() -> None:
    clock = Clock()
    with world(clock) as (_, sender):
        for hours in (0, 1, 2, 5):
            clock.now = START + timedelta(hours=hours, minutes=3)
            assert isinstance(sender.hand_over(order(ref=f"b-1/{hours}")), Accepted)
    with world(clock) as (simulator, _):
        key = WechatKey(ACCOUNT.app_id, "another")
        stranger = WechatSender(simulator.url, key, clock, read_timeout=2.0, connect_timeout=1.0)
        assert stranger.hand_over(order()) == Refused(Reason.ACCESS_DENIED, stops_line=True)
        stranger.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"templates": (("TM-2", FILED),)}, Reason.INVALID_MESSAGE),
        ({"templates": (("TM-1", FILED.replace("thing1", "thing9")),)}, Reason.INVALID_MESSAGE),
        ({"body": WORDS.replace("1820", "1,820")}, Reason.INVALID_MESSAGE),
        ({"body": WORDS.replace("尾号4821", "尾" * 21)}, Reason.INVALID_MESSAGE),
    ],
)
def test_what_is_not_on_file_or_does_not_fit_a_gap_is_turned_away(changes: dict[str, Any], reason: Reason) -> None:
    with world(Clock()) as (simulator, sender):
        assert sender.hand_over(order(**changes)) == Refused(reason)
        assert [entry.accepted for entry in simulator.record.hand_overs] == [False]


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(throttled=1.0), NotAccepted(Reason.THROTTLED)),
        (Faults(error_before=1.0), Unsettled(Reason.PROVIDER_ERROR)),
        (Faults(error_after=1.0), Unsettled(Reason.PROVIDER_ERROR)),
        (Faults(reset=1.0), Unsettled(Reason.PROVIDER_ERROR)),
        (Faults(spend_limit=1.0, spend_limit_hours=24.0), Refused(Reason.SPEND_LIMIT, stops_line=True)),
    ],
)
def test_what_goes_wrong_there(faults: Faults, expected: object) -> None:
    clock = Clock()
    clock.now = START.replace(hour=23, minute=59)  # within the hours of a spell that lasts a day
    with world(clock, faults) as (_, sender):
        assert sender.hand_over(order()) == expected


def test_whoever_leaves_is_heard_and_not_reached_any_more() -> None:
    clock, stirred = Clock(), list[Stirred]()
    with world(clock, Faults(unfollows=1.0), on_stirred=stirred.append) as (simulator, sender):
        assert isinstance(sender.hand_over(order()), Accepted)
        simulator.due(START + timedelta(days=1))
        (left,) = stirred
        assert (left.what, left.number) == ("unfollow", OPENID)
        inbound_id = simulator.unfollow(OPENID, left.at)
        (outgoing,) = simulator.due(START + timedelta(days=1))
        assert sender.hand_over(order(ref="b-1/2")) == Refused(Reason.NOT_FOLLOWING, point_unusable=True)
    clock.now = outgoing.at
    (body,) = told(outgoing, clock).accepted
    text = parse_inbound(body, clock())
    assert (text.inbound_id, text.provider_opted_out, text.channel) == (inbound_id, True, Channel.WECHAT)


# ── The auditor ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Followed(Run):
    """A borrower on the mainland who follows the account."""

    def __init__(self) -> None:
        super().__init__()
        self.borrower(CN, "CN", "Asia/Shanghai", party("欧阳晓岚", CN_PHONE, locale="zh-CN", wechat_openid=OPENID))
        snapshot = loan(1, at("2026-03-01 12:00"), currency="CNY", instalments=[("2026-03-10", "1820.00")])
        self.fact(CN, "loan.snapshot", at("2026-03-01 12:00"), loan=snapshot)
        for day in range(1, 9):
            self.checkpoint(at(f"2026-03-{day:02d} 11:00"))

    def written(self, moment: str = "2026-03-03 04:00", **changes: str) -> None:
        body = changes.get("body", WORDS.replace("3月17日", "3月10日") + "\n客服电话：400-000-0142")
        ref = f"{CN}/2026-03-10#reminder_7#0#wechat#0"
        to = changes.get("to", OPENID)
        self.sent(ref, to, body, at(moment), channel="wechat", provider="wechat", final=None, ttl_seconds=None)

    def judge(self, folder: Path) -> AuditReport:
        return audit(self.write(folder), sender_names=("Larkspur Credit",))


def test_a_reminder_to_the_person_s_own_account_is_right(tmp_path: Path) -> None:
    run = Followed()
    run.written()
    report = run.judge(tmp_path)
    assert {kind: count for kind, count in report.counters.items() if count} == {}
    assert report.checked["texts_wechat"] == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"to": "oEx4mPsomebody-else-s-id-002"}, "third_party"),
        ({"moment": "2026-03-03 18:00"}, "quiet_hours"),
        ({"body": WORDS.replace("3月17日", "3月10日").replace("1820", "1920")}, "wrong_amount"),
    ],
)
def test_what_is_wrong_by_wechat(tmp_path: Path, changes: dict[str, str], kind: str) -> None:
    run = Followed()
    run.written(**changes)
    assert run.judge(tmp_path).counters[kind] >= 1


def test_after_they_left(tmp_path: Path) -> None:
    run = Followed()
    run.heard("in-1", OPENID, "", "opt_out", at("2026-03-02 04:00"))
    run.opted_out("in-1", at("2026-03-02 04:01"))
    run.written()
    assert run.judge(tmp_path).counters["opt_out"] == 1


def test_an_openid_in_a_log(tmp_path: Path) -> None:
    run = Followed()
    run.written()
    run.log(message="sent", to=json.dumps({"touser": OPENID}))
    assert run.judge(tmp_path).counters["pii_in_logs"] == 1
