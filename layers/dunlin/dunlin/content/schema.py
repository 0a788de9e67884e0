"""The shape of the content files, as pydantic models. Nothing here reads a file or knows a path.

Every model forbids what it does not know, so that a misspelt key is an error and not a rule that silently does not
exist. The models are what authors write; `resolve` turns them into the frozen types the decision uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from dunlin.domain.agreements import TaskKind
from dunlin.domain.intents import Intent, Topic
from dunlin.domain.page import Proof
from dunlin.domain.words import Channel, HoldKind, LoanStatus, PartyRole, Product, Purpose, StopSource, UnderStop

Capacity = Literal["creditor", "servicer", "collector"]
#: Asked without a capacity, the strictest is meant.
STRICTEST: Capacity = "collector"
ALL_CAPACITIES: frozenset[Capacity] = frozenset({"creditor", "servicer", "collector"})

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: No rule may look further back than the hot item keeps contacts.
LONGEST_CAP_DAYS = 40

_HOURS = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _read_hours(value: object) -> object:
    """`08:00-21:00` as (480, 1260), `none` as closed."""
    if value == "none":
        return None
    if not isinstance(value, str) or not re.match(_HOURS, value):
        raise ValueError('must be "HH:MM-HH:MM" or "none"')
    opens, _, closes = value.partition("-")
    if _minutes(opens) >= _minutes(closes):
        raise ValueError("must open before it closes; hours past midnight are two rules")
    return (_minutes(opens), _minutes(closes))


def _not_empty(values: frozenset[Any]) -> frozenset[Any]:
    if not values:
        raise ValueError("must name at least one")
    return values


Hours = Annotated[
    tuple[int, int] | None,
    BeforeValidator(_read_hours),
    WithJsonSchema({"type": "string", "pattern": f"{_HOURS}|^none$"}),
]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=False)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$", max_length=40)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
#: As the provider calls it: `IN_ENTITY_ID`, `campaign`.
RegistrationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
#: Whatever a provider calls a filing: one word, printable.
FilingNumber = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=100)]
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
RegionName = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
LocaleName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}-[A-Z]{2}$")]
#: Whether the zone exists is for `check`: asking the zone database costs more than the rest of the load.
ZoneName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z_]+(/[A-Za-z_]+)*$")]
Purposes = Annotated[frozenset[Purpose], AfterValidator(_not_empty)]
Capacities = Annotated[frozenset[Capacity], AfterValidator(_not_empty)]
#: Our own channels, and the ones on which somebody else reaches the borrower (as `POST /contacts:reserve` names them).
ContactChannel = Literal[
    "any", "sms", "email", "push", "wechat", "whatsapp", "call", "agent", "agency", "letter", "visit", "voicemail"
]
AskedChannel = Literal[
    "sms", "email", "push", "wechat", "whatsapp", "call", "agent", "agency", "letter", "visit", "voicemail"
]
_CONTACT = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2} [a-z]+( [a-z_]+)?$"
#: confirmed: somebody made sure that it is this person's. checked: it was looked up that it was not given to somebody
#: else. consent: the person consented to this purpose there.
ProofName = Literal["confirmed", "checked", "consent"]
CalendarName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]{2,3})?$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class SourceModel(Strict):
    """P primary text, S secondary source, M from memory and unconfirmed, own = the lender's own policy."""

    reference: Text
    confidence: Literal["P", "S", "M", "own"]


class Rule(Strict):
    """What every rule of a pack says of itself."""

    source: SourceModel
    capacity: Capacities = frozenset(ALL_CAPACITIES)
    effective_on: date | None = None
    #: The last day it binds, where a law ends or another takes its place.
    effective_until: date | None = None

    def binds(self, capacity: Capacity, today: date) -> bool:
        if capacity not in self.capacity or (self.effective_on is not None and today < self.effective_on):
            return False
        return self.effective_until is None or today <= self.effective_until

    @model_validator(mode="after")
    def _end_after_it_begins(self) -> Self:
        begins = self.effective_on or date.min
        if self.effective_until is not None and self.effective_until < begins:
            raise ValueError("effective_until: is before effective_on")
        return self


V = TypeVar("V")


def _dated(value: object) -> object:
    """A value that holds from the beginning, or several, each from its day."""
    if isinstance(value, dict) and value and all(_is_day(key) for key in value):
        return value
    return {date.min: value}


def _is_day(key: object) -> bool:
    try:
        date.fromisoformat(str(key))
    except ValueError:
        return False
    return True


#: `7`, or `{2021-11-30: 7, 2027-01-01: 5}`: each value from its day until the next. Before the first there is none.
Dated = Annotated[dict[date, V], BeforeValidator(_dated)]


def in_force(values: Mapping[date, V], today: date) -> V | None:
    """The value of the latest day that is not after `today`; None: nothing holds yet."""
    days = [day for day in values if day <= today]
    return values[max(days)] if days else None


class CaseModel(Strict):
    """An example beside a rule: with nothing but this rule, may a message go then? `check` tries each.

    `at` is local to the first of `zones` (without any: the pack's first). `contacts` are earlier ones about the same
    debt, local too: `2026-11-20 10:00 sms`, with a purpose behind it where it is another.
    """

    at: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?$")]
    allowed: StrictBool
    zones: tuple[ZoneName, ...] = ()
    purpose: Purpose | None = None
    channel: AskedChannel = "sms"
    days_overdue: StrictInt = 0
    contacts: tuple[Annotated[str, StringConstraints(pattern=_CONTACT)], ...] = ()
    consents: frozenset[Identifier] = frozenset()
    #: So many days before `at` the number was confirmed as the person's, checked as not reassigned, consented to.
    proved_days_ago: dict[ProofName, Annotated[StrictInt, Field(ge=0, le=36500)]] = Field(default_factory=dict)


class NamedRule(Rule):
    """A rule that decisions and reasons name. The name is stored, so it is never used for another rule."""

    id: Identifier
    cases: tuple[CaseModel, ...] = ()


class WeekModel(Strict):
    """Either `daily`, or each of the seven days."""

    daily: Hours = None
    mon: Hours = None
    tue: Hours = None
    wed: Hours = None
    thu: Hours = None
    fri: Hours = None
    sat: Hours = None
    sun: Hours = None

    @model_validator(mode="after")
    def _say_each_day_once(self) -> Self:
        said = self.model_fields_set
        if said != {"daily"} and said != set(DAYS):
            raise ValueError("must say either daily, or mon to sun, each of them")
        return self

    @property
    def week(self) -> tuple[tuple[int, int] | None, ...]:
        if "daily" in self.model_fields_set:
            return (self.daily,) * 7
        return (self.mon, self.tue, self.wed, self.thu, self.fri, self.sat, self.sun)


class UnlessModel(Strict):
    """When a rule of hours steps back. Both said: either is enough."""

    days_overdue_over: Annotated[StrictInt, Field(ge=0, le=3650)] | None = None
    consent: Identifier | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.days_overdue_over is None and self.consent is None:
            raise ValueError("must say days_overdue_over or consent")
        return self


class HoursModel(NamedRule):
    purposes: Purposes
    channels: Annotated[frozenset[ContactChannel], AfterValidator(_not_empty)] = frozenset({"any"})
    allowed: Dated[WeekModel]
    #: The calendar whose holidays have hours of their own; without `on_holidays` they are closed.
    holidays: CalendarName | None = None
    on_holidays: Hours = None
    unless: UnlessModel | None = None

    @model_validator(mode="after")
    def _know_their_holidays(self) -> Self:
        if "on_holidays" in self.model_fields_set and self.holidays is None:
            raise ValueError("on_holidays: needs holidays, the calendar they are in")
        return self


class CapModel(NamedRule):
    purposes: Purposes
    channels: Annotated[frozenset[ContactChannel], AfterValidator(_not_empty)]
    count: Dated[Annotated[StrictInt, Field(ge=1, le=100)]]
    days: Annotated[StrictInt, Field(ge=1, le=LONGEST_CAP_DAYS)]
    basis: Literal["rolling", "calendar"]
    per: Literal["debtor", "loan"]

    @model_validator(mode="after")
    def _one_calendar_day(self) -> Self:
        if self.basis == "calendar" and self.days != 1:
            raise ValueError("a calendar cap covers one day; use basis rolling for more")
        return self


Days = Annotated[StrictInt, Field(ge=1, le=3660)]
#: Nobody has to say these: they end a stop and never begin one.
ONLY_END = frozenset({StopSource.EXPIRY, StopSource.PAYMENT})


def _leave_what_the_borrower_asked(stops: frozenset[Purpose]) -> None:
    if stops & {Purpose.REPLY, Purpose.MANDATORY}:
        raise ValueError("a hold cannot stop an answer to the borrower, nor a notice that a law requires")


class HoldModel(Rule):
    """What a pack's law adds to rows of the table: more purposes, a stronger effect, fewer who may lift, other days."""

    kinds: Annotated[frozenset[HoldKind], AfterValidator(_not_empty)]
    stops: Purposes
    escalation: UnderStop | None = None
    lifted_by: frozenset[StopSource] | None = None
    default_days: Days | None = None
    longest_days: Days | None = None

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        _leave_what_the_borrower_asked(self.stops)
        return self


class StopModel(Rule):
    """One row of the table of stops."""

    kind: HoldKind | Literal[LoanStatus.SOLD]
    #: `loan_status`: nobody places it, it is the core's own status of the loan.
    follows: Literal["hold", "loan_status"] = "hold"
    stops: Purposes
    escalation: UnderStop
    narrows: frozenset[Literal["loan", "party", "point"]] = frozenset()
    placed_by: Annotated[frozenset[StopSource], AfterValidator(_not_empty)]
    lifted_by: frozenset[StopSource]
    default_days: Days | None = None
    longest_days: Days | None = None
    #: Why nothing ends it, where nothing does.
    for_ever_because: Text | None = None

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        if (self.follows == "loan_status") != (self.kind == LoanStatus.SOLD):
            raise ValueError("kind: a hold is placed, and only `sold` follows the loan's status")
        if self.follows == "hold":
            _leave_what_the_borrower_asked(self.stops)
        if self.placed_by & ONLY_END:
            raise ValueError("placed_by: expiry and payment only end a stop")
        if self.escalation is not UnderStop.GOES_ON and Purpose.COLLECTION not in self.stops:
            raise ValueError("escalation: what collection may go on through is no stop to a case")
        expires = StopSource.EXPIRY in self.lifted_by
        if not expires and (self.default_days is not None or self.longest_days is not None):
            raise ValueError("default_days, longest_days: only what expiry lifts has an end")
        if self.longest_days is not None and (self.default_days is None or self.default_days > self.longest_days):
            raise ValueError("default_days: must be set, and at most longest_days")
        return self


class StopsModel(Strict):
    stops: tuple[StopModel, ...]

    @model_validator(mode="after")
    def _name_each_once(self) -> Self:
        kinds = [row.kind for row in self.stops]
        if len(set(kinds)) != len(kinds):
            raise ValueError("stops: a kind is there twice")
        return self


class ConsentModel(NamedRule):
    purposes: Purposes
    channels: Annotated[frozenset[ContactChannel], AfterValidator(_not_empty)] = frozenset({"any"})


class VerificationModel(NamedRule):
    """Debt detail goes only where the person is proved to be reached: any one of `proofs`, not older than that."""

    purposes: Purposes
    channels: Annotated[frozenset[ContactChannel], AfterValidator(_not_empty)]
    proofs: Annotated[frozenset[ProofName], AfterValidator(_not_empty)]
    #: Without it a proof is one for ever.
    within_days: Annotated[StrictInt, Field(ge=1, le=3660)] | None = None


class BanModel(NamedRule):
    """What is never said, at no hour."""

    purposes: Purposes
    channels: Annotated[frozenset[ContactChannel], AfterValidator(_not_empty)] = frozenset({"any"})
    #: Only from so many days overdue on.
    from_days_overdue: Annotated[StrictInt, Field(ge=0, le=3650)] | None = None


class SettingModel(Rule):
    value: Dated[Annotated[StrictInt, Field(ge=1)]]


class SettingsModel(Strict):
    """Absent ones are inherited from the pack this one extends."""

    balance_max_age_hours: SettingModel | None = None
    deaf_after_minutes: SettingModel | None = None
    confirm_opt_out_within_minutes: SettingModel | None = None
    keep_records_years: SettingModel | None = None
    #: These two nobody has to say: without them records go on request only, and words are a part of the records.
    forget_after_years: SettingModel | None = None
    keep_texts_days: SettingModel | None = None


#: Settings that a place can do without.
OPTIONAL_SETTINGS = frozenset({"forget_after_years", "keep_texts_days"})


class ContentRuleModel(NamedRule):
    """What a text must say; `check` holds every template against it."""

    purposes: Purposes
    must_say: frozenset[
        Literal["signature", "lender", "hotline", "total", "fees", "days", "due_on", "consequence", "opt_out", "pay"]
    ] = frozenset()
    channels: Annotated[frozenset[Channel], AfterValidator(_not_empty)] = frozenset(Channel)


#: What a line's origination is: a number like anybody's, one that is free to call, a short one, or a name.
NumberKind = Literal["long_code", "toll_free", "short_code", "sender_id"]


class FilingModel(NamedRule):
    """What a provider or a carrier has to have on file before a line may send: the line's own numbers, or each text."""

    channels: Annotated[frozenset[Channel], AfterValidator(_not_empty)] = frozenset({Channel.SMS})
    #: Only of lines of these providers, kinds of origination or links; without any, of all.
    providers: frozenset[Identifier] = frozenset()
    numbers: frozenset[NumberKind] = frozenset()
    links: frozenset[Literal["none", "constant", "host"]] = frozenset()
    #: What the line's `registrations` must have, all of them.
    registrations: tuple[RegistrationName, ...] = ()
    #: Each text is filed, with its variables written this way; `*` stands for the variable's name.
    each_text: Text | None = None

    @model_validator(mode="after")
    def _ask_for_one_thing(self) -> Self:
        if bool(self.registrations) == (self.each_text is not None):
            raise ValueError("must ask either for registrations or for each_text")
        return self


class ClockRuleModel(NamedRule):
    """By when a law wants what somebody brought up acknowledged, and answered: hours from the text."""

    tasks: Annotated[frozenset[TaskKind], AfterValidator(_not_empty)]
    acknowledge_hours: Annotated[StrictInt, Field(ge=1, le=2160)] | None = None
    answer_hours: Annotated[StrictInt, Field(ge=1, le=2160)] | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.acknowledge_hours is None and self.answer_hours is None:
            raise ValueError("must say acknowledge_hours, answer_hours or both")
        if self.cases:
            raise ValueError("cases: are about messages, and a clock is about people")
        return self


class SignatureModel(Strict):
    """Who answers for this pack, and until when it may send."""

    by: Text
    until: date


class PackModel(Strict):
    jurisdiction: Jurisdiction
    name: Text
    extends: Jurisdiction | None = None
    #: false: a base that others extend. Nobody lives in it, so nobody is written to under it.
    sendable: StrictBool = True
    #: draft: nobody has reviewed it. It answers questions and plans; nothing is sent under it.
    status: Literal["draft", "reviewed"] = "reviewed"
    locales: Annotated[tuple[LocaleName, ...], Field(min_length=1)]
    #: The zones somebody there may live in, the most usual first; inherited.
    zones: tuple[ZoneName, ...] = ()
    #: Parts of it that have no pack of their own: `same` rules, or `unreviewed`, where nobody is written to.
    regions: dict[RegionName, Literal["same", "unreviewed"]] = Field(default_factory=dict)
    signed: SignatureModel | None = None
    settings: SettingsModel = SettingsModel()
    hours: tuple[HoursModel, ...] = ()
    caps: tuple[CapModel, ...] = ()
    holds: tuple[HoldModel, ...] = ()
    consents: tuple[ConsentModel, ...] = ()
    verifications: tuple[VerificationModel, ...] = ()
    bans: tuple[BanModel, ...] = ()
    texts: tuple[ContentRuleModel, ...] = ()
    filings: tuple[FilingModel, ...] = ()
    clocks: tuple[ClockRuleModel, ...] = ()

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        if self.extends == self.jurisdiction:
            raise ValueError("a pack cannot extend itself")
        if self.status == "draft" and self.signed is not None:
            raise ValueError("signed: a draft is not signed; a signed pack has been reviewed")
        if len(set(self.locales)) != len(self.locales):
            raise ValueError("locales: one is there twice")
        return self


class PolicyModel(Strict):
    """What the lender asks of itself in a jurisdiction, beyond its law: only ever stricter."""

    jurisdiction: Jurisdiction
    settings: SettingsModel = SettingsModel()
    hours: tuple[HoursModel, ...] = ()
    caps: tuple[CapModel, ...] = ()
    consents: tuple[ConsentModel, ...] = ()
    verifications: tuple[VerificationModel, ...] = ()
    bans: tuple[BanModel, ...] = ()
    texts: tuple[ContentRuleModel, ...] = ()

    @model_validator(mode="after")
    def _be_its_own(self) -> Self:
        for section in ("hours", "caps", "consents", "verifications", "bans", "texts"):
            for number, rule in enumerate(getattr(self, section)):
                if rule.source.confidence != "own":
                    raise ValueError(f"{section}[{number}]: {rule.id} says it is a law: it belongs in a pack")
        for name in SettingsModel.model_fields:
            setting: SettingModel | None = getattr(self.settings, name)
            if setting is not None and setting.source.confidence != "own":
                raise ValueError(f"settings.{name}: says it is a law: it belongs in a pack")
        return self


class CalendarModel(Strict):
    """The public holidays of a place, day by day, as they were known when the file was made."""

    calendar: CalendarName
    source: SourceModel
    first_year: StrictInt
    last_year: StrictInt
    days: dict[date, Text]

    @model_validator(mode="after")
    def _cover_their_years(self) -> Self:
        years = {day.year for day in self.days}
        if years != set(range(self.first_year, self.last_year + 1)):
            raise ValueError("days: each year from first_year to last_year has some, and no other year")
        return self


# ── Strategy ─────────────────────────────────────────────────────────────────────────────────────────────────────────


#: From the gentlest on.
TONES = ("friendly", "plain", "factual")
Tone = Literal["friendly", "plain", "factual"]


class StageModel(Strict):
    id: Identifier
    kind: Literal["reminder", "tier", "referral"]
    offset_days: Annotated[StrictInt, Field(ge=-60, le=365)]
    lasts_days: Annotated[StrictInt, Field(ge=1, le=30)] | None = None
    gap_days: Annotated[StrictInt, Field(ge=0, le=60)] = 0
    purpose: Literal[Purpose.SERVICING, Purpose.COLLECTION]
    template: Identifier | None = None
    channels: tuple[Channel, ...] = ()
    priority: Annotated[StrictInt, Field(ge=0, le=9)]
    to: tuple[PartyRole, ...] = (PartyRole.PRIMARY,)  # a representative stands in the place of whom they represent
    #: Other words for some of them: a guarantor reads of a loan they guarantee, not of their own.
    words_for: dict[PartyRole, Identifier] = Field(default_factory=dict)
    #: The sharpest that its words may be: the messages it uses have this tone or a gentler one.
    tone: Tone | None = None

    @property
    def messages(self) -> tuple[str, ...]:
        """What it says, to whoever it says it."""
        return (*([self.template] if self.template is not None else ()), *self.words_for.values())

    @model_validator(mode="after")
    def _fit_its_kind(self) -> Self:
        if PartyRole.PRIMARY not in self.to or PartyRole.REPRESENTATIVE in self.to or len(set(self.to)) < len(self.to):
            raise ValueError("to names the primary borrower, co_borrower and guarantor beside, each once")
        if self.words_for.keys() - set(self.to):
            raise ValueError("words_for: names only whom the stage is said to")
        if self.kind == "referral":
            if self.template is not None or self.channels or len(self.to) > 1:
                raise ValueError("a referral is to a person: it has neither template nor channels, and no addressee")
        elif self.template is None or not self.channels:
            raise ValueError(f"a {self.kind} needs a template and at least one channel")
        if (self.tone is None) != (self.kind == "referral"):
            raise ValueError("tone: each stage that says something has one")
        if (self.kind == "reminder") != (self.lasts_days is not None):
            raise ValueError("lasts_days belongs to reminders, and each reminder has it")
        if self.offset_days > 0 and self.purpose is not Purpose.COLLECTION:
            raise ValueError("what is said after the due date is collection")
        if self.offset_days <= 0 and self.purpose is not Purpose.SERVICING:
            raise ValueError("what is said up to the due date is servicing")
        if self.kind == "tier" and self.offset_days < 1:
            raise ValueError("a tier comes after the due date")
        return self


class HoldoutModel(Strict):
    """Who is not sent these stages, so that what the stages do can be measured: a share of the borrowers, by hash."""

    share: Annotated[float, Field(gt=0, le=0.2)]
    stages: Annotated[frozenset[Identifier], AfterValidator(_not_empty)]


class StrategyModel(Strict):
    id: Identifier
    jurisdictions: Annotated[frozenset[Jurisdiction], AfterValidator(_not_empty)]
    products: Annotated[frozenset[Product], AfterValidator(_not_empty)]
    #: Whoever has loans of several products follows one strategy: the one of the highest precedence.
    precedence: Annotated[StrictInt, Field(ge=0, le=1000)]
    source: SourceModel
    #: Between any two of our messages about what is owed; 0: only what the packs and policies ask.
    min_gap_days: Annotated[StrictInt, Field(ge=0, le=30)] = 0
    holdout: HoldoutModel | None = None
    #: left_out: a text states the whole total, and does not itemise what of it is fees.
    late_fees: Literal["stated", "left_out"] = "stated"
    max_attempts: Annotated[StrictInt, Field(ge=1, le=10)]
    max_rounds: Annotated[StrictInt, Field(ge=1, le=300)]
    max_case_days: Annotated[StrictInt, Field(ge=1, le=300)]
    hours: HoursModel
    stages: tuple[StageModel, ...]

    @model_validator(mode="after")
    def _go_forward(self) -> Self:
        kinds = [stage.kind for stage in self.stages]
        if kinds != sorted(kinds, key=["reminder", "tier", "referral"].index):
            raise ValueError("stages: reminders come before tiers, tiers before the referral")
        if kinds.count("tier") < 1 or kinds.count("referral") != 1:
            raise ValueError("stages: at least one tier, and one referral to a person at the end")
        offsets = [stage.offset_days for stage in self.stages]
        if offsets != sorted(set(offsets)):
            raise ValueError("stages: offset_days must go up")
        identifiers = [stage.id for stage in self.stages]
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("stages: an id is used twice")
        for stage, following in zip(self.stages, self.stages[1:], strict=False):
            if stage.lasts_days is not None and stage.offset_days + stage.lasts_days > following.offset_days:
                raise ValueError(f"stages: {stage.id} would still be current when {following.id} begins")
            if following.kind != "referral" and following.offset_days - stage.offset_days <= self.min_gap_days:
                raise ValueError(f"min_gap_days: {following.id} comes too soon after {stage.id} to be said")
        return self

    @model_validator(mode="after")
    def _hold_out_reminders_only(self) -> Self:
        known = {stage.id: stage for stage in self.stages}
        for name in sorted(self.holdout.stages) if self.holdout is not None else ():
            if name not in known:
                raise ValueError(f"holdout: there is no stage {name}")
            if known[name].kind != "reminder":
                raise ValueError(f"holdout: {name} is a {known[name].kind}: nobody is left without it")
            if known[name].offset_days == 0:
                raise ValueError(f"holdout: {name} is said on the due date: nobody is left without it")
        return self


# ── Lender ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class FailuresModel(Strict):
    """When a line rests because what it is given fails; what is not said is usual."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    minimum: Annotated[StrictInt, Field(ge=1)] = 20
    window_minutes: Annotated[StrictInt, Field(ge=1, le=1440)] = 10
    rest_minutes: Annotated[StrictInt, Field(ge=1, le=240)] = 15
    trickle: Annotated[StrictInt, Field(ge=1)] = 5
    spend_rest_hours: Annotated[StrictInt, Field(ge=1, le=744)] = 12


class LineTemplateModel(Strict):
    """A text as the provider has it on file, without the signature: `${name}`, `{1}` or
    `{{thing1.DATA}}` stands for what changes."""

    code: Text
    text: Text


class LineModel(Strict):
    id: Identifier
    jurisdiction: Jurisdiction
    channel: Channel
    provider: Identifier
    origination: Text
    purposes: Purposes
    parts_per_second: Annotated[float, Field(gt=0, le=1000)]
    parts_per_day: Annotated[StrictInt, Field(ge=1)] | None = None
    day_zone: ZoneName = "UTC"  # in which the provider's day begins
    failures: FailuresModel = Field(default_factory=FailuresModel)
    links: Literal["none", "constant", "host"]
    opt_out_line: Literal["required", "forbidden"]
    signature: str = ""
    configuration_set: str = ""
    max_price: Annotated[str, StringConstraints(pattern=r"^(\d+\.\d+)?$")] = ""
    registrations: dict[RegistrationName, Text] = Field(default_factory=dict)
    #: Where the provider takes no words of ours, only the code of a filed text and what stands in its gaps.
    templates: list[LineTemplateModel] = Field(default_factory=list)
    brand: Identifier | None = None  # who the borrower thinks is speaking; the lender, where nothing is said


class CeilingsModel(Strict):
    """Messages of one template in one UTC day beyond which something is wrong rather than busy."""

    every_template: Annotated[StrictInt, Field(ge=1)]
    templates: dict[Identifier, Annotated[StrictInt, Field(ge=0)]] = Field(default_factory=dict)


class TextsModel(Strict):
    """What the templates may say in the lender's name, in one locale."""

    name: Text  # the lender as the law knows it
    brand: Text  # the lender as the borrower knows it
    hotline: Text
    hotline_hours: Text
    pay_short: Text  # the ways to pay, in a few words
    pay_transfer: Text
    pay_wallet: Text
    pay_debit: Text
    early_help: Text  # what we can do for someone who cannot pay in full
    opt_out_sms: Text
    opt_out_email: Text
    self_service: Text  # where to read, sign and upload, in words
    local_help: Text  # approved help in a crisis
    guidance: Text  # independent advice on money and debt


class PageModel(Strict):
    """The borrower's page: under which host of the lender's own, and what people prove who they are by."""

    host: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9\-.]{0,60}[a-z0-9])?$")]
    proofs: Annotated[tuple[Proof, ...], Field(min_length=1)]
    link_days: Annotated[StrictInt, Field(ge=1, le=60)] = 14
    wrong_tries: Annotated[StrictInt, Field(ge=3, le=10)] = 5
    locked_hours: Annotated[StrictInt, Field(ge=1, le=720)] = 24
    session_minutes: Annotated[StrictInt, Field(ge=5, le=60)] = 20


class PageWordsModel(Strict):
    """What the page says in one locale. `serves`: the locales of people who read it, its own among them."""

    locale: LocaleName
    serves: Annotated[tuple[LocaleName, ...], Field(min_length=1)]
    author: Text
    words: Annotated[dict[Identifier, Text], Field(min_length=1)]


class LenderModel(Strict):
    id: Identifier
    page: PageModel | None = None
    capacity: Capacity = STRICTEST
    core_heartbeat_max_minutes: Annotated[StrictInt, Field(ge=1)]
    ceilings: CeilingsModel
    lines: tuple[LineModel, ...]
    texts: dict[LocaleName, TextsModel]

    @model_validator(mode="after")
    def _name_lines_once(self) -> Self:
        identifiers = [line.id for line in self.lines]
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("lines: an id is used twice")
        return self


# ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────────────

VariableType = Literal[
    "text",
    "money",
    "optional_money",
    "date",
    "count",
    "items",
    "tail",
    "reference",
    "percent",
    "phrase",
    "phrases",
    "offers",
    "words",
]

#: What every text may say without asking for it: who speaks, and how to pay, answer and get help.
COMMON_VARIABLES = frozenset(
    {
        "name",
        "signature",
        "opt_out",
        "lender",
        "brand",
        "hotline",
        "hotline_hours",
        "pay",
        "pay_transfer",
        "pay_wallet",
        "pay_debit",
        "early_help",
        "self_service",
        "local_help",
        "guidance",
        "sender",
    }
)
#: What a statement holds: the figures of what is due now, summed by nobody but the core.
STATEMENT_VARIABLES: dict[str, VariableType] = {
    "tail": "tail",
    "total": "money",
    "fees": "optional_money",
    "due_on": "date",
    "reply_by": "date",
    "days": "count",
    "accounts": "count",
    "items": "items",
}


class MessageModel(Strict):
    """What one message is for, in every language: its trigger, its purpose, the facts it needs."""

    says: Text
    #: `stage`: the contact strategy's; `event`: the core asks for it by this name; `reply`: the borrower's own words;
    #: `case`: an escalation has come to this; `answer`: a person answers, with this text or, in it, in their own words.
    trigger: Literal["stage", "event", "reply", "case", "answer"]
    purpose: Purpose
    tone: Tone
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] = (Channel.SMS, Channel.EMAIL)
    #: Later than so many hours after its trigger it is not said any more.
    within_hours: Annotated[StrictInt, Field(ge=1, le=24 * 30)] = 24
    #: Nothing waits behind it: whoever is in danger is told first.
    urgent: StrictBool = False
    #: Whether it states what is due, from the same read as the reservation.
    statement: StrictBool = False
    #: `offers`: the text says how to opt out. `confirms`: it answers an opt-out. `none`: it is no place for it.
    opt_out: Literal["offers", "confirms", "none"] = "offers"
    #: What the text says will follow, so that the strategy can be held against it.
    says_next: Literal["nothing", "reminder", "last_reminder", "person"] = "nothing"
    #: `reply_by` is this many days from today.
    reply_within_days: Annotated[StrictInt, Field(ge=1, le=30)] | None = None
    #: The letter that the law may require beside it; the text never takes its place.
    letter: Identifier | None = None
    #: Stops that it is about, and that do not stop it: the day of a promise is spoken of while the promise stands.
    despite: frozenset[HoldKind] = frozenset()
    #: A consent of its own, beyond the purpose's.
    consent: Identifier | None = None
    variables: dict[VariableName, VariableType]

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        for name, kind in self.variables.items():
            if name in COMMON_VARIABLES:
                raise ValueError(f"variables: {name} is in every text and need not be declared")
            if self.statement and STATEMENT_VARIABLES.get(name, kind) != kind:
                raise ValueError(f"variables: {name} is of type {STATEMENT_VARIABLES[name]}")
            if not self.statement and kind in ("items", "optional_money"):
                raise ValueError(f"variables: {name} comes from a statement; say statement: true")
        if ("reply_by" in self.variables) != (self.reply_within_days is not None):
            raise ValueError("reply_by and reply_within_days go together")
        if self.statement and "total" not in self.variables:
            raise ValueError("variables: a message with a statement states the total")
        if self.trigger in ("stage", "case") and self.purpose not in (Purpose.SERVICING, Purpose.COLLECTION):
            raise ValueError("purpose: what a stage says is servicing or collection")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels: one is there twice")
        return self


class MessagesModel(Strict):
    """One group of messages."""

    group: Identifier
    messages: Annotated[dict[Identifier, MessageModel], Field(min_length=1)]


class PhrasesModel(Strict):
    """Approved words for what the core says by a code: reasons, steps, documents. Its own words are never sent."""

    locale: LocaleName
    author: Text
    phrases: Annotated[dict[Identifier, dict[Identifier, Text]], Field(min_length=1)]


# ── Words, zones, releases ───────────────────────────────────────────────────────────────────────────────────────────


AnswerClass = Literal["threat", "impersonation", "shaming", "third_party", "pressure", "urgency", "credentials"]


class WordListModel(Strict):
    alone: tuple[Text, ...] = ()
    lenient: tuple[Text, ...] = ()
    phrases: tuple[Text, ...] = ()
    reversed_by: tuple[Text, ...] = ()
    whole: tuple[Text, ...] = ()


class WordsModel(Strict):
    """How people ask, in one locale; and what we never say in it."""

    locale: LocaleName
    source: SourceModel
    courtesies: tuple[Text, ...] = ()
    fillers: tuple[Text, ...] = ()
    opt_out: WordListModel
    #: Of everything, at every number and address: only where it can mean nothing less.
    opt_out_all: WordListModel = WordListModel()
    opt_in: WordListModel
    help: WordListModel
    #: Never in a text: threats, pretended authority, pressure to borrow again.
    forbidden: tuple[Text, ...]
    #: Never in what a person answers, by class; beyond `forbidden`, which holds for every text.
    never_in_answers: dict[AnswerClass, tuple[Text, ...]] = Field(default_factory=dict)
    #: Never in an e-mail's subject, which others can read.
    forbidden_in_subjects: tuple[Text, ...]


#: The context in which bytes are read that are a live release, so that each of their patterns was tried before.
SIGNED: Mapping[str, bool] = {"signed": True}


def _is_pattern(text: str, info: ValidationInfo) -> str:
    if info.context is not None and info.context.get("signed"):
        return text  # compiled once more, joined with its neighbours, where it is used
    try:
        re.compile(text)
    except re.error as mistake:
        raise ValueError(f"is no regular expression: {mistake.msg}") from None
    return text


Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_is_pattern)]


class IntentRuleModel(Strict):
    """A text in which any of these patterns is found asks for the intent, unless the other one is found too."""

    intent: Intent
    topic: Topic = Topic.NONE
    #: Decides nothing alone: see `dunlin.domain.understanding.lexicon.IntentRule`.
    cue: StrictBool = False
    at_least: Annotated[float, Field(ge=0, le=1)] = 0.0
    any: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    unless: Pattern | None = None


class UnderstandingModel(Strict):
    """How a borrower's text is read, beyond the legal words."""

    source: SourceModel
    #: A piece of pattern by name, written `<name>` in the patterns.
    macros: dict[Identifier, Pattern] = Field(default_factory=dict)
    rules: tuple[IntentRuleModel, ...]
    topics: tuple[IntentRuleModel, ...] = ()
    #: What a text may speak of; each is a feature of the weights.
    hints: dict[Identifier, Pattern] = Field(default_factory=dict)
    #: All of an answer in an open dialogue, and the words that add nothing around one.
    yes: tuple[Text, ...]
    no: tuple[Text, ...]
    around: tuple[Text, ...]

    def pattern(self, *patterns: str) -> re.Pattern[str]:
        """The patterns as one, with what the macros stand for."""
        whole = "|".join(f"(?:{pattern})" for pattern in patterns)
        for name, piece in reversed(self.macros.items()):
            whole = whole.replace(f"<{name}>", piece)
        return re.compile(whole)


class WeightsModel(Strict):
    """The weights of `models/intents.json`, trained by `dunlin train-intents`."""

    intents: tuple[Intent, ...]
    scale: Annotated[StrictInt, Field(ge=1)]
    #: Traditional characters, and in the same order the simplified ones.
    traditional: Text
    simplified: Text
    #: Of a feature, the weight of each intent by its number above.
    weights: dict[str, dict[str, StrictInt]]

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        if len(self.traditional) != len(self.simplified):
            raise ValueError("traditional, simplified: one has more characters")
        numbers = {number for weights in self.weights.values() for number in weights}
        if unknown := sorted(numbers - {str(number) for number in range(len(self.intents))}):
            raise ValueError(f"weights: has no intent of that number: {', '.join(unknown)}")
        return self


class AreaModel(Strict):
    zones: Annotated[tuple[ZoneName, ...], Field(min_length=1)]
    codes: Annotated[str, StringConstraints(pattern=r"^\d+( \d+)*$")]  # one text: a list of hundreds loads slowly

    @property
    def code_list(self) -> list[str]:
        return self.codes.split()


class ZonesModel(Strict):
    """The zones the numbers of one calling code are in."""

    calling_code: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,2}$")]
    area_code_digits: Annotated[StrictInt, Field(ge=0, le=5)]
    source: SourceModel
    otherwise: tuple[ZoneName, ...]
    areas: tuple[AreaModel, ...]

    @model_validator(mode="after")
    def _name_codes_once(self) -> Self:
        codes = [code for area in self.areas for code in area.code_list]
        if len(set(codes)) != len(codes):
            raise ValueError("areas: a code is in two areas; give the code all of its zones")
        if any(len(code) != self.area_code_digits for code in codes):
            raise ValueError(f"areas: a code has {self.area_code_digits} digits")
        return self


EnvironmentName = Literal["embedded", "dev", "staging", "prod"]
ActName = Literal["drafted", "reviewed", "approved", "filed", "released", "withdrawn"]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _day_or_moment(text: str) -> str:
    if _is_day(text) and len(text) == len("2026-11-14"):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day, or a moment with its zone") from None
    if moment.tzinfo is None:
        raise ValueError("must be a day, or a moment with its zone")
    return text


def _not_twice(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("one is there twice")
    return names


class FiledLineModel(Strict):
    """What a line had filed when somebody said so: its own numbers, and how many texts, with a digest over theirs."""

    line: Identifier
    registrations: dict[RegistrationName, Text] = Field(default_factory=dict)
    texts: Annotated[StrictInt, Field(ge=0)] = 0
    digest: Digest | None = None


class ActModel(Strict):
    """Somebody put their name to something about one version. Acts are added at the end and never changed."""

    number: Annotated[StrictInt, Field(ge=1)]
    act: ActName
    version: Version
    by: Text
    #: A day, or a moment with its zone, as it was written.
    at: Annotated[str, AfterValidator(_day_or_moment)]
    note: Text | None = None
    #: Where it counts. `withdrawn` without any: everywhere, and for good.
    environments: Annotated[tuple[EnvironmentName, ...], AfterValidator(_not_twice)] = ()
    lines: tuple[FiledLineModel, ...] = ()
    #: Numbers that somebody gave by hand.
    registrations: dict[RegistrationName, Text] = Field(default_factory=dict)
    #: The digest of the act before; null for the first.
    previous: Digest | None
    digest: Digest

    @model_validator(mode="after")
    def _say_what_belongs_to_it(self) -> Self:
        if self.act in ("filed", "released") and not self.environments:
            raise ValueError(f"environments: what is {self.act} says where")
        if self.act in ("drafted", "reviewed", "approved") and self.environments:
            raise ValueError(f"environments: what is {self.act} is so everywhere")
        if self.act != "filed" and (self.lines or self.registrations):
            raise ValueError("lines, registrations: only what is filed has them")
        return self


class ActsModel(Strict):
    """`release.json`: who did what about which version, each act holding the digest of the one before."""

    acts: tuple[ActModel, ...]


class FiledTextModel(Strict):
    """One wording of a text, as a provider has it on file."""

    line: Identifier
    message: Identifier
    locale: LocaleName
    #: Over exactly the words that were filed.
    digest: Digest
    id: FilingNumber
    on: date


class FiledTextsModel(Strict):
    """`filings.json`: which texts a provider has on file, beside the release and not part of the version."""

    filings: tuple[FiledTextModel, ...]
