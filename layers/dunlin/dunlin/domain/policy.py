"""Policy and strategy as the decision sees them: frozen, resolved, already validated (see `dunlin.content`)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from dunlin.domain.agreements import USUAL_ANSWERS, AnswerPolicy
from dunlin.domain.holdout import is_held_out
from dunlin.domain.page import PageRules
from dunlin.domain.pauses import Pause
from dunlin.domain.words import Channel, HoldKind, PartyRole, Purpose, StopSource, UnderStop


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from. `confidence`: P primary text, S secondary, M memory, own = the lender's own policy."""

    reference: str
    confidence: str


#: In a rule's channels: all of them.
ANY_CHANNEL = "any"
LETTER = "letter"
Hours = tuple[int, int] | None


def concerns(rule: CapRule | ConsentRule | VerificationRule | Ban | HoursRule, purpose: Purpose, channel: str) -> bool:
    """Whether a rule is about messages of this purpose on this channel."""
    return purpose in rule.purposes and (ANY_CHANNEL in rule.channels or channel in rule.channels)


@dataclass(frozen=True, slots=True)
class HoursRule:
    """Local hours in which a message of these purposes may be felt.

    `week[d]` (0 = Monday) is (open, close) in minutes after local midnight, or None for a closed day; on a day in
    `holidays` it is `on_holidays` instead. Every zone that the borrower may be in must be inside its own hours. The
    rule does not bind once a debt is more than `unless_days_over` days overdue, nor with the consent named
    `unless_consent`.
    """

    rule_id: str
    purposes: frozenset[Purpose]
    week: tuple[Hours, ...]
    source: Source
    channels: frozenset[str] = frozenset({ANY_CHANNEL})
    holidays: frozenset[date] = frozenset()
    on_holidays: Hours = None
    unless_days_over: int | None = None
    unless_consent: str = ""

    def is_about(self, purpose: Purpose, channel: str) -> bool:
        """A letter comes at no hour: a rule of hours has to name it to mean it."""
        return concerns(self, purpose, channel) and (channel != LETTER or LETTER in self.channels)

    def binds(self, purpose: Purpose, channel: str, days_overdue: int, consents: Container[str]) -> bool:
        if not self.is_about(purpose, channel):
            return False
        if self.unless_days_over is not None and days_overdue > self.unless_days_over:
            return False
        return not (self.unless_consent and self.unless_consent in consents)


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Messages of these purposes on these channels need the person's consent to that purpose."""

    rule_id: str
    purposes: frozenset[Purpose]
    source: Source
    channels: frozenset[str] = frozenset({ANY_CHANNEL})


@dataclass(frozen=True, slots=True)
class Proofs:
    """Since when what a rule may want to be proved is proved. None: it is not.

    `confirmed_at`: somebody made sure that the number or address is this person's. `checked_at`: it was looked up that
    it was not given to somebody else. `consented_at`: the person consented to this purpose there.
    """

    confirmed_at: datetime | None = None
    checked_at: datetime | None = None
    consented_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerificationRule:
    """Debt detail goes only where the person is proved to be reached: by any one of `proofs` (confirmed, checked,
    consent), not older than `within` (None: ever)."""

    rule_id: str
    purposes: frozenset[Purpose]
    source: Source
    channels: frozenset[str]
    proofs: frozenset[str]
    within: timedelta | None = None

    def is_met(self, proofs: Proofs, now: datetime) -> bool:
        known = {"confirmed": proofs.confirmed_at, "checked": proofs.checked_at, "consent": proofs.consented_at}
        moments = (known[name] for name in self.proofs)
        return any(at is not None and (self.within is None or now - at <= self.within) for at in moments)


@dataclass(frozen=True, slots=True)
class Ban:
    """What is never said: these purposes on these channels, from so many days overdue on (None: always)."""

    rule_id: str
    purposes: frozenset[Purpose]
    source: Source
    channels: frozenset[str] = frozenset({ANY_CHANNEL})
    from_days_overdue: int | None = None


@dataclass(frozen=True, slots=True)
class CapRule:
    """At most `count` contacts in any `days` (rolling), or on one local calendar day (`basis` calendar, days 1).

    Counted per debtor, or per loan (`per`). Contacts by diallers, agents, agencies and letters count where their
    channel is named; `any` means every channel.
    """

    rule_id: str
    purposes: frozenset[Purpose]
    channels: frozenset[str]
    count: int
    days: int
    basis: str  # rolling | calendar
    per: str  # debtor | loan
    source: Source


@dataclass(frozen=True, slots=True)
class HoldRule:
    """One row of the table of stops: what a hold of this kind stops, and who begins and ends it.

    `narrows`: what less than the whole borrower a placement may name (loan, party, point). `default_for` is how long
    one lasts that says nothing of its end, `longest_for` the most it may say; None: until somebody lifts it.
    """

    kind: HoldKind
    stops: frozenset[Purpose]
    escalation: UnderStop = UnderStop.WAITS
    placed_by: frozenset[StopSource] = frozenset(StopSource)
    lifted_by: frozenset[StopSource] = frozenset(StopSource)
    narrows: frozenset[str] = frozenset({"loan", "party", "point"})
    default_for: timedelta | None = None
    longest_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """A jurisdiction's rules for one capacity. `signed_until` past: it may plan, it may not send."""

    jurisdiction: str
    capacity: str
    hours: tuple[HoursRule, ...]
    caps: tuple[CapRule, ...]
    holds: tuple[HoldRule, ...]
    consents: tuple[ConsentRule, ...]
    balance_max_age_hours: int
    deaf_after_minutes: int
    confirm_opt_out_within_minutes: int
    signed_by: str
    signed_until: date
    bans: tuple[Ban, ...] = ()
    verifications: tuple[VerificationRule, ...] = ()

    @property
    def hours_change_with_age(self) -> bool:
        """Whether some hours depend on how long a debt is overdue."""
        return any(rule.unless_days_over is not None for rule in self.hours)

    def missing_consent(self, purpose: Purpose, channel: str, given: Container[str]) -> str | None:
        """The rule that asks for a consent to this purpose which was not given; None: nothing is missing."""
        if not self.consents or purpose in given:
            return None
        return next(iter(self.asking_consent(purpose, channel)), None)

    def asking_consent(self, purpose: Purpose, channel: str) -> tuple[str, ...]:
        """The rules that ask for a consent to this purpose there, given or not."""
        return tuple(rule.rule_id for rule in self.consents if concerns(rule, purpose, channel))

    def unverified(self, purpose: Purpose, channel: str, proofs: Proofs, now: datetime) -> str | None:
        """The rule that wants to be sure of the person first, and is not; None: there is none."""
        for rule in self.verifications:
            if concerns(rule, purpose, channel) and not rule.is_met(proofs, now):
                return rule.rule_id
        return None

    def ban(self, purpose: Purpose, channel: str, days_overdue: int) -> str | None:
        """The rule that forbids this purpose on this channel at any hour; None: there is none."""
        for rule in self.bans:
            if concerns(rule, purpose, channel) and (
                rule.from_days_overdue is None or days_overdue >= rule.from_days_overdue
            ):
                return rule.rule_id
        return None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the contact strategy.

    `kind`: reminder (before or on the due date, and in grace), tier (overdue escalation) or referral (to a person).
    `offset_days` counts from the due date; a reminder is current for `lasts_days` from there, then it is overtaken.
    A tier or the referral also waits `gap_days` after the previous tier was told. `to` are the roles that are told,
    the primary borrower always: whether a tier was told, and when the next one is due, is a matter of theirs alone.
    `strategy_id` is written on what the stage says, for whoever asks under which strategy that was.
    """

    stage_id: str
    kind: str
    offset_days: int
    lasts_days: int
    gap_days: int
    purpose: Purpose
    template: str
    channels: tuple[Channel, ...]
    priority: int
    to: tuple[PartyRole, ...] = (PartyRole.PRIMARY,)
    words_for: tuple[tuple[PartyRole, str], ...] = ()
    strategy_id: str = ""

    def template_for(self, role: PartyRole) -> str:
        """The words for somebody of this role: who guarantees a loan does not read that it is theirs."""
        if not self.words_for:
            return self.template
        return dict(self.words_for).get(role, self.template)


@dataclass(frozen=True, slots=True)
class Holdout:
    """The share of borrowers (0 to 1) who are not sent these stages, so that what the stages do can be measured."""

    share: float
    stages: frozenset[str]


#: On which we write. What others do on the telephone or at the door is counted by rules of their own.
_OUR_CHANNELS = frozenset(str(channel) for channel in Channel)


@dataclass(frozen=True, slots=True)
class Strategy:
    """The contact strategy: stages in order of offset, reminders before tiers before the referral; at least one tier.

    `precedence`: of the strategies of a borrower's loans the highest leads. `min_gap_days` lie between any two of our
    messages about what is owed (0: nothing of its own). Without `states_late_fees` a text states the whole total and
    does not itemise what of it is fees. The last four fields are views, made once because every decision asks for them.
    """

    strategy_id: str
    stages: tuple[Stage, ...]
    hours: HoursRule
    max_attempts: int
    max_rounds: int
    max_case_days: int
    precedence: int = 0
    min_gap_days: int = 0
    holdout: Holdout | None = None
    states_late_fees: bool = True
    reminders: tuple[Stage, ...] = field(init=False, repr=False, compare=False)
    by_id: dict[str, Stage] = field(init=False, repr=False, compare=False)
    tiers_from: int = field(init=False, repr=False, compare=False)
    caps: tuple[CapRule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tiers = [stage.offset_days for stage in self.stages if stage.kind == "tier"]
        if not tiers:
            raise ValueError("a strategy has at least one tier")
        object.__setattr__(self, "reminders", tuple(stage for stage in self.stages if stage.kind == "reminder"))
        object.__setattr__(self, "by_id", {stage.stage_id: stage for stage in self.stages})
        object.__setattr__(self, "tiers_from", min(tiers))
        object.__setattr__(self, "caps", (self._gap(),) if self.min_gap_days else ())

    def _gap(self) -> CapRule:
        return CapRule(
            rule_id=f"strategy.{self.strategy_id}.min_gap",
            purposes=frozenset({Purpose.SERVICING, Purpose.COLLECTION}),
            channels=_OUR_CHANNELS,
            count=1,
            days=self.min_gap_days,
            basis="rolling",
            per="debtor",
            source=self.hours.source,
        )

    def held_out(self, stage_id: str, borrower_id: str) -> str | None:
        """The rule by which this borrower is not sent this stage; None: they are."""
        if self.holdout is None or stage_id not in self.holdout.stages:
            return None
        if not is_held_out(self.strategy_id, borrower_id, self.holdout.share):
            return None
        return f"strategy.{self.strategy_id}.holdout"


@dataclass(frozen=True, slots=True)
class Failures:
    """When a line rests: at least `minimum` failures in a `window` that are at least `share` of what it was given.

    It rests for `rest`, twice as long each time in a row, and comes back with `trickle` texts in a window. Once its
    provider's spend limit is reached, one text in `spend_rest` finds out whether it still holds.
    """

    share: float = 0.5
    minimum: int = 20
    window: timedelta = timedelta(minutes=10)
    rest: timedelta = timedelta(minutes=15)
    trickle: int = 5
    spend_rest: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Line:
    """A sender identity and its route. `links`: none, constant or host; `opt_out_line`: required or forbidden.

    What the provider carries: `parts_per_second`, and `parts_per_day` (None: no limit) of the day in `day_zone`.
    `templates`: (code, text) of what the provider has on file, where it sends nothing else.
    """

    line_id: str
    jurisdiction: str
    channel: Channel
    provider: str
    origination: str
    purposes: frozenset[Purpose]
    parts_per_second: float
    links: str
    opt_out_line: str
    signature: str = ""
    configuration_set: str = ""
    max_price: str = ""
    registrations: tuple[tuple[str, str], ...] = ()
    brand: str = ""
    parts_per_day: int | None = None
    day_zone: str = "UTC"
    failures: Failures = field(default_factory=Failures)
    templates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lender:
    """The lender's profile: who speaks, how to pay, whom to call. `texts` are per locale.

    `ceilings`: messages of one template in one UTC day, beyond which something is wrong rather than busy; `ceiling`
    is for every template that is not named. `core_heartbeat_max_minutes`: a core that sends checkpoints sends one at
    least this often.
    """

    lender_id: str
    capacity: str
    lines: tuple[Line, ...]
    texts: dict[str, dict[str, str]]
    core_heartbeat_max_minutes: int
    ceiling: int = 10_000
    ceilings: tuple[tuple[str, int], ...] = ()
    #: Rules of the borrower's page; None: there is none.
    page: PageRules | None = None

    def ceiling_of(self, template: str) -> int:
        return dict(self.ceilings).get(template, self.ceiling)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What else a decision rests on: how far the core's feed is complete, whether we hear, what is stopped.

    `feed_quiet_from`: a core that sends checkpoints owes one by then. `unheard_since`: what reached our ears is known
    up to then (None: nobody listens, nobody needs to). `full_templates` have reached today's ceiling, which opens
    again at `ceilings_until`.
    """

    feed_complete_to: datetime | None = None
    feed_quiet_from: datetime | None = None
    unheard_since: datetime | None = None
    stopped_lines: frozenset[str] = frozenset()
    pauses: tuple[Pause, ...] = ()
    full_templates: frozenset[str] = frozenset()
    ceilings_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """A message that is said because something happened, not because a stage of the strategy came.

    It is not said later than `within` after it happened. `from_core`: the core asks for it by name; otherwise the
    application does, or (`by_person`) a person. `letter`: the letter a law may require beside it. `consent`: one it
    needs beyond its purpose's. `variables` are the facts it states, by type; `statement`: it also states what is due,
    from the same read as the reservation. `despite`: stops that it is about, and that do not stop it.
    """

    message: str
    purpose: Purpose
    channels: tuple[Channel, ...]
    within: timedelta
    urgent: bool = False
    statement: bool = False
    from_core: bool = True
    by_person: bool = False
    letter: str = ""
    consent: str = ""
    despite: frozenset[HoldKind] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a decision about one borrower follows: pack, lines, release and conditions."""

    pack: Pack
    lines: tuple[Line, ...]
    content_version: str
    live: bool
    conditions: Conditions
    locales: frozenset[tuple[str, str]]  # (template, locale) that exist
    expected_parts: dict[tuple[str, str], int]
    #: What is spoken there, the fallback first.
    languages: tuple[str, ...] = ()
    notices: Mapping[str, NoticeRule] = field(default_factory=dict)
    answers: AnswerPolicy = USUAL_ANSWERS
    #: Lines on which only texts go that are on file, word for word.
    filed_only: frozenset[str] = frozenset()

    def language_for(self, locale: str, wished: str = "") -> str:
        """The language that was wished for, where there are texts in it. Else the person's own locale where there are
        texts in it; else the same language as it is written there; else what the place declares first."""
        if wished:
            known = self.language_for(wished)
            if known.partition("-")[0] == wished.partition("-")[0]:
                return known
        if locale in self.languages or not self.languages:
            return locale
        language = locale.partition("-")[0]
        return next((own for own in self.languages if own.partition("-")[0] == language), self.languages[0])
