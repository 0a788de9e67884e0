"""What a rule says, in words: one line for each value that it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from dunlin.content.schema import (
    ALL_CAPACITIES,
    DAYS,
    BanModel,
    CapModel,
    ClockRuleModel,
    ConsentModel,
    ContentRuleModel,
    FilingModel,
    HoldModel,
    HoursModel,
    PackModel,
    PolicyModel,
    Rule,
    SettingModel,
    SettingsModel,
    StageModel,
    StrategyModel,
    VerificationModel,
    WeekModel,
)
from dunlin.domain.words import Channel, Purpose

#: As `dunlin allowed` calls them.
PURPOSES: Mapping[Purpose, str] = {
    Purpose.SERVICE: "service",
    Purpose.SERVICING: "reminder",
    Purpose.COLLECTION: "collection",
    Purpose.MANDATORY: "mandatory notice",
    Purpose.MARKETING: "promotion",
    Purpose.REPLY: "reply",
}
_CHANNELS = {"sms": "text message", "email": "e-mail", "whatsapp": "WhatsApp"}
SAID = {
    "signature": "the signature in front",
    "lender": "who is writing",
    "hotline": "whom to call",
    "total": "the amount",
    "fees": "the fees in it",
    "days": "the days overdue",
    "due_on": "since when",
    "consequence": "what follows",
    "opt_out": "how to opt out",
    "pay": "how to pay",
}
_NUMBERS = {
    "long_code": "from an ordinary number",
    "toll_free": "from a toll-free number",
    "short_code": "from a short code",
    "sender_id": "under a name",
}
_SETTINGS = {
    "balance_max_age_hours": "a balance is at most {} hours old when it is stated",
    "deaf_after_minutes": "nothing is sent once answers were not heard for {} minutes",
    "confirm_opt_out_within_minutes": "an opt-out is confirmed within {} minutes, or not at all",
    "keep_records_years": "records are kept for {} years",
    "forget_after_years": "everything is forgotten {} years after nothing is open any more",
    "keep_texts_days": "the words of texts are kept for {} days, then figures and digests",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the table. `begins` is empty for what has always held; `confidence` own: the lender's own."""

    rule_id: str
    text: str
    capacities: frozenset[str]
    begins: str
    reference: str
    confidence: str

    @property
    def is_own(self) -> bool:
        return self.confidence == "own"


def says_of(layer: PackModel | PolicyModel) -> Iterator[Said]:
    """Every rule of a pack or a policy, in the order in which it stops a message."""
    for hours in layer.hours:
        for day, week in hours.allowed.items():
            yield _said(hours.id, _hours_in_words(hours, week), hours, day)
    for cap in layer.caps:
        for day, count in cap.count.items():
            yield _said(cap.id, _cap_in_words(cap, count), cap, day)
    for consent in layer.consents:
        yield _said(consent.id, _consent_in_words(consent), consent)
    for verification in layer.verifications:
        yield _said(verification.id, _verification_in_words(verification), verification)
    for ban in layer.bans:
        yield _said(ban.id, _ban_in_words(ban), ban)
    for rule in layer.texts:
        yield _said(rule.id, _text_in_words(rule), rule)
    for filing in layer.filings if isinstance(layer, PackModel) else ():
        yield _said(filing.id, _filing_in_words(filing), filing)
    for hold in layer.holds if isinstance(layer, PackModel) else ():
        yield _said(f"hold: {_listed(sorted(hold.kinds))}", _hold_in_words(hold), hold)
    for clock in layer.clocks if isinstance(layer, PackModel) else ():
        yield _said(clock.id, _clock_in_words(clock), clock)
    for name in SettingsModel.model_fields:
        setting: SettingModel | None = getattr(layer.settings, name)
        if setting is not None:
            for day, value in setting.value.items():
                yield _said(name, _SETTINGS[name].format(value), setting, day)


def title_of(strategy: StrategyModel) -> str:
    """Whose contact strategy it is, and whether it leads."""
    return f"{strategy.id.capitalize()}: for {_listed(sorted(strategy.products), 'and')} loans"


def strategy_says(strategy: StrategyModel) -> Iterator[Said]:
    """What a contact strategy does: first what holds for all of it, then its stages."""
    prefix = f"strategy.{strategy.id}"

    def own(rule_id: str, text: str) -> Said:
        return Said(rule_id, text, ALL_CAPACITIES, "", strategy.source.reference, strategy.source.confidence)

    for day, week in strategy.hours.allowed.items():
        yield _said(strategy.hours.id, _hours_in_words(strategy.hours, week), strategy.hours, day)
    yield own(f"{prefix}.precedence", f"{strategy.precedence}: of the strategies of somebody's loans the highest leads")
    if strategy.min_gap_days:
        days = _days(strategy.min_gap_days)
        yield own(f"{prefix}.min_gap", f"reminder or collection: at least {days} between any two of our own messages")
    if strategy.holdout is not None:
        stages = _listed(sorted(strategy.holdout.stages), "and")
        yield own(f"{prefix}.holdout", f"{strategy.holdout.share * 100:g} % of the borrowers are not sent {stages}")
    if strategy.late_fees == "left_out":
        yield own(f"{prefix}.late_fees", "states the whole total, and not what of it is late fees")
    for stage in strategy.stages:
        yield own(stage.id, _stage_in_words(stage))


def _stage_in_words(stage: StageModel) -> str:
    words = _day_in_words(stage.offset_days)
    if stage.lasts_days is not None and stage.lasts_days > 1:
        words += f", or up to {_days(stage.lasts_days - 1)} later"
    if stage.gap_days:
        words += f", and at least {_days(stage.gap_days)} after the tier before it"
    if stage.kind == "referral":
        return f"{words}: a person takes over"
    ways = ", then ".join(_CHANNELS.get(channel, channel) for channel in stage.channels)
    words += f": {stage.template} by {ways}; {stage.tone}"
    if len(stage.to) > 1:
        words += f"; also to a {_listed((role.replace('_', '-') for role in stage.to[1:]), 'and')}"
    return words


def _day_in_words(offset: int) -> str:
    if offset == 0:
        return "on the due date"
    return f"{_days(abs(offset))} {'before' if offset < 0 else 'after'} the due date"


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def purposes_in_words(purposes: Iterable[Purpose], joined_by: str = "or") -> str:
    """In one order, whatever order they are written in."""
    asked = set(purposes)
    if asked == set(PURPOSES):
        return "any purpose"
    return _listed((words for purpose, words in PURPOSES.items() if purpose in asked), joined_by)


def _said(rule_id: str, text: str, rule: Rule, day: date = date.min) -> Said:
    begins = max(day, rule.effective_on or date.min)
    when = "" if begins == date.min else begins.isoformat()
    if rule.effective_until is not None:
        when = f"{when} until {rule.effective_until}".strip()
    return Said(rule_id, text, frozenset(rule.capacity), when, rule.source.reference, rule.source.confidence)


def _hours_in_words(rule: HoursModel, week: WeekModel) -> str:
    words = f"{purposes_in_words(rule.purposes)}{_by(rule.channels)}: {_week_in_words(week)}"
    if rule.holidays is not None:
        words += f"; holidays {_clock(rule.on_holidays)}"
    if rule.unless is not None:
        unless = []
        if rule.unless.days_overdue_over is not None:
            unless.append(f"more than {rule.unless.days_overdue_over} days overdue")
        if rule.unless.consent is not None:
            unless.append(f"with the consent {rule.unless.consent}")
        words += f"; unless {' or '.join(unless)}"
    return words


def _week_in_words(week: WeekModel) -> str:
    """Days that follow each other and are alike are said together."""
    if len(set(week.week)) == 1:
        return f"{_clock(week.week[0])} every day"
    said = []
    for hours, days in groupby(zip(DAYS, week.week, strict=True), key=lambda day: day[1]):
        names = [name.capitalize() for name, _ in days]
        said.append(f"{names[0] if len(names) == 1 else f'{names[0]}–{names[-1]}'} {_clock(hours)}")
    return "; ".join(said)


def _clock(hours: tuple[int, int] | None) -> str:
    if hours is None:
        return "none"
    return "–".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in hours)


def _cap_in_words(rule: CapModel, count: int) -> str:
    days = "a calendar day" if rule.basis == "calendar" else f"in {rule.days} days"
    per = "loan" if rule.per == "loan" else "person"
    by = _by(rule.channels).strip() or "any channel"
    return f"{purposes_in_words(rule.purposes)}: at most {count} {days} per {per}, {by}"


def _consent_in_words(rule: ConsentModel) -> str:
    return f"{purposes_in_words(rule.purposes)}{_by(rule.channels)}: only with the person's consent to it"


_PROOFS = {
    "confirmed": "it was confirmed as the person's",
    "checked": "it was checked that it is nobody else's now",
    "consent": "the person consented to it there",
}


def _verification_in_words(rule: VerificationModel) -> str:
    proofs = _listed(words for name, words in _PROOFS.items() if name in rule.proofs)
    within = "" if rule.within_days is None else f" in the last {rule.within_days} days"
    return f"{purposes_in_words(rule.purposes)}{_by(rule.channels)}: only where {proofs}{within}"


def _ban_in_words(rule: BanModel) -> str:
    since = "" if rule.from_days_overdue is None else f" from {rule.from_days_overdue} days overdue on"
    if rule.from_days_overdue == 1:
        since = " to somebody who is overdue"
    return f"{purposes_in_words(rule.purposes)}{_by(rule.channels)}: never{since}"


def _text_in_words(rule: ContentRuleModel) -> str:
    channels = _by(rule.channels) if len(rule.channels) < 2 else ""
    said = _listed((words for name, words in SAID.items() if name in rule.must_say), "and")
    return f"{purposes_in_words(rule.purposes)}{channels}: says {said}"


def _filing_in_words(rule: FilingModel) -> str:
    what = "each text" if rule.each_text is not None else _listed(rule.registrations, "and")
    about = [_by(rule.channels).strip()] if len(rule.channels) < len(Channel) else []
    about += [_listed(_NUMBERS[kind] for kind in sorted(rule.numbers))] if rule.numbers else []
    about += ["with links"] if rule.links and "none" not in rule.links else []
    about += [f"over {_listed(sorted(rule.providers))}"] if rule.providers else []
    return f"a line that sends {', '.join(about)}: {what} on file with the provider first"


def _clock_in_words(rule: ClockRuleModel) -> str:
    about = _listed(sorted(str(kind).replace("_", " ") for kind in rule.tasks))
    said = [
        f"{what} within {clock_says(hours)}"
        for what, hours in (("acknowledged", rule.acknowledge_hours), ("answered", rule.answer_hours))
        if hours is not None
    ]
    return f"{about}: {' and '.join(said)}"


def clock_says(hours: int) -> str:
    """So many hours, in days where they are whole ones."""
    if hours and hours % 24 == 0:
        return _days(hours // 24)
    return f"{hours} hour{'' if hours == 1 else 's'}"


def _hold_in_words(rule: HoldModel) -> str:
    words = f"stops {purposes_in_words(rule.stops, 'and')}"
    if rule.default_days is not None:
        words += f" for {rule.default_days} days"
    if rule.longest_days is not None:
        words += f", at most {rule.longest_days}"
    if rule.lifted_by is not None:
        words += f"; lifted by {_listed(sorted(rule.lifted_by))} only"
    return words


def _by(channels: Collection[str]) -> str:
    if "any" in channels:
        return ""
    return f" by {_listed(_CHANNELS.get(name, name) for name in sorted(channels))}"


def _listed(words: Iterable[str], joined_by: str = "or") -> str:
    *most, last = words
    return f"{', '.join(most)} {joined_by} {last}" if most else last
