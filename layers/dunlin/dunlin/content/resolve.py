"""What authors wrote, as what the decision uses: a pack with what it inherits, for one capacity, on one day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from dunlin.content.schema import (
    STRICTEST,
    Capacity,
    HoldModel,
    HoursModel,
    LenderModel,
    PackModel,
    SettingModel,
    SettingsModel,
    SourceModel,
    StopModel,
    StrategyModel,
)
from dunlin.domain.policy import CapRule, HoldRule, HoursRule, Lender, Line, Pack, Source, Stage, Strategy
from dunlin.domain.words import HoldKind, StopSource, UnderStop

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


def setting(
    packs: Mapping[str, PackModel], jurisdiction: str, name: str, capacity: Capacity, today: date
) -> SettingModel | None:
    """The closest pack's setting that binds this capacity."""
    for pack in lineage(packs, jurisdiction):
        found: SettingModel | None = getattr(pack.settings, name)
        if found is not None and found.binds(capacity, today):
            return found
    return None


def missing_settings(packs: Mapping[str, PackModel], jurisdiction: str, capacity: Capacity, today: date) -> list[str]:
    return [name for name in SettingsModel.model_fields if setting(packs, jurisdiction, name, capacity, today) is None]


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
) -> Pack | None:
    """The rules for exactly this jurisdiction: a state is never sent to under its country's pack.

    A pack adds to what it extends and takes nothing away: rules are joined, and what several hold rules stop is
    stopped. None: no pack, or a base that nobody lives in.
    """
    own = packs.get(jurisdiction)
    if own is None or not own.sendable:
        return None
    asked = capacity or STRICTEST
    family = tuple(lineage(packs, jurisdiction))
    values = {}
    for name in SettingsModel.model_fields:
        found = setting(packs, jurisdiction, name, asked, today)
        if found is None:
            return None
        values[name] = found.value
    return Pack(
        jurisdiction=jurisdiction,
        capacity=asked,
        hours=tuple(hours_of(rule) for pack in family for rule in pack.hours if rule.binds(asked, today)),
        caps=tuple(
            CapRule(
                rule.id,
                rule.purposes,
                frozenset(rule.channels),
                rule.count,
                rule.days,
                rule.basis,
                rule.per,
                source_of(rule.source),
            )
            for pack in family
            for rule in pack.caps
            if rule.binds(asked, today)
        ),
        holds=hold_rules(stops, family, asked, today),
        consent_needed=frozenset(
            purpose
            for pack in family
            for rule in pack.consents
            if rule.binds(asked, today)
            for purpose in rule.purposes
        ),
        balance_max_age_hours=values["balance_max_age_hours"],
        deaf_after_minutes=values["deaf_after_minutes"],
        confirm_opt_out_within_minutes=values["confirm_opt_out_within_minutes"],
        signed_by="" if own.signed is None else own.signed.by,
        signed_until=_NEVER_SIGNED
        if own.signed is None
        else min([own.signed.until, *(base.signed.until for base in family if base.signed is not None)]),
    )


def source_of(model: SourceModel) -> Source:
    return Source(model.reference, model.confidence)


def hours_of(model: HoursModel) -> HoursRule:
    return HoursRule(model.id, model.purposes, model.allowed.week, source_of(model.source))


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
            )
            for stage in model.stages
        ),
        hours=hours_of(model.hours),
        max_attempts=model.max_attempts,
        max_rounds=model.max_rounds,
        max_case_days=model.max_case_days,
    )


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
                links=line.links,
                opt_out_line=line.opt_out_line,
                signature=line.signature,
                configuration_set=line.configuration_set,
                max_price=line.max_price,
                registrations=tuple(sorted(line.registrations.items())),
                brand=line.brand or model.id,
            )
            for line in model.lines
        ),
        texts={locale: texts.model_dump() for locale, texts in model.texts.items()},
        core_heartbeat_max_minutes=model.core_heartbeat_max_minutes,
        ceiling=model.ceilings.every_template,
        ceilings=tuple(sorted(model.ceilings.templates.items())),
    )
