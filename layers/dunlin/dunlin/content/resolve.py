"""What authors wrote, as what the decision uses: a pack with what it inherits, for one capacity, on one day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType

from dunlin.content.schema import (
    OPTIONAL_SETTINGS,
    STRICTEST,
    Capacity,
    HoldModel,
    HoursModel,
    LenderModel,
    PackModel,
    PolicyModel,
    SettingModel,
    SettingsModel,
    SourceModel,
    StopModel,
    StrategyModel,
    in_force,
)
from dunlin.domain.page import PageRules
from dunlin.domain.policy import (
    Ban,
    CapRule,
    ConsentRule,
    Failures,
    Holdout,
    HoldRule,
    HoursRule,
    Lender,
    Line,
    Pack,
    Source,
    Stage,
    Strategy,
    VerificationRule,
)
from dunlin.domain.words import HoldKind, StopSource, UnderStop

#: The holidays of each calendar, by its name.
Calendars = Mapping[str, frozenset[date]]

#: Where no setting binds the capacity asked for. The shortest that still works, never the most convenient.
_NEVER_SIGNED = date.min


def covers(code: str, jurisdiction: str) -> bool:
    """`US` covers `US` and `US-NY`; `US-NY` covers itself only."""
    return jurisdiction == code or jurisdiction.startswith(f"{code}-")


def lineage(packs: Mapping[str, PackModel], jurisdiction: str) -> Iterator[PackModel]:
    """The pack, then what it extends, and so on. `load_content` has refused circles and unknown names."""
    code: str | None = jurisdiction
    while code is not None:
        pack = packs[code]
        yield pack
        code = pack.extends


def layers_of(
    packs: Mapping[str, PackModel], policies: Mapping[str, PolicyModel], jurisdiction: str
) -> tuple[PackModel | PolicyModel, ...]:
    """The law of a place, the closest first, and then what the lender asks of itself there."""
    family = tuple(lineage(packs, jurisdiction))
    return (*family, *(policies[pack.jurisdiction] for pack in family if pack.jurisdiction in policies))


#: Of two values of a setting, the one that protects the borrower better.
_STRICTER: Mapping[str, Callable[[Iterable[int]], int]] = {
    "balance_max_age_hours": min,
    "deaf_after_minutes": min,
    "confirm_opt_out_within_minutes": min,
    "keep_records_years": max,
    "forget_after_years": min,
    "keep_texts_days": max,
}


def setting(
    layers: Sequence[PackModel | PolicyModel], name: str, capacity: Capacity, today: date
) -> tuple[int, SettingModel] | None:
    """The strictest of the closest pack's value and the lender's own, of those that bind this capacity."""
    found: list[tuple[int, SettingModel]] = []
    for kind in (PackModel, PolicyModel):
        for layer in layers:
            model: SettingModel | None = getattr(layer.settings, name) if isinstance(layer, kind) else None
            value = in_force(model.value, today) if model is not None and model.binds(capacity, today) else None
            if model is not None and value is not None:
                found.append((value, model))
                break
    if not found:
        return None
    strictest = _STRICTER[name](value for value, _ in found)
    return next(pair for pair in found if pair[0] == strictest)


def missing_settings(layers: Sequence[PackModel | PolicyModel], capacity: Capacity, today: date) -> list[str]:
    needed = [name for name in SettingsModel.model_fields if name not in OPTIONAL_SETTINGS]
    return [name for name in needed if setting(layers, name, capacity, today) is None]


def hold_rules(
    stops: Iterable[StopModel], family: Sequence[PackModel], capacity: Capacity, today: date
) -> tuple[HoldRule, ...]:
    """The rows of the table, each with what the packs of `family` (the closest first) add to it.

    More is stopped, the stronger effect prevails, fewer may lift; of the days, the closest pack's.
    """
    return tuple(
        _hold_rule(row, [hold for pack in family for hold in pack.holds if row.kind in hold.kinds], capacity, today)
        for row in sorted(stops, key=lambda row: row.kind)
        if isinstance(row.kind, HoldKind) and row.binds(capacity, today)
    )


_STRENGTH = (UnderStop.GOES_ON, UnderStop.WAITS, UnderStop.ENDS)


def _hold_rule(row: StopModel, added: Sequence[HoldModel], capacity: Capacity, today: date) -> HoldRule:
    assert isinstance(row.kind, HoldKind)
    purposes, effect, lifted_by = row.stops, row.escalation, row.lifted_by
    default_days: int | None = None
    longest_days: int | None = None
    for hold in added:
        if not hold.binds(capacity, today):
            continue
        purposes |= hold.stops
        if hold.escalation is not None:
            effect = max(effect, hold.escalation, key=_STRENGTH.index)
        if hold.lifted_by is not None:
            lifted_by &= hold.lifted_by
        default_days = default_days if default_days is not None else hold.default_days
        longest_days = longest_days if longest_days is not None else hold.longest_days
    if StopSource.EXPIRY in lifted_by:
        default_days = default_days if default_days is not None else row.default_days
        longest_days = longest_days if longest_days is not None else row.longest_days
    else:
        default_days = longest_days = None
    return HoldRule(
        kind=row.kind,
        stops=purposes,
        escalation=effect,
        placed_by=row.placed_by,
        lifted_by=lifted_by,
        narrows=frozenset(row.narrows),
        default_for=timedelta(days=default_days) if default_days is not None else None,
        longest_for=timedelta(days=longest_days) if longest_days is not None else None,
    )


def resolve_pack(
    packs: Mapping[str, PackModel],
    stops: Iterable[StopModel],
    jurisdiction: str,
    today: date,
    capacity: Capacity | None = None,
    *,
    policies: Mapping[str, PolicyModel] = MappingProxyType({}),
    calendars: Calendars = MappingProxyType({}),
) -> Pack | None:
    """The rules for exactly this jurisdiction: a state is never sent to under its country's pack.

    A pack adds to what it extends and takes nothing away, and so does the lender's own policy: rules are joined, and
    what several hold rules stop is stopped. None: no pack, or a base that nobody lives in.
    """
    own = packs.get(jurisdiction)
    if own is None or not own.sendable:
        return None
    asked = capacity or STRICTEST
    layers = layers_of(packs, policies, jurisdiction)
    if missing_settings(layers, asked, today):
        return None
    return law(packs, stops, jurisdiction, today, asked, policies=policies, calendars=calendars)


def law(
    packs: Mapping[str, PackModel],
    stops: Iterable[StopModel],
    jurisdiction: str,
    today: date,
    capacity: Capacity | None = None,
    *,
    policies: Mapping[str, PolicyModel] = MappingProxyType({}),
    calendars: Calendars = MappingProxyType({}),
) -> Pack | None:
    """The rules of a place to ask about, not to send under: also of a base that nobody lives in, also of a draft.

    Without `policies` it is what the law says and nothing else. None: there is no pack.
    """
    if jurisdiction not in packs:
        return None
    layers = layers_of(packs, policies, jurisdiction)
    asked = capacity or STRICTEST
    values = {name: setting(layers, name, asked, today) for name in SettingsModel.model_fields}
    return _pack(
        layers, stops, asked, today, {name: found[0] if found else 0 for name, found in values.items()}, calendars
    )


def _pack(
    layers: Sequence[PackModel | PolicyModel],
    stops: Iterable[StopModel],
    capacity: Capacity,
    today: date,
    settings: Mapping[str, int],
    calendars: Calendars,
) -> Pack:
    family = [layer for layer in layers if isinstance(layer, PackModel)]
    own = family[0]
    signatures = [layer.signed.until for layer in family if layer.signed is not None]
    return Pack(
        jurisdiction=own.jurisdiction,
        capacity=capacity,
        hours=tuple(
            rule
            for layer in layers
            for model in layer.hours
            if model.binds(capacity, today) and (rule := hours_of(model, today, calendars)) is not None
        ),
        caps=tuple(
            CapRule(
                rule.id,
                rule.purposes,
                frozenset(rule.channels),
                count,
                rule.days,
                rule.basis,
                rule.per,
                source_of(rule.source),
            )
            for layer in layers
            for rule in layer.caps
            if rule.binds(capacity, today) and (count := in_force(rule.count, today)) is not None
        ),
        holds=hold_rules(stops, family, capacity, today),
        consents=tuple(
            ConsentRule(rule.id, rule.purposes, source_of(rule.source), frozenset(rule.channels))
            for layer in layers
            for rule in layer.consents
            if rule.binds(capacity, today)
        ),
        balance_max_age_hours=settings["balance_max_age_hours"],
        deaf_after_minutes=settings["deaf_after_minutes"],
        confirm_opt_out_within_minutes=settings["confirm_opt_out_within_minutes"],
        signed_by="" if own.signed is None else own.signed.by,
        signed_until=_NEVER_SIGNED if own.signed is None else min(signatures),
        bans=tuple(
            Ban(rule.id, rule.purposes, source_of(rule.source), frozenset(rule.channels), rule.from_days_overdue)
            for layer in layers
            for rule in layer.bans
            if rule.binds(capacity, today)
        ),
        verifications=tuple(
            VerificationRule(
                rule.id,
                rule.purposes,
                source_of(rule.source),
                frozenset(rule.channels),
                frozenset(rule.proofs),
                timedelta(days=rule.within_days) if rule.within_days is not None else None,
            )
            for layer in layers
            for rule in layer.verifications
            if rule.binds(capacity, today)
        ),
    )


def source_of(model: SourceModel) -> Source:
    return Source(model.reference, model.confidence)


def hours_of(
    model: HoursModel, today: date = date.max, calendars: Calendars = MappingProxyType({})
) -> HoursRule | None:
    """The rule as it binds on `today`; None: not yet."""
    allowed = in_force(model.allowed, today)
    if allowed is None:
        return None
    return HoursRule(
        model.id,
        model.purposes,
        allowed.week,
        source_of(model.source),
        channels=frozenset(model.channels),
        holidays=calendars[model.holidays] if model.holidays is not None else frozenset(),
        on_holidays=model.on_holidays,
        unless_days_over=model.unless.days_overdue_over if model.unless is not None else None,
        unless_consent=(model.unless.consent or "") if model.unless is not None else "",
    )


def strategy_of(model: StrategyModel) -> Strategy:
    return Strategy(
        strategy_id=model.id,
        stages=tuple(
            Stage(
                stage_id=stage.id,
                kind=stage.kind,
                offset_days=stage.offset_days,
                lasts_days=stage.lasts_days or 0,
                gap_days=stage.gap_days,
                purpose=stage.purpose,
                template=stage.template or "",
                channels=stage.channels,
                priority=stage.priority,
                to=stage.to,
                words_for=tuple(sorted(stage.words_for.items())),
                strategy_id=model.id,
            )
            for stage in model.stages
        ),
        hours=_always(hours_of(model.hours)),
        max_attempts=model.max_attempts,
        max_rounds=model.max_rounds,
        max_case_days=model.max_case_days,
        precedence=model.precedence,
        min_gap_days=model.min_gap_days,
        holdout=Holdout(model.holdout.share, model.holdout.stages) if model.holdout is not None else None,
        states_late_fees=model.late_fees == "stated",
    )


def _always(rule: HoursRule | None) -> HoursRule:
    if rule is None:
        raise ValueError("a strategy's hours hold from the beginning")
    return rule


def lender_of(model: LenderModel) -> Lender:
    return Lender(
        lender_id=model.id,
        capacity=model.capacity,
        lines=tuple(
            Line(
                line_id=line.id,
                jurisdiction=line.jurisdiction,
                channel=line.channel,
                provider=line.provider,
                origination=line.origination,
                purposes=line.purposes,
                parts_per_second=line.parts_per_second,
                parts_per_day=line.parts_per_day,
                day_zone=line.day_zone,
                failures=Failures(
                    line.failures.share,
                    line.failures.minimum,
                    timedelta(minutes=line.failures.window_minutes),
                    timedelta(minutes=line.failures.rest_minutes),
                    line.failures.trickle,
                    timedelta(hours=line.failures.spend_rest_hours),
                ),
                links=line.links,
                opt_out_line=line.opt_out_line,
                signature=line.signature,
                configuration_set=line.configuration_set,
                max_price=line.max_price,
                registrations=tuple(sorted(line.registrations.items())),
                brand=line.brand or model.id,
                templates=tuple((each.code, each.text) for each in line.templates),
            )
            for line in model.lines
        ),
        texts={locale: texts.model_dump() for locale, texts in model.texts.items()},
        core_heartbeat_max_minutes=model.core_heartbeat_max_minutes,
        ceiling=model.ceilings.every_template,
        ceilings=tuple(sorted(model.ceilings.templates.items())),
        page=PageRules(**model.page.model_dump()) if model.page is not None else None,
    )
