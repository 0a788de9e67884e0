"""How long records are kept, out of packs and policies: here every layer counts, not only the closest one.

A law's keeping is a minimum, so the longest binds; a rule that something must go is a maximum, so the shortest binds. A
place where the two cross is refused by name: nobody could obey both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

from dunlin.content.loosened import Path
from dunlin.content.resolve import layers_of, source_of
from dunlin.content.schema import ALL_CAPACITIES, Capacity, PackModel, PolicyModel, SettingModel, in_force
from dunlin.domain.retention import RetentionRules, Term

KEEP_RECORDS, FORGET_AFTER, KEEP_TEXTS = "keep_records_years", "forget_after_years", "keep_texts_days"
_DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class _Found:
    """What one layer says."""

    layer: PackModel | PolicyModel
    name: str
    model: SettingModel
    value: int

    @property
    def is_law(self) -> bool:
        return isinstance(self.layer, PackModel) and self.model.source.confidence != "own"

    @property
    def term(self) -> Term:
        own = "own." if isinstance(self.layer, PolicyModel) else ""
        return Term(f"{own}{self.layer.jurisdiction}.{self.name}", self.value, source_of(self.model.source))


def retention_rules(
    packs: Mapping[str, PackModel],
    policies: Mapping[str, PolicyModel],
    jurisdiction: str,
    today: date,
    capacity: Capacity,
    *,
    version: str,
    live: bool,
) -> RetentionRules | None:
    """What binds a place today; None where nothing says how long anything is kept."""
    layers = layers_of(packs, policies, jurisdiction)
    keep = max(_said(layers, KEEP_RECORDS, capacity, today), key=_value, default=None)
    if keep is None:
        return None
    forget = min(_said(layers, FORGET_AFTER, capacity, today), key=_value, default=None)
    texts = max(_said(layers, KEEP_TEXTS, capacity, today), key=_value, default=None)
    return RetentionRules(
        content_version=version,
        live=live,
        keep_records=keep.term,
        forget_after=forget.term if forget is not None else None,
        keep_texts=texts.term if texts is not None else None,
    )


def _value(found: _Found) -> int:
    return found.value


def _said(layers: Sequence[PackModel | PolicyModel], name: str, capacity: Capacity, today: date) -> Iterator[_Found]:
    for layer in layers:
        model: SettingModel | None = getattr(layer.settings, name)
        value = in_force(model.value, today) if model is not None and model.binds(capacity, today) else None
        if model is not None and value is not None:
            yield _Found(layer, name, model, value)


def contradictions(
    packs: Mapping[str, PackModel], policies: Mapping[str, PolicyModel], jurisdiction: str
) -> Iterator[tuple[PackModel | PolicyModel, Path, str]]:
    """Where what must go goes before it may: the layer, the path into its file, and what stands against it.

    Tried on every day on which one of them changes, for every capacity; each is named once.
    """
    layers = layers_of(packs, policies, jurisdiction)
    told: set[tuple[str, str]] = set()
    for today in sorted(_days(layers)):
        for capacity in sorted(ALL_CAPACITIES):
            for wrong, problem in chain(_too_soon(layers, capacity, today), _too_few(layers, capacity, today)):
                key = (type(wrong.layer).__name__ + wrong.layer.jurisdiction, wrong.name)
                if key not in told:
                    told.add(key)
                    yield wrong.layer, ("settings", wrong.name), problem


def _too_soon(
    layers: Sequence[PackModel | PolicyModel], capacity: Capacity, today: date
) -> Iterator[tuple[_Found, str]]:
    longest = max(_said(layers, KEEP_RECORDS, capacity, today), key=_value, default=None)
    for forget in _said(layers, FORGET_AFTER, capacity, today):
        if longest is not None and forget.value < longest.value:
            yield forget, f"{forget.value} is sooner than the {longest.value} of {_place(longest)} {KEEP_RECORDS}"


def _too_few(
    layers: Sequence[PackModel | PolicyModel], capacity: Capacity, today: date
) -> Iterator[tuple[_Found, str]]:
    """Words that would go before the records that a law wants, where no pack says that they may."""
    texts = list(_said(layers, KEEP_TEXTS, capacity, today))
    if any(isinstance(each.layer, PackModel) for each in texts):
        return
    laws = [each for each in _said(layers, KEEP_RECORDS, capacity, today) if each.is_law]
    longest = max(laws, key=_value, default=None)
    for each in texts:
        if longest is not None and each.value < longest.value * _DAYS_A_YEAR:
            yield (
                each,
                f"words are records in {_place(longest)} {KEEP_RECORDS}, and no pack says that they may go sooner",
            )


def _place(found: _Found) -> str:
    kind = "pack" if isinstance(found.layer, PackModel) else "policy"
    return f"{kind} {found.layer.jurisdiction}"


def _days(layers: Sequence[PackModel | PolicyModel]) -> set[date]:
    """The days on which a setting begins, changes or ends; the end of time, for what has not begun."""
    days = {date.max}
    for layer in layers:
        for name in (KEEP_RECORDS, FORGET_AFTER, KEEP_TEXTS):
            model: SettingModel | None = getattr(layer.settings, name)
            if model is None:
                continue
            days |= set(model.value)
            if model.effective_on is not None:
                days.add(model.effective_on)
            if model.effective_until is not None and model.effective_until < date.max:
                days.add(model.effective_until + timedelta(days=1))
    return days
