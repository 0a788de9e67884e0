"""One-click unsubscribe: a token that only we can make, that says nothing to anybody else, and what it does."""

from __future__ import annotations

import string

import pytest
from dunlin.adapters.unsubscribe import DECLINABLE, UnsubscribeLinks
from dunlin.domain.words import Channel, Purpose
from dunlin.entry.pages import asking_page, done_page
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MINUTE, NOW, PHONE, House, loan_document

LINKS = UnsubscribeLinks("the key of the points", "https://stop.example/v1/unsubscribe/")
points = st.binary(min_size=32, max_size=32).map(bytes.hex)
purposes = st.sampled_from(sorted(DECLINABLE))
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(points, purposes)
def test_a_token_comes_back_as_what_it_was_made_from(point: str, purpose: Purpose) -> None:
    token = LINKS.token(point, purpose)
    assert LINKS.read(token) == (point, purpose)
    assert LINKS.token(point, purpose) == token, "however often it is made: a mail of last year works"
    assert LINKS.link(point, purpose) == f"https://stop.example/v1/unsubscribe/{token}"


@given(points, purposes, st.integers(0, 65), st.sampled_from(ALPHABET))
def test_no_token_can_be_changed(point: str, purpose: Purpose, at: int, letter: str) -> None:
    token = LINKS.token(point, purpose)
    changed = token[:at] + letter + token[at + 1 :]
    assert (LINKS.read(changed) is not None) == (changed == token)


@given(st.one_of(st.text(max_size=80), st.text(ALPHABET, min_size=66, max_size=66)))
def test_no_token_can_be_made_up(token: str) -> None:
    assert LINKS.read(token) is None


@given(points, purposes)
def test_another_key_reads_nothing(point: str, purpose: Purpose) -> None:
    assert UnsubscribeLinks("another key", "").read(LINKS.token(point, purpose)) is None


@given(points, st.permutations(sorted(DECLINABLE)))
def test_tokens_of_one_address_have_nothing_in_common(point: str, order: list[Purpose]) -> None:
    one, other = LINKS.token(point, order[0]), LINKS.token(point, order[1])
    alike = sum(left == right for left, right in zip(one, other, strict=True))
    assert alike < 20, "of 66 about one is alike by chance"


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - DECLINABLE))
def test_what_cannot_be_declined_has_no_link(purpose: Purpose) -> None:
    assert LINKS.link("5e" * 32, purpose) == ""


def test_a_message_without_a_point_has_no_link() -> None:
    assert LINKS.link("", Purpose.SERVICING) == ""


def test_the_pages_load_nothing_and_run_nothing() -> None:
    for page in (asking_page(), done_page()):
        assert "default-src 'none'" in page["headers"]["Content-Security-Policy"]
        assert "<script" not in page["body"]
        assert "http" not in page["body"]
    assert '<form method="post">' in asking_page()["body"]
    assert "<form" not in done_page()["body"]


class TestTheClick:
    def test_it_is_in_force_at_once_for_everybody_who_has_the_address(self, house: House) -> None:
        house.know("b-1", loan_document())
        house.know("b-2", loan_document())
        point = house.keys.point(Channel.SMS, PHONE)
        assert house.opt_outs.by_link(point, Channel.SMS, Purpose.SERVICING, NOW)
        for borrower_id in ("b-1", "b-2"):
            borrower = house.store.borrower(borrower_id)
            assert borrower is not None
            assert borrower.parties[0].points[0].blocked == {"servicing"}
        state = house.store.suppression(point)
        assert state.forbids(Channel.SMS, Purpose.SERVICING)
        assert not state.forbids(Channel.SMS, Purpose.COLLECTION)

    def test_clicking_again_changes_nothing_and_an_opt_in_between_is_not_forgotten_to_be_undone(
        self, house: House
    ) -> None:
        house.know("b-1", loan_document())
        point = house.keys.point(Channel.SMS, PHONE)
        clicked = (point, Channel.SMS, Purpose.SERVICING)
        assert house.opt_outs.by_link(*clicked, NOW)
        assert not house.opt_outs.by_link(*clicked, NOW + MINUTE)
        house.opt_outs.at_point(
            point, Channel.SMS, opted_out=False, at=NOW + 2 * MINUTE, by="in", purpose=Purpose.SERVICING
        )
        assert not house.store.suppression(point).forbids(Channel.SMS, Purpose.SERVICING)
        assert house.opt_outs.by_link(*clicked, NOW + 3 * MINUTE)
        assert house.store.suppression(point).forbids(Channel.SMS, Purpose.SERVICING)
