"""The list of recipients outside production: what may stand in it, and whom it covers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.recipients import EVERYONE, Recipients, parse_recipients
from dunlin.domain.words import MessageState, Reason
from dunlin.entry.bootstrap import Runtime
from dunlin.entry.settings import Settings
from dunlin.errors import ConfigurationError

from tests.builders import NOW, House, loan_document, overdue_document, party_document

LISTED, OTHER = "+12125550123", "+12125550124"


def listed(*entries: object) -> Recipients:
    return parse_recipients({"recipients": list(entries)})


class TestTheList:
    @pytest.mark.parametrize(
        ("entry", "address", "included"),
        [
            ("+12065550123", "+12065550123", True),
            ("+12065550123", "+120655501234", False),
            ("+12065550123", "12065550123", False),
            ("+155501*", "+15550123456", True),
            ("+155501*", "+15551123456", False),
            ("+1555*", "+15559999999", True),
            ("+155501*", "+155501@mail.example", False),
            ("jo@mail.example", "jo@mail.example", True),
            ("jo@mail.example", "Jo@Mail.Example", True),
            ("jo@mail.example", "jo@mail.example.cn", False),
            ("*@mail.example", "anybody@mail.example", True),
            ("*@mail.example", "anybody@MAIL.example", True),
            ("*@mail.example", "anybody@sub.mail.example", False),
            ("*@mail.example", "anybody@notmail.example", False),
            ("*@mail.example", "anybody@mail.example@other.example", False),
            ("*@mail.example", "anybody@mail.example ", False),
            ("*@mail.example", "@mail.example", False),
            ("*@mail.example", "", False),
        ],
    )
    def test_covers(self, entry: str, address: str, included: bool) -> None:
        assert listed(entry).include(address) is included

    def test_empty_it_covers_nobody(self) -> None:
        assert not listed().include(LISTED)
        assert not Recipients().include("")

    def test_in_production_nobody_is_left_out(self) -> None:
        assert EVERYONE.include(LISTED)

    @pytest.mark.parametrize(
        "entry",
        [
            *("*", "+*", "+1*", "+155*", "+1555*1", "+155501**", "*+155501", "2065550123", "+0206555012*", "@", "*@"),
            *(
                "*@mail",
                "*@*.example",
                "jo*@mail.example",
                "jo@*",
                " +12065550123",
                "+12065550123\n",
                "",
                "+１２０６５５５*",
            ),
            *(12065550123, None, ["+12065550123"], {"to": "+12065550123"}, True),
        ],
    )
    def test_names_a_wrong_entry_by_its_place(self, entry: object) -> None:
        with pytest.raises(ConfigurationError) as refused:
            listed("+12065550123", entry)
        assert "recipients.1: " in str(refused.value)
        if isinstance(entry, str) and len(entry) > 3:
            assert entry.strip() not in str(refused.value)

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"recipients": None},
            {"recipients": "+12065550123"},
            {"recipients": {"+12065550123": True}},
            {"recipients": [], "more": "+12065550123"},
            {"recipients": ["+12065550123"] * 10_001},
        ],
    )
    def test_is_all_there_is(self, document: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError) as refused:
            parse_recipients(document)
        assert "2065550123" not in str(refused.value)


class TestTheDoors:
    def test_who_is_not_on_it_is_not_rendered(self) -> None:
        house = House(recipients=listed(OTHER))
        house.know("b-1", loan_document())
        message = house.rendered()
        assert (message.state, message.reason, message.rule) == (
            MessageState.SUPPRESSED,
            Reason.NOT_ON_ALLOW_LIST,
            "recipients",
        )
        assert message.body == ""

    def test_who_is_no_longer_on_it_is_not_reserved(self) -> None:
        house = House(recipients=listed(LISTED))
        house.know("b-1", loan_document())
        message = house.rendered()
        house.compose._recipients = listed(OTHER)
        house.send.send("b-1", message.key)
        message = house.message(message)
        assert (message.state, message.reason) == (MessageState.SUPPRESSED, Reason.NOT_ON_ALLOW_LIST)
        assert message.reserved_at is None
        assert house.orders == []
        assert house.borrower().contacts == ()
        house.check_ledger()

    @pytest.mark.parametrize("days", [-4, 0])
    def test_it_ends_and_does_not_begin_again_for_ever(self, days: int) -> None:
        house = House(recipients=listed())
        overdue = {"overdue": overdue_document("120.50")} if days < 0 else {}
        house.know("b-1", loan_document(due_on=NOW.date() + timedelta(days=days), **overdue))  # type: ignore[arg-type]
        house.run_days(40)
        assert house.orders == []
        unsent = [m for m in house.messages() if m.reason is Reason.NOT_ON_ALLOW_LIST]
        assert 0 < len(unsent) <= 12
        house.check_ends()

    def test_who_is_on_it_is_written_to(self) -> None:
        house = House(recipients=listed(LISTED))
        house.know("b-1", loan_document())
        house.sent()
        assert [order.address for order in house.orders] == [LISTED]

    def test_the_last_door_is_a_door_of_its_own(self) -> None:
        """Whatever the judgement let through: the list may have changed since, or somebody may have taken it out."""
        house = House(recipients=listed(LISTED))
        house.know("b-1", loan_document(), parties=[party_document(phone=OTHER)])
        house.compose._recipients = EVERYONE
        message = house.sent()
        assert house.orders == []
        assert (message.state, message.reason) == (MessageState.FAILED, Reason.NOT_ON_ALLOW_LIST)
        assert house.borrower().contacts == (), "nothing was accepted: the cap is free"

    def test_the_reply_to_a_text_is_no_exception(self) -> None:
        house = House(recipients=listed(OTHER))
        house.know("b-1", loan_document())
        house.text("STOP")
        house.minute()
        replies = [m for m in house.messages() if m.stage == "opt_out_confirmation"]
        assert [(m.state, m.reason) for m in replies] == [(MessageState.SUPPRESSED, Reason.NOT_ON_ALLOW_LIST)]
        assert house.orders == []


class FakeSecrets:
    def __init__(self, document: object) -> None:
        self.read: list[str] = []
        self._document = document

    def document(self, name: str) -> Any:
        self.read.append(name)
        return json.loads(json.dumps(self._document))


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_outside_production_the_list_is_read(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("RECIPIENTS_SECRET", "the-list")
    runtime = Runtime(Settings("f", "us-east-1", environment, None), lambda: NOW)
    secrets = FakeSecrets({"recipients": [LISTED]})
    runtime.secrets = secrets  # type: ignore[assignment]
    assert secrets.read == []
    assert (runtime.recipients.include(LISTED), runtime.recipients.include(OTHER)) == (True, False)
    assert secrets.read == ["the-list"]


def test_outside_production_it_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECIPIENTS_SECRET", raising=False)
    runtime = Runtime(Settings("f", "us-east-1", "dev", None), lambda: NOW)
    with pytest.raises(ConfigurationError, match="RECIPIENTS_SECRET"):
        _ = runtime.recipients


def test_in_production_none_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPIENTS_SECRET", "somebody's-mistake")
    runtime = Runtime(Settings("f", "us-east-1", "prod", None), lambda: NOW)
    secrets = FakeSecrets({"recipients": []})
    runtime.secrets = secrets  # type: ignore[assignment]
    assert runtime.recipients is EVERYONE
    assert secrets.read == []
