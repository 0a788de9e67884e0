"""What a person wrote, read at the door: hostile words in every disguise are refused, and none of them is repeated."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

import pytest
from dunlin.adapters.free_words import FreeWords, plain_words
from dunlin.adapters.renderer import Renderer
from dunlin.domain.message import MayState
from dunlin.domain.money import Money
from dunlin.domain.words import Channel
from dunlin.services.ports import RenderRequest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.builders import TODAY, shipped_content

OWED = Decimal("120.50")
LINES = {"en-US": "us-10dlc", "en-GB": "gb-sms", "en-AU": "au-sms", "es-US": "us-10dlc"}
CURRENCIES = {"en-US": "USD", "en-GB": "GBP", "en-AU": "AUD", "es-US": "USD"}
KIND = {
    "en": (
        "Thank you for writing.",
        "We have looked into it.",
        "It will take a few days.",
        "Please call us on Friday.",
    ),
    "es": ("Gracias por escribirnos.", "Ya lo revisamos.", "Tardará unos días.", "Puede llamarnos el viernes."),
}
locales = st.sampled_from(sorted(LINES))


@lru_cache(maxsize=1)
def door() -> FreeWords:
    return FreeWords(shipped_content(), Renderer(shipped_content()))


def asked(words: str, locale: str = "en-US", amounts: tuple[Decimal, ...] = (OWED,)) -> RenderRequest:
    line = shipped_content().line(LINES[locale])
    assert line is not None
    states = MayState(tuple(Money(amount, CURRENCIES[locale]) for amount in amounts), ("R1234ABCD", "4821"))
    said = plain_words(words, locale)
    return RenderRequest("answer", locale, Channel.SMS, "Dana", line, TODAY, words=said, may_state=states)


def problem(words: str, locale: str = "en-US", amounts: tuple[Decimal, ...] = (OWED,)) -> str:
    return door().problem(asked(words, locale, amounts))


@st.composite
def kind_words(draw: st.DrawFn) -> tuple[str, str]:
    locale = draw(locales)
    said = draw(st.lists(st.sampled_from(KIND[locale[:2]]), min_size=1, max_size=3))
    return locale, " ".join(said)


def forbidden(locale: str) -> list[str]:
    content = shipped_content()
    lists = (content.forbidden[locale][0], *content.never_said[locale].values())
    return sorted({word for words in lists for word in words})


DISGUISES = (
    lambda word: word,
    str.upper,
    str.title,
    lambda word: f"({word})",
    lambda word: word.replace(" ", "  "),
    lambda word: word.replace(" ", "-"),
    lambda word: " ".join(word.replace(" ", "")),
    lambda word: ".".join(word.replace(" ", "")),
    lambda word: "-".join(word.replace(" ", "")),
    lambda word: "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in word),  # full width
    lambda word: word.replace("a", "\u0430").replace("e", "\u0435").replace("o", "\u043e"),  # Cyrillic
    lambda word: word.replace("a", "\u03b1").replace("i", "\u0456"),
    lambda word: "\u200b".join(list(word)),
    lambda word: "\u202e" + word,
    lambda word: "".join(f"{c}\u0336" for c in word),
)


@given(kind_words(), st.data())
def test_what_no_text_says_is_refused_in_every_disguise(said: tuple[str, str], data: st.DataObject) -> None:
    locale, words = said
    word = data.draw(st.sampled_from(forbidden(locale)))
    assume(len(re.sub(r"\W", "", word)) > 2)
    disguised = data.draw(st.sampled_from(DISGUISES))(word)
    before = data.draw(st.booleans())
    found = problem(f"{disguised} {words}" if before else f"{words} {disguised}", locale)
    assert found
    assert (
        word.casefold() not in re.sub(r"\((?:threat|shaming|pressure|urgency|impersonation)\)", "", found).split("(")[0]
    )


@given(kind_words())
def test_kind_words_are_taken(said: tuple[str, str]) -> None:
    locale, words = said
    assert problem(words, locale) == ""


@given(locales, st.decimals("0.01", "99999.99", places=2), st.data())
def test_an_amount_is_the_cores_or_refused(locale: str, amount: Decimal, data: st.DataObject) -> None:
    mark = {"USD": "$", "GBP": "£", "AUD": "$"}[CURRENCIES[locale]]
    written = data.draw(
        st.sampled_from(
            (f"{mark}{amount:,.2f}", f"{mark}{amount:.2f}", f"{amount:.2f}", f"{amount:,.2f} {CURRENCIES[locale]}")
        )
    )
    words = (
        f"We have looked into it: {written} is left." if locale != "es-US" else f"Ya lo revisamos: quedan {written}."
    )
    if amount != OWED:
        assert problem(words, locale)
    assert problem(f"We checked: {mark}{OWED} is left." if locale != "es-US" else f"Quedan {mark}{OWED}.", locale) == ""
    assert problem(f"We checked: {mark}{OWED} is left.", locale, amounts=())


@given(st.integers(100, 10**7))
def test_a_number_that_nobody_knows_is_refused_however_it_stands(number: int) -> None:
    assume(number != 120)
    for words in (f"It is {number}.", f"Please send {number:,} to us", f"call {' '.join(str(number * 1000))}"):
        assert problem(words)


@pytest.mark.parametrize(
    "words",
    [
        "see bit.ly/abc", "see https://x", "www.lender.example", "mail a@b.co", "at 10.0.0.1", "evil[.]com",
        "evil dot com", "evil (dot) com", "EVIL.COM", "marram.example", "xn--80ak6aa92e.com", "abc。com",
        "half of it: five hundred dollars", "two thousand", "a grand is left", "500 is left", "5k is left",
        "$5O0 is left",
        "12% off", "twelve percent off", "call +1 555 123 4567", "call 555-0199", "8 8 8 1 2 3 4",
        "Your code is 123456", "send us your password", "【Bank】 hello", "", "   ", "\x07", "\ue000", "x" * 1001,
        "long words " * 85,
    ],
)  # fmt: skip
def test_is_refused(words: str) -> None:
    assert problem(words)


@given(st.text(max_size=200))
def test_any_text_has_an_answer_and_what_is_taken_is_said_to_the_letter(text: str) -> None:
    request = asked(text)
    found = door().problem(request)
    if found:
        assert len(text.strip()) < 12 or text not in found
        return
    rendered = Renderer(shipped_content()).render(request)
    assert request.words in rendered.body


@given(st.sampled_from(("{{ total }}", "{% raw %}", "{# #}", "{{ ''.__class__ }}", "${name}", "%(name)s", "{0}")))
def test_a_template_is_said_as_it_stands(written: str) -> None:
    request = asked(f"We write {written} as it is.")
    if not door().problem(request):
        assert written in Renderer(shipped_content()).render(request).body
    else:
        assert "%" in written
