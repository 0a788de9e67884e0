"""The questions asked of every hand-over, and of every line of the logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, combinations, pairwise, product
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.auditor.dialogues import ANSWERED_WITHIN, Dialogues, Told
from local.auditor.evidence import (
    OPTS_OUT,
    Evidence,
    EvidenceError,
    HandOver,
    Inbound,
    LogLine,
    instant,
    read_evidence,
)
from local.auditor.history import ADDRESSES, ZERO, History, Hold, Known, Loan, Party
from local.auditor.law import (
    SAME_PEOPLE,
    Cap,
    Hours,
    Limits,
    Stop,
    inside,
    instant_inside,
    limits_for,
    number_zones,
    referral_day,
    stops_in,
)
from local.auditor.leaks import leaks_in, planted
from local.auditor.listed import READ_WITHIN, wrong_on_the_list
from local.auditor.notices import (
    MessageRule,
    Said,
    Words,
    asks_for_money,
    is_about_arrears,
    purpose_of,
    without_facts,
    words_in,
    wrong_asking,
    wrong_facts,
    wrong_promotion,
)
from local.auditor.plans import ContactPlan, leading, plans_in
from local.auditor.reading import (
    Reading,
    forbidden_words,
    has_identity,
    has_opt_out_line,
    mentions_tail,
    read,
)
from local.auditor.repayment import Repayments
from local.auditor.report import CHECKED, KINDS, OBSERVED, AuditReport, Finding
from local.auditor.thread import Thread
from local.auditor.wishes import VERIFIED_FIRST, Person, Wishes, consent_rules, point_of

DEFAULT_BALANCE_MAX_AGE = timedelta(hours=36)
#: The one confirmation of an opt-out (47 CFR 64.1200(a)(12)).
CONFIRM_WITHIN = timedelta(minutes=5)
#: An opt-out that was never recorded counts from here on: no queue may hold it longer.
RECORD_WITHIN = timedelta(minutes=5)
#: A reply answers a text of the last day.
REPLY_WITHIN = timedelta(hours=24)
#: Holds after which not even a reminder before the due date is right.
STOPS_EVERYTHING = frozenset(
    {
        "attorney",
        "bankruptcy",
        "bereavement",
        "cease_request",
        "deceased",
        "erased",
        "identity_theft",
        "litigation",
        "minor",
        "wrong_number",
    }
)
#: Between the moment at which a message is asked for and its reservation.
ASKED_WITHIN = timedelta(days=1)
#: Between a reservation and its hand-over.
HAND_OVER_WITHIN = timedelta(minutes=2)
#: A text about an overdue amount may say by when an answer is asked for.
LATEST_DEADLINE = timedelta(days=60)

_OCCASION = re.compile(
    r"(?P<due>\d{4}-\d\d-\d\d)#(?P<stage>[^#]+)#(?P<episode>\d+)#(?P<channel>[^#]+)#(?P<n>\d+)(?:@(?P<party>[^#@]+))?"
)
_REPLY = re.compile(r"reply#(?P<stage>[^#]+)#(?P<channel>[^#]+)#(?P<inbound>.+)", re.DOTALL)


def audit(evidence: Path, *, settle_seconds: float = 0.0, sender_names: Sequence[str] = ()) -> AuditReport:
    """Judge a folder of evidence.

    `settle_seconds`: a fact that was handed over less than this before a reservation may or may not be known to it;
    0 is right for a clock that stands still while handlers work. `sender_names`: names by which the lender may speak,
    besides a signature in front.

    Raises:
        EvidenceError: the evidence is missing or unreadable.
    """
    return _Judge(read_evidence(evidence), timedelta(seconds=settle_seconds), tuple(sender_names)).judge()


@dataclass(frozen=True, slots=True)
class _Case:
    """One hand-over with what it is about."""

    given: HandOver
    reading: Reading
    known: Known
    due_on: date | None
    stage: str
    episode: int
    answers: Inbound | None
    party: Party | None
    principal: str
    today: date
    overdue: bool
    said: Said | None = None
    rule: MessageRule | None = None

    @property
    def is_occasion(self) -> bool:
        """Whether a stage of the strategy is what it says."""
        return bool(self.stage) and self.answers is None and self.said is None

    @property
    def asks(self) -> bool:
        """Whether its right to be said rests on the loan's figures."""
        return self.said is None or asks_for_money(self.said.message, self.rule)

    @property
    def purpose(self) -> str:
        if self.answers is not None:
            return "reply"
        if self.said is not None:
            return purpose_of(self.said.message, self.rule)
        return "collection" if self.overdue else "servicing"

    @property
    def person(self) -> tuple[str, str]:
        return self.given.borrower_id, self.party.party_id if self.party is not None else _point(self.given.to)


@dataclass(frozen=True, slots=True)
class _Contact:
    """A contact that a cap may count; `case` is None for one made before the cut-over."""

    at: datetime
    channel: str
    purpose: str
    loans: frozenset[str]
    case: _Case | None


@dataclass(frozen=True, slots=True)
class _OptOut:
    """An opt-out of one number, and when it was recorded (None: nobody ever did)."""

    inbound: Inbound
    recorded_at: datetime | None

    @property
    def binds_after(self) -> datetime:
        return self.recorded_at if self.recorded_at is not None else self.inbound.at + RECORD_WITHIN


@dataclass(slots=True)
class _Judge:
    evidence: Evidence
    settle: timedelta
    sender_names: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    observed: Counter[str] = field(default_factory=Counter)
    history: History = field(init=False)
    wishes: Wishes = field(init=False)
    dialogues: Dialogues = field(init=False)
    thread: Thread = field(init=False)
    repayments: Repayments = field(init=False)
    inbound_by_id: dict[str, Inbound] = field(init=False)
    opt_outs: dict[str, list[_OptOut]] = field(default_factory=dict)
    opt_ins: dict[str, list[datetime]] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)
    plans: tuple[ContactPlan, ...] = field(init=False)
    stops: dict[str, Stop] | None = None
    words: Words = field(init=False)
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    unknown_codes: set[str] = field(default_factory=set)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    roles: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = History(self.evidence.events)
        self.wishes = Wishes.of(self.evidence.events)
        self.thread = Thread(self.evidence, _point, self.checked)
        self.dialogues = Dialogues(self.evidence, self.history, self._stops(), _point, self.checked)
        self.repayments = Repayments(self.evidence, self.history, self.checked)
        self.plans = plans_in(self.evidence.packs)
        self.words = words_in(self.evidence.packs)
        self.inbound_by_id = {}
        for inbound in self.evidence.inbound:
            self.inbound_by_id.setdefault(inbound.inbound_id, inbound)
        for borrower_id in self.history.borrowers:
            owners = set()
            for event in self.history.all_events(borrower_id):
                profile = event.get("borrower")
                if isinstance(profile, dict):
                    owners |= {str(party.get("name") or "") for party in profile.get("parties", ())}
            for name in owners:
                self.names[name] = self.names.get(name, frozenset()) | {borrower_id}
        self.names.pop("", None)

    # ── The whole ────────────────────────────────────────────────────────────────────────────────────────────────────

    def judge(self) -> AuditReport:
        honoured = self._read_opt_outs()
        answered: set[str] = set()
        cases = [self._case(given, answered) for given in sorted(self.evidence.hand_overs, key=lambda h: h.at)]
        confirmed: set[str] = set()
        for case in cases:
            self.checked["texts"] += 1
            self.checked[f"texts_{case.given.channel}"] += 1
            self._opt_out(case, confirmed)
            self._quiet_hours(case)
            self._person(case)
            self._facts(case)
            self._stale(case)
            self._content(case)
            self._plan(case)
            self._dialogue(case)
        accepted = [case for case in cases if case.given.accepted]
        self.checked["accepted"] = len(accepted)
        self._caps(accepted)
        self._duplicates(accepted)
        self._notices_twice(accepted)
        self._misses_twice(accepted)
        self._cases_that_go_on(cases)
        self._unanswered()
        self._provider_list()
        self._logs()
        self.checked["core_events"] = self.history.events
        self.checked["borrowers"] = len(self.history.borrowers)
        self.checked["inbound"] = len(self.evidence.inbound)
        self.observed["unknown_area_codes"] = len(self.unknown_codes)
        counters = dict.fromkeys(KINDS, 0)
        for finding in self.findings:
            counters[finding.kind] += 1
        early = datetime.min.replace(tzinfo=self.evidence.hand_overs[0].at.tzinfo) if self.evidence.hand_overs else None
        self.checked.update(dict.fromkeys(CHECKED, 0))
        self.observed.update(dict.fromkeys(OBSERVED, 0))
        self.findings.sort(key=lambda f: (f.at is not None, f.at or early, f.kind, f.ref))
        return AuditReport(
            counters=counters,
            findings=tuple(self.findings),
            opt_outs=honoured,
            checked={name: self.checked[name] for name in sorted(self.checked)},
            observations={name: self.observed[name] for name in sorted(self.observed)},
        )

    def _find(self, kind: str, case: _Case, why: str, at: datetime | None = None) -> None:
        self.findings.append(Finding(kind, case.given.ref, at or case.given.at, why))

    def _case(self, given: HandOver, answered: set[str]) -> _Case:
        known = self.history.fed_by(given.borrower_id, given.reserved_at)
        reading = read(given.text)
        self.checked["amounts"] += len(reading.amounts)
        self.checked["dates"] += len(reading.dates)
        self.checked["days_stated"] += len(reading.days_late) + len(reading.days_left)
        occasion = _OCCASION.fullmatch(given.key)
        answers = None
        reply = _REPLY.fullmatch(given.key)
        if reply is not None:
            answers = self._answered(given, reply["inbound"], answered)
            if answers is None:
                self.observed["replies_to_nothing"] += 1
        today = given.reserved_at.astimezone(self._zone(known.zone)).date()
        due_on = date.fromisoformat(occasion["due"]) if occasion is not None else None
        said = _said(given, occasion, reading, today)
        if said is not None:
            due_on = None  # its date is the event's
            self.checked["notices"] += 1
        rule = self.words.messages.get(said.message) if said is not None else None
        return _Case(
            given=given,
            reading=reading,
            known=known,
            due_on=due_on,
            stage=occasion["stage"] if occasion is not None else "",
            said=said,
            rule=rule,
            episode=int(occasion["episode"]) if occasion is not None else 0,
            answers=answers,
            party=_party_at(known, given.to, _party_in(occasion)),
            principal=_party_in(occasion),
            today=today,
            overdue=(due_on is not None and due_on < today)
            or (due_on is None and bool(reading.days_late))
            or (said is not None and is_about_arrears(said.message, rule)),
        )

    def _answered(self, given: HandOver, inbound_id: str, answered: set[str]) -> Inbound | None:
        """The text that a reply answers: from that number, of the last day, and answered once."""
        inbound = self.inbound_by_id.get(inbound_id)
        if inbound is None or _point(inbound.sender) != _point(given.to):
            return None
        if not inbound.at <= given.at <= inbound.at + REPLY_WITHIN:
            return None
        if given.accepted:
            if inbound_id in answered:
                return None
            answered.add(inbound_id)
        return inbound

    def _zone(self, name: str) -> ZoneInfo:
        if name not in self.zones:
            try:
                self.zones[name] = ZoneInfo(name or "UTC")
            except (ZoneInfoNotFoundError, ValueError):
                raise EvidenceError("core.jsonl: a borrower's time_zone is not a zone") from None
        return self.zones[name]

    def _stops(self) -> Mapping[str, Stop]:
        if self.stops is None:
            self.stops = stops_in(self.evidence.packs)
        return self.stops

    def _limits(self, jurisdiction: str) -> Limits:
        if jurisdiction not in self.limits:
            self.limits[jurisdiction] = limits_for(jurisdiction, self.evidence.packs, DEFAULT_BALANCE_MAX_AGE)
        return self.limits[jurisdiction]

    # ── Opt-out ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_opt_outs(self) -> dict[str, float]:
        """Which opt-outs were recorded, when, and how long that took."""
        recorded: dict[str, datetime] = {}
        for line in self.evidence.logs:
            document = line.document
            if document is None or document.get("message") != "opt-out recorded":
                continue
            where = f"{line.source}:{line.number}: recorded_at"
            at = instant(document.get("recorded_at"), where)
            inbound_id = str(document.get("inbound_id", ""))
            recorded[inbound_id] = min(at, recorded.get(inbound_id, at))
        ends = self._ends_at()
        latencies: list[float] = []
        received = 0
        for inbound in sorted(self.inbound_by_id.values(), key=lambda i: i.at):
            point = _point(inbound.sender)
            if inbound.meaning == "opt_in":
                self.opt_ins.setdefault(point, []).append(inbound.at)
            if inbound.meaning not in OPTS_OUT:
                if inbound.inbound_id in recorded:
                    self.observed["recorded_but_not_meant"] += 1
                continue
            received += 1
            known_at = recorded.get(inbound.inbound_id)
            in_force = self._in_force(point, inbound.at)
            if known_at is None and in_force is not None:
                known_at = max(inbound.at, in_force.binds_after)  # said twice: the first record covers it
            for each in (point, *(self._other_points(inbound) if inbound.meaning == "cease" else ())):
                self.opt_outs.setdefault(each, []).append(_OptOut(inbound, known_at))
            if known_at is not None:
                latencies.append((known_at - inbound.at).total_seconds())
            elif ends is not None and ends > inbound.at + RECORD_WITHIN:
                why = "an opt-out was never recorded"
                self.findings.append(Finding("opt_out", f"inbound/{inbound.inbound_id}", inbound.at, why))
        self._read_preferences()
        for change in self.evidence.listed or ():
            if change.by_person:
                said = Inbound(change.at, f"list/{change.at.isoformat()}", change.number, "", "opt_out")
                known_at = change.at + READ_WITHIN
                self.opt_outs.setdefault(_point(change.number), []).append(_OptOut(said, known_at))
        return {"received": received, "honoured": len(latencies), "max_seconds": max(latencies, default=0.0)}

    def _other_points(self, inbound: Inbound) -> Iterator[str]:
        """The other numbers and addresses of whoever has the number that wants to be contacted by no means."""
        point = _point(inbound.sender)
        for borrower_id in self.history.borrowers:
            for party in self.history.fed_by(borrower_id, inbound.at).parties:
                theirs = [_point(each) for each in (party.phone, party.whatsapp, party.email) if each]
                if point in theirs:
                    yield from (each for each in theirs if each != point)

    def _read_preferences(self) -> None:
        """Opt-outs that the core told: of one number, or of everything that reached a party then. They bind as one by
        text does that nobody recorded: once they are old enough that no queue can hold them any more."""
        for event in self.evidence.events:
            told = event.event.get("preference") if event.event.get("type") == "preferences.changed" else None
            if not isinstance(told, dict) or told.get("scope") not in ("number", "everything"):
                continue
            addresses = [str(told[name]) for name in ADDRESSES if told.get(name)]
            if told["scope"] == "everything":
                known = self.history.fed_by(str(event.event.get("borrower_id", "")), event.fed_at)
                for party in known.parties:
                    if party.party_id == told.get("party_id") or (not told.get("party_id") and party.role == "primary"):
                        addresses.extend(party.addresses)
            for address in addresses:
                if told.get("opted_out"):
                    said = Inbound(event.fed_at, f"core/{event.event.get('event_id')}", address, "", "opt_out")
                    self.opt_outs.setdefault(_point(address), []).append(_OptOut(said, None))
                else:
                    self.opt_ins.setdefault(_point(address), []).append(event.fed_at)

    def _provider_list(self) -> None:
        """The provider's own list says what people said, and says it neither too early nor too late."""
        ends = self._ends_at()
        if self.evidence.listed is None or ends is None:
            return
        known = [self.history.fed_by(borrower_id, ends) for borrower_id in self.history.borrowers]
        numbers = [party.phone for each in known if each.jurisdiction != "CN" for party in each.parties if party.phone]
        found = wrong_on_the_list(self.evidence.listed, numbers, _point, self._out_since, ends, self.checked)
        for at, why in found:
            self.findings.append(Finding("opt_out", "list", at, why))

    def _out_since(self, point: str, at: datetime) -> datetime | None:
        """Since when this number is opted out at a moment; None: it is not."""
        opted_in = max((moment for moment in self.opt_ins.get(point, ()) if moment <= at), default=None)
        made = [one.inbound.at for one in self.opt_outs.get(point, ()) if one.inbound.at <= at]
        return max((moment for moment in made if opted_in is None or moment > opted_in), default=None)

    def _in_force(self, point: str, at: datetime) -> _OptOut | None:
        """A recorded opt-out that an earlier text of this number made and no opt-in has ended."""
        opted_in = max((moment for moment in self.opt_ins.get(point, ()) if moment <= at), default=None)
        for opt_out in reversed(self.opt_outs.get(point, [])):
            if opt_out.recorded_at is not None and (opted_in is None or opt_out.inbound.at > opted_in):
                return opt_out
        return None

    def _ends_at(self) -> datetime | None:
        moments = chain(
            (h.at for h in self.evidence.hand_overs),
            (e.fed_at for e in self.evidence.events),
            (i.at for i in self.evidence.inbound),
        )
        return max(moments, default=None)

    def _opt_out(self, case: _Case, confirmed: set[str]) -> None:
        """Nothing is reserved after an opt-out of this number on this channel was recorded."""
        given = case.given
        point = _point(given.to)
        for_this = self.opt_outs.get(point)
        if not for_this:
            return
        self.checked["texts_to_opted_out_numbers"] += 1
        opted_in = max((at for at in self.opt_ins.get(point, ()) if at <= given.reserved_at), default=None)
        for opt_out in for_this:
            if opt_out.inbound.at > given.reserved_at or (opted_in is not None and opt_out.inbound.at <= opted_in):
                continue
            if given.reserved_at == opt_out.binds_after and case.answers is None:
                self.observed["opt_out_ties"] += 1
            if given.reserved_at <= opt_out.binds_after:
                continue
            answers = case.answers
            if answers is not None and answers.meaning in OPTS_OUT and not case.reading.amounts:
                if given.at <= answers.at + CONFIRM_WITHIN:
                    if answers.inbound_id not in confirmed:
                        if given.accepted:  # one that was turned away confirmed nothing
                            confirmed.add(answers.inbound_id)
                        return
                    self._find("opt_out", case, "a second confirmation of one opt-out")
                    return
                self._find("opt_out", case, "the confirmation came later than five minutes after the opt-out")
                return
            late = (given.reserved_at - opt_out.binds_after).total_seconds()
            said = "recorded" if opt_out.recorded_at is not None else "due to be recorded"
            self._find("opt_out", case, f"reserved {late:.0f} s after an opt-out of this number was {said}")
            return

    # ── Hours ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _zones_of(self, case: _Case) -> Iterator[tuple[str, ZoneInfo]]:
        home = (case.party.zone if case.party is not None else "") or case.known.zone
        names = [home] if home else []
        indicated, is_known = number_zones(case.given.to)
        if not is_known:
            self.unknown_codes.add(re.sub(r"\D", "", case.given.to)[:4])
        for name in dict.fromkeys([*names, *indicated]):
            yield name, self._zone(name)

    def _quiet_hours(self, case: _Case) -> None:
        """From the hand-over to the latest possible delivery, in every zone that is indicated."""
        if case.answers is not None:
            self.checked["replies"] += 1
            return
        given = case.given
        if given.channel in ("sms", "whatsapp") and not given.ttl_seconds:
            self.observed["texts_without_end"] += 1
        limits = self._limits(case.known.jurisdiction)
        if not limits.reviewed:
            self.observed["texts_without_legal_hours"] += 1
        wrong = self._outside(case, limits.hours)
        if wrong is None and not (case.rule is not None and case.rule.urgent):
            own = [self._outside(case, plan.hours) for plan in self._followed(case)]
            wrong = own[0] if own and all(own) else None
        if wrong is not None:
            self._find("quiet_hours", case, wrong)

    def _outside(self, case: _Case, hours: Sequence[Hours]) -> str | None:
        """How the text could be felt outside these hours; None: it could not."""
        given = case.given
        latest = given.at + timedelta(seconds=given.ttl_seconds)
        for zone_name, zone in self._zones_of(case):
            for rule in hours:
                if case.purpose not in rule.purposes:
                    continue
                self.checked["hours_checks"] += 1
                said = f"{rule.rule} ({rule.source}), {zone_name}"
                if not instant_inside(rule, zone, given.at):
                    return f"handed over at {_local(given.at, zone)}: {said}"
                if given.delivered_at is not None and not instant_inside(rule, zone, given.delivered_at):
                    return f"delivered at {_local(given.delivered_at, zone)}: {said}"
                if not inside(rule, zone, given.at, latest):
                    return f"could be delivered until {_local(latest, zone)}: {said}"
        return None

    # ── The strategy ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _followed(self, case: _Case) -> tuple[ContactPlan, ...]:
        """The strategies that this text may have been said under; one, unless the borrower's loans changed.

        The one that leads by the loans that are open now, or were when it was asked for. As long as something is
        overdue there may be a case, which is carried through under the one that led when it was opened.
        """
        at = case.given.reserved_at
        mixes = self.history.mixes(case.given.borrower_id, at - ASKED_WITHIN, at)
        led = (leading(self.plans, case.known.jurisdiction, mix) for mix in reversed(mixes))
        return tuple({plan.name: plan for plan in led if plan is not None}.values())

    def _plan(self, case: _Case) -> None:
        """The text is one that the borrower's strategy has: this stage, on these days, this way, to this borrower."""
        if not case.is_occasion:
            return
        plans = [plan for plan in self._followed(case) if plan.steps]
        if not plans:
            return
        self.checked["strategy_checks"] += 1
        wrong = [self._off_plan(plan, case) for plan in plans]
        if all(wrong):
            self._find("strategy", case, str(wrong[0]))

    def _off_plan(self, plan: ContactPlan, case: _Case) -> str | None:
        step = plan.steps.get(case.stage)
        if step is None:
            return f"{case.stage} is no stage of {plan.name}"
        if case.given.channel not in step.channels:
            return f"{case.stage} of {plan.name} does not go by {case.given.channel}"
        if plan.leaves_out(case.stage, case.given.borrower_id):
            return f"this borrower is not to be sent {case.stage}: {plan.name} measures what it does"
        days = self._days(case)
        if step.lasts and not any(step.offset <= day < step.offset + step.lasts for day in days):
            return f"{case.stage} of {plan.name} is not for this day"
        if not step.lasts and max(days) < step.offset:
            return f"{case.stage} of {plan.name} comes later"
        if plan.fees_left_out and self._itemises_fees(case):
            return f"the text itemises the late fees, which {plan.name} leaves out"
        return None

    def _days(self, case: _Case) -> list[int]:
        """How many days past the due date it is: by the calendar, and as the core counts."""
        zone = self._zone(case.known.zone)
        late = [_days_late(loan, case.today, zone) for loan in case.known.loans.values() if loan.status == "open"]
        return [(case.today - case.due_on).days if case.due_on is not None else 0, *late]

    def _itemises_fees(self, case: _Case) -> bool:
        """Whether an amount in the text is the fees, and cannot be anything else that is due."""
        loans = [loan for loan in case.known.loans.values() if loan.status == "open"]
        fees = [loan.overdue.get("fees", ZERO) for loan in loans]
        due = [{i.outstanding for i in loan.instalments} | {loan.overdue.get("total", ZERO)} for loan in loans]
        said = {amount.value for amount in case.reading.amounts}
        return bool(said & {fee for fee in (*fees, sum(fees, ZERO)) if fee > 0} - set().union(*due))

    # ── What the person agreed to, wished for, and whether it is the person ──────────────────────────────────────────

    def _person(self, case: _Case) -> None:
        """Answers to a person's own text are what they asked for."""
        if case.answers is not None or case.party is None:
            return
        given, party, at = case.given, case.party, case.given.reserved_at
        person = Person(given.borrower_id, party.party_id, party.role == "primary")
        for rule in consent_rules(case.known.jurisdiction, self.evidence.packs):
            if rule.asks(case.purpose, given.channel, case.today.isoformat()):
                self.checked["consent_checks"] += 1
                if self.wishes.not_consented(person, case.purpose, given.channel, at):
                    self._find("consent", case, f"without the consent that {rule.rule} asks for")
        self.checked["wish_checks"] += 1
        if self.wishes.unwanted_channel(person, given.channel, at):
            self._find("preference", case, f"by {given.channel}, which the person did not want")
        felt = (given.at, given.at + timedelta(seconds=max(given.ttl_seconds, 1)))
        if any(self.wishes.is_quiet(person, at, felt, zone) for _, zone in self._zones_of(case)):
            self._find("preference", case, "in hours that the person wanted quiet")
        self.checked["contact_points"] += 1
        if self.wishes.is_lost(person, given.to, at):
            self._find("contact_point", case, "to a number or address that is not the person's any more")
        country = case.known.jurisdiction.partition("-")[0]
        if case.purpose in VERIFIED_FIRST.get(country, ()) and self.wishes.is_unverified(person, given.to, at):
            self._find("contact_point", case, "debt detail to a number or address that nobody confirmed")

    # ── Caps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _caps(self, accepted: Sequence[_Case]) -> None:
        """No window of a cap holds more accepted contacts than it may. Answers to a borrower's texts do not count.

        The caps per debtor count what the person felt: what was sent to them, and whatever came to a number or address
        of theirs, about whoever's loans. The caps per loan count what anybody was told about it.
        """
        told = [
            _Contact(case.given.at, case.given.channel, case.purpose, self._loans_of(case), case)
            for case in accepted
            if case.answers is None
        ]
        told.sort(key=lambda contact: contact.at)
        by_borrower: dict[str, list[_Contact]] = {}
        by_person: dict[tuple[str, str], list[_Contact]] = {}
        by_point: dict[str, list[_Contact]] = {}
        for this in told:
            case = this.case
            assert case is not None
            given, known = case.given, case.known
            imported = [_Contact(c.at, c.channel, c.purpose, frozenset(known.loans), None) for c in known.imported]
            about = [*imported, *by_borrower.setdefault(given.borrower_id, [])]
            felt = {id(contact): contact for contact in (*imported, *by_person.setdefault(case.person, []))}
            for point in _points_of(case):
                felt |= {id(contact): contact for contact in by_point.setdefault(point, [])}
            self._cap(case, this, list(felt.values()), about)
            by_borrower[given.borrower_id].append(this)
            by_person[case.person].append(this)
            by_point.setdefault(_point(given.to), []).append(this)

    def _loans_of(self, case: _Case) -> frozenset[str]:
        return frozenset(loan.loan_id for loan in self._about(case, case.known)) or frozenset(case.known.loans)

    def _cap(self, case: _Case, this: _Contact, felt: Sequence[_Contact], about: Sequence[_Contact]) -> None:
        for cap in self._limits(case.known.jurisdiction).caps:
            why = self._over(cap, case, this, felt, about)
            if why is not None:
                self._find("cap", case, why)
                return
        gaps = [plan.gap for plan in self._followed(case)]
        own = [None if gap is None else self._over(gap, case, this, felt, about) for gap in gaps]
        if own and all(own):
            self._find("cap", case, str(own[0]))

    def _over(
        self, cap: Cap, case: _Case, this: _Contact, felt: Sequence[_Contact], about: Sequence[_Contact]
    ) -> str | None:
        """How this contact is one too many; None: it is not."""
        if cap.counts(this.channel, this.purpose) and (cap.effective_on is None or case.today >= cap.effective_on):
            self.checked["cap_checks"] += 1
            before = [
                c
                for c in (about if cap.per == "loan" else felt)
                if cap.counts(c.channel, c.purpose) and self._within(cap, c.at, this.at, case)
            ]
            most = (
                max((sum(loan in c.loans for c in before) for loan in this.loans), default=len(before))
                if cap.per == "loan"
                else len(before)
            )
            if most + 1 > cap.count:
                span = "on one local day" if cap.calendar else f"in {cap.days} days"
                return f"contact {most + 1} {span}, {cap.count} allowed: {cap.rule} ({cap.source})"
        return None

    def _within(self, cap: Cap, earlier: datetime, at: datetime, case: _Case) -> bool:
        if cap.calendar:
            zone = self._zone(case.known.zone)
            return earlier.astimezone(zone).date() == at.astimezone(zone).date()
        return at - earlier < timedelta(days=cap.days)

    # ── Facts: paid, amounts, parties ────────────────────────────────────────────────────────────────────────────────

    def _facts(self, case: _Case) -> None:
        """Whether the text was right by what had been handed to the application.

        A fact handed over at the very instant of the reservation may be on either side of it: the text is right if it
        is right on one of the two.
        """
        found = self._wrong_by(case, case.known)
        if found:
            before = self.history.fed_by(case.given.borrower_id, case.given.reserved_at - self.settle, inclusive=False)
            if before is not case.known and before.loans and not self._wrong_by(case, before):
                self.observed["fact_ties"] += 1
                found = []
        for kind, why in dict(reversed(found)).items():
            self._find(kind, case, why)
        if case.is_occasion and not any(kind in ("paid_already", "not_open") for kind, _ in found):
            at_core = self.history.recorded_by(case.given.borrower_id, case.given.reserved_at)
            if at_core is not case.known and _is_paid(case, at_core):
                self.observed["paid_in_feed_lag"] += 1

    def _wrong_by(self, case: _Case, known: Known) -> list[tuple[str, str]]:
        told = self._notice(case, known) if case.said is not None else self._figures(case, known)
        return [*self._third_party(case, known), *self._held(case, known), *told]

    def _third_party(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        self.checked["recipients"] += 1
        party = _party_at(known, case.given.to, case.principal)
        if party is None:
            answers_safely = case.answers is not None and not case.reading.amounts and not case.reading.tails
            if not answers_safely:
                yield "third_party", "the address belongs to no party of the borrower's loans"
            return
        if case.answers is None and case.purpose not in party.may_hear:
            yield "third_party", f"the {party.role or 'party'} may not hear {case.purpose}"
        elif case.answers is None and not self._is_addressed(case, known, party):
            yield "third_party", f"the {party.role or 'party'} is not whom this stage, or this occasion, is for"
        elif case.answers is not None and case.reading.amounts and not party.may_hear & {"servicing", "collection"}:
            yield "third_party", f"the {party.role or 'party'} may not hear of the debt"
        if case.reading.amounts or case.reading.tails:
            self.checked["loans_heard"] += 1
            tails = {loan.tail for loan in known.loans.values() if _is_on(known, party, case.principal, loan.loan_id)}
            foreign = {loan.tail for loan in known.loans.values()} - tails
            if foreign & set(case.reading.tails) or any(mentions_tail(case.given.text, tail) for tail in foreign):
                yield "third_party", f"the {party.role or 'party'} hears of a loan that they are not on"
        if self._names_a_stranger(case, known):
            yield "third_party", "the text names a person who is no party to the borrower's loans"

    def _is_addressed(self, case: _Case, known: Known, party: Party) -> bool:
        """Whether the occasion is this person's, or that of somebody they represent, and the stage is for such."""
        if not case.is_occasion and case.said is None:
            return True
        behind = _behind(known, party, case.principal)
        if behind is None:
            return False
        if not case.principal:
            return behind.role == "primary"
        if behind.role not in ("co_borrower", "guarantor"):
            return False
        self.checked["further_parties"] += 1
        if case.said is not None:
            return True
        to = self._roles_of(case.stage)
        return to is None or behind.role in to

    def _roles_of(self, stage: str) -> frozenset[str] | None:
        """Whom the lender's strategies address with a stage; None where no strategy is among the evidence."""
        if not self.roles:
            for document in self.evidence.packs.values():
                stages = document.get("stages") if isinstance(document, dict) else None
                for step in stages if isinstance(stages, list) else ():
                    to = frozenset(str(role) for role in step.get("to") or ("primary",))
                    self.roles[str(step.get("id"))] = to | self.roles.get(str(step.get("id")), frozenset())
        return self.roles.get(stage)

    def _names_a_stranger(self, case: _Case, known: Known) -> bool:
        text = case.given.text
        own = [party.name for party in known.parties if party.name]
        for name in own:
            text = text.replace(name, " ")
        words = re.findall(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*", text)
        candidates = {" ".join(pair) for pair in pairwise(words)}
        greeted = re.search(r"(?:尊敬的|】)\s?([\u4e00-\u9fff·]{2,4}?)(?:先生|女士|您好|,|，|:|：)", text)
        if greeted is not None:
            candidates.add(greeted.group(1))
        return any(case.given.borrower_id not in self.names.get(name, {case.given.borrower_id}) for name in candidates)

    def _held(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        if case.answers is not None:
            return
        stops = self._stops()
        for hold in known.holds.values():
            row = stops.get(hold.kind)
            if not _in_force(hold, row, case.given.reserved_at) or not self._is_about(hold, case, known):
                continue
            if case.rule is not None and hold.kind in case.rule.despite:
                continue  # it speaks of this very stop
            stopped = row is not None and case.purpose in row.stops
            if stopped or case.purpose in ("collection", "marketing") or hold.kind in STOPS_EVERYTHING:
                yield "hold", f"a hold was in force: {hold.kind}"
                return

    def _is_about(self, hold: Hold, case: _Case, known: Known) -> bool:
        """A hold that names a loan, a person or an address is about that; one that names nothing is about all."""
        if hold.loan_id and hold.loan_id not in {loan.loan_id for loan in self._about(case, known)}:
            return False
        if hold.party_id and (case.party is None or case.party.party_id != hold.party_id):
            return False
        return not hold.address or _point(hold.address) == _point(case.given.to)

    def _figures(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        open_loans = [loan for loan in known.loans.values() if loan.status == "open"]
        own_tails = {loan.tail for loan in known.loans.values()}
        if any(tail not in own_tails for tail in case.reading.tails):
            yield "wrong_amount", "the text names an account that is not the borrower's"
        if self.repayments.is_answer(case.given.key):
            return  # its figures are the plan's
        if case.is_occasion:
            scope = _scope(case, known)
            if scope and all(loan.status != "open" for loan in scope):
                yield "not_open", f"the loan is {scope[0].status}"
                return
            self.checked["paid_checks"] += 1
            if known.loans and _is_paid(case, known):
                yield "paid_already", "everything the text asks for was paid, or covered by a payment on its way"
                return
            yield from self._total(case, scope)
        promised = self.dialogues.confirmed(case.given.key)
        if promised is not None:
            if promised.promised_amount is None:
                yield from self._each_amount(case, open_loans)
            return  # its day, and the amount it names, are the promise's
        yield from self._each_amount(case, open_loans)
        if case.answers is None or case.reading.amounts:
            yield from self._dates_and_days(case, open_loans)

    # ── What they wrote ──────────────────────────────────────────────────────────────────────────────────────────────

    def _dialogue(self, case: _Case) -> None:
        """Right on either side of a fact that was handed over at the very instant of the reservation."""
        given, told = case.given, _told(case)
        wrong = list(self._by_dialogue(case, told, case.known))
        if wrong:
            before = self.history.fed_by(given.borrower_id, given.reserved_at - self.settle, inclusive=False)
            earlier = replace(told, reserved_at=given.reserved_at - timedelta(microseconds=1))
            if before is not case.known and not list(self._by_dialogue(case, earlier, before)):
                self.observed["fact_ties"] += 1
                return
        for kind, why in wrong:
            self._find(kind, case, why)

    def _by_dialogue(self, case: _Case, told: Told, known: Known) -> Iterator[tuple[str, str]]:
        yield from self.dialogues.wrong(told, known)
        yield from self.repayments.wrong(told, known)
        if case.is_occasion or (case.said is not None and case.said.episode is not None):
            loan_ids = [loan.loan_id for loan in self._about(case, known)]
            yield from self.repayments.dunned(told, known, loan_ids, None if case.overdue else case.due_on)

    def _misses_twice(self, accepted: Sequence[_Case]) -> None:
        for case in accepted:
            if not _has_failed(case.given) and self.repayments.said_twice(case.given):
                self._find("plan", case, "one missed instalment was said twice")

    def _unanswered(self) -> None:
        ends = self._ends_at()
        if ends is not None:
            keys = [(given.key, given.at) for given in self.evidence.hand_overs]
            for text in self.dialogues.unanswered(keys, ends, self._is_out):
                why = f"nobody answered it, and it brought nobody: {text.meaning}"
                self.findings.append(Finding("unanswered", f"inbound/{text.inbound_id}", text.at, why))
        self.checked["promises"] = self.checked["promises_confirmed"] + self.checked["promises_followed"]
        self.checked["plans"] = sum(self.checked[name] for name in ("plans_offered", "plans_agreed", "plans_followed"))
        self.checked["to_strangers"] = self.checked["to_wrong_numbers"] + self.checked["to_shared_numbers"]

    def _is_out(self, point: str, at: datetime) -> bool:
        """Whether an opt-out of this number was in force, so that nothing may be answered there."""
        opted_in = max((moment for moment in self.opt_ins.get(point, ()) if moment <= at), default=None)
        made = (one.inbound.at for one in self.opt_outs.get(point, ()) if one.inbound.at <= at + ANSWERED_WITHIN)
        return any(opted_in is None or moment > opted_in for moment in made)

    # ── Notices ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _about(self, case: _Case, known: Known) -> tuple[Loan, ...]:
        """The loans a message speaks of: a notice's is the one that the core named with it."""
        if case.said is None:
            return _scope(case, known)
        if case.said.episode is not None:
            zone = self._zone(known.zone)
            return tuple(
                loan
                for loan in known.loans.values()
                if loan.status == "open" and loan.instalments and _days_late(loan, case.today, zone) >= 1
            )
        asked = known.notices.get(case.said.notice_id)
        return tuple(loan for loan in known.loans.values() if asked is not None and loan.loan_id == asked.loan_id)

    def _notice(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        """Asked for, in time, in the core's facts; and what asks for money, or promotes, only while that is right."""
        said = case.said
        assert said is not None
        if self.dialogues.is_own(_told(case)) or self.repayments.is_own(_told(case)):
            return  # judged by the promise, or the plan, itself
        if self.thread.is_own(_told(case)):
            yield from self.thread.wrong(_told(case), known)
            return
        asked = known.notices.get(said.notice_id)
        primary = next((party.party_id for party in known.parties if party.role == "primary"), "")
        wrong = list(wrong_asking(said, asked, primary, self.words))
        yield from wrong
        if any(kind == "not_asked" for kind, _ in wrong):
            return  # there is nothing to hold its words against
        if asked is not None:
            self.checked["facts_stated"] += len(asked.facts)
            yield from wrong_facts(said, asked, self.words)
        tails = {loan.tail for loan in known.loans.values()} | {asked.facts.get("tail", "") if asked else ""}
        if any(tail not in tails for tail in said.reading.tails):
            yield "wrong_amount", "the text names an account that is not the borrower's"
        zone = self._zone(known.zone)
        days = [
            _days_late(loan, case.today, zone)
            for loan in known.loans.values()
            if loan.status == "open" and loan.instalments
        ]
        yield from wrong_promotion(case.purpose, case.party.consents if case.party else frozenset(), days)
        if not case.asks:
            return
        paid = list(self._no_longer_owed(case, known))
        yield from paid
        if paid:
            return
        if said.episode is not None:
            yield from self._not_due_to_a_person(case)
        if case.rule is not None and case.rule.statement:
            yield from self._statement(case, known)

    def _no_longer_owed(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        """Whether what it asks for was paid, is on its way, or is nobody's business of ours any more."""
        assert case.said is not None
        self.checked["paid_checks"] += 1
        loans = self._about(case, known)
        if not loans:
            why = "nothing was overdue" if case.said.episode is not None else "it asks for money, and names no loan"
            yield "paid_already", why
            return
        asked = known.notices.get(case.said.notice_id)
        zone = self._zone(known.zone)
        for loan in loans:
            paid_at = known.paid_at.get(loan.loan_id)
            if loan.status != "open":
                yield "not_open", f"the loan is {loan.status}"
            elif not loan.instalments or (case.overdue and _days_late(loan, case.today, zone) < 1):
                yield "paid_already", "everything it asks for was paid"
            elif loan.pending > 0:
                yield "paid_already", "a payment was on its way"
            elif asked is not None and paid_at is not None and paid_at >= asked.occurred_at:
                yield "paid_already", "a payment came after what it speaks of"
            else:
                continue
            return

    def _statement(self, case: _Case, known: Known) -> Iterator[tuple[str, str]]:
        """Its total, dates and days, as for a stage: of the loan, or of what is overdue."""
        assert case.said is not None
        loans = self._about(case, known)
        left = without_facts(case.said, known.notices.get(case.said.notice_id), self.words)
        plain = replace(case, reading=left)
        yield from self._total(plain, loans)
        yield from self._each_amount(plain, loans)
        yield from self._dates_and_days(plain, loans)

    def _not_due_to_a_person(self, case: _Case) -> Iterator[tuple[str, str]]:
        """Whether anything was overdue long enough, then or when the case ended, for a person to take over."""
        needed = referral_day(self.evidence.packs)
        if needed is None:
            return
        borrower_id, zone = case.given.borrower_id, self._zone(case.known.zone)
        ended_on = date.fromisoformat(case.given.key[:10])
        midnight = datetime.combine(ended_on, time(), tzinfo=zone)
        moments = (case.given.reserved_at, midnight, midnight + timedelta(days=1))
        longest = max(
            (
                _days_late(loan, min(at, case.given.reserved_at).astimezone(zone).date(), zone)
                for at in moments
                for loan in self.history.fed_by(borrower_id, min(at, case.given.reserved_at)).loans.values()
                if loan.status == "open"
            ),
            default=0,
        )
        if longest < needed:
            yield "not_asked", f"a person takes over from day {needed} on, and it was day {longest}"

    def _notices_twice(self, accepted: Sequence[_Case]) -> None:
        """One event, one message: whoever gets it, on whatever channel. Another attempt only if one has failed."""
        by_notice: dict[tuple[str, str], list[_Case]] = {}
        for case in accepted:
            if case.said is None:
                continue
            earlier_ones = by_notice.setdefault((case.given.borrower_id, case.said.notice_id), [])
            if any(not _has_failed(earlier.given) for earlier in earlier_ones if earlier.given.ref != case.given.ref):
                self._find("duplicates", case, f"what was asked for once was said twice: {case.said.message}")
            else:
                self.observed["occasions_tried_again"] += bool(earlier_ones)
            earlier_ones.append(case)

    def _cases_that_go_on(self, cases: Sequence[_Case]) -> None:
        """Once somebody was told that a person takes over, no stage of that case is said any more."""
        over: dict[tuple[str, int], datetime] = {}
        for case in cases:
            if case.said is not None and case.said.episode is not None:
                key = case.given.borrower_id, case.said.episode
                over[key] = min(case.given.reserved_at, over.get(key, case.given.reserved_at))
        for case in cases:
            at = over.get((case.given.borrower_id, case.episode)) if case.is_occasion and case.episode else None
            if at is not None and case.given.reserved_at > at:
                self._find("not_asked", case, "a case goes on that a person has taken over")

    # ── Figures ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _total(self, case: _Case, scope: Sequence[Loan]) -> Iterator[tuple[str, str]]:
        if not case.reading.amounts:
            self.observed["texts_without_amounts"] += 1
            return
        largest = max(case.reading.amounts, key=lambda amount: amount.value)
        self.checked["totals"] += 1
        sums = _due_sums(case, scope)
        if largest.value not in sums:
            yield "wrong_amount", "the total in the text is not what was due by the core's figures"
        elif largest.currencies and not largest.currencies & {loan.currency for loan in scope}:
            yield "wrong_amount", "the text names another currency than the loan's"

    def _each_amount(self, case: _Case, loans: Sequence[Loan]) -> Iterator[tuple[str, str]]:
        if not case.reading.amounts:
            return
        single = {value for loan in loans for value in _figures_of(loan)}
        sums = _subset_sums([sorted(_owed_any(loan)) for loan in loans])
        for amount in case.reading.amounts:
            if amount.value not in single and amount.value not in sums:
                yield "wrong_amount", "an amount in the text is none of the core's figures"
                return

    def _dates_and_days(self, case: _Case, loans: Sequence[Loan]) -> Iterator[tuple[str, str]]:
        due_dates = {instalment.due_on for loan in loans for instalment in loan.instalments}
        if not due_dates:
            return
        for stated in case.reading.dates:
            if any(stated.is_day(day) for day in due_dates):
                continue
            meant = stated.near(case.today)
            is_deadline = case.overdue and meant is not None and case.today <= meant <= case.today + LATEST_DEADLINE
            if not is_deadline:
                yield "wrong_amount", "a date in the text is no due date of an unpaid instalment"
                return
        zone = self._zone(case.known.zone)
        late = {_days_late(loan, case.today, zone) for loan in loans}
        if any(days not in late for days in case.reading.days_late):
            yield "wrong_amount", "the days overdue in the text are not the core's"
            return
        left = {(day - case.today).days for day in due_dates}
        if any(days not in left for days in case.reading.days_left):
            yield "wrong_amount", "the days left in the text are not the days to a due date"

    def _stale(self, case: _Case) -> None:
        """The figures' age at the hand-over, by the newest checkpoint or snapshot that had been handed over.

        They were fresh enough at the reservation if they are no more than the way from there too old.
        """
        if (case.answers is not None and not case.reading.amounts) or not case.asks:
            return  # the core said its figures itself
        at = case.given.at
        known = self.history.fed_by(case.given.borrower_id, at)
        oldest_allowed = self._limits(case.known.jurisdiction).balance_max_age
        complete_to = self.history.complete_to(at)
        for loan in self._about(case, known) or tuple(known.loans.values()):
            fresh_to = loan.as_of if complete_to is None else max(loan.as_of, complete_to)
            self.checked["balance_ages"] += 1
            if at - fresh_to > oldest_allowed + HAND_OVER_WITHIN:
                hours = (at - fresh_to).total_seconds() / 3600
                allowed = oldest_allowed.total_seconds() / 3600
                self._find("stale_balance", case, f"the balance was {hours:.1f} h old, {allowed:.0f} h are allowed")
                return

    # ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, case: _Case) -> None:
        given = case.given
        self.checked["wordings"] += 1
        for label in forbidden_words(given.text):
            self._find("content", case, f"forbidden wording: {label}")
        if given.channel in ("sms", "whatsapp") and not has_identity(given.body, self.sender_names):
            self._find("content", case, "the text does not say who speaks")
        if given.channel == "wechat":
            if case.purpose not in ("service", "servicing"):
                self._find("content", case, f"{case.purpose} is said by WeChat")
            return  # whoever does not want it stops following
        if given.channel == "whatsapp":
            self._whatsapp(case)
        if given.channel == "push":
            self.checked["pushes"] += 1
            reading = case.reading
            figures = (reading.amounts, reading.dates, reading.tails, reading.days_late, reading.days_left)
            if any(figures) or self._names_anybody(case):
                self._find("content", case, "a figure or a name stands on a lock screen")
            if case.purpose not in ("service", "servicing"):
                self._find("content", case, f"{case.purpose} stands on a lock screen")
            return  # whoever does not want it switches it off on the device
        if case.answers is None and not has_opt_out_line(given.body, by_call=given.channel == "email"):
            self._find("content", case, "the text does not say how to stop")

    def _whatsapp(self, case: _Case) -> None:
        """Filed words, or free ones within a day of the person's own message there; and nothing that must not come
        late."""
        given = case.given
        self.checked["whatsapp_forms"] += 1
        if case.purpose not in ("service", "servicing", "reply"):
            self._find("content", case, f"{case.purpose} goes where there is no time-to-live")
        if given.form == "template":
            return
        opened = any(
            inbound.at <= given.at <= inbound.at + timedelta(hours=24)
            for inbound in self.evidence.inbound
            if _point(inbound.sender) == _point(given.to)
        )
        if not opened:
            self._find("content", case, "free words to somebody who had not written there within a day")

    def _names_anybody(self, case: _Case) -> bool:
        shown = f"{case.given.subject}\n{case.given.body}"
        return any(name in shown for name in self.names) or any(
            part in shown for party in case.known.parties for part in party.name.split() if len(part) > 1
        )

    # ── Twice ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _duplicates(self, accepted: Sequence[_Case]) -> None:
        """One message, one hand-over; one stage of one due date, one message to one person.

        A stage may be tried again only when the earlier message is known to have failed, or, once nobody can know, on
        another channel; and again in a later episode if a payment was undone in between.
        """
        by_ref: set[str] = set()
        by_occasion: dict[tuple[tuple[str, str], date, str], list[_Case]] = {}
        for case in accepted:
            self.checked["occasions"] += 1
            if case.given.ref in by_ref:
                self._find("duplicates", case, "the same message was accepted twice")
                continue
            by_ref.add(case.given.ref)
            if not case.is_occasion or case.due_on is None:
                continue
            earlier_ones = by_occasion.setdefault((case.person, case.due_on, case.stage), [])
            for earlier in earlier_ones:
                if self._is_repeat(earlier, case):
                    why = f"the same stage of the same due date was told twice to one person: {case.stage}"
                    self._find("duplicates", case, why)
                    break
            else:
                self.observed["occasions_tried_again"] += bool(earlier_ones)
            earlier_ones.append(case)

    def _is_repeat(self, earlier: _Case, later: _Case) -> bool:
        first, second = earlier.given, later.given
        nobody_knows = not first.final or "UNKNOWN" in first.final.upper()
        failed = not nobody_knows and first.delivered_at is None
        if failed or (nobody_knows and first.channel != second.channel):
            return False
        return earlier.episode == later.episode or not (
            self.history.reopened_between(second.borrower_id, first.at, second.reserved_at)
            or self.repayments.lapsed_between(second.borrower_id, first.at, second.reserved_at)
        )

    # ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _logs(self) -> None:
        known = planted(self.evidence)
        self.checked["log_files"] = self.evidence.log_files
        self.checked["log_lines"] = len(self.evidence.logs)
        self.checked["planted_values"] = known.size
        seen: dict[str, tuple[str, ...]] = {}
        for line in self.evidence.logs:
            leaks = leaks_in(line, known, seen)
            for what in leaks:
                self.findings.append(Finding("pii_in_logs", f"{line.source}:{line.number}", _written_at(line), what))


def _said(given: HandOver, occasion: re.Match[str] | None, reading: Reading, today: date) -> Said | None:
    """The notice that a hand-over says; None for a stage and for a reply."""
    message, tilde, notice_id = occasion["stage"].partition("~") if occasion is not None else ("", "", "")
    if not tilde:
        return None
    latest = given.at + timedelta(seconds=given.ttl_seconds)
    return Said(
        notice_id,
        message,
        _party_in(occasion),
        given.reserved_at,
        latest,
        today,
        f"{given.subject}\n{given.body}",
        reading,
    )


def _told(case: _Case) -> Told:
    given, said = case.given, case.said
    return Told(
        given.borrower_id,
        given.key,
        given.to,
        given.reserved_at,
        case.purpose,
        case.reading,
        said.notice_id if said is not None else "",
        said.message if said is not None else "",
        case.rule.despite if case.rule is not None else frozenset(),
    )


def _has_failed(given: HandOver) -> bool:
    """Known not to have reached anybody."""
    return bool(given.final) and "UNKNOWN" not in given.final.upper() and given.delivered_at is None


# ── What a text is about ─────────────────────────────────────────────────────────────────────────────────────────────


def _in_force(hold: Hold, row: Stop | None, at: datetime) -> bool:
    """Whether the stop binds at `at`: placed and not lifted by those whose word it is, and not over.

    Without a row everybody's word counts, and it lasts until it is lifted.
    """
    if row is None:
        return not hold.lifted_by and (hold.until is None or hold.until > at)
    if SAME_PEOPLE.get(hold.source, hold.source) not in row.placed_by:
        return False  # refused at the door
    if {SAME_PEOPLE.get(name, name) for name in hold.lifted_by} & row.lifted_by:
        return False
    until = hold.until
    if until is None and row.lasts is not None and hold.placed_at is not None:
        until = hold.placed_at + row.lasts
    return until is None or until > at


def _scope(case: _Case, known: Known) -> tuple[Loan, ...]:
    """The loans a message speaks of: those whose account it names, else those with something at its due date."""
    theirs = tuple(
        loan for loan in known.loans.values() if _is_on(known, case.party, case.principal, loan.loan_id)
    ) or tuple(known.loans.values())
    named = tuple(loan for loan in theirs if loan.tail in case.reading.tails)
    if not named:
        named = tuple(loan for loan in theirs if mentions_tail(case.given.text, loan.tail))
    if named:
        return named
    open_loans = tuple(loan for loan in theirs if loan.status == "open")
    due = tuple(loan for loan in open_loans if _owed(loan, case))
    return due or open_loans or theirs


def _owed(loan: Loan, case: _Case) -> frozenset[Decimal]:
    """What the message may say is owed on this loan; empty if nothing is.

    Overdue: the core's own total; where the core itemises none although the date has passed, its unpaid instalments.
    Before that: what is unpaid of the instalments due on the message's date.
    """
    if loan.status != "open":
        return frozenset()
    if case.overdue:
        total = loan.overdue.get("total", ZERO)
        if total > 0:
            return frozenset({total})
        past = [i.outstanding for i in loan.instalments if i.due_on < case.today]
        return frozenset({past[0], sum(past, ZERO)}) if past else frozenset()
    due = [i.outstanding for i in loan.instalments if case.due_on is None or i.due_on == case.due_on]
    if not due:
        return frozenset()
    return frozenset({due[0]}) if case.due_on is None else frozenset({sum(due, ZERO)})


def _is_covered(loan: Loan, case: _Case) -> bool:
    owed = _owed(loan, case)
    coming = loan.pending if case.overdue else loan.pending - loan.overdue.get("total", ZERO)
    return bool(owed) and coming >= max(owed)


def _is_paid(case: _Case, known: Known) -> bool:
    """Nothing of what the message is about is still to be paid."""
    scope = _scope(case, known)
    return bool(scope) and all(not _owed(loan, case) or _is_covered(loan, case) for loan in scope)


def _due_sums(case: _Case, scope: Sequence[Loan]) -> frozenset[Decimal]:
    """The totals a message about these loans may state, per currency. A covered loan may be left out."""
    result: set[Decimal] = set()
    for currency in {loan.currency for loan in scope}:
        owing = [loan for loan in scope if loan.currency == currency and _owed(loan, case)]
        uncovered = [loan for loan in owing if not _is_covered(loan, case)]
        shared_tails = len({loan.tail for loan in owing}) < len(owing)
        for loans in (owing, uncovered):
            if loans:
                result.update(sum(choice, ZERO) for choice in product(*(sorted(_owed(loan, case)) for loan in loans)))
        if shared_tails:
            result |= _subset_sums([sorted(_owed(loan, case)) for loan in owing])
    return frozenset(result)


def _figures_of(loan: Loan) -> Iterator[Decimal]:
    for instalment in loan.instalments:
        yield instalment.outstanding
    for value in loan.overdue.values():
        if value > 0:
            yield value
    if loan.pending > 0:
        yield loan.pending


def _owed_any(loan: Loan) -> set[Decimal]:
    """Any figure of this loan that can be a part of a sum over several loans."""
    figures = {loan.overdue[name] for name in ("total", "fees") if loan.overdue.get(name, ZERO) > 0}
    running = ZERO
    for instalment in loan.instalments[:3]:
        running += instalment.outstanding
        figures |= {instalment.outstanding, running}
    return figures


def _subset_sums(choices: Sequence[Sequence[Decimal]]) -> set[Decimal]:
    """Sums that take at most one figure of each loan. Few loans only: nobody has thirty."""
    sums: set[Decimal] = set()
    for size in range(1, min(len(choices), 4) + 1):
        for loans in combinations(choices[:6], size):
            sums.update(sum(choice, ZERO) for choice in product(*loans))
    if len(choices) > 4:
        sums.update(sum(choice, ZERO) for choice in product(*(options[:2] for options in choices[:10])))
    return sums


def _days_late(loan: Loan, today: date, zone: ZoneInfo) -> int:
    """The core's own count, carried on by the calendar; without one, the days since the oldest unpaid due date."""
    if loan.days_past_due > 0:
        return loan.days_past_due + (today - loan.as_of.astimezone(zone).date()).days
    return (today - loan.instalments[0].due_on).days if loan.instalments else 0


def _points_of(case: _Case) -> frozenset[str]:
    """Every point of the person who was reached."""
    own = case.party.addresses if case.party is not None else ()
    return frozenset(_point(address) for address in (case.given.to, *own))


def _party_in(occasion: re.Match[str] | None) -> str:
    """The further party whose occasion a key names; empty for the primary borrower's."""
    return (occasion["party"] or "") if occasion is not None else ""


def _party_at(known: Known, address: str, principal: str) -> Party | None:
    """Who was reached at an address; where several have it, the one whom the occasion is for."""
    there = [p for p in known.parties if _point(address) in map(_point, p.addresses)]
    fitting = [p for p in there if (behind := _behind(known, p, principal)) is not None and _fits(behind, principal)]
    return next(iter([*fitting, *there]), None)


def _fits(behind: Party, principal: str) -> bool:
    return behind.party_id == principal if principal else behind.role == "primary"


def _behind(known: Known, party: Party, principal: str) -> Party | None:
    """Whose place the reached person takes: their own; a representative, that of the party they speak for."""
    if party.role != "representative":
        return party if not principal or party.party_id == principal else None
    if party.represents:
        return next((p for p in known.parties if p.party_id == party.represents), None)
    return next((p for p in known.parties if p.role == "primary"), None)


def _is_on(known: Known, party: Party | None, principal: str, loan_id: str) -> bool:
    if party is None:
        return True
    behind = _behind(known, party, principal)
    return party.is_on(loan_id) and (behind is None or behind.is_on(loan_id))


def _point(address: str) -> str:
    return point_of(address)


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%H:%M:%S")


def _written_at(line: LogLine) -> datetime | None:
    stamp = None if line.document is None else line.document.get("timestamp")
    if not isinstance(stamp, str):
        return None
    try:
        at = datetime.fromisoformat(stamp.replace(",", ".").replace(" ", "T", 1))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
