"""What follows from a text at a place, in words: clocks, graces and counts, and what is asked once a matter is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from dunlin.content.answers import AnswersModel, answer_policy
from dunlin.content.loader import Rules
from dunlin.content.schema import ALL_CAPACITIES, STRICTEST, Capacity
from dunlin.domain.agreements import AnswerPolicy, Clock, TaskKind
from dunlin.domain.care import CareRule

from local.commands.rule_words import Said, clock_says

_CARE = {"feedback_request": "how it went is asked", "follow_up": "whether all is well is asked"}


def answers_say(known: Rules, code: str, capacity: Capacity | None) -> Iterator[Said]:
    """What holds there, the law's clocks counted in."""
    if not known.answers:
        return
    policy = answer_policy(known.answers, known.packs, code, capacity or STRICTEST, date.max)
    there = [file for file in known.answers if not file.jurisdictions or file.closeness(code)]
    there.sort(key=lambda file: -file.closeness(code))

    def said(rule_id: str, text: str, said_by: Callable[[AnswersModel], object]) -> Said:
        source = next(file.source for file in there if said_by(file))
        return Said(rule_id, text, frozenset(ALL_CAPACITIES), "", source.reference, source.confidence)

    yield said("promises", _promises(policy), lambda file: file.promises)
    yield said("dialogues", _dialogues(policy), lambda file: file.dialogues)
    yield said("clock: usual", _clock(policy.usual), lambda file: file.usual)
    for kind, clock in policy.clocks:
        text = _clock(clock) if kind is not TaskKind.CRISIS else "a person is called at once"
        yield said(f"clock: {kind}", text, _says_clock(kind))
    waits = f"a mark is waited for {clock_says(policy.rating_hours)}; up to {policy.low_rating} a person calls"
    yield said("ratings", waits, lambda file: file.ratings)
    for care in policy.care:
        yield said(care.message, _care(care), lambda file: file.care)


def _says_clock(kind: TaskKind) -> Callable[[AnswersModel], object]:
    return lambda file: kind in file.clocks or not file.jurisdictions


def _promises(policy: AnswerPolicy) -> str:
    return (
        f"money of a promise may come {policy.promise_grace_days} days later; {policy.promises} promises in "
        f"{policy.promises_in_days} days, then a person"
    )


def _dialogues(policy: AnswerPolicy) -> str:
    return (
        f"a question of ours stands {clock_says(policy.dialogue_hours)}; {policy.misses} texts in a row that nobody "
        f"understands bring a person; who says that they paid is believed once in {policy.claims_once_in_days} days"
    )


def _clock(clock: Clock) -> str:
    return (
        f"acknowledged within {clock_says(clock.acknowledge_hours)}, answered within {clock_says(clock.answer_hours)}"
    )


def _care(care: CareRule) -> str:
    after = ", ".join(sorted(str(each).replace("_", " ") for each in care.after))
    what = _CARE.get(care.message, f"{care.message} is said")
    return (
        f"{what} {clock_says(care.wait_hours)} after: {after}; within {care.within_days} days of that, at most once in "
        f"{care.once_in_days} days{', never while a case is open' if care.not_in_case else ''}, and "
        f"{care.quiet_days} days after any word about money"
    )
