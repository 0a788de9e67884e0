"""Texts that a provider sends only as it has them on file: which one a text is, and what stands in its gaps.

The text was rendered, read back and its digest reserved before anybody asks here. So it is not composed again: it is
recognised as one of the line's filed texts, and what the provider will compose from the answer is that very text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["ALIBABA_GAP", "TENCENT_GAP", "WECHAT_GAP", "WHATSAPP_GAP", "filed_text"]

ALIBABA_GAP: Final = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
TENCENT_GAP: Final = re.compile(r"\{([0-9]{1,2})\}")
WECHAT_GAP: Final = re.compile(r"\{\{([a-z][a-z_]{0,31}[0-9]{0,2})\.DATA\}\}")
WHATSAPP_GAP: Final = re.compile(r"\{\{([0-9]{1,2})\}\}")


def filed_text(
    templates: Sequence[tuple[str, str]], body: str, gap: re.Pattern[str]
) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """The code of the first filed text that `body` is, and (name, value) of each gap; None if it is none of them.

    Between two fixed pieces a gap ends where the second one first appears; a gap may not be empty, nor have a name
    twice, nor stand next to another.
    """
    for code, text in templates:
        values = _values(gap.split(text), body)
        if values is not None:
            return code, values
    return None


def _values(pieces: Sequence[str], body: str) -> tuple[tuple[str, str], ...] | None:
    fixed, names = pieces[0::2], pieces[1::2]
    if not body.startswith(fixed[0]) or len(set(names)) != len(names) or not all(fixed[1:-1]):
        return None
    position = len(fixed[0])
    if not names:
        return () if body == fixed[0] else None
    values: list[str] = []
    for piece in fixed[1:-1]:
        end = body.find(piece, position + 1)
        if end < 0:
            return None
        values.append(body[position:end])
        position = end + len(piece)
    end = len(body) - len(fixed[-1])
    if end <= position or not body.endswith(fixed[-1]):
        return None
    return tuple(zip(names, (*values, body[position:end]), strict=True))
