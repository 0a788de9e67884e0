"""Parts of a text message, against a second implementation that packs septets and code units into user data."""

from __future__ import annotations

import io
import json
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
from hypothesis import given, settings
from hypothesis import strategies as st

from local.commands.counting import counted, run

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


# ── The standards, read once more ────────────────────────────────────────────────────────────────────────────────────

#: TS 23.038 §6.2.1: the default alphabet by its codes, eight rows of sixteen; 1B leads to the extension table.
DEFAULT_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
#: TS 23.038 §6.2.1.1, the extension table.
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
SEPTETS: dict[str, tuple[int, ...]] = {
    character: (code,) for code, character in enumerate(DEFAULT_ALPHABET) if code != 0x1B
} | {character: (0x1B, code) for code, character in EXTENSION.items()}
#: TS 23.040: 140 octets of user data, six of them a header in every part of a longer text.
USER_DATA, HEADER = 140, 6


def reference(text: str) -> tuple[str, int, int]:
    """Encoding, units and parts: each character's units are put into user data as long as they all go in."""
    if all(character in SEPTETS for character in text):
        encoding, bits, groups = "GSM-7", 7, [SEPTETS[character] for character in text]
    else:
        encoding, bits = "UCS-2", 16
        octets = [character.encode("utf-16-be", "surrogatepass") for character in text]
        groups = [tuple(found[at] << 8 | found[at + 1] for at in range(0, len(found), 2)) for found in octets]
    units = sum(map(len, groups))
    if units * bits <= USER_DATA * 8:
        return encoding, units, 1 if text else 0
    parts: list[list[int]] = [[]]
    for group in groups:
        if (len(parts[-1]) + len(group)) * bits > (USER_DATA - HEADER) * 8:
            parts.append([])
        parts[-1].extend(group)
    return encoding, units, len(parts)


RUNS = {
    "basic": "a",
    "line break": "\n",
    "return": "\r",
    "both": "\r\n",
    "form feed": "\f",
    "extension": "€",
    "bracket": "[",
    "capital": "Δ",
    "escape": "\x1b",
    "tab": "\t",
    "cedilla": "ç",
    "accent": "e\u0301",
    "quote": "’",
    "no-break": "\u00a0",
    "CJK": "催",
    "beyond the plane": "𠮷",
    "emoji": "🙂",
    "family": "👩\u200d👩\u200d👧",
    "skin": "👍🏽",
    "flag": "🇬🇧",
    "keycap": "1\ufe0f\u20e3",
    "Hangul": "안",
    "half a pair": "\ud83d",
}
#: As long as a part is, and a unit or two beside it.
LENGTHS = st.one_of(
    st.integers(0, 4),
    st.tuples(st.sampled_from((33, 35, 67, 70, 76, 80, 134, 153, 160, 201, 306, 459)), st.integers(-2, 2)).map(sum),
)


def mixed(names: list[str]) -> st.SearchStrategy[str]:
    pieces = st.lists(st.tuples(st.sampled_from([RUNS[name] for name in names]), LENGTHS), max_size=6)
    return pieces.map(lambda found: "".join(text * times for text, times in found))


SEPTET_RUNS = ["basic", "line break", "return", "both", "form feed", "extension", "bracket", "capital"]


@settings(max_examples=300)
@given(st.one_of(mixed(SEPTET_RUNS), mixed([*SEPTET_RUNS, "CJK", "emoji"]), mixed(list(RUNS)), gsm_texts, any_texts))
def test_the_standards_say_the_same(text: str) -> None:
    said = counted(text)
    assert (said["encoding"], said["characters"], said["parts"]) == reference(text)
    alone, joined = (160, 153) if said["encoding"] == "GSM-7" else (70, 67)
    assert said["per_part"] == (alone if said["parts"] <= 1 else joined)
    assert len(split(text)) == said["parts"]


def test_the_alphabet_is_the_one_in_the_table() -> None:
    assert len(DEFAULT_ALPHABET) == 128
    assert frozenset(SEPTETS) == GSM_ALPHABET
    for code in range(0x11000):
        character = chr(code)
        expected = len(SEPTETS.get(character, ())) or None
        found = counted(character)
        assert (found["encoding"] == "GSM-7") == (expected is not None), hex(code)
        assert found["characters"] == (expected or (2 if code > 0xFFFF else 1)), hex(code)


@pytest.mark.parametrize("joined", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("beside", [-1, 0, 1])
@pytest.mark.parametrize("name", list(RUNS))
def test_at_every_boundary(name: str, joined: int, beside: int) -> None:
    """A run that ends at the boundary, and one that stands across it with any filling in front."""
    for filler, capacity in (("a", 153), ("催", 67)):
        for length in (capacity * joined + beside, (160 if filler == "a" else 70) + beside):
            for text in (RUNS[name] + filler * length, filler * length + RUNS[name], filler * length + RUNS[name] * 3):
                said = counted(text)
                assert (said["encoding"], said["characters"], said["parts"]) == reference(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", ("GSM-7", 0, 0, 160)),
        ("a" * 160, ("GSM-7", 160, 1, 160)),
        ("a" * 161, ("GSM-7", 161, 2, 153)),
        ("a" * 158 + "€", ("GSM-7", 160, 1, 160)),
        ("a" * 152 + "{" + "a" * 10, ("GSM-7", 164, 2, 153)),
        ("a" * 152 + "{" + "a" * 151, ("GSM-7", 305, 2, 153)),
        ("a" * 152 + "{" + "a" * 152, ("GSM-7", 306, 3, 153)),  # 153 · 2, and the bracket does not fit
        ("催" * 70, ("UCS-2", 70, 1, 70)),
        ("催" * 71, ("UCS-2", 71, 2, 67)),
        ("催" * 66 + "🙂" + "催" * 65, ("UCS-2", 133, 2, 67)),
        ("催" * 66 + "🙂" + "催" * 66, ("UCS-2", 134, 3, 67)),
        ("催" * 67 + "🙂" + "催" * 65, ("UCS-2", 134, 2, 67)),
        ("👩\u200d👩\u200d👧", ("UCS-2", 8, 1, 70)),
        ("a\r\nb\fc\n", ("GSM-7", 8, 1, 160)),
    ],
)
def test_an_answer_in_full(text: str, answer: tuple[str, int, int, int]) -> None:
    assert counted(text) == dict(zip(("encoding", "characters", "parts", "per_part"), answer, strict=True))


# ── What is read ─────────────────────────────────────────────────────────────────────────────────────────────────────


def asked(said: bytes, *, jsonl: bool = False) -> tuple[int, list[dict[str, object]]]:
    sink = io.StringIO()
    code = run(io.BytesIO(said), sink, jsonl=jsonl)
    return code, [json.loads(line) for line in sink.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("said", "characters"),
    [(b"abc", 3), (b"abc\n", 3), (b"abc\r\n", 3), (b"abc\n\n", 4), (b"abc\r", 4), (b"a\r\nb", 4), (b"\n", 0), (b"", 0)],
)
def test_one_line_break_at_the_end_is_the_shell_s(said: bytes, characters: int) -> None:
    assert asked(said) == (0, [counted("x" * characters)])


def test_what_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(b"caf\xe9") == (2, [])
    assert capsys.readouterr().err == "standard input: is not UTF-8 text\n"


def test_lines_are_answered_in_order() -> None:
    texts = ["", "a" * 161, "line\nbreak\r\n", "催" * 71, "\u2028 and \x85", "🙂" * 67, "\ud83d"]
    lines = [json.dumps({"text": text}, ensure_ascii=number % 2 == 0) for number, text in enumerate(texts)]
    said = "\n".join(lines).encode()
    assert asked(said, jsonl=True) == (0, [counted(text) for text in texts])
    assert asked(said.replace(b"\n", b"\r\n") + b"\r\n", jsonl=True) == (0, [counted(text) for text in texts])


def test_a_line_without_a_text_is_named() -> None:
    lines = [
        b'{"text": "a"}',
        b"{}",
        b'{"text": 1}',
        b"no",
        b'["a"]',
        b'{"text": "\xff"}',
        b"",
        b'{"text": "b", "id": 7}',
    ]
    code, found = asked(b"\n".join(lines), jsonl=True)
    assert code == 2
    assert [one.get("field", one.get("parts")) for one in found] == [1, "text", "text", "line", "line", "line", 1]
    assert [one.get("line") for one in found] == [None, 2, 3, 4, 5, 6, None]
