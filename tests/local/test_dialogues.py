"""The demo's dialogues: the words mean what they are meant to, a story is for the seed, and people answer for tasks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from dunlin.content import Content
from dunlin.content.loader import load_content
from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.understanding import understand

from local.behaviour import Behaviour, NewPhone, Pay, Text
from local.core import Core
from local.dialogues import (
    ALWAYS,
    ANY_TIME,
    STORIES,
    WORDS,
    Meaning,
    Story,
    other_language,
    promise_without_a_day,
    promise_words,
    story_of,
)
from local.portfolio import Cohort, generate
from local.world import CONTENT

TODAY = date(2026, 3, 10)
INTENTS = {
    Meaning.BALANCE: Intent.BALANCE,
    Meaning.SAYS_PAID: Intent.PAID,
    Meaning.HARDSHIP: Intent.HARDSHIP,
    Meaning.DISPUTE: Intent.DISPUTE,
    Meaning.COMPLAINT: Intent.COMPLAINT,
    Meaning.WRONG_NUMBER: Intent.WRONG_NUMBER,
    Meaning.QUESTION: Intent.QUESTION,
    Meaning.REALLY_YOU: Intent.QUESTION,
    Meaning.UNCLEAR: Intent.OTHER,
    Meaning.OPT_OUT: Intent.OPT_OUT,
    Meaning.OPT_IN: Intent.OPT_IN,
    Meaning.CRISIS: Intent.CRISIS,
    Meaning.CEASE: Intent.OPT_OUT,
    Meaning.DECEASED: Intent.DECEASED,
    Meaning.BANKRUPTCY: Intent.HARDSHIP,
    Meaning.ATTORNEY: Intent.DISPUTE,
    Meaning.IDENTITY_THEFT: Intent.DISPUTE,
}
TOPICS = {
    Meaning.REALLY_YOU: Topic.REALLY_OURS,
    Meaning.CEASE: Topic.EVERYTHING,
    Meaning.BANKRUPTCY: Topic.BANKRUPTCY,
    Meaning.ATTORNEY: Topic.ATTORNEY,
    Meaning.IDENTITY_THEFT: Topic.IDENTITY_THEFT,
}


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(CONTENT)


def read(content: Content, words: str, locale: str) -> Understood:
    return understand(words, content.lexicon, locale=locale, today=TODAY, asked=Asked())


@pytest.mark.parametrize("meaning", INTENTS)
def test_the_words_are_understood_as_they_are_meant(meaning: Meaning, content: Content) -> None:
    for locale, wordings in zip(("en-US", "zh-CN"), WORDS[meaning], strict=True):
        for words in wordings:
            for of in (locale, "en-GB", other_language(locale)):  # whoever writes in it
                found = read(content, words, of)
                assert found.intent is INTENTS[meaning], words
                if meaning in TOPICS:
                    assert found.topic is TOPICS[meaning], words
                else:
                    assert found.topic not in TOPICS.values(), words


@pytest.mark.parametrize("words", ["STOP", "Please stop texting me", "退订", "No more texts please, letters are fine"])
def test_who_wants_no_more_texts_has_not_forbidden_every_contact(words: str, content: Content) -> None:
    found = read(content, words, "en-US")
    assert (found.intent, found.topic) == (Intent.OPT_OUT, Topic.NONE)


@pytest.mark.parametrize(("locale", "currency"), [("en-US", "USD"), ("en-GB", "GBP"), ("zh-CN", "CNY")])
def test_a_promise_is_read_with_its_day_and_amount(locale: str, currency: str, content: Content) -> None:
    on, amount = date(2026, 3, 15), Decimal("1120.50")
    said = {promise_words(amount, currency, on, locale, seed, "b-1") for seed in range(30)}
    assert len(said) == 3
    for words in said:
        found = read(content, words, locale)
        assert (found.intent, found.amount, found.on) == (Intent.PROMISE, amount, on), words


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_promise_may_name_no_day(locale: str, content: Content) -> None:
    found = read(content, promise_without_a_day(locale), locale)
    assert (found.intent, found.on) == (Intent.PROMISE, None)


def test_a_story_is_of_the_seed_and_of_what_the_cohort_can_live_with() -> None:
    for cohort, stories in STORIES.items():
        drawn = [story_of(seed, "b-1", cohort) for seed in range(400)]
        assert drawn == [story_of(seed, "b-1", cohort) for seed in range(400)]
        assert {story for story in drawn if story is not None} == set(stories)
        assert (None in drawn) == (cohort not in ALWAYS)
    assert story_of(1, "b-1", Cohort.NEVER_PAYS) is None


def told(story: Story, cohort: Cohort = Cohort.NEVER_PAYS_CN) -> list[Text | Pay]:
    """What a borrower with this story does when a text comes nine days after the due date."""
    portfolio = generate(1, 60, 1, cohorts=[cohort])
    core = Core(portfolio.accounts, seed=1, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)
    (member,) = behaviour._members.values()
    member.story = story
    account = portfolio.accounts[0]
    at = datetime.combine(account.loans[0].instalments[0].due_on, datetime.min.time(), tzinfo=UTC) + timedelta(days=9)
    core.due(at)
    phone = account.parties[0].phone
    assert phone is not None
    first = behaviour.on_delivered(phone, "please pay", at)
    assert not [a for a in behaviour.on_delivered(phone, "again", at + timedelta(days=1)) if isinstance(a, Text)]
    return [action for action in first if isinstance(action, Text | Pay)]


@pytest.mark.parametrize(
    ("story", "share"), [(Story.PROMISE_KEPT, 1), (Story.PROMISE_PART, Decimal("0.40")), (Story.PROMISE_BROKEN, 0)]
)
def test_a_promise_is_kept_broken_or_kept_in_part(story: Story, share: Decimal | int) -> None:
    text, *paid = told(story)
    assert isinstance(text, Text)
    assert text.promised_on is not None
    assert text.promised_amount is not None
    assert text.meant == f"promise {text.promised_on} {text.promised_amount}"
    assert [pay.amount for pay in paid if isinstance(pay, Pay)] == (
        [(text.promised_amount * share).quantize(Decimal("0.01"))] if share else []
    )
    assert all(pay.at.date() <= text.promised_on for pay in paid)


@pytest.mark.parametrize(
    ("story", "meanings"),
    [
        (Story.UNCLEAR_TWICE, [Meaning.UNCLEAR, Meaning.UNCLEAR]),
        (Story.STOPS_MIDWAY, [Meaning.PROMISE, Meaning.OPT_OUT]),
        (Story.PAID_UNTRUE, [Meaning.SAYS_PAID]),
        (Story.HARDSHIP, [Meaning.HARDSHIP]),
        (Story.TWO_TOGETHER, [Meaning.BALANCE, Meaning.REALLY_YOU]),
        (Story.OTHER_LANGUAGE, [Meaning.BALANCE]),
        (Story.COMES_BACK, [Meaning.OPT_OUT, Meaning.OPT_IN]),
        (Story.CRISIS, [Meaning.CRISIS]),
        (Story.CEASE, [Meaning.CEASE]),
        (Story.DECEASED, [Meaning.DECEASED]),
    ],
)
def test_the_other_stories_are_texts(story: Story, meanings: list[Meaning]) -> None:
    assert [action.meaning for action in told(story) if isinstance(action, Text)] == meanings


def test_who_says_truly_that_they_paid_has_paid() -> None:
    text, paid = told(Story.PAID_TRUE)
    assert isinstance(paid, Pay)
    assert paid.at < text.at


def test_two_texts_arrive_at_one_moment_and_another_language_is_not_ours() -> None:
    one, other = (action for action in told(Story.TWO_TOGETHER) if isinstance(action, Text))
    assert one.at == other.at
    assert one.text != other.text
    (text,) = (action for action in told(Story.OTHER_LANGUAGE) if isinstance(action, Text))
    assert text.text.isascii()  # to somebody whom we write Chinese


def test_a_stranger_says_so_once_and_the_core_learns_of_it() -> None:
    portfolio = generate(1, 60, 1, cohorts=[Cohort.PAYS_IN_GRACE])
    core = Core(portfolio.accounts, seed=1, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)
    phone = portfolio.accounts[0].parties[0].phone
    assert phone is not None
    at = portfolio.start + timedelta(days=1)
    moved, text = behaviour.on_delivered(phone, "a reminder", at)
    assert isinstance(moved, NewPhone)
    assert isinstance(text, Text)
    assert (moved.number, text.from_address, text.meaning) == (phone, phone, Meaning.WRONG_NUMBER)
    assert text.at < moved.at
    assert behaviour.on_delivered(phone, "another", at + timedelta(days=1)) == []
    if moved.phone is not None:
        assert not [a for a in behaviour.on_delivered(moved.phone, "there", at) if isinstance(a, Text)]


def test_only_arrears_bring_up_money() -> None:
    assert not ANY_TIME & {Story.PROMISE_KEPT, Story.PROMISE_PART, Story.PROMISE_BROKEN, Story.PAID_TRUE}


def test_people_take_on_what_they_are_called_for_and_some_are_late() -> None:
    portfolio = generate(1, 60, 1, cohorts=[Cohort.NEVER_PAYS])
    late: Counter[bool] = Counter()
    for seed in range(60):
        core = Core(portfolio.accounts, seed=seed, start=portfolio.start)
        core.due(portfolio.start)
        needed = {
            "task_id": "t-1",
            "borrower_id": "b-0001",
            "kind": "dispute",
            "because": "opened",
            "opened_at": portfolio.start.isoformat(),
            "acknowledge_by": (portfolio.start + timedelta(days=1)).isoformat(),
            "answer_by": (portfolio.start + timedelta(days=5)).isoformat(),
        }
        core.take_on(needed)
        core.take_on(needed)
        core.take_on({**needed, "task_id": "t-2", "because": "unanswered"})
        core.due(portfolio.start + timedelta(days=20))
        told = [row for row in core.history if str(row["event"]["type"]).startswith("task.")]  # type: ignore[index]
        events = [row["event"] for row in told]
        assert [event["type"] for event in events] == ["task.acknowledged", "task.closed"]  # type: ignore[index]
        assert {event["task"]["task_id"] for event in events} == {"t-1"}  # type: ignore[index]
        assert "outcome" in events[1]["task"]  # type: ignore[index]
        closed_at = datetime.fromisoformat(str(told[1]["recorded_at"]))
        late[closed_at > portfolio.start + timedelta(days=5)] += 1
    assert late[True] > 2
    assert late[False] > 30
