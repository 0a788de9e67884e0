"""What a text asks for: areas as tables, promises as properties, and the labelled corpus as the measure."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from dunlin.content import load_lexicon
from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.understanding import Lexicon, understand
from dunlin.domain.understanding.numerals import chinese, english
from hypothesis import given
from hypothesis import strategies as st

from local.understanding.corpus import read_corpus

ROOT = Path(__file__).parents[2]
LEXICON = load_lexicon(ROOT / "layers" / "content")
NOTHING = Asked()
#: A Monday.
TODAY = date(2026, 3, 2)


def read(text: str, locale: str | None = "en-US", asked: Asked = NOTHING, today: date = TODAY) -> Understood:
    return understand(text, LEXICON, locale=locale, today=today, asked=asked)


# ── the corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_corpus_is_read_as_well_as_is_promised() -> None:
    total: Counter[Intent] = Counter()
    right: Counter[Intent] = Counter()
    missed, invented = [], []
    for each in read_corpus(ROOT / "tests" / "understanding"):
        found = understand(each.text, LEXICON, locale=each.locale, today=each.today, asked=each.asked).intent
        total[each.intent] += 1
        right[each.intent] += found is each.intent
        if each.intent is Intent.OPT_OUT is not found:
            missed.append(each.text)
        if found is Intent.OPT_OUT is not each.intent:
            invented.append(each.text)
    assert not missed
    assert len(invented) <= 0.005 * (total.total() - total[Intent.OPT_OUT]), invented
    assert {intent for intent in total if right[intent] < 0.9 * total[intent]} == set()


def test_days_and_amounts_of_the_corpus_are_read() -> None:
    promises = [each for each in read_corpus(ROOT / "tests" / "understanding") if each.intent is Intent.PROMISE]
    wrong = [
        each.text
        for each in promises
        if each.on is not None
        and understand(each.text, LEXICON, locale=each.locale, today=each.today, asked=each.asked).on != each.on
    ]
    assert len(wrong) <= 0.03 * len(promises), wrong


# ── areas ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "Stop. Thank you", "please don't text me again", "lose my number", "take me off your list",
        "leave me alone", "I paid already, stop texting me", "cease all communication with me", "TD", "unsubscribe",
        "别再发了", "不要再給我傳簡訊", "拉黑", "退订", "唔好再send", "🛑",
    ],
)  # fmt: skip
def test_opt_outs(text: str) -> None:
    assert read(text).intent is Intent.OPT_OUT


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("I'll send it Friday", Intent.PROMISE),
        ("we have got to STOP this terrible bill", Intent.OTHER),
        ("stop the automatic payment", Intent.SERVICE),
        ("can't stop crying, want to end it all", Intent.CRISIS),
        ("stop texting me im gonna kill myself", Intent.CRISIS),
        ("sorry it slipped my mind, paying tonight", Intent.PROMISE),
        ("取消自动扣款", Intent.SERVICE),
        ("不要打给我公司", Intent.COMPLAINT),
        ("yes", Intent.OTHER),
        ("2", Intent.OTHER),
    ],
)
def test_what_only_sounds_like_an_opt_out_or_an_answer(text: str, intent: Intent) -> None:
    assert read(text).intent is intent


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("cease all communication with me", Topic.EVERYTHING),
        ("STOPALL", Topic.EVERYTHING),
        ("I filed chapter 7", Topic.BANKRUPTCY),
        ("talk to my attorney", Topic.ATTORNEY),
        ("identity theft", Topic.IDENTITY_THEFT),
        ("sorry I forgot, paying tonight", Topic.FORGOT),
        ("结清证明怎么开", Topic.CERTIFICATE),
        ("转人工", Topic.PERSON),
    ],
)
def test_topics(text: str, topic: Topic) -> None:
    assert read(text).topic is topic


@pytest.mark.parametrize(
    ("text", "asked", "choice"),
    [
        ("2", Asked(offers=3), 2),
        ("the second one", Asked(offers=3), 2),
        ("第二个", Asked(offers=3), 2),
        ("option B", Asked(offers=3), 2),
        ("not 1, 2", Asked(offers=3), 2),
        ("none", Asked(offers=3), 0),
        ("yes", Asked(confirms=True), 1),
        ("好的", Asked(confirms=True), 1),
        ("no", Asked(confirms=True), 0),
        ("N", Asked(confirms=True), 0),
        ("不行", Asked(confirms=True), 0),
    ],
)
def test_choices(text: str, asked: Asked, choice: int) -> None:
    found = read(text, asked=asked)
    assert (found.intent, found.choice) == (Intent.CHOICE, choice)
    assert read(text).intent is not Intent.CHOICE


def test_in_a_dialogue_other_things_are_still_heard() -> None:
    assert read("STOP", asked=Asked(offers=3)).intent is Intent.OPT_OUT
    assert read("No, I lost my job", asked=Asked(confirms=True)).intent is Intent.HARDSHIP
    assert read("4", asked=Asked(offers=3)).intent is not Intent.CHOICE


@pytest.mark.parametrize(
    ("text", "locale", "on", "amount"),
    [
        ("I'll pay Friday", "en-US", "2026-03-06", None),
        ("I'll pay next Friday", "en-US", "2026-03-13", None),
        ("I'll pay Monday", "en-US", "2026-03-09", None),
        ("will pay $200 tmrw", "en-US", "2026-03-03", "200"),
        ("will pay 200 bucks in 3 days", "en-US", "2026-03-05", "200"),
        ("I'll pay 1,250.50 by EOM", "en-US", "2026-03-31", "1250.50"),
        ("I will pay on 3/15", "en-US", "2026-03-15", None),
        ("I will pay on 15/3", "en-GB", "2026-03-15", None),
        ("I will pay on 4/3", "en-GB", "2026-03-04", None),
        ("I will pay on 2026-03-15", "en-US", "2026-03-15", None),
        ("will pay Rs 5,000 before the 15th", "en-IN", "2026-03-15", "5000"),
        ("I will pay 1 lakh tomorrow", "en-IN", "2026-03-03", "100000"),
        ("I'll pay 5k tonight", "en-US", "2026-03-02", "5000"),
        ("月底还两千", "zh-CN", "2026-03-31", "2000"),
        ("15号之前还一千五", "zh-CN", "2026-03-15", "1500"),
        ("下周五还2000块", "zh-CN", "2026-03-13", "2000"),
        ("這個禮拜五繳三百五十元", "zh-TW", "2026-03-06", "350"),
        ("大后天还1.5万", "zh-CN", "2026-03-05", "15000"),
        ("下个月5号还", "zh-CN", "2026-04-05", None),
        ("三天后还", "zh-CN", "2026-03-05", None),
        ("初五还", "zh-CN", None, None),
    ],
)
def test_days_and_amounts(text: str, locale: str, on: str | None, amount: str | None) -> None:
    found = read(text, locale)
    assert found.intent is Intent.PROMISE
    assert found.on == (date.fromisoformat(on) if on else None)
    assert found.amount == (Decimal(amount) if amount else None)


def test_numbers_in_words() -> None:
    assert [chinese(text) for text in ("两千", "一千五", "三百五十", "一万二", "一千零五", "十五", "二〇")] == [
        2000, 1500, 350, 12000, 1005, 15, 20,
    ]  # fmt: skip
    assert [english(text) for text in ("three hundred and fifty", "a hundred", "two thousand", "eighty")] == [
        350, 100, 2000, 80,
    ]  # fmt: skip
    assert chinese("猫") is None
    assert english("cat") is None


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [("hello", "en-GB", "en"), ("你好吗", "zh-CN", "zh-Hans"), ("還款", "en-US", "zh-Hant"), ("stop", "zh-TW", "en"),
     ("수신거부", None, "ko"), ("2", "zh-TW", "zh-Hant"), ("berhenti", "id-ID", "id")],
)  # fmt: skip
def test_languages(text: str, locale: str | None, language: str) -> None:
    assert read(text, locale).language == language


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


ASKED = st.sampled_from([Asked(), Asked(offers=3), Asked(confirms=True), Asked(rating=True)])


@given(st.text(max_size=400), st.sampled_from(["en-US", "zh-CN", "ko-KR", None]), ASKED, st.dates())
def test_every_text_has_an_answer(text: str, locale: str | None, asked: Asked, today: date) -> None:
    found = understand(text, LEXICON, locale=locale, today=today, asked=asked)
    assert 0 <= found.confidence <= 1
    assert asked.is_open or found.intent is not Intent.CHOICE
    assert found.choice is None or found.intent is Intent.CHOICE
    # A plain yes to several offers is an answer that names none.
    assert found.intent is not Intent.CHOICE or found.choice is not None or asked.offers > 1


@given(
    st.sampled_from(["STOP", "stop", "Unsubscribe", "退订", "opt out", "ＳＴＯＰ", "s\u200btop"]),
    st.text(alphabet=" .!?\n\u200b…", max_size=6),
    st.sampled_from(["", " please", " thanks", "!!!", ". Thank you", "，谢谢"]),
)
def test_an_opt_out_word_stays_one(word: str, before: str, after: str) -> None:
    assert read(before + word + after).intent is Intent.OPT_OUT


@given(
    st.text(alphabet="bcdfgjkmnpqrvwxz", min_size=2, max_size=6),
    st.text(alphabet="bcdfgjkmnqrvwxz", min_size=2, max_size=6),
)
def test_an_opt_out_word_inside_a_word_is_none(before: str, after: str) -> None:
    assert read(f"{before}stop{after}").intent is not Intent.OPT_OUT


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "stop the " * 1_200, "不要" * 5_000, "1 " * 5_000, "i will pay 3/3 " * 700]
)
def test_a_novel_takes_no_time(text: str) -> None:
    started = time.perf_counter()
    read(text)
    assert time.perf_counter() - started < 2


def test_without_rules_and_weights_the_legal_words_are_read() -> None:
    bare = Lexicon(LEXICON.words)
    assert understand("STOP", bare, locale="en-US", today=TODAY).intent is Intent.OPT_OUT
    assert understand("hm", bare, locale="en-US", today=TODAY).intent is Intent.OTHER
