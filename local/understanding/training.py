"""Trains the weights: multinomial logistic regression by stochastic gradient, in plain Python, the same every time.

The weights are whole numbers, small ones are left out, and a feature seen once is none: what is shipped is what the
texts have in common.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dunlin.domain.intents import Intent
from dunlin.domain.understanding.dates import days_in
from dunlin.domain.understanding.lexicon import IntentWeights, Lexicon
from dunlin.domain.understanding.normal import normal, spaced, words_of
from dunlin.domain.understanding.reading import hints_of, is_month_first
from dunlin.domain.understanding.scoring import features_of

from local.understanding.corpus import Labelled

SCALE = 50
EPOCHS = 24
RATE = 0.25
DECAY = 2e-5
LEAST_WEIGHT = 8
#: Of the texts that a lender gets, fewer are of something else than of ours: this much less, in log odds.
OTHER_IS_RARER = 1.0


def features(labelled: Labelled, lexicon: Lexicon) -> list[str]:
    """The features of a labelled text, in a fixed order."""
    plain = normal(labelled.text, lexicon.traditional)
    days = days_in(spaced(plain), labelled.today, month_first=is_month_first(labelled.locale))
    words = words_of(plain)
    return sorted(features_of(words, labelled.asked, hints_of(words, days, lexicon)))


def train(texts: Sequence[Labelled], lexicon: Lexicon, seed: int = 1) -> IntentWeights:
    """Weights from labelled texts."""
    intents = tuple(Intent)
    number = {intent: index for index, intent in enumerate(intents)}
    rows = [(features(each, lexicon), number[each.intent]) for each in texts]
    seen = Counter(feature for row, _ in rows for feature in row)
    rows = [([feature for feature in row if seen[feature] > 1], label) for row, label in rows]
    weights = {feature: [0.0] * len(intents) for feature, count in seen.items() if count > 1}
    order = list(range(len(rows)))
    shuffler = random.Random(seed)
    for epoch in range(EPOCHS):
        shuffler.shuffle(order)
        rate = RATE / (1 + epoch / 6)
        for index in order:
            row, label = rows[index]
            _step(weights, row, label, rate / math.sqrt(len(row) or 1) * 2)
    if "*" in weights:
        weights["*"][number[Intent.OTHER]] -= OTHER_IS_RARER
    return IntentWeights(intents, SCALE, _rounded(weights))


def _step(weights: dict[str, list[float]], row: list[str], label: int, rate: float) -> None:
    vectors = [weights[feature] for feature in row]
    totals = [math.fsum(column) for column in zip(*vectors, strict=True)]
    highest = max(totals)
    shares = [math.exp(total - highest) for total in totals]
    whole = math.fsum(shares)
    steps = [(index, rate * ((index == label) - share / whole)) for index, share in enumerate(shares)]
    steps = [(index, step) for index, step in steps if abs(step) > 1e-4]
    for vector in vectors:
        for index, step in steps:
            vector[index] += step - rate * DECAY * vector[index]


def _rounded(weights: dict[str, list[float]]) -> dict[str, dict[str, int]]:
    found = {}
    for feature in sorted(weights):
        whole = {str(index): round(weight * SCALE) for index, weight in enumerate(weights[feature])}
        kept = {index: weight for index, weight in whole.items() if abs(weight) >= LEAST_WEIGHT}
        if kept:
            found[feature] = kept
    return found


def write(model: IntentWeights, traditional: Mapping[str, str], path: Path) -> None:
    """The weights as a file of the content, a feature a line."""
    lines = ",\n".join(
        f"{json.dumps(feature, ensure_ascii=False)}: {json.dumps(weights, separators=(',', ':'))}"
        for feature, weights in sorted(model.weights.items())
    )
    head = {
        "intents": [str(intent) for intent in model.intents],
        "scale": model.scale,
        "traditional": "".join(traditional),
        "simplified": "".join(traditional.values()),
    }
    text = json.dumps(head, ensure_ascii=False)[:-1] + ', "weights": {\n' + lines + "\n}}\n"
    path.write_text(text, encoding="utf-8")
