"""The linear model: which words and pieces of words a text has, and what they say."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Set

from dunlin.domain.intents import Asked, Intent
from dunlin.domain.understanding.lexicon import IntentWeights

_TOKEN = re.compile(r"[a-z]+|[\u3400-\u9fff]|\d+|[^\W\d_]+|[?$£€¥₹%]")
_CJK = re.compile(r"[\u3400-\u9fff]")
_MOST_TOKENS = 200


def features_of(words: str, asked: Asked, extra: tuple[str, ...] = ()) -> Set[str]:
    """The features of a text in normal form; each counts once."""
    return set(_features(words, asked)) | {f"!{name}" for name in extra} | {"*"}


def _features(words: str, asked: Asked) -> Iterator[str]:
    tokens = ["#" if token.isdigit() else token for token in _TOKEN.findall(words)[:_MOST_TOKENS]]
    dialogue = "offers" if asked.offers else "confirm" if asked.confirms else "rating" if asked.rating else ""
    yield f"@{dialogue}"
    if dialogue and len(tokens) < 4:
        yield f"@{dialogue}:short"
    padded = ["<", *tokens, ">"]
    for first, second in itertools.pairwise(padded):
        yield f"{first} {second}"
    for first, second, third in zip(padded, padded[1:], padded[2:], strict=False):
        if _CJK.match(second):
            yield f"{first} {second} {third}"
        else:
            yield f"{first} . {third}"
    for token in tokens:
        yield token
        if len(token) > 4 and token.isascii():
            yield f"{token[:4]}-"


def probabilities(features: Set[str], model: IntentWeights) -> dict[Intent, float]:
    """How probable each intent is, by the weights alone; nothing where there are none."""
    if not model.intents:
        return {}
    totals = [0] * len(model.intents)
    for feature in features:
        for index, weight in model.weights.get(feature, {}).items():
            totals[int(index)] += weight
    highest = max(totals)
    shares = [math.exp((total - highest) / model.scale) for total in totals]
    whole = math.fsum(shares)
    return {intent: share / whole for intent, share in zip(model.intents, shares, strict=True)}
