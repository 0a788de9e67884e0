"""The rules and weights that texts are read with, from their files into the frozen types of the domain.

Apart from the rest of the content: what reads texts compiles some sixty patterns when it is imported, and only the
functions that hear texts need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dunlin.content.schema import IntentRuleModel, UnderstandingModel, WeightsModel
from dunlin.domain.keywords import KeywordWords
from dunlin.domain.understanding.lexicon import IntentRule, IntentWeights, Lexicon


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
