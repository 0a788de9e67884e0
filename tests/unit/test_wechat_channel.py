"""A reminder by WeChat: for whoever follows the account, in filed words, and what is heard about it from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.adapters.renderer import Renderer
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.senders.filed import WECHAT_GAP, filed_text
from dunlin.adapters.senders.wechat import provider_message_id
from dunlin.adapters.webhooks import receive
from dunlin.content import lint
from dunlin.domain.agreements import TaskKind
from dunlin.domain.intents import Intent
from dunlin.domain.message import Message
from dunlin.domain.recipients import parse_recipients
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import Accepted, Refused

from tests.builders import DAY, NOW, SHANGHAI_PHONE, TODAY, House, chinese_party, loan_document, shipped_content
from tests.webhook_requests import OPENID, SECRETS, WECHAT_LEAVES, WECHAT_REPORT, WECHAT_TEXT, request

SOON = TODAY + timedelta(days=7)
MSGID = 200163836


def party(**changes: Any) -> dict[str, Any]:
    return chinese_party(**({"wechat_openid": OPENID} | changes))


def know(house: House, *parties: dict[str, Any]) -> House:
    loan = loan_document(due_on=SOON, currency="CNY", outstanding="1234.50")
    house.know("b-1", loan, jurisdiction="CN", zone="Asia/Shanghai", parties=parties or [party()])
    return house


@pytest.fixture
def known() -> House:
    return know(House(NOW + timedelta(hours=12), delivers=False))  # eleven in the morning there


def written(house: House) -> Message:
    """The one message by WeChat, as it was handed over."""
    house.answer(Accepted(provider_message_id(MSGID)))
    house.minute()
    (message,) = [each for each in house.messages() if each.channel is Channel.WECHAT]
    return message


def heard(house: House, body: dict[str, str]) -> Any:
    """What WeChat says, from its bytes to what was done."""
    now = str(int(house.now.timestamp()))
    sent = request("wechat", "inbound", {**body, "CreateTime": now}, at=house.now)
    answer = receive(sent, SECRETS["wechat"], house.now)
    (queued,) = answer.accepted
    if answer.kind == "reports":
        return house.reports.receive(parse_report(queued, house.now))
    return house.inbound.receive(parse_inbound(queued, house.now))


def test_whoever_follows_is_written_to_in_filed_words_and_texted_nothing(known: House) -> None:
    message = written(known)
    (order,) = known.orders
    assert (order.address, order.line.channel, order.purpose) == (OPENID, Channel.WECHAT, Purpose.SERVICING)
    found = filed_text(order.line.templates, order.body.strip(), WECHAT_GAP)
    assert found is not None
    assert found[0] == "TM-EXAMPLE-REMINDER-CN"
    assert dict(found[1])["amount2"] == "¥1234.50"
    assert message.state is MessageState.SENT
    known.check_ledger()


def test_whoever_does_not_is_texted_as_before(known: House) -> None:
    other = know(House(known.now, delivers=False), chinese_party())
    other.minute()
    assert [order.address for order in other.orders] == [SHANGHAI_PHONE]


def test_wechat_s_own_number_of_it_ends_it_once(known: House) -> None:
    message = written(known)
    assert heard(known, WECHAT_REPORT)
    assert not heard(known, WECHAT_REPORT)
    assert known.message(message).state is MessageState.DELIVERED
    known.check_ledger()


def test_whoever_knows_the_address_and_not_the_number_ends_nothing(known: House) -> None:
    message = written(known)
    for body in ({**WECHAT_REPORT, "MsgID": "7"}, {**WECHAT_REPORT, "FromUserName": OPENID[::-1]}):
        with pytest.raises(InvalidInput):
            heard(known, {**body, "Status": "failed:user block"})
    assert known.message(message).state is MessageState.SENT
    assert not known.store.suppression(message.point).blocked


def test_who_blocks_the_account_has_opted_out_there_and_nowhere_else(known: House) -> None:
    message = written(known)
    assert heard(known, {**WECHAT_REPORT, "Status": "failed:user block"})
    assert known.message(message).reason is Reason.PROVIDER_OPTED_OUT
    assert known.store.suppression(known.keys.point(Channel.WECHAT, OPENID)).blocked
    assert not known.store.suppression(known.keys.point(Channel.SMS, SHANGHAI_PHONE)).blocked


def test_to_stop_following_is_an_opt_out_of_that_and_is_not_answered_elsewhere(known: House) -> None:
    received = heard(known, WECHAT_LEAVES)
    assert (received.intent, received.changed, received.borrowers) == (Intent.OPT_OUT, True, 1)
    assert not heard(known, WECHAT_LEAVES).changed
    assert known.store.suppression(known.keys.point(Channel.WECHAT, OPENID)).blocked
    assert not known.store.suppression(known.keys.point(Channel.SMS, SHANGHAI_PHONE)).blocked
    known.minute()
    # What was due goes the other way, once, and nothing more for it.
    assert [order.address for order in known.orders] == [SHANGHAI_PHONE]
    known.clock.advance(DAY / 2)
    known.minute()
    assert len(known.orders) == 1


def test_a_stranger_s_opt_out_binds_whoever_they_turn_out_to_be(known: House) -> None:
    other = House(known.now, delivers=False)
    assert heard(other, WECHAT_LEAVES).borrowers == 0
    know(other).minute()
    assert [order.address for order in other.orders] == [SHANGHAI_PHONE]


def test_words_stop_something_or_bring_a_person_and_nobody_is_written_to(known: House) -> None:
    assert heard(known, {**WECHAT_TEXT, "Content": "请问还款日能改吗", "MsgId": "1"}).intent is Intent.SERVICE
    assert [task.kind for task in known.borrower().tasks] == [TaskKind.SERVICE]
    assert heard(known, {**WECHAT_TEXT, "Content": "STOP", "MsgId": "2"}).intent is Intent.OPT_OUT
    assert heard(known, {**WECHAT_TEXT, "Content": "START", "MsgId": "3"}).intent is not Intent.OPT_IN
    assert known.store.suppression(known.keys.point(Channel.WECHAT, OPENID)).blocked
    assert known.messages() == []


def test_who_follows_no_longer_is_reached_another_way_and_not_tried_again(known: House) -> None:
    known.answer(Refused(Reason.NOT_FOLLOWING, point_unusable=True))
    known.minute()
    (failed,) = [message for message in known.messages() if message.channel is Channel.WECHAT]
    assert (failed.state, failed.reason) == (MessageState.FAILED, Reason.NOT_FOLLOWING)
    point = next(each for each in known.borrower().parties[0].points if each.channel is Channel.WECHAT)
    assert not point.usable


def test_the_core_names_a_follower_and_may_take_it_back(known: House) -> None:
    known.tell(
        "preferences.changed",
        preference={"scope": "number", "wechat_openid": OPENID, "opted_out": True},
    )
    known.minute()
    assert [order.address for order in known.orders] == [SHANGHAI_PHONE]
    for odd in ("short", "o" * 29, "o" * 27 + "é", "+8613800138000"):
        with pytest.raises(InvalidInput, match="wechat_openid"):
            know(House(NOW), party(wechat_openid=odd))
    with pytest.raises(InvalidInput, match="wechat_verified_at"):
        know(House(NOW), chinese_party(wechat_verified_at=NOW.isoformat()))


def test_capitals_are_part_of_a_follower_s_name() -> None:
    keys = House(NOW).keys
    assert keys.point(Channel.WECHAT, OPENID) != keys.point(Channel.WECHAT, OPENID.lower())
    listed = parse_recipients({"recipients": [OPENID]})
    assert listed.include(OPENID)
    assert not listed.include(OPENID.swapcase())
    assert not replace(listed, addresses=frozenset()).include(OPENID)


def test_every_text_is_on_file_and_the_lint_says_which_is_not() -> None:
    content = shipped_content()
    (line,) = [each for each in content.lines("CN") if each.channel is Channel.WECHAT]
    texts = [each for (_, _, channel), each in content.templates.items() if channel is Channel.WECHAT]
    assert {(each.template_id, each.locale) for each in texts} == {
        (template, locale) for template in ("reminder", "due_today") for locale in ("zh-CN", "zh-TW")
    }
    renderer = Renderer(content)
    for text in texts:
        assert list(lint._try_out(renderer, content, text, line)) == []
        said = [problem for _, problem in lint._try_out(renderer, content, text, replace(line, templates=()))]
        assert said
        assert set(said) == {"is none of the texts that line cn-wechat has on file, so nothing would be sent"}
