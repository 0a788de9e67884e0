"""How many parts a text message takes: exactly, because each part is paid for and paced on its own.

A part carries 140 bytes. In the GSM 7-bit default alphabet that is 160 septets, in UCS-2 70 code units; a longer text
loses 6 bytes of each part to the header that joins them: 153 septets, or 67 code units. One character outside the
alphabet turns the whole text into UCS-2.

Two things are never cut in half: an extension character (escape and letter, two septets) and a surrogate pair (two
code units). Where one would straddle a boundary it moves to the next part whole, so a text can need one part more
than its length divided by 153 or 67.

Sources: 3GPP TS 23.038 §6.2.1 (alphabet and extension table), TS 23.040 §9.2.3.24.1 (concatenation).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM_ALPHABET = GSM_BASIC | GSM_EXTENSION

#: What AWS accepts in one message: ten joined parts of GSM-7, nine of UCS-2 by its own count.
MAX_SEPTETS = 1530
MAX_CODE_UNITS = 630


class Encoding(StrEnum):
    """The alphabet a text is sent in."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


#: (units in a text of one part, units in each part of a longer one)
CAPACITY = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """`units` are septets or UTF-16 code units. An empty text takes no part: it is not a message."""

    encoding: Encoding
    units: int
    parts: int

    @property
    def is_too_long(self) -> bool:
        """Whether the provider refuses it, however many parts the borrower could take."""
        return self.units > (MAX_SEPTETS if self.encoding is Encoding.GSM_7 else MAX_CODE_UNITS)


def encoding_of(text: str) -> Encoding:
    return Encoding.GSM_7 if GSM_ALPHABET.issuperset(text) else Encoding.UCS_2


def width(character: str, encoding: Encoding) -> int:
    """Septets or code units that one character takes."""
    if encoding is Encoding.GSM_7:
        return 2 if character in GSM_EXTENSION else 1
    return 2 if character > "\uffff" else 1


def segment(text: str) -> Segments:
    """Encoding, length and number of parts of `text`."""
    encoding = encoding_of(text)
    if encoding is Encoding.GSM_7:
        wide = sum(map(text.count, GSM_EXTENSION))
    else:
        wide = sum(character > "\uffff" for character in text)
    units = len(text) + wide
    alone, joined = CAPACITY[encoding]
    if units <= alone:
        return Segments(encoding, units, 1 if text else 0)
    if not wide:
        return Segments(encoding, units, -(-units // joined))
    return Segments(encoding, units, len(split(text)))


def split(text: str) -> tuple[str, ...]:
    """The parts as a handset receives them; joined they are `text` again."""
    encoding = encoding_of(text)
    alone, joined = CAPACITY[encoding]
    widths = [width(character, encoding) for character in text]
    if sum(widths) <= alone:
        return (text,) if text else ()
    parts: list[str] = []
    begin = used = 0
    for position, taken in enumerate(widths):
        if used + taken > joined:
            parts.append(text[begin:position])
            begin, used = position, 0
        used += taken
    parts.append(text[begin:])
    return tuple(parts)
