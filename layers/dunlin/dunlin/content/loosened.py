"""Whether the lender's own policy says less than the law it stands beside.

Rules are joined, so a wider window or a higher cap would change nothing: who writes one believes something that is not
so. It is refused by name before anybody relies on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dunlin.content.resolve import lineage
from dunlin.content.schema import (
    DAYS,
    CapModel,
    HoursModel,
    PackModel,
    PolicyModel,
    Rule,
    SettingsModel,
    VerificationModel,
    WeekModel,
)

Path = tuple[str | int, ...]
#: More of it protects the borrower better; of the others, less.
_MORE_IS_STRICTER = frozenset({"keep_records_years", "keep_texts_days"})


def loosened(packs: Mapping[str, PackModel], policy: PolicyModel) -> Iterator[tuple[Path, str]]:
    """Where `policy` is looser than the law of its jurisdiction: path into its file, and what the law says."""
    for pack in lineage(packs, policy.jurisdiction):
        for number, own in enumerate(policy.hours):
            for law in pack.hours:
                if _same_matter(own, law) and law.unless is None:
                    for problem in _wider(own, law):
                        yield ("hours", number, "allowed"), problem
        for number, own_cap in enumerate(policy.caps):
            for law_cap in pack.caps:
                yield from _higher(number, own_cap, law_cap)
        for number, own_proof in enumerate(policy.verifications):
            for law_proof in pack.verifications:
                yield from _easier(number, own_proof, law_proof)
        for name in SettingsModel.model_fields:
            own_value, law_value = getattr(policy.settings, name), getattr(pack.settings, name)
            if own_value is None or law_value is None:
                continue
            for own_number in own_value.value.values():
                for law_number in law_value.value.values():
                    looser = own_number < law_number if name in _MORE_IS_STRICTER else own_number > law_number
                    if looser:
                        yield (
                            ("settings", name),
                            f"{own_number} is looser than the {law_number} of pack {pack.jurisdiction}",
                        )


_Matter = HoursModel | CapModel | VerificationModel


def _same_matter(own: _Matter, law: _Matter) -> bool:
    """Whether all that the own rule binds is bound by the law too."""
    channels = "any" in law.channels or own.channels <= law.channels
    return own.purposes <= law.purposes and channels and _capacities(own, law)


def _capacities(own: Rule, law: Rule) -> bool:
    return own.capacity <= law.capacity


def _wider(own: HoursModel, law: HoursModel) -> Iterator[str]:
    for own_week in own.allowed.values():
        for law_week in law.allowed.values():
            yield from _wider_week(own_week, law, law_week)


def _wider_week(own: WeekModel, law: HoursModel, law_week: WeekModel) -> Iterator[str]:
    for day, hours, allowed in zip(DAYS, own.week, law_week.week, strict=True):
        if hours is None:
            continue
        if allowed is None:
            yield f"is open on {day}, on which {law.id} allows nothing"
            return
        if hours[0] < allowed[0] or hours[1] > allowed[1]:
            yield f"is wider on {day} than {law.id}, which allows {_clock(allowed[0])}-{_clock(allowed[1])}"
            return


def _higher(number: int, own: CapModel, law: CapModel) -> Iterator[tuple[Path, str]]:
    if not _same_matter(own, law) or (own.days, own.basis, own.per) != (law.days, law.basis, law.per):
        return
    most, allowed = max(own.count.values()), min(law.count.values())
    if most > allowed:
        yield ("caps", number, "count"), f"{most} is more than {law.id} allows: {allowed}"


def _easier(number: int, own: VerificationModel, law: VerificationModel) -> Iterator[tuple[Path, str]]:
    """A proof that the law takes would always do for the own rule too."""
    takes_no_less = law.proofs <= own.proofs and _days(own) >= _days(law)
    same = (own.proofs, own.within_days) == (law.proofs, law.within_days)
    if _same_matter(own, law) and takes_no_less and not same:
        within = "" if law.within_days is None else f" within {law.within_days} days"
        yield (
            ("verifications", number, "proofs"),
            f"is looser than {law.id}, which wants {' or '.join(sorted(law.proofs))}{within}",
        )


def _days(rule: VerificationModel) -> float:
    return float("inf") if rule.within_days is None else rule.within_days


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
