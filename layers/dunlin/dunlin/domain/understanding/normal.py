"""A text in the one form in which it is read, and the language that it shows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

#: Nobody needs more to say what they want, and nobody may make us read a novel.
LONGEST_READ = 600
_END_READ = 200

_APOSTROPHES = re.compile(r"['’‘ʼ`´]")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af\u3130-\u318f]")
_LATIN = re.compile(r"[a-z]")
_BETWEEN_CJK = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")
_LATIN_BESIDE_CJK = re.compile(r"(?<=[a-z])(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])(?=[a-z])")
_LETTERS_APART = re.compile(r"\b(?:[a-z][ .\-_*]){2,}[a-z]\b")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\.{2,}|[!?;\n\r。！？；…~～]+")
_MOST_SENTENCES = 16
_SPACE = re.compile(r"\s+")
#: The one word that nobody may have to spell. No other word is written in these ways.
_MISSPELT_STOP = re.compile(r"\b(?:s+t+o+p+|st0p|5top|stp|stpo|sotp|tsop|stpp|stahp|stap|stopl|srop|dtop)\b")
_NOT_WORDS = re.compile(r"[^\w$£€¥₹%#?👍👎🛑🚫⛔🔕📵👌⭐✅❌]+")


def both_ends(text: str) -> str:
    """All of a text, or of a long one its beginning and its end, where people say what they want."""
    if len(text) <= LONGEST_READ:
        return text
    return f"{text[: LONGEST_READ - _END_READ - 1]}\n{text[-_END_READ:]}"


def normal(text: str, traditional: Mapping[str, str]) -> str:
    """NFKC, case folded, without apostrophes and invisible characters, traditional characters as simplified ones."""
    folded = unicodedata.normalize("NFKC", text[:LONGEST_READ].replace("\u20e3", "")).casefold()
    folded = _APOSTROPHES.sub("", folded).replace("—", " - ")
    kept = "".join(traditional.get(character, character) for character in folded if not _is_invisible(character))
    kept = _BETWEEN_CJK.sub("", _SPACE.sub(" ", kept))
    return _LETTERS_APART.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), kept).strip()


@lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Mn", "Me") and not _LATIN.match(character)


def spaced(plain: str) -> str:
    """With a space between Latin letters and Chinese characters: the form in which days and amounts are looked for."""
    return _LATIN_BESIDE_CJK.sub(" ", plain)


def words_of(plain: str) -> str:
    """Only words and amounts, one space between them: what a rule is matched against."""
    return _MISSPELT_STOP.sub("stop", _BETWEEN_CJK.sub("", _NOT_WORDS.sub(" ", plain)).strip())


def sentences_of(text: str, traditional: Mapping[str, str]) -> tuple[str, ...]:
    """The words of each sentence or clause where there are several; none where the text is one."""
    parts = [part for part in _SENTENCE_END.split(text[:LONGEST_READ]) if part and not part.isspace()]
    if len(parts) < 2:
        return ()
    return tuple(filter(None, (words_of(normal(part, traditional)) for part in parts[:_MOST_SENTENCES])))


def language_of(text: str, locale: str | None, traditional: Mapping[str, str]) -> str:
    """A language tag: what the text shows, or else the locale's; English where neither says."""
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    if _CJK.search(text):
        is_traditional = sum(character in traditional for character in text[:LONGEST_READ])
        if is_traditional:
            return "zh-Hant"
        return "zh-Hant" if locale in ("zh-TW", "zh-HK", "zh-MO") and len(text) < 12 else "zh-Hans"
    base = (locale or "en").partition("-")[0]
    if base != "zh":
        return base
    if _LATIN.search(text.casefold()):
        return "en"
    return "zh-Hant" if locale in ("zh-TW", "zh-HK", "zh-MO") else "zh-Hans"
