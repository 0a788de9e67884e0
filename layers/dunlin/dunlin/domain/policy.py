"""Policy and strategy as the decision sees them: frozen, resolved, already validated (see `dunlin.content`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from dunlin.domain.words import Channel, HoldKind, Purpose


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from. `confidence`: P primary text, S secondary, M memory, own = the lender's own policy."""

    reference: str
    confidence: str


@dataclass(frozen=True, slots=True)
class HoursRule:
    """Local hours in which a message of these purposes may be felt.

    `week[d]` (0 = Monday) is (open, close) in minutes after local midnight, or None for a closed day. Every zone that
    the borrower may be in must be inside its own hours.
    """

    rule_id: str
    purposes: frozenset[Purpose]
    week: tuple[tuple[int, int] | None, ...]
    source: Source


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
    """What a hold stops: these purposes."""

    kind: HoldKind
    stops: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Pack:
    """A jurisdiction's rules for one capacity. `signed_until` past: it may plan, it may not send."""

    jurisdiction: str
    capacity: str
    hours: tuple[HoursRule, ...]
    caps: tuple[CapRule, ...]
    holds: tuple[HoldRule, ...]
    consent_needed: frozenset[Purpose]
    balance_max_age_hours: int
    deaf_after_minutes: int
    confirm_opt_out_within_minutes: int
    signed_by: str
    signed_until: date


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the contact strategy.

    `kind`: reminder (before or on the due date, and in grace), tier (overdue escalation) or referral (to a person).
    `offset_days` counts from the due date; a reminder is current for `lasts_days` from there, then it is overtaken.
    A tier or the referral also waits `gap_days` after the previous tier was told.
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


@dataclass(frozen=True, slots=True)
class Strategy:
    """The contact strategy: stages in order of offset, reminders before tiers before the referral; at least one tier.

    The last three fields are views of `stages`, made once because every decision asks for them.
    """

    strategy_id: str
    stages: tuple[Stage, ...]
    hours: HoursRule
    max_attempts: int
    max_rounds: int
    max_case_days: int
    reminders: tuple[Stage, ...] = field(init=False, repr=False, compare=False)
    by_id: dict[str, Stage] = field(init=False, repr=False, compare=False)
    tiers_from: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tiers = [stage.offset_days for stage in self.stages if stage.kind == "tier"]
        if not tiers:
            raise ValueError("a strategy has at least one tier")
        object.__setattr__(self, "reminders", tuple(stage for stage in self.stages if stage.kind == "reminder"))
        object.__setattr__(self, "by_id", {stage.stage_id: stage for stage in self.stages})
        object.__setattr__(self, "tiers_from", min(tiers))


@dataclass(frozen=True, slots=True)
class Line:
    """A sender identity and its route. `links`: none, constant or host; `opt_out_line`: required or forbidden."""

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


@dataclass(frozen=True, slots=True)
class Lender:
    """The lender's profile: who speaks, how to pay, whom to call. `texts` are per locale."""

    lender_id: str
    capacity: str
    lines: tuple[Line, ...]
    texts: dict[str, dict[str, str]]
    core_heartbeat_max_minutes: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What else a decision rests on: how far the core's feed is complete, whether we hear, what is stopped.

    `unheard_since` is when the oldest probe was sent that none of our ears has heard yet.
    """

    feed_complete_to: datetime | None = None
    unheard_since: datetime | None = None
    stopped_lines: frozenset[str] = frozenset()


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
