"""What a borrower sees on their page, and what they do there: the very services that a text goes through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from dunlin.domain.agreements import Awaited, Dialogue, PlanStatus, Promise, PromiseStatus, Task
from dunlin.domain.answers import Effects
from dunlin.domain.borrower import Borrower, ContactPoint, Loan, Party
from dunlin.domain.facts import PreferenceFacts
from dunlin.domain.hours import local_date
from dunlin.domain.intents import Intent, Topic, Understood
from dunlin.domain.message import Message
from dunlin.domain.parties import loans_told
from dunlin.domain.permit import is_stale
from dunlin.domain.planned import next_due
from dunlin.domain.replies import may_hear_detail
from dunlin.domain.statement import days_past_due
from dunlin.domain.wishes import Quiet, Wish
from dunlin.domain.words import Channel, LoanStatus, Purpose
from dunlin.errors import InvalidInput
from dunlin.services.choices import Choices
from dunlin.services.doors import Entry
from dunlin.services.inbound import ReceiveInbound
from dunlin.services.policies import Policies
from dunlin.services.ports import Clock, Store
from dunlin.services.preferences import Preferences

__all__ = ["ACTS", "SAID", "Page", "PageView"]

#: What a form may ask for. A name is in the form's own signature, so it is checked before anything is done.
ACTS = frozenset(
    {
        "promise", "plan", "choose", "hardship", "dispute", "complaint", "paid", "person", "wishes", "out", "in",
        "everything", "leave",
    }
)  # fmt: skip
#: What may be said after an act: a name out of this list, and never what somebody put into an address.
SAID = frozenset(
    {
        "promise_confirmed", "promise_which_day", "plan_choices", "plan_agreed", "plan_chosen", "hardship_received",
        "dispute_received", "complaint_received", "paid", "person", "nothing_due", "saved", "stopped", "resumed",
        "stale",
    }
)  # fmt: skip
PROBLEMS = frozenset({"on", "amount", "choice", "quiet", "channels"})
DECLINABLE = (Purpose.SERVICING, Purpose.COLLECTION, Purpose.SERVICE, Purpose.MARKETING)
_MATTERS = {
    "hardship": Understood(Intent.HARDSHIP, 1.0, ""),
    "dispute": Understood(Intent.DISPUTE, 1.0, ""),
    "complaint": Understood(Intent.COMPLAINT, 1.0, ""),
    "paid": Understood(Intent.PAID, 1.0, ""),
    "person": Understood(Intent.SERVICE, 1.0, "", Topic.PERSON),
}
_MOST_MESSAGES = 5
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class LoanView:
    """A loan as its borrower sees it. `certain`: its figures may be shown; `days` past due, 0 before."""

    loan: Loan
    days: int
    certain: bool


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything the page shows. `loans` is empty, and nothing of a debt is there, unless `detail`."""

    party: Party
    locale: str
    locales: tuple[str, ...]
    zone: str
    today: date
    point: str
    detail: bool
    loans: tuple[LoanView, ...] = ()
    promise: Promise | None = None
    plan: tuple[str, str] | None = None  # the amount that is next, in machine form, and its day
    plan_asked: Task | None = None
    task: Task | None = None
    offered: Dialogue | None = None
    messages: tuple[Message, ...] = ()


class Page:
    """The service behind `serve_page`, once somebody is inside."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        inbound: ReceiveInbound,
        preferences: Preferences,
        choices: Choices,
        clock: Clock,
    ) -> None:
        self._store = store
        self._policies = policies
        self._inbound = inbound
        self._preferences = preferences
        self._choices = choices
        self._clock = clock

    def view(self, entry: Entry) -> PageView:
        """What this person may see now: of a debt only what a reply to their text would tell them."""
        now = self._clock()
        borrower, party = entry.borrower, entry.party
        rules = self._policies.rules_for(borrower, now)
        zone = party.zone or borrower.zone
        policy = rules.policy if rules is not None else None
        locale = policy.language_for(party.locale, party.preferences.language) if policy is not None else party.locale
        locales = tuple(policy.languages) if policy is not None else ()
        messages = tuple(
            message
            for message in self._store.conversation(borrower.borrower_id)
            if message.party_id == party.party_id and message.body and message.sent_at is not None
        )[-_MOST_MESSAGES:][::-1]
        task = max(
            (each for each in borrower.tasks if each.party_id == party.party_id and each.closed_at is None),
            key=lambda each: each.opened_at,
            default=None,
        )
        today = local_date(now, zone)
        point = _verified(party, entry.point, now)
        if policy is None or point is None or not may_hear_detail(borrower, party, point, policy, now):
            return PageView(party, locale, locales, zone, today, entry.point, detail=False, task=task)
        plan = None
        if any(
            each.party_id == party.party_id and each.status in (PlanStatus.AGREED, PlanStatus.IN_FORCE)
            for each in borrower.plans
        ):
            said = {figure.name: figure.value for figure in next_due(borrower, party.party_id, policy, now) or ()}
            plan = _first_money_and_day(said)
        return PageView(
            party,
            locale,
            locales,
            zone,
            today,
            entry.point,
            detail=True,
            loans=tuple(
                LoanView(
                    loan,
                    max(0, days_past_due(loan, today, local_date(loan.as_of, borrower.zone))),
                    not loan.pending and not is_stale(borrower, loan, policy, now),
                )
                for loan in loans_told(
                    borrower,
                    party,
                    None,
                    tuple(each for each in borrower.loans if each.status is LoanStatus.OPEN and each.instalments),
                )
            ),
            promise=next(
                (
                    each
                    for each in borrower.promises
                    if each.party_id == party.party_id and each.status is PromiseStatus.OPEN
                ),
                None,
            ),
            plan=plan,
            plan_asked=task if task is not None and task.chosen is not None else None,
            task=task,
            offered=self._offered(borrower, party, entry.point, now),
            messages=messages,
        )

    def act(self, entry: Entry, what: str, fields: Mapping[str, str], request_id: str) -> str:
        """Do what a form asks, once under `request_id`; returns what is said to it, one of `SAID`.

        Raises:
            InvalidInput: `field` is one of `PROBLEMS`. NotFound, Conflict, TransientError: as of the services.
        """
        match what:
            case "promise":
                on = _day(fields, "on")
                if on is None:
                    raise InvalidInput("on", "must be a day")
                return self._ask(entry, Understood(Intent.PROMISE, 1.0, "", amount=_amount(fields), on=on), request_id)
            case "plan":
                wish = Understood(Intent.PLAN, 1.0, "", amount=_amount(fields), on=_day(fields, "on"))
                return self._ask(entry, wish, request_id)
            case "choose":
                return self._choose(entry, fields, request_id)
            case "out" | "in":
                return self._declined(entry, fields, request_id, opted_out=what == "out")
            case "everything":
                self._ask(entry, Understood(Intent.OPT_OUT, 1.0, "", Topic.EVERYTHING), request_id)
                return "stopped"
            case "wishes":
                return self._wish(entry, fields, request_id)
            case _:
                return self._ask(entry, _MATTERS[what], request_id)

    def _ask(self, entry: Entry, understood: Understood, request_id: str) -> str:
        effects = self._inbound.asked_on_page(
            entry.borrower.borrower_id, entry.party.party_id, entry.point, understood, request_id
        )
        return _said(understood.intent, effects)

    def _choose(self, entry: Entry, fields: Mapping[str, str], request_id: str) -> str:
        """The offer that was seen, or none: a number means nothing where the offers are others by now."""
        number = fields.get("choice", "")
        if number == "0":
            return self._ask(entry, Understood(Intent.CHOICE, 1.0, "", choice=0), request_id)
        asked = self._offered(entry.borrower, entry.party, entry.point, self._clock())
        offers = {str(offer.number): offer for offer in asked.offers} if asked is not None else {}
        offer = offers.get(number)
        if offer is None or offer.offer_id != fields.get("offer"):
            raise InvalidInput("choice", "is none of the offers that stand")
        return self._ask(entry, Understood(Intent.CHOICE, 1.0, "", choice=offer.number), request_id)

    def _offered(self, borrower: Borrower, party: Party, point: str, now: datetime) -> Dialogue | None:
        return next(
            (
                each
                for each in borrower.dialogues
                if (each.party_id, each.point) == (party.party_id, point)
                and each.awaits is Awaited.OFFER
                and each.ends_at > now
            ),
            None,
        )

    def _declined(self, entry: Entry, fields: Mapping[str, str], request_id: str, *, opted_out: bool) -> str:
        """One purpose, or all of them, at one number or address of theirs."""
        point = next((each for each in entry.party.points if each.point == fields.get("point")), None)
        purpose = fields.get("purpose", "")
        if point is None or purpose not in ("", *map(str, DECLINABLE)):
            raise InvalidInput("choice", "is no number or purpose of this person's")
        whole = not purpose and point.point == entry.point
        if whole:  # what STOP from this very number does, and its record
            intent = Intent.OPT_OUT if opted_out else Intent.OPT_IN
            self._ask(entry, Understood(intent, 1.0, ""), request_id)
        else:
            asked = PreferenceFacts(
                opted_out=opted_out,
                party_id=entry.party.party_id,
                address=(point.channel, point.address),
                purpose=Purpose(purpose) if purpose else None,
            )
            self._preferences.change(entry.borrower.borrower_id, asked, at=self._clock(), by=request_id)
        return "stopped" if opted_out else "resumed"

    def _wish(self, entry: Entry, fields: Mapping[str, str], request_id: str) -> str:
        now = self._clock()
        rules = self._policies.rules_for(entry.borrower, now)
        language = fields.get("language", "")
        if language and (rules is None or language not in rules.policy.languages):
            raise InvalidInput("choice", "is no language of the place's")
        begins, ends = fields.get("quiet_from", ""), fields.get("quiet_to", "")
        quiet: tuple[Quiet, ...] = ()
        if begins or ends:
            if not _CLOCK.fullmatch(begins) or not _CLOCK.fullmatch(ends) or begins == ends:
                raise InvalidInput("quiet", "must be two different times of the day")
            quiet = (Quiet(_minutes(begins), _minutes(ends)),)
        reached = {point.channel for point in entry.party.points}
        channels = tuple(channel for channel in Channel if channel in reached and fields.get(f"by_{channel}"))
        if not channels:
            raise InvalidInput("channels", "must name one on which the party can be reached")
        wished = () if set(channels) == reached else channels
        try:
            self._choices.choose(
                entry.borrower.borrower_id,
                entry.party.party_id,
                Wish(channels=wished, quiet=quiet, language=language or None),
                at=now,
                by=request_id,
            )
        except InvalidInput as refusal:
            raise InvalidInput("quiet" if "quiet" in refusal.field else "channels", refusal.problem) from None
        return "saved"


def _said(intent: Intent, effects: Effects | None) -> str:
    if effects is None:
        return "stale"
    if effects.reply in SAID:
        return effects.reply
    if intent is Intent.PAID and "hold.paid_claimed" in effects.did:
        return "paid"
    if "promise.nothing_due" in effects.did:
        return "nothing_due"
    return "person"


def _verified(party: Party, point: str, now: datetime) -> ContactPoint | None:
    """The contact point the link was for. They have just proved who they are, so it is theirs."""
    found = next((each for each in party.points if each.point == point), None)
    return replace(found, verified_at=now) if found is not None else None


def _first_money_and_day(said: Mapping[str, str]) -> tuple[str, str] | None:
    money = next((value for value in said.values() if re.fullmatch(r"[\d.]+ [A-Z]{3}", value)), None)
    day = next((value for value in said.values() if re.fullmatch(r"\d{4}-\d\d-\d\d", value)), None)
    return (money, day) if money is not None and day is not None else None


def _day(fields: Mapping[str, str], name: str) -> date | None:
    said = fields.get(name, "").strip()
    if not said:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise InvalidInput("on", "must be a day") from None


def _amount(fields: Mapping[str, str]) -> Decimal | None:
    said = fields.get("amount", "").strip().replace(",", "")
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", said):
        raise InvalidInput("amount", "must be an amount in figures")
    amount = Decimal(said)
    if not amount:
        raise InvalidInput("amount", "must be more than nothing")
    return amount


def _minutes(said: str) -> int:
    hours, minutes = said.split(":")
    return int(hours) * 60 + int(minutes)
