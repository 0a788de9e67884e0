"""Parts of a text message, against a second implementation that packs one character after another."""

from __future__ import annotations

from itertools import pairwise

import pytest
from dunlin.domain.segments import (
    CAPACITY,
    GSM_ALPHABET,
    GSM_BASIC,
    GSM_EXTENSION,
    MAX_CODE_UNITS,
    MAX_SEPTETS,
    Encoding,
    encoding_of,
    segment,
    split,
    width,
)
from hypothesis import given
from hypothesis import strategies as st

gsm_texts = st.text(alphabet=sorted(GSM_ALPHABET), max_size=700)
any_texts = st.text(alphabet=st.one_of(st.sampled_from("aB1 ^{€é你好，🙂𠮷"), st.characters()), max_size=300)


def units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.UCS_2:
        return len(text.encode("utf-16-be", "surrogatepass")) // 2
    return len(text) + sum(character in GSM_EXTENSION for character in text)


def test_the_alphabet_is_the_standard_s() -> None:
    assert len(GSM_BASIC) == 127  # 128 places, one of them the escape
    assert len(GSM_EXTENSION) == 10
    assert not GSM_BASIC & GSM_EXTENSION


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("", Encoding.GSM_7, 0),
        ("a" * 160, Encoding.GSM_7, 1),
        ("a" * 161, Encoding.GSM_7, 2),
        ("a" * 306, Encoding.GSM_7, 2),
        ("a" * 307, Encoding.GSM_7, 3),
        ("€" * 80, Encoding.GSM_7, 1),
        ("a" * 159 + "€", Encoding.GSM_7, 2),
        # 153 septets hold 76 extension characters and a hole: the 77th goes to the next part whole.
        ("€" * 152, Encoding.GSM_7, 2),
        ("€" * 153, Encoding.GSM_7, 3),
        ("a" * 152 + "€" + "a" * 151, Encoding.GSM_7, 2),
        ("a" * 152 + "€" + "a" * 152, Encoding.GSM_7, 3),
        ("你" * 70, Encoding.UCS_2, 1),
        ("你" * 71, Encoding.UCS_2, 2),
        ("你" * 134, Encoding.UCS_2, 2),
        ("你" * 135, Encoding.UCS_2, 3),
        ("🙂" * 35, Encoding.UCS_2, 1),
        # 67 code units hold 33 pairs and a hole.
        ("🙂" * 66, Encoding.UCS_2, 2),
        ("🙂" * 67, Encoding.UCS_2, 3),
        ("a" * 69 + "你", Encoding.UCS_2, 1),
        ("a" * 160 + "\u202f", Encoding.UCS_2, 3),
        ("line\nbreak\r", Encoding.GSM_7, 1),
        ("ç", Encoding.UCS_2, 1),  # only the capital is in the alphabet
        ("Ç", Encoding.GSM_7, 1),
        ("`", Encoding.UCS_2, 1),
    ],
)
def test_known_lengths(text: str, encoding: Encoding, parts: int) -> None:
    found = segment(text)
    assert (found.encoding, found.parts) == (encoding, parts)


@pytest.mark.parametrize(
    ("text", "too_long"),
    [
        ("a" * MAX_SEPTETS, False),
        ("a" * (MAX_SEPTETS + 1), True),
        ("€" * (MAX_SEPTETS // 2 + 1), True),
        ("你" * MAX_CODE_UNITS, False),
        ("你" * (MAX_CODE_UNITS + 1), True),
    ],
)
def test_what_the_provider_refuses(text: str, too_long: bool) -> None:
    assert segment(text).is_too_long is too_long


@given(st.one_of(gsm_texts, any_texts))
def test_parts_are_whole_and_fit(text: str) -> None:
    found = segment(text)
    parts = split(text)
    assert "".join(parts) == text
    assert found.parts == len(parts)
    assert found.units == units(text, found.encoding) == sum(width(c, found.encoding) for c in text)
    alone, joined = CAPACITY[found.encoding]
    if len(parts) == 1:
        assert found.units <= alone
    for part in parts if len(parts) > 1 else ():
        # A part that ended inside a pair would not encode to a whole number of its units.
        assert 0 < units(part, found.encoding) <= joined
    for part, following in pairwise(parts):
        assert units(part + following[0], found.encoding) > joined, "a part was closed although there was room"


@given(any_texts)
def test_one_strange_character_decides_the_encoding(text: str) -> None:
    assert (encoding_of(text) is Encoding.GSM_7) == all(character in GSM_ALPHABET for character in text)


@given(gsm_texts, st.sampled_from(sorted(GSM_ALPHABET)))
def test_a_longer_text_never_takes_fewer_parts(text: str, more: str) -> None:
    assert segment(text + more).parts >= segment(text).parts
