"""What a borrower's text asks for: rules where a mistake costs most, weights for the rest.

The order is that of what must be acted on first. Words of self-harm go before everything. Then an opt-out, by the
legal words and by rules, never by the weights alone. Then an answer to what we asked, if it is all of the text. Then
the rules, in their order, and at last the weights; where nothing is likely enough, a person reads it.
"""

from __future__ import annotations

from datetime import date

from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.keywords import Keyword, read_keyword
from dunlin.domain.understanding.amounts import amount_in
from dunlin.domain.understanding.choices import is_yes_to_several, loose_choice, strict_choice
from dunlin.domain.understanding.dates import Named, days_in, promised_on
from dunlin.domain.understanding.lexicon import IntentRule, Lexicon
from dunlin.domain.understanding.marks import mark_in
from dunlin.domain.understanding.normal import both_ends, language_of, normal, sentences_of, spaced, words_of
from dunlin.domain.understanding.scoring import features_of, probabilities

#: By the weights, less than this is a guess, and a person reads the text.
LIKELY_ENOUGH = 0.30
#: A cue of an opt-out is one when the weights find it at least as likely as this.
CUED_OPT_OUT = 0.40
CUED_AGAINST_A_RULE = 0.60
#: Nobody waits for certainty when words of life and death are there.
LIKELY_CRISIS = 0.35
#: An opt-out also where yes or no is expected.
_STOP_WORDS = frozenset({"stop", "退订", "td", "t", "停止"})
_NOTHING = Asked()
_BY_LAW, _BY_RULE, _ALL_OF_IT = 0.99, 0.95, 0.97
#: "Help" may be the first word of it, or what it is called: "I need help, I was laid off", "customer service please".
_MORE_THAN_HELP = (Intent.SERVICE, Intent.HARDSHIP)
_WITH_AMOUNT = frozenset({Intent.PROMISE, Intent.PAID, Intent.PLAN})
_WITH_MARK = frozenset(
    {Intent.FEEDBACK, Intent.COMPLAINT, Intent.OTHER, Intent.CHOICE, Intent.SERVICE, Intent.QUESTION}
)
_MONTH_FIRST = frozenset({"US", "PH", "CN", "TW", "HK", "MO", "JP", "KR"})


def understand(text: str, lexicon: Lexicon, *, locale: str | None, today: date, asked: Asked = _NOTHING) -> Understood:
    """What `text` asks for. Pure and total: any text has an answer.

    `locale` is the borrower's (None: nobody knows whose text it is), `today` the date on their own calendar.
    """
    text = both_ends(text)
    plain = normal(text, lexicon.traditional)
    words = words_of(plain)
    language = language_of(text, locale, lexicon.traditional)
    figures = spaced(plain)
    days = days_in(figures, today, month_first=is_month_first(locale))
    intent, confidence, topic, choice = _read(text, words, days, lexicon, locale, asked)
    return Understood(
        intent,
        confidence,
        language,
        topic if topic is not Topic.NONE else _topic(intent, words, lexicon),
        amount_in(figures, days) if intent in _WITH_AMOUNT else None,
        promised_on(figures, days) if intent is Intent.PROMISE else None,
        choice if intent is Intent.CHOICE else None,
        mark_in(figures) if asked.rating and intent in _WITH_MARK else None,
    )


def is_month_first(locale: str | None) -> bool:
    """Whether `3/4` is the fourth of March there; also where nobody knows the place."""
    return locale is None or locale[-2:] in _MONTH_FIRST


def _read(
    text: str, words: str, days: list[Named], lexicon: Lexicon, locale: str | None, asked: Asked
) -> tuple[Intent, float, Topic, int | None]:
    sentences = sentences_of(text, lexicon.traditional)
    rules = [rule for rule in lexicon.rules if rule.holds(words, sentences if _is_by_sentence(rule) else ())]
    ruled = {rule.intent: rule for rule in reversed(rules) if not rule.cue}
    if Intent.CRISIS in ruled:
        return Intent.CRISIS, _BY_RULE, Topic.NONE, None
    keyword = read_keyword(text, lexicon.words(locale))
    if keyword is Keyword.OPT_OUT_ALL:
        return Intent.OPT_OUT, _BY_LAW, Topic.EVERYTHING, None
    # What the legal words say can be turned round by what they are said of: stop *the debit*.
    is_turned = Intent.OPT_IN in ruled or any(rule.cue and rule.intent is Intent.OTHER for rule in rules)
    choice = strict_choice(words, asked, lexicon) if asked.is_open else None
    is_no = choice == 0 and words in lexicon.no and words not in _STOP_WORDS
    # A sentence that is the word alone says it of nothing else.
    is_alone = Intent.OPT_IN not in ruled and not _STOP_WORDS.isdisjoint(sentences)
    if keyword is Keyword.OPT_OUT and (is_alone or not is_turned) and not is_no:
        return Intent.OPT_OUT, _BY_LAW, Topic.NONE, None
    if Intent.OPT_OUT in ruled and not is_no:
        return Intent.OPT_OUT, _BY_RULE, ruled[Intent.OPT_OUT].topic, None
    if choice is not None:
        return Intent.CHOICE, _ALL_OF_IT, Topic.NONE, choice
    if is_yes_to_several(words, asked, lexicon):
        return Intent.CHOICE, _ALL_OF_IT, Topic.NONE, None
    if keyword is Keyword.OPT_IN:
        return Intent.OPT_IN, _BY_LAW, Topic.NONE, None
    found = probabilities(features_of(words, asked, hints_of(words, days, lexicon)), lexicon.weights)
    cues = {rule.intent for rule in rules if rule.cue}
    if Intent.CRISIS in cues and found.get(Intent.CRISIS, 0.0) >= LIKELY_CRISIS:
        return Intent.CRISIS, found[Intent.CRISIS], Topic.NONE, None
    enough = CUED_AGAINST_A_RULE if ruled else CUED_OPT_OUT
    cued = min(
        (max(enough, rule.at_least) for rule in rules if rule.cue and rule.intent is Intent.OPT_OUT), default=2.0
    )
    if not is_turned and found.get(Intent.OPT_OUT, 0.0) >= cued:
        return Intent.OPT_OUT, found[Intent.OPT_OUT], Topic.NONE, None
    for rule in rules:
        if not rule.cue:
            return rule.intent, _BY_RULE, rule.topic, None
    if keyword is Keyword.HELP and max(found.get(intent, 0.0) for intent in _MORE_THAN_HELP) < 0.5:
        return Intent.HELP, _BY_LAW, Topic.NONE, None
    return _likeliest(found, words, lexicon, asked)


def _is_by_sentence(rule: IntentRule) -> bool:
    """An opt-out may be one sentence of several; what else a text asks for is read from all of it."""
    return rule.intent is Intent.OPT_OUT and not rule.cue


def _likeliest(
    found: dict[Intent, float], words: str, lexicon: Lexicon, asked: Asked
) -> tuple[Intent, float, Topic, int | None]:
    """The likeliest intent that the weights alone may give."""
    for intent, share in sorted(found.items(), key=lambda each: -each[1]):
        if intent in (Intent.OPT_OUT, Intent.CRISIS):
            continue
        if intent is Intent.CHOICE:
            choice = loose_choice(words, asked, lexicon) if asked.is_open else None
            if choice is None:
                continue
            return intent, share, Topic.NONE, choice
        if share < LIKELY_ENOUGH:
            break
        return intent, share, Topic.NONE, None
    return Intent.OTHER, max(0.3, found.get(Intent.OTHER, 0.3)), Topic.NONE, None


def hints_of(words: str, days: list[Named], lexicon: Lexicon) -> tuple[str, ...]:
    """What a text speaks of, by the lexicon's hints, and whether it names a day."""
    found = tuple(name for name, pattern in lexicon.hints.items() if pattern.search(words))
    return (*found, "day") if any(named.on is not None for named in days) else found


def _topic(intent: Intent, words: str, lexicon: Lexicon) -> Topic:
    return next((rule.topic for rule in lexicon.topics if rule.intent is intent and rule.holds(words)), Topic.NONE)
