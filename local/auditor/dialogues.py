"""What followed from what people wrote: silence where they may expect it, their promises, an answer to every text.

Judged from the texts with their meaning, the core's events, the hand-overs, and what the application told others. How
the application understood a text is no evidence here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from local.auditor.evidence import Evidence, Inbound, instant
from local.auditor.history import ZERO, History, Known, decimal_of
from local.auditor.law import Stop
from local.auditor.reading import Reading

#: A text binds from here on: no queue may hold it longer.
TAKEN_IN_WITHIN = timedelta(minutes=5)
#: An answer, or the call for a person, comes within this.
ANSWERED_WITHIN = timedelta(minutes=65)
#: Who says that they paid is believed this long, and once in so many days.
CLAIM_LASTS, CLAIMED_ONCE_IN = timedelta(days=7), timedelta(days=30)
#: After its day the money of a promise has so long to come.
GRACE = timedelta(days=2)

_DAY = timedelta(days=1)
_DUNNING = frozenset({"servicing", "collection"})
#: Somebody who speaks of ending their life needs a person now.
CALLED_AT_ONCE = timedelta(minutes=10)
#: The stop that a text brings, by what was meant; and the task that a person closes to end it.
_STOPS: Mapping[str, str] = {
    "promise": "promise",
    "says_paid": "paid_claimed",
    "hardship": "hardship",
    "dispute": "dispute",
    "complaint": "complaint",
    "crisis": "crisis",
    "cease": "cease_request",
    "deceased": "deceased",
    "bankruptcy": "bankruptcy",
    "attorney": "attorney",
    "identity_theft": "identity_theft",
}
#: The kind of task, where it is not called as the stop is.
_TASKS = {"paid_claimed": "paid"}
#: What no answer of ours settles: a person of this kind is called, whether or not we may write there.
_PERSONS = frozenset({*_STOPS.values(), "wrong_number"}) - {"promise", "paid_claimed"}
#: What only holds back until a day, or the money.
_FOR_A_WHILE = frozenset({"promise", "paid_claimed"})
_OWN = re.compile(r"(?P<message>promise_(?:day|kept|broken))-(?P<inbound>.+)", re.DOTALL)
_REPLY = re.compile(r"reply#(?P<stage>[^#]+)#[^#]+#(?P<inbound>.+)", re.DOTALL)

CONFIRMED = "promise_confirmed"
#: What is said once a person has answered, by the kinds of task that end so.
_ANSWERS = {"dispute_resolved": ("dispute", "identity_theft"), "complaint_answered": ("complaint",)}

Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """A hand-over, as far as this matters. `notice_id` and `message` are empty for what is no notice."""

    borrower_id: str
    key: str
    to: str
    reserved_at: datetime
    purpose: str
    reading: Reading
    notice_id: str = ""
    message: str = ""
    despite: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stop that one text brings one borrower, before anything ends it."""

    kind: str
    text: Inbound
    ends_at: datetime | None


@dataclass(slots=True)
class Dialogues:
    """`point_of` makes addresses comparable."""

    evidence: Evidence
    history: History
    stops: Mapping[str, Stop]
    point_of: Callable[[str], str]
    checked: Counter[str] = field(default_factory=Counter)
    texts: dict[str, Inbound] = field(default_factory=dict)
    _owners: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _asked: dict[str, list[_Asked]] = field(default_factory=dict)
    _opened: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)
    _closed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _wrong: dict[str, list[Inbound]] = field(default_factory=dict)
    _opted_in: dict[str, list[datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for told in self.evidence.announced:
            if told.kind == "person.needed":
                key = str(told.detail.get("borrower_id", "")), str(told.detail.get("task_id", ""))
                if key not in self._opened or told.at < self._opened[key][0]:
                    self._opened[key] = told.at, str(told.detail.get("kind", ""))
        refused = {
            (told.detail.get("borrower_id"), told.detail.get("answer_id"))
            for told in self.evidence.announced
            if told.kind == "answer.refused" and told.detail.get("reason") == "refused"
        }
        for event in self.evidence.events:
            borrower_id = str(event.event.get("borrower_id", ""))
            task, answer = event.event.get("task"), event.event.get("answer")
            task_id = ""
            if event.event["type"] == "task.closed" and isinstance(task, dict):
                task_id = str(task.get("task_id", ""))
            elif event.event["type"] == "answer.requested" and isinstance(answer, dict) and answer.get("closes_task"):
                task_id = str(answer.get("task_id") or "")
                if (borrower_id, answer.get("answer_id")) in refused:
                    continue  # whoever gave it calls instead, and closes the task then
            if task_id:
                key = borrower_id, task_id
                self._closed[key] = min(event.fed_at, self._closed.get(key, event.fed_at))
        for text in sorted(self.evidence.inbound, key=lambda text: text.at):
            if text.inbound_id in self.texts:
                continue
            self.texts[text.inbound_id] = text
            point = self.point_of(text.sender)
            self._owners[text.inbound_id] = tuple(self._owners_of(point, text.at))
            if text.meaning == "opt_in":
                self._opted_in.setdefault(point, []).append(text.at)
            for borrower_id in self._owners[text.inbound_id]:
                if text.meaning == "wrong_number":
                    self._wrong.setdefault(borrower_id, []).append(text)
                asked = self._stop(text, borrower_id)
                if asked is not None:
                    self._asked.setdefault(borrower_id, []).append(asked)

    # ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_own(self, told: Told) -> bool:
        """Whether it follows from a text, and nobody else had to ask for it: a promise, or the answer to a task."""
        return self._promise_of(told) is not None or self._is_answer(told)

    def confirmed(self, key: str) -> Inbound | None:
        """The text whose promise a reply confirms."""
        reply = _REPLY.fullmatch(key)
        return self.texts.get(reply["inbound"]) if reply is not None and reply["stage"] == CONFIRMED else None

    def wrong(self, told: Told, known: Known) -> Iterator[Found]:
        """What is wrong with one hand-over."""
        yield from self._silence(told, known)
        yield from self._stranger(told)
        reply = _REPLY.fullmatch(told.key)
        if reply is not None:
            text = self.texts.get(reply["inbound"])
            if reply["stage"] == CONFIRMED:
                yield from self._confirmed(told, text)
            if reply["stage"] == "balance":
                yield from self._balance(told, known)
        elif (promise := self._promise_of(told)) is not None:
            yield from self._of_promise(told, promise, known)

    def unanswered(
        self, keys: Sequence[tuple[str, datetime]], ends: datetime, is_out: Callable[[str, datetime], bool]
    ) -> Iterator[Inbound]:
        """The texts that nobody answered and that brought nobody. `keys`: of every hand-over, and when it was."""
        replied: dict[str, datetime] = {}
        for key, at in keys:
            reply = _REPLY.fullmatch(key)
            if reply is not None:
                replied[reply["inbound"]] = min(at, replied.get(reply["inbound"], at))
        for text in self.texts.values():
            owners = self._owners[text.inbound_id]
            person = _STOPS.get(text.meaning, text.meaning)
            needs_person = person in _PERSONS
            last = self._answered_by(text, CALLED_AT_ONCE if person == "crisis" else ANSWERED_WITHIN)
            if not owners or last > ends:
                continue
            if not needs_person and (
                text.meaning in ("opt_out", "rating") or is_out(self.point_of(text.sender), text.at)
            ):
                continue
            self.checked["texts_to_answer"] += 1
            is_replied = text.inbound_id in replied and replied[text.inbound_id] <= last
            kind = person if needs_person else ""
            if not all(self._has_person(text, borrower_id, last, kind) for borrower_id in owners) and (
                needs_person or not is_replied
            ):
                yield text

    def _answered_by(self, text: Inbound, within: timedelta) -> datetime:
        """When an answer, or a person, is there at the latest: what is broken meanwhile has to be mended first."""
        last = max(text.at, text.taken_in_at or text.at) + within
        for outage in sorted(self.evidence.outages, key=lambda outage: outage.begins):
            if outage.begins < last and outage.ends > text.at:
                last = max(last, outage.ends + ANSWERED_WITHIN)
        return last

    # ── Stops ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stop(self, text: Inbound, borrower_id: str) -> _Asked | None:
        kind = _STOPS.get(text.meaning)
        is_shared = len(self._owners[text.inbound_id]) > 1
        if kind is None:
            return None
        if kind == "promise":
            if is_shared or text.promised_on is None or (borrower_id, text.inbound_id) in self._opened:
                return None  # nothing was agreed: a person was called, or no day was named
            return _Asked(kind, text, self._midnight(borrower_id, text, text.promised_on + _DAY))
        if kind == "paid_claimed":
            claims = (one.text.at for one in self._asked.get(borrower_id, ()) if one.kind == kind)
            if is_shared or any(at > text.at - CLAIMED_ONCE_IN for at in claims):
                return None
            return _Asked(kind, text, text.at + CLAIM_LASTS)
        return _Asked(kind, text, None)

    def _silence(self, told: Told, known: Known) -> Iterator[Found]:
        """Nothing that a text stops is said while what they wrote holds: until its day, its answer, or the money."""
        of_promise = self._promise_of(told) is not None
        for asked in self._asked.get(told.borrower_id, ()):
            row = self.stops.get(asked.kind)
            stopped = row.stops if row is not None else _DUNNING
            if told.purpose not in stopped or (of_promise and asked.kind in _FOR_A_WHILE):
                continue  # words about the promise itself are judged as that
            if told.reserved_at <= _binds_after(asked.text):
                continue
            self.checked["text_stops"] += 1
            if asked.kind in told.despite or not self._reaches(asked, told, known):
                continue
            if not self._is_over(asked, told, known):
                yield "text_stop", f"they had written: {asked.kind}"
                return

    def _reaches(self, asked: _Asked, told: Told, known: Known) -> bool:
        """Whether the message goes to whoever asked: that nobody contact them any more binds nobody else."""
        if asked.kind != "cease_request":
            return True
        writer, to = self.point_of(asked.text.sender), self.point_of(told.to)
        points = (
            {self.point_of(each) for each in (party.phone, party.email, party.whatsapp) if each}
            for party in known.parties
        )
        return any(writer in theirs and to in theirs for theirs in points)

    def _is_over(self, asked: _Asked, told: Told, known: Known) -> bool:
        if asked.ends_at is not None and told.reserved_at >= asked.ends_at:
            return True
        row, task = self.stops.get(asked.kind), _TASKS.get(asked.kind, asked.kind)
        if row is None or "staff" in row.lifted_by:
            for (borrower_id, task_id), closed_at in self._closed.items():
                is_kind = self._opened.get((borrower_id, task_id), (closed_at, ""))[1] == task
                if borrower_id == told.borrower_id and is_kind and asked.text.at < closed_at <= told.reserved_at:
                    return True
        if asked.kind == "cease_request":
            back = self._opted_in.get(self.point_of(asked.text.sender), ())
            return any(asked.text.at < at <= told.reserved_at for at in back)
        if asked.kind == "promise":
            later = self._asked.get(told.borrower_id, ())
            if any(one.text.at > asked.text.at for one in later):
                return True  # what came later holds instead
            amount = asked.text.promised_amount
            if amount is not None and self._paid(told.borrower_id, asked.text, told.reserved_at) >= amount:
                return True
        return asked.kind in _FOR_A_WHILE and self._is_cleared(told, asked.text.at, known)

    def _is_cleared(self, told: Told, since: datetime, known: Known) -> bool:
        """Whether money has come since, and nothing is due any more."""
        came = any(
            event["type"] in ("payment.applied", "payment.backdated")
            and instant(event.get("occurred_at"), "occurred_at") >= since
            for event in self._fed(told.borrower_id, told.reserved_at)
        )
        return came and _nothing_is_due(known, told.reserved_at)

    # ── Promises ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _promise_of(self, told: Told) -> Inbound | None:
        own = _OWN.fullmatch(told.notice_id)
        if own is None or own["message"] != told.message:
            return None
        text = self.texts.get(own["inbound"])
        is_theirs = text is not None and told.borrower_id in self._owners[text.inbound_id]
        return text if text is not None and is_theirs and text.meaning == "promise" else None

    def _confirmed(self, told: Told, text: Inbound | None) -> Iterator[Found]:
        self.checked["promises_confirmed"] += 1
        if text is None or text.meaning != "promise" or text.promised_on is None:
            yield "promise", "what was confirmed was no promise"
            return
        if not any(stated.is_day(text.promised_on) for stated in told.reading.dates):
            yield "promise", "another day was confirmed than the one that was promised"
        if not _states(told.reading, text.promised_amount):
            yield "promise", "another amount was confirmed than the one that was promised"

    def _of_promise(self, told: Told, text: Inbound, known: Known) -> Iterator[Found]:
        self.checked["promises_followed"] += 1
        if text.promised_on is None:
            return  # which day it is came to be known elsewhere
        amount = text.promised_amount
        if not _states(told.reading, amount):
            yield "promise", "another amount is spoken of than the one that was promised"
        zone = ZoneInfo(known.zone or "UTC")
        amounts = [stated.value for stated in told.reading.amounts]
        owed = amount if amount is not None else max(amounts, default=ZERO)
        paid = self._paid(told.borrower_id, text, told.reserved_at)
        is_kept = paid >= owed or self._is_cleared(told, text.at, known)
        over = self._midnight(told.borrower_id, text, text.promised_on + _DAY)
        match told.message:
            case "promise_kept" if paid < owed:
                yield "promise", "it was not kept"
            case "promise_broken" if is_kept:
                yield "promise", "it was kept"
            case "promise_broken" if told.reserved_at < over:
                yield "promise", "its day was not over"
            case "promise_day" if told.reserved_at.astimezone(zone).date() != text.promised_on:
                yield "promise", "it was not its day"
            case "promise_day" if is_kept:
                yield "promise", "the money had come"
            case _:
                pass

    def _paid(self, borrower_id: str, text: Inbound, at: datetime) -> Decimal:
        """What was applied after the text and by the end of the grace, and not taken back, as far as it was told."""
        until = datetime.max.replace(tzinfo=at.tzinfo)
        if text.promised_on is not None:
            until = self._midnight(borrower_id, text, text.promised_on + _DAY) + GRACE
        came: dict[str, Decimal] = {}
        for event in self._fed(borrower_id, at):
            payment = event.get("payment")
            if not isinstance(payment, dict):
                continue
            payment_id = str(payment.get("payment_id", ""))
            if event["type"] in ("payment.returned", "payment.reversed"):
                came[payment_id] = ZERO
            elif event["type"] in ("payment.applied", "payment.backdated"):
                paid_at = instant(event.get("occurred_at"), "occurred_at")
                if text.at <= paid_at < until:
                    came.setdefault(payment_id, decimal_of(payment.get("amount")))
        return sum(came.values(), ZERO)

    def _fed(self, borrower_id: str, at: datetime) -> Iterator[Mapping[str, object]]:
        return self.history.events_until(borrower_id, at)

    def _midnight(self, borrower_id: str, text: Inbound, day: date) -> datetime:
        zone = ZoneInfo(self.history.fed_by(borrower_id, text.at).zone or "UTC")
        return datetime.combine(day, time(), tzinfo=zone)

    def _is_answer(self, told: Told) -> bool:
        """Whether a person had closed the task by then whose answer it is."""
        key = told.borrower_id, told.notice_id.removeprefix(f"{told.message}-")
        closed_at = self._closed.get(key)
        kinds = _ANSWERS.get(told.message, ())
        return closed_at is not None and closed_at <= told.reserved_at and self._opened.get(key, (None, ""))[1] in kinds

    # ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _stranger(self, told: Told) -> Iterator[Found]:
        """Nothing about a debt to a number that said it is somebody else's, or in answer to one that several have."""
        point = self.point_of(told.to)
        speaks = bool(told.reading.amounts or told.reading.tails) or told.purpose in _DUNNING
        for text in self._wrong.get(told.borrower_id, ()):
            if told.reserved_at <= _binds_after(text):
                continue
            self.checked["to_wrong_numbers"] += 1
            is_there = self.point_of(text.sender) == point
            if is_there and speaks and not self._is_sure_again(told, point, text.at):
                yield "stranger", "about a debt, to a number that had said it is the wrong one"
                return
        reply = _REPLY.fullmatch(told.key)
        if reply is not None and len(self._owners.get(reply["inbound"], ())) > 1:
            self.checked["to_shared_numbers"] += 1
            if told.reading.amounts or told.reading.tails:
                yield "stranger", "about a debt, in answer to a number that several borrowers have"

    def _is_sure_again(self, told: Told, point: str, since: datetime) -> bool:
        """Whether somebody made sure of the number since, or it was told as theirs anew."""
        for event in self._fed(told.borrower_id, told.reserved_at):
            found = event.get("contact_point")
            if isinstance(found, dict) and found.get("state") == "confirmed":
                address = str(found.get("phone") or found.get("email") or found.get("whatsapp") or "")
                if self.point_of(address) == point and instant(event.get("occurred_at"), "occurred_at") > since:
                    return True
        return False

    def _owners_of(self, point: str, at: datetime) -> Iterator[str]:
        for borrower_id in self.history.borrowers:
            parties = self.history.fed_by(borrower_id, at).parties
            if any(
                number and self.point_of(number) == point
                for party in parties
                for number in (party.phone, party.whatsapp)
            ):
                yield borrower_id

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _has_person(self, text: Inbound, borrower_id: str, last: datetime, kind: str) -> bool:
        """Whether a person was called because of it or since, or had been and has not answered yet; for a matter of
        this kind (empty: any)."""
        for (of, task_id), (at, called_for) in self._opened.items():
            if of != borrower_id or at > last or kind not in ("", called_for):
                continue
            closed_at = self._closed.get((of, task_id))
            if task_id == text.inbound_id or closed_at is None or closed_at > text.at:
                return True
        return False

    def _balance(self, told: Told, known: Known) -> Iterator[Found]:
        """What is overdue in all, or else what falls due next."""
        self.checked["balances"] += 1
        amounts = {stated.value for stated in told.reading.amounts}
        loans = [loan for loan in known.loans.values() if loan.status == "open" and loan.instalments]
        today = told.reserved_at.astimezone(ZoneInfo(known.zone or "UTC")).date()
        late = [loan for loan in loans if loan.instalments[0].due_on < today]
        if late:
            right = {sum((loan.overdue.get("total", ZERO) for loan in late), ZERO)}
        else:
            next_on = min((loan.instalments[0].due_on for loan in loans), default=today)
            due = [loan.instalments[0].outstanding for loan in loans if loan.instalments[0].due_on == next_on]
            right = {sum(due, ZERO)}
        if not right & amounts:
            yield "balance", "what it says is owed is not what the core says"


def _binds_after(text: Inbound) -> datetime:
    return text.taken_in_at if text.taken_in_at is not None else text.at + TAKEN_IN_WITHIN


def _states(reading: Reading, amount: Decimal | None) -> bool:
    return amount is None or any(stated.value == amount for stated in reading.amounts)


def _nothing_is_due(known: Known, at: datetime) -> bool:
    today = at.astimezone(ZoneInfo(known.zone or "UTC")).date()
    return not any(
        loan.status == "open" and any(unpaid.due_on <= today for unpaid in loan.instalments)
        for loan in known.loans.values()
    )
