"""What texts are read with: the words, the rules and the weights, all of them content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dunlin.domain.intents import Intent, Topic
from dunlin.domain.keywords import KeywordWords

__all__ = ["IntentRule", "IntentWeights", "Lexicon"]


@dataclass(frozen=True, slots=True)
class IntentRule:
    """A text that `pattern` finds something in asks for `intent`, unless `unless` finds something too.

    Patterns are read over words in normal form: lower case, no punctuation, simplified characters. A `cue` decides
    nothing by itself: it lets the weights say so, where they find it `at_least` that probable.
    """

    intent: Intent
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    topic: Topic = Topic.NONE
    cue: bool = False
    at_least: float = 0.0

    def holds(self, words: str, sentences: Iterable[str] = ()) -> bool:
        """Of the words of a text, or of one of its sentences; `unless` turns both round."""
        if self.unless is not None and self.unless.search(words):
            return False
        return self.pattern.search(words) is not None or any(
            self.pattern.search(each) and not (self.unless and self.unless.search(each)) for each in sentences
        )


@dataclass(frozen=True, slots=True)
class IntentWeights:
    """A linear model: of each feature the weights of the intents, in the order of `intents`, as index → weight.

    The weights are whole; `scale` of them are one unit of log odds.
    """

    intents: tuple[Intent, ...]
    scale: int
    weights: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Lexicon:
    """`words` answers with the legal words of a locale, or of every locale where nobody knows it.

    `rules` are in the order in which they count; `topics` say what an intent is about; `hints`
    what a text speaks of, for the weights; `choices` what yes, no and the
    words around an answer are; `traditional` has the simplified character of a traditional one.
    """

    words: Callable[[str | None], KeywordWords]
    rules: tuple[IntentRule, ...] = ()
    topics: tuple[IntentRule, ...] = ()
    hints: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    yes: frozenset[str] = frozenset()
    no: frozenset[str] = frozenset()
    around: tuple[str, ...] = ()
    traditional: Mapping[str, str] = field(default_factory=dict)
    weights: IntentWeights = IntentWeights((), 1, {})
