"""The rules and weights that texts are read with, from their files into the frozen types of the domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dunlin.content.schema import IntentRuleModel, UnderstandingModel, WeightsModel
from dunlin.domain.keywords import KeywordWords
from dunlin.domain.understanding.lexicon import IntentRule, IntentWeights, Lexicon
from dunlin.errors import ContentError


def words_for(locale: str | None, words: Mapping[str, KeywordWords]) -> KeywordWords:
    """The words of `locale` and, since people answer as they like, of every other; single letters only its own.

    Raises:
        ContentError: no locale has any words.
    """
    found = words.get(locale or "")
    for other, theirs in sorted(words.items()):
        if other != locale:
            shared = without_whole(theirs)
            found = shared if found is None else found | shared
    if found is None:
        raise ContentError("words", ".", "no locale has any")
    return found


def without_whole(words: KeywordWords) -> KeywordWords:
    """The words that also mean something to people of another language."""
    return replace(
        words,
        opt_out=replace(words.opt_out, whole=frozenset()),
        opt_in=replace(words.opt_in, whole=frozenset()),
        help=replace(words.help, whole=frozenset()),
    )


def lexicon_of(
    rules: UnderstandingModel | None, weights: WeightsModel | None, words: Callable[[str | None], KeywordWords]
) -> Lexicon:
    """The lexicon; without rules or weights only the legal words are read."""
    if rules is None or weights is None:
        return Lexicon(words)
    return Lexicon(
        words=words,
        rules=_rules(rules, rules.rules),
        topics=_rules(rules, rules.topics),
        hints={name: rules.pattern(pattern) for name, pattern in rules.hints.items()},
        yes=frozenset(rules.yes),
        no=frozenset(rules.no),
        around=tuple(sorted(set(rules.around), key=lambda word: (-len(word), word))),
        traditional=dict(zip(weights.traditional, weights.simplified, strict=True)),
        weights=IntentWeights(weights.intents, weights.scale, weights.weights),
    )


def _rules(model: UnderstandingModel, rules: Sequence[IntentRuleModel]) -> tuple[IntentRule, ...]:
    return tuple(
        IntentRule(
            rule.intent,
            model.pattern(*rule.any),
            model.pattern(rule.unless) if rule.unless is not None else None,
            rule.topic,
            rule.cue,
            rule.at_least,
        )
        for rule in rules
    )
