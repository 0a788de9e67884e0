"""What follows from texts as data: clocks, graces, counts, and what is asked once a matter is over.

`answers/base.yaml` is the lender's own, everywhere; a file for some places says only what is otherwise there. What a
law wants answered by when is a rule of its pack (`clocks`), and a clock of the lender's is never longer than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from dunlin.content.resolve import covers, lineage
from dunlin.content.schema import (
    ALL_CAPACITIES,
    Capacity,
    ClockRuleModel,
    Identifier,
    Jurisdiction,
    PackModel,
    SourceModel,
    Strict,
)
from dunlin.domain.agreements import AnswerPolicy, Clock, TaskKind
from dunlin.domain.care import CareRule, Over
from dunlin.domain.words import HoldKind

#: The file that says everything, for everywhere.
BASE = "base"
_USUAL = AnswerPolicy()


def _some(values: frozenset[Over]) -> frozenset[Over]:
    if not values:
        raise ValueError("must name at least one")
    return values


class ClockModel(Strict):
    """How fast a person acknowledges and answers, in hours from the text."""

    acknowledge_hours: Annotated[StrictInt, Field(ge=0, le=2160)]
    answer_hours: Annotated[StrictInt, Field(ge=0, le=2160)]

    @model_validator(mode="after")
    def _acknowledge_first(self) -> Self:
        if self.acknowledge_hours > self.answer_hours:
            raise ValueError("acknowledge_hours: is later than answer_hours")
        return self


class PromiseClocksModel(Strict):
    """`grace_days` after a promise's day for the money to arrive; at most `most` promises in `within_days`."""

    grace_days: Annotated[StrictInt, Field(ge=0, le=14)]
    most: Annotated[StrictInt, Field(ge=1, le=50)]
    within_days: Annotated[StrictInt, Field(ge=1, le=366)]


class DialoguesModel(Strict):
    """`stand_hours`: how long a question of ours stands. `misses`: texts in a row that are not understood before a
    person takes over. `claim_once_in_days`: how often who says that they paid is believed without one."""

    stand_hours: Annotated[StrictInt, Field(ge=1, le=240)]
    misses: Annotated[StrictInt, Field(ge=1, le=5)]
    claim_once_in_days: Annotated[StrictInt, Field(ge=1, le=366)]


class RatingsModel(Strict):
    """`stand_hours`: how long a mark is waited for. `person_at`: up to this mark, of 1 to 5, a person calls."""

    stand_hours: Annotated[StrictInt, Field(ge=1, le=240)]
    person_at: Annotated[StrictInt, Field(ge=0, le=4)]


class CareModel(Strict):
    """A message that follows a matter that is over (`domain.care.CareRule`)."""

    message: Identifier
    after: Annotated[frozenset[Over], AfterValidator(_some)]
    wait_hours: Annotated[StrictInt, Field(ge=1, le=24 * 60)]
    within_days: Annotated[StrictInt, Field(ge=1, le=14)]
    once_in_days: Annotated[StrictInt, Field(ge=1, le=366)]
    not_in_case: StrictBool = True
    quiet_days: Annotated[StrictInt, Field(ge=0, le=30)] = 0
    not_under: frozenset[HoldKind] = frozenset()


class AnswersModel(Strict):
    """One file. What it does not say is as the base has it."""

    id: Identifier
    #: `US` covers `US-NY`; without any, everywhere.
    jurisdictions: frozenset[Jurisdiction] = frozenset()
    source: SourceModel
    promises: PromiseClocksModel | None = None
    dialogues: DialoguesModel | None = None
    ratings: RatingsModel | None = None
    #: For every kind of task that is not named.
    usual: ClockModel | None = None
    clocks: dict[TaskKind, ClockModel] = Field(default_factory=dict)
    care: tuple[CareModel, ...] | None = None

    @model_validator(mode="after")
    def _be_its_own(self) -> Self:
        if self.source.confidence != "own":
            raise ValueError("source: says it is a law: what a law wants is in its pack, under clocks")
        if (self.id == BASE) != (not self.jurisdictions):
            raise ValueError("jurisdictions: the base is for everywhere, and every other file says for where")
        if self.id == BASE:
            for name in ("promises", "dialogues", "ratings", "usual", "care"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name}: must be said in the base")
        messages = [care.message for care in self.care or ()]
        if len(set(messages)) != len(messages):
            raise ValueError("care: a message is there twice")
        return self

    def closeness(self, jurisdiction: str) -> int:
        return max((len(code) for code in self.jurisdictions if covers(code, jurisdiction)), default=0)


def answer_policy(
    files: Sequence[AnswersModel],
    packs: Mapping[str, PackModel],
    jurisdiction: str,
    capacity: Capacity,
    today: date,
) -> AnswerPolicy:
    """What holds in a place: the closest file's word on each thing, and no clock longer than the law's there.

    Without any file (a content that says nothing of it) what is usual.
    """
    said = [file for file in files if not file.jurisdictions or file.closeness(jurisdiction)]
    said.sort(key=lambda file: file.closeness(jurisdiction))  # the closest last: its word prevails
    policy = _USUAL
    clocks = dict(policy.clocks) if not said else {}
    usual = policy.usual
    for file in said:
        policy = _with(policy, file)
        usual = _clock(file.usual) if file.usual is not None else usual
        clocks |= {kind: _clock(model) for kind, model in file.clocks.items()}
    for rule in law_clocks(packs, jurisdiction, capacity, today):
        for kind in rule.tasks:
            clocks[kind] = _within(clocks.get(kind, usual), rule)
    return AnswerPolicy(
        policy.promise_grace_days,
        policy.promises,
        policy.promises_in_days,
        policy.dialogue_hours,
        policy.misses,
        policy.claims_once_in_days,
        policy.care,
        policy.rating_hours,
        policy.low_rating,
        usual,
        tuple(sorted(clocks.items())),
    )


def law_clocks(
    packs: Mapping[str, PackModel], jurisdiction: str, capacity: Capacity, today: date
) -> Iterator[ClockRuleModel]:
    """The clocks that the law of a place sets."""
    for pack in lineage(packs, jurisdiction):
        yield from (rule for rule in pack.clocks if rule.binds(capacity, today))


def answers_problems(
    files: Sequence[AnswersModel], packs: Mapping[str, PackModel], messages: frozenset[str] | None
) -> Iterator[tuple[int, tuple[str | int, ...], str]]:
    """What no file can know by itself: which file, where in it, and what is wrong.

    `messages`: those that follow from nothing a stage or a text says; None where they were not read.
    """
    for number, file in enumerate(files):
        for code in sorted(file.jurisdictions - packs.keys()):
            yield number, ("jurisdictions",), f"there is no pack {code}: add one to packs/, or leave it out"
        for place, care in enumerate(file.care or ()):
            if messages is not None and care.message not in messages:
                yield number, ("care", place, "message"), f"{care.message} is no message that is said unasked"
    if not any(file.id == BASE for file in files):
        return
    told = set()
    for code in sorted(packs):
        for capacity in sorted(ALL_CAPACITIES):
            for rule in law_clocks(packs, code, capacity, date.max):
                for kind in sorted(rule.tasks):
                    for found in _longer(files, code, kind, rule):
                        if found not in told:
                            told.add(found)
                            yield found


def _longer(
    files: Sequence[AnswersModel], code: str, kind: TaskKind, rule: ClockRuleModel
) -> Iterator[tuple[int, tuple[str | int, ...], str]]:
    """Where the lender's own word on this clock is longer than the law's: it would change nothing, and its author
    believes that it does."""
    for number, file in enumerate(files):
        if file.jurisdictions and not file.closeness(code):
            continue
        own = file.clocks.get(kind)
        if own is None:
            continue
        for name, law in (("acknowledge_hours", rule.acknowledge_hours), ("answer_hours", rule.answer_hours)):
            hours = getattr(own, name)
            if law is not None and hours > law and not _is_said_closer(files, file, code, kind):
                yield number, ("clocks", str(kind), name), f"{hours} is longer than {rule.id} allows: {law}"


def _is_said_closer(files: Sequence[AnswersModel], file: AnswersModel, code: str, kind: TaskKind) -> bool:
    return any(kind in other.clocks and other.closeness(code) > file.closeness(code) for other in files)


def _with(policy: AnswerPolicy, file: AnswersModel) -> AnswerPolicy:
    promises, dialogues, ratings = file.promises, file.dialogues, file.ratings
    return AnswerPolicy(
        promises.grace_days if promises is not None else policy.promise_grace_days,
        promises.most if promises is not None else policy.promises,
        promises.within_days if promises is not None else policy.promises_in_days,
        dialogues.stand_hours if dialogues is not None else policy.dialogue_hours,
        dialogues.misses if dialogues is not None else policy.misses,
        dialogues.claim_once_in_days if dialogues is not None else policy.claims_once_in_days,
        tuple(map(_care, file.care)) if file.care is not None else policy.care,
        ratings.stand_hours if ratings is not None else policy.rating_hours,
        ratings.person_at if ratings is not None else policy.low_rating,
    )


def _clock(model: ClockModel) -> Clock:
    return Clock(model.acknowledge_hours, model.answer_hours)


def _within(clock: Clock, rule: ClockRuleModel) -> Clock:
    answer = clock.answer_hours if rule.answer_hours is None else min(clock.answer_hours, rule.answer_hours)
    known = clock.acknowledge_hours
    acknowledge = known if rule.acknowledge_hours is None else min(known, rule.acknowledge_hours)
    return Clock(min(acknowledge, answer), answer)


def _care(model: CareModel) -> CareRule:
    return CareRule(
        model.message,
        model.after,
        model.wait_hours,
        model.within_days,
        model.once_in_days,
        model.not_in_case,
        model.quiet_days,
        frozenset(map(str, model.not_under)),
    )
