"""What a text weighs: its encoding and its parts, by the provider's own count."""

from __future__ import annotations

import math

__all__ = ["encoding_and_parts"]

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")


def encoding_and_parts(text: str) -> tuple[str, int]:
    """GSM (160, then 153 septets a part) or UNICODE (70, then 67 code units a part)."""
    if all(character in _BASIC or character in _EXTENDED for character in text):
        septets = sum(2 if character in _EXTENDED else 1 for character in text)
        return "GSM", 1 if septets <= 160 else math.ceil(septets / 153)
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return "UNICODE", 1 if units <= 70 else math.ceil(units / 67)
