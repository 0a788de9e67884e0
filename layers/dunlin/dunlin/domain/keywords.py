"""What a borrower's text asks for: stop, start, help, or something only a person or another rule can answer.

A word counts only as a word. Looking for "END" inside a text opts out whoever writes "I'll send it Friday"; looking
for it only as the whole text misses "Stop. Thank you". So a text is read in four ways, from strict to lenient:

1. the whole text, or one of its sentences, *is* an opt-out word, courtesies aside ("Stop. Thank you", "请退订，谢谢");
2. a phrase that means nothing else stands anywhere in it ("please stop texting me", "别再给我发短信了"), unless the
   words before it turn it round ("if you stop texting me", "不是要退订");
3. a sentence has an opt-out word and besides it only words that carry no other meaning ("just stop this now");
4. in a language written without spaces, the same on characters, where only listed phrases may stand inside a text.

Whoever could reasonably mean an opt-out has opted out (47 CFR 64.1200(a)(10)): an opt-out goes before an opt-in, and
an opt-in before help. Only who plainly says so has opted out of everything. The lists are data (`words/`), so this
module knows no language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache


class Keyword(StrEnum):
    """What an inbound text asks for."""

    OPT_OUT = "opt_out"
    OPT_OUT_ALL = "opt_out_all"  # not of this number only: of everything, at every address
    OPT_IN = "opt_in"
    HELP = "help"
    OTHER = "other"


@dataclass(frozen=True)
class WordList:
    """The words for one request, as written in the content; they are compared in normal form.

    `alone` must be all of a sentence, courtesies aside. `lenient` may also stand among fillers. `phrases` may stand
    anywhere, unless one of `reversed_by` stands before them in the sentence. `whole` must be all of the text.
    """

    alone: frozenset[str] = frozenset()
    lenient: frozenset[str] = frozenset()
    phrases: frozenset[str] = frozenset()
    reversed_by: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def __or__(self, other: WordList) -> WordList:
        return WordList(
            self.alone | other.alone,
            self.lenient | other.lenient,
            self.phrases | other.phrases,
            self.reversed_by | other.reversed_by,
            self.whole | other.whole,
        )


@dataclass(frozen=True)
class KeywordWords:
    """The word lists a text is read with. `courtesies` add nothing to a word, `fillers` nothing to a lenient one."""

    opt_out: WordList
    opt_in: WordList = field(default_factory=WordList)
    help: WordList = field(default_factory=WordList)
    courtesies: frozenset[str] = frozenset()
    fillers: frozenset[str] = frozenset()
    opt_out_all: WordList = field(default_factory=WordList)

    def __or__(self, other: KeywordWords) -> KeywordWords:
        return KeywordWords(
            self.opt_out | other.opt_out,
            self.opt_in | other.opt_in,
            self.help | other.help,
            self.courtesies | other.courtesies,
            self.fillers | other.fillers,
            self.opt_out_all | other.opt_out_all,
        )

    @cached_property
    def _readers(self) -> tuple[tuple[Keyword, _Reader], ...]:
        lists = (
            (Keyword.OPT_OUT_ALL, self.opt_out_all),
            (Keyword.OPT_OUT, self.opt_out),
            (Keyword.OPT_IN, self.opt_in),
            (Keyword.HELP, self.help),
        )
        return tuple((keyword, _Reader(words, self.courtesies, self.fillers)) for keyword, words in lists)


#: Nobody needs more to say it, and nobody may make us read a novel.
LONGEST_READ = 1000


def read_keyword(text: str, words: KeywordWords) -> Keyword:
    """What `text` asks for. Pure and total: any text has an answer."""
    sentences = _sentences(text[:LONGEST_READ])
    if not sentences:
        return Keyword.OTHER
    for keyword, reader in words._readers:
        if reader.asks(sentences):
            return keyword
    return Keyword.OTHER


_SENTENCE_END = re.compile(r"[.!?;:,\n\r。！？；：，、…]+")
_APOSTROPHES = re.compile(r"['’‘ʼ`´＇]")
#: Characters of languages that are written without spaces between words.
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")

Tokens = tuple[str, ...]


@lru_cache(maxsize=4096)
def _tokens(text: str) -> Tokens:
    """Normal form: NFKC, case folded, no apostrophes or punctuation; a word each, and each CJK character by itself."""
    folded = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).casefold())
    spaced = _UNSPACED.sub(r" \1 ", folded)
    kept = "".join(
        character if unicodedata.category(character)[0] in "LNM" else "" if _is_invisible(character) else " "
        for character in spaced
    )
    tokens = tuple(kept.split())
    if len(tokens) > 2 and all(len(token) == 1 and token.isascii() and token.isalpha() for token in tokens):
        return ("".join(tokens),)  # S T O P
    return tokens


def _is_invisible(character: str) -> bool:
    """Zero-width and bidirectional controls: a word with one inside is still that word."""
    return unicodedata.category(character) == "Cf"


def _sentences(text: str) -> tuple[Tokens, ...]:
    """The text's sentences, and last the whole text where it has more than one."""
    parts = tuple(filter(None, map(_tokens, _SENTENCE_END.split(unicodedata.normalize("NFKC", text)))))
    whole = _tokens(text)
    return parts if parts == (whole,) else (*parts, whole) if whole else ()


class _Reader:
    """One word list in normal form."""

    def __init__(self, words: WordList, courtesies: frozenset[str], fillers: frozenset[str]) -> None:
        self._whole = frozenset(map(_tokens, words.whole))
        self._alone = frozenset(map(_tokens, words.alone | words.lenient))
        self._lenient = frozenset(map(_tokens, words.lenient))
        self._phrases = _by_first(map(_tokens, words.phrases))
        self._reversed_by = _by_first(map(_tokens, words.reversed_by))
        self._courtesies = _by_first(map(_tokens, courtesies))
        self._fillers = _by_first(map(_tokens, courtesies | fillers))

    def asks(self, sentences: tuple[Tokens, ...]) -> bool:
        return sentences[-1] in self._whole or any(self._is_asked_by(sentence) for sentence in sentences)

    def _is_asked_by(self, sentence: Tokens) -> bool:
        if sentence in self._alone or _without(sentence, self._courtesies) in self._alone:
            return True
        if _without(sentence, self._fillers, keeping=self._lenient) in self._lenient:
            return True
        position = _find(sentence, self._phrases)
        # The phrase's first word is part of what can turn it round: "don't stop texting me".
        return position is not None and _find(sentence[: position + 1], self._reversed_by) is None


_Index = dict[str, tuple[Tokens, ...]]


def _by_first(phrases: Iterable[Tokens]) -> _Index:
    """Phrases by their first word, longest first."""
    index: dict[str, list[Tokens]] = {}
    for phrase in phrases:
        if phrase:
            index.setdefault(phrase[0], []).append(phrase)
    return {first: tuple(sorted(same, key=len, reverse=True)) for first, same in index.items()}


def _match(tokens: Tokens, position: int, index: _Index) -> int:
    """How many tokens at `position` a phrase of the index takes; 0 if none does."""
    for phrase in index.get(tokens[position], ()):
        if tokens[position : position + len(phrase)] == phrase:
            return len(phrase)
    return 0


def _find(tokens: Tokens, index: _Index) -> int | None:
    for position in range(len(tokens)):
        if _match(tokens, position, index):
            return position
    return None


def _without(tokens: Tokens, index: _Index, keeping: frozenset[Tokens] = frozenset()) -> Tokens:
    """The tokens that no phrase of the index takes. A word in `keeping` stays, once however often it is repeated."""
    kept: list[str] = []
    position = 0
    kept_word: Tokens | None = None
    while position < len(tokens):
        word = next((w for w in keeping if tokens[position : position + len(w)] == w), None)
        if word is not None:
            if word != kept_word:
                kept.extend(word)
                kept_word = word
            position += len(word)
            continue
        taken = _match(tokens, position, index)
        if not taken:
            kept.append(tokens[position])
        position += taken or 1
    return tuple(kept)
