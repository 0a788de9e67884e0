"""How borrowers behave: what they pay, and what they answer, when time passes and when a text reaches them.

Cohorts follow a script (`local.portfolio.cohorts`); everybody else is drawn from published figures
(`local.portfolio.calibration`) by hash of seed, borrower and matter, so that nothing depends on the order of calls.
A borrower knows the texts that reach them and what they owe. Nothing here knows how Dunlin decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol, assert_never
from zoneinfo import ZoneInfo

from local.core.accounts import Account, LoanTerms
from local.core.core import PART, AmountWord, Core, LoanEnd, PaymentKind
from local.core.draws import choose, draw, minutes, whole
from local.core.ledger import CENT, Arrears, monthly
from local.dialogues import (
    ANY_TIME,
    PROMISES,
    Meaning,
    Story,
    meaning_of,
    other_language,
    promise_without_a_day,
    promise_words,
    story_of,
    words_for,
)
from local.plan_stories import Planner, message_of, planner_of
from local.portfolio.calibration import EARLY, ON_THE_DAY, PART_PAYMENT_SHARE, REST_FOLLOWS_DAYS, timing_of
from local.portfolio.cohorts import Cohort
from local.portfolio.generate import Portfolio
from local.portfolio.people import CN_PREFIX, phone_count, phone_of
from local.simulator.simulator import Delivered

HOUR = timedelta(hours=1)
#: Promises that name a weekday: the next one to come.
FRIDAY = ("I'll send it Friday", "周五还")
DAY = timedelta(days=1)
#: A text that comes this soon after the borrower's own is the answer to it, not another step of the escalation.
ANSWER_WITHIN = timedelta(minutes=10)
#: Days past due from which a delivered text may be the first, second, third tier, where the caller does not say.
DEFAULT_TIER_DAYS = (4, 10, 20)


@dataclass(frozen=True, slots=True)
class Pay:
    """Money for one loan."""

    loan_id: str
    amount: Decimal | AmountWord
    at: datetime
    kind: PaymentKind = "applied"
    later: timedelta = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Text:
    """A text to the lender's number, and what was meant by it; of a promise, its day and the amount it names."""

    borrower_id: str
    from_address: str
    text: str
    meaning: Meaning
    at: datetime
    promised_on: date | None = None
    promised_amount: Decimal | None = None

    @property
    def meant(self) -> str:
        """The meaning in one line, as the evidence takes it: `promise 2026-03-15 120.50`."""
        said = (self.meaning, self.promised_on, self.promised_amount)
        return " ".join(str(part) for part in said if part is not None)


@dataclass(frozen=True, slots=True)
class Hold:
    """A stop that the core places, and perhaps lifts."""

    borrower_id: str
    kind: str
    at: datetime
    lift_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Restructure:
    """A longer term agreed with a person at the lender."""

    loan_id: str
    at: datetime
    first_due_on: date
    count: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The loan leaves the lender."""

    loan_id: str
    status: LoanEnd
    at: datetime


@dataclass(frozen=True, slots=True)
class NewPhone:
    """The core learns that a number is somebody else's by now; `phone` is the borrower's own from here on, if known."""

    borrower_id: str
    number: str
    phone: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Choose:
    """The borrower wishes for hours, channels or a language (`choice` of `preferences.chosen`)."""

    borrower_id: str
    choice: dict[str, object]
    at: datetime


@dataclass(frozen=True, slots=True)
class Agree:
    """The borrower gives a consent, or withdraws one (`consent` of `consent.changed`)."""

    borrower_id: str
    consent: dict[str, object]
    at: datetime


Action = Pay | Text | Hold | Restructure | Leave | NewPhone | Choose | Agree


class Debts(Protocol):
    """What a borrower can see of what they owe; the simulated core has it."""

    def days_past_due(self, loan_id: str, at: datetime | None = None) -> int: ...

    def overdue(self, loan_id: str, at: datetime | None = None) -> Arrears: ...


def enact(actions: Iterable[Action], core: Core) -> list[Text]:
    """Put the actions on the core's agenda, none earlier than the core's present; the texts are left to the caller."""
    texts = []
    for action in actions:
        at = max(action.at, core.now)
        match action:
            case Pay():
                core.schedule_payment(action.loan_id, action.amount, at, action.kind, later=action.later)
            case Hold():
                core.schedule_hold(action.borrower_id, action.kind, at, lift_at=action.lift_at)
            case Restructure():
                core.schedule_restructure(action.loan_id, at, action.first_due_on, action.count)
            case Leave():
                core.schedule_end(action.loan_id, action.status, at)
            case NewPhone():
                core.schedule_new_phone(action.borrower_id, action.number, action.phone, at)
            case Choose():
                core.schedule_choice(action.borrower_id, action.choice, at)
            case Agree():
                core.schedule_consent(action.borrower_id, action.consent, at)
            case Text():
                texts.append(action)
            case _:
                assert_never(action)
    return texts


def read_by(behaviour: Behaviour, delivered: Delivered) -> list[Action]:
    """What comes of a text that has reached somebody. A notice is no tier, however late they are."""
    stage, said = "notice" if "~" in delivered.ref else None, message_of(delivered.ref)
    return behaviour.on_delivered(delivered.to_address, delivered.body, delivered.at, stage=stage, said=said)


# ── Scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Step:
    """What a delivered text of at least `tier` (0: any text) brings about, once; then the next step waits.

    `pay_after` pays `amount`; `rest_after` pays what is left, and from then on the borrower pays in time.
    """

    tier: int
    min_days: int = 0
    reply: tuple[str, Meaning] | None = None
    later_reply: tuple[str, Meaning] | None = None
    pay_after: timedelta | None = None
    amount: AmountWord = "due"
    kind: PaymentKind = "applied"
    later: timedelta = timedelta(days=2)
    rest_after: timedelta | None = None


_STOP = ("STOP", Meaning.OPT_OUT)
_SCRIPTS: dict[Cohort, tuple[_Step, ...]] = {
    Cohort.PAYS_AFTER_TIER_1: (_Step(1, rest_after=20 * HOUR),),
    Cohort.PAYS_IN_PART_AFTER_TIER_2: (_Step(2, pay_after=DAY, amount="part", rest_after=5 * DAY),),
    Cohort.CURED_AFTER_TIER_3: (_Step(3, rest_after=2 * DAY),),
    Cohort.OPTS_OUT_HAS_EMAIL: (_Step(1, reply=_STOP), _Step(2, rest_after=DAY)),
    Cohort.OPTS_OUT_NO_EMAIL: (_Step(1, reply=("退订", Meaning.OPT_OUT)),),
    Cohort.DISPUTE_HOLD: (_Step(1, min_days=15, rest_after=DAY),),
    Cohort.STOP_THEN_START: (_Step(0, reply=_STOP, later_reply=("START", Meaning.OPT_IN)),),
    Cohort.ASKS_FOR_HELP: (_Step(0, reply=("HELP", Meaning.HELP)),),
    Cohort.INVALID_NUMBER: (_Step(1, rest_after=DAY),),
    Cohort.PAYMENT_PENDING: (_Step(1, rest_after=10 * HOUR, kind="pending"),),
    Cohort.PAYMENT_RETURNED: (
        _Step(1, pay_after=10 * HOUR, kind="returned", later=4 * DAY),
        _Step(1, rest_after=DAY),
    ),
    Cohort.CO_BORROWER: (_Step(2, rest_after=2 * DAY),),
    Cohort.GUARANTOR: (_Step(3, rest_after=2 * DAY),),
    Cohort.PERSON_ON_SEVERAL: (_Step(2, rest_after=2 * DAY),),
    Cohort.REPRESENTATIVE: (_Step(1, rest_after=DAY),),
    Cohort.TWO_ZONES: (_Step(2, rest_after=DAY),),
    Cohort.SHARED_NUMBER_OPTS_OUT: (_Step(1, reply=_STOP),),
    Cohort.SHARED_NUMBER_OTHER: (_Step(2, rest_after=DAY),),
    Cohort.MASSACHUSETTS_CAP: (_Step(2, rest_after=DAY),),
    Cohort.IMPORTED_IN_ARREARS: (_Step(1, rest_after=DAY),),
    Cohort.WILL_PAY_FRIDAY: (_Step(1, reply=("I'll send it Friday", Meaning.PROMISE), rest_after=4 * DAY),),
    Cohort.SAYS_PAID: (_Step(1, reply=("已经还了", Meaning.SAYS_PAID), rest_after=3 * DAY),),
    Cohort.POLITE_STOP: (_Step(1, reply=("Stop. Thank you", Meaning.OPT_OUT)), _Step(2, rest_after=DAY)),
    Cohort.STOP_THIS_BILL: (
        _Step(1, reply=("we have got to STOP this terrible bill", Meaning.OTHER)),
        _Step(2, rest_after=DAY),
    ),
}
#: Days after each due date on which the members of a cohort pay whatever they are told; one figure a loan.
_HABITS: dict[Cohort, tuple[int, ...]] = {
    Cohort.PAYS_EARLY: (-5,),
    Cohort.PAYS_ON_THE_DAY: (0,),
    Cohort.PAYS_IN_GRACE: (3,),
    Cohort.TWO_LOANS_SAME_DAY: (3, 3),
    Cohort.STOP_THEN_START: (0,),
    Cohort.ASKS_FOR_HELP: (0,),
    Cohort.TWO_LOANS_DIFFERENT_DAYS: (0, 3),
    Cohort.PAYS_OFF: (-3,),
}
#: What somebody wishes for on the first days; of the drawn, a share of each.
_WISHES: dict[Cohort, dict[str, object]] = {
    Cohort.NEVER_PAYS: {"quiet_hours": [{"from": "20:00", "to": "11:00"}]},
    Cohort.TWO_LOANS_DIFFERENT_DAYS: {"channels": ["email"]},
}
_DRAWN_WISHES: tuple[tuple[float, dict[str, object]], ...] = (
    (0.06, {"quiet_hours": [{"from": "12:00", "to": "14:00"}, {"from": "19:00", "to": "09:30"}]}),
    (0.04, {"quiet_hours": [{"from": "17:00", "to": "08:00", "days": ["sat", "sun"]}]}),
    (0.04, {"channels": ["sms"]}),
)
DISPUTE_FROM_DAY, DISPUTE_TO_DAY = 9, 21
HARDSHIP_FROM_DAY = 9
SOLD_ON_DAY = 20
#: Assumed: who agrees to hear of offers, and takes it back.
CONSENT_SHARE = 0.1
SHARED_NUMBER_PAYS_ON_DAY = 25
RESTRUCTURED_ON_DAY, RESTRUCTURED_COUNT = 18, 9

#: Assumed, not measured: how often a drawn borrower answers a text, and what.
_DRAWN_REPLIES: tuple[tuple[float, Meaning, dict[str, str]], ...] = (
    (0.010, Meaning.OTHER, {"en-US": "ok thanks", "zh-CN": "好的，谢谢"}),
    (0.010, Meaning.PROMISE, {"en-US": "I'll send it Friday", "zh-CN": "周五还"}),
    (0.005, Meaning.HELP, {"en-US": "HELP", "zh-CN": "帮助"}),
    (0.005, Meaning.SAYS_PAID, {"en-US": "I already paid this", "zh-CN": "已经还了"}),
    (0.003, Meaning.OPT_OUT, {"en-US": "STOP", "zh-CN": "退订"}),
)

#: What a stranger answers to the first text, the second …: in English, in Chinese.
_WRONG = (("Who is this? Wrong number", Meaning.WRONG_NUMBER), ("你是谁？打错了", Meaning.WRONG_NUMBER))
_NO_MORE = (("STOP", Meaning.OPT_OUT), ("退订", Meaning.OPT_OUT))
_STRANGERS = ((_NO_MORE,), (_WRONG, _NO_MORE), (_WRONG,), ())
_SAID_ALL = max(map(len, _STRANGERS))


@dataclass(slots=True)
class _Member:
    account: Account
    cohort: Cohort
    zone: ZoneInfo
    phones: frozenset[str]
    steps: tuple[_Step, ...]
    steps_done: int = 0
    tiers_told: int = 0
    texts_received: int = 0
    last_text_at: datetime | None = None
    step_not_before: datetime | None = None
    story: Story | None = None
    planner: Planner | None = None


class Behaviour:
    """The borrowers of a portfolio. Give `at_start()` and every delivery's actions to `enact`."""

    def __init__(self, portfolio: Portfolio, debts: Debts, *, tier_days: Sequence[int] = DEFAULT_TIER_DAYS) -> None:
        self._portfolio = portfolio
        self._debts = debts
        self._tier_days = tuple(tier_days)
        self._seed = portfolio.seed
        self._members: dict[str, _Member] = {}
        self._at_address: dict[str, list[_Member]] = {}
        self._strangers: dict[str, int] = {}
        self._renumbered = 0
        for account in portfolio.accounts:
            self._admit(account, portfolio.cohorts[account.borrower_id])

    def at_start(self) -> list[Action]:
        """Everything that will happen without any text: habits, drawn payments, holds, sales."""
        actions: list[Action] = []
        for member in self._members.values():
            if member.cohort is Cohort.DRAWN:
                for terms in member.account.loans:
                    actions += self._drawn_payments(member, terms)
            else:
                actions += self._scripted_start(member)
            actions += self._wishes(member)
        return actions

    def on_delivered(
        self,
        to_address: str,
        text: str,
        at: datetime,
        *,
        stage: str | None = None,
        borrower_id: str | None = None,
        said: str = "",
    ) -> list[Action]:
        """A text reached a phone or a mailbox at `at`.

        `stage` (`tier_1`, …; anything else is no tier) and `borrower_id` may be given where the caller knows them;
        otherwise the tier follows from the days past due and the tiers told before, and all who have the address read.
        `said`: the message, of a reply or a notice.
        """
        actions: list[Action] = []
        if not text:
            return actions
        if to_address in self._strangers:
            return self._stranger(to_address, at)
        for member in self._at_address.get(to_address, []):
            if borrower_id is None or member.account.borrower_id == borrower_id:
                actions += self._planning(member, to_address, text, at, said)
                actions += self._read(member, to_address, at, stage)
        return actions

    def on_recycled(self, number: str, at: datetime) -> list[Action]:
        """From `at` on the number is a stranger's. The core learns of it days later, and tells where the party is now.

        The stranger answers the first text that comes: that it is the wrong number, or STOP, or both; some say nothing.
        """
        members = self._at_address.pop(number, [])
        if not members:
            return []
        self._strangers[number] = 0
        jurisdiction = members[0].account.jurisdiction
        found_at = at + whole(self._seed, 8, 144, "found out", number) * HOUR
        actions: list[Action] = []
        for member in members:
            borrower_id = member.account.borrower_id
            phone = None
            if draw(self._seed, "new phone", borrower_id, number) < 0.6:
                self._renumbered += 1
                phone = phone_of(jurisdiction, phone_count(jurisdiction) - self._renumbered)
                member.phones = member.phones - {number} | {phone}
                self._at_address.setdefault(phone, []).append(member)
            actions.append(NewPhone(borrower_id, number, phone, found_at))
        return actions

    def _stranger(self, number: str, at: datetime) -> list[Action]:
        """Somebody who owes nothing has one of our texts."""
        self._strangers[number] += 1
        answers = choose(self._seed, _STRANGERS, "stranger", number)
        turn = self._strangers[number] - 1
        if turn >= len(answers):
            return []
        text, meaning = answers[turn][number.startswith(CN_PREFIX)]
        return [Text("", number, text, meaning, at + minutes(self._seed, 1, 40, "stranger", number, turn))]

    # ── Reading a text ───────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, member: _Member, address: str, at: datetime, stage: str | None) -> list[Action]:
        if stage is None and member.last_text_at is not None:
            since = at - member.last_text_at
            if timedelta(0) <= since <= ANSWER_WITHIN:
                return []
        member.texts_received += 1
        days = max(self._debts.days_past_due(terms.loan_id, at) for terms in member.account.loans)
        tier = self._tier(member, days, stage)
        return [*self._tell(member, address, at, days), *self._follow(member, address, at, days, tier)]

    def _follow(self, member: _Member, address: str, at: datetime, days: int, tier: int) -> list[Action]:
        if member.cohort is Cohort.DRAWN:
            return self._drawn_reply(member, address, at)
        if member.steps_done == len(member.steps):
            return []
        step = member.steps[member.steps_done]
        too_early = member.step_not_before is not None and at < member.step_not_before
        if tier < step.tier or days < step.min_days or too_early:
            return []
        member.steps_done += 1
        return self._take(member, step, address, at)

    # ── Stories ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, member: _Member, address: str, at: datetime, days: int) -> list[Action]:
        """The story of this borrower begins, where it fits; once."""
        story, account = member.story, member.account
        if story is None or address != account.parties[0].phone or (days == 0 and story not in ANY_TIME):
            return []
        member.story = None
        borrower_id, locale = account.borrower_id, account.parties[0].locale
        said_at = at + minutes(self._seed, 12, 50, "story", borrower_id)
        if story in PROMISES:
            return self._promise(member, address, said_at, story)
        if story is Story.STOPS_MIDWAY:
            stop = words_for(Meaning.OPT_OUT, locale, self._seed, borrower_id)
            return [
                self._text(member, address, (promise_without_a_day(locale), Meaning.PROMISE), said_at),
                self._text(member, address, (stop, Meaning.OPT_OUT), said_at + timedelta(minutes=25)),
            ]
        if story is Story.COMES_BACK:
            stop, start = (
                words_for(meaning, locale, self._seed, borrower_id) for meaning in (Meaning.OPT_OUT, Meaning.OPT_IN)
            )
            next_morning = self._local(member, said_at.astimezone(member.zone).date() + DAY, time(10, 20))
            return [
                self._text(member, address, (stop, Meaning.OPT_OUT), said_at),
                self._text(member, address, (start, Meaning.OPT_IN), next_morning),
            ]
        if story is Story.TWO_TOGETHER:
            return [
                self._text(member, address, (words_for(meaning, locale, self._seed, borrower_id), meaning), said_at)
                for meaning in (Meaning.BALANCE, Meaning.REALLY_YOU)
            ]
        if story is Story.OTHER_LANGUAGE:
            locale = other_language(locale)
        meaning = meaning_of(story)
        said = [words_for(meaning, locale, self._seed, borrower_id)]
        if story is Story.STRANGER:
            moved = self.on_recycled(address, at)
            self._strangers[address] = _SAID_ALL  # they have answered, and do not answer again
            return [*moved, Text("", address, said[0], meaning, said_at)]
        if story is Story.UNCLEAR_TWICE:
            said.append(words_for(meaning, locale, self._seed, borrower_id, "again"))
        actions: list[Action] = [
            self._text(member, address, (words, meaning), said_at + index * timedelta(minutes=30))
            for index, words in enumerate(said)
        ]
        if story is Story.PAID_TRUE:
            actions += [Pay(terms.loan_id, "due", said_at - timedelta(minutes=8)) for terms in self._late(member, at)]
        return actions

    def _planning(self, member: _Member, address: str, body: str, at: datetime, said: str) -> list[Action]:
        """What somebody does who wants a plan: asks for one, chooses, pays what its texts ask for, or does not."""
        planner, account = member.planner, member.account
        if planner is None or address != account.parties[0].phone:
            return []
        borrower_id, locale = account.borrower_id, account.parties[0].locale
        later = at + minutes(self._seed, 12, 40, "plans", borrower_id, said)
        if said == "plan_choices":
            number = planner.chooses(body)
            return [self._text(member, address, (number, Meaning.CHOICE), later)] if number is not None else []
        if said in ("plan_in_force", "plan_missed"):
            paid = planner.pays(said, body, at.astimezone(member.zone).date())
            if paid is None:
                return []
            loan_id = next((terms.loan_id for terms in self._late(member, at)), account.loans[0].loan_id)
            return [Pay(loan_id, paid[0], max(self._local(member, paid[1], time(12, 0)), at + HOUR))]
        days = max(self._debts.days_past_due(terms.loan_id, at) for terms in account.loans)
        if said or planner.has_asked or days < planner.asks_from_day:
            return []
        return [self._text(member, address, (planner.asks(locale, self._seed, borrower_id), Meaning.PLAN), later)]

    def _promise(self, member: _Member, address: str, at: datetime, story: Story) -> list[Action]:
        """What the loan that is late the longest owes, on a day of this week; some of it comes, or all, or nothing."""
        account = member.account
        loan = max(self._late(member, at), key=lambda terms: self._debts.days_past_due(terms.loan_id, at))
        amount = self._debts.overdue(loan.loan_id, at).total
        today = at.astimezone(member.zone).date()
        on = today + whole(self._seed, 2, 5, "promised for", account.borrower_id) * DAY
        words = promise_words(amount, loan.currency, on, account.parties[0].locale, self._seed, account.borrower_id)
        promised = self._text(member, address, (words, Meaning.PROMISE), at)
        actions: list[Action] = [replace(promised, promised_on=on, promised_amount=amount)]
        if story is not Story.PROMISE_BROKEN:
            paid = amount if story is Story.PROMISE_KEPT else (amount * PART).quantize(CENT)
            actions.append(Pay(loan.loan_id, paid, self._local(member, on, time(12, 0))))
        return actions

    def _tier(self, member: _Member, days: int, stage: str | None) -> int:
        if stage is not None:
            name, _, number = stage.partition("_")
            return int(number) if name == "tier" and number.isdigit() else 0
        if days == 0:
            member.tiers_told = 0
        if days < self._tier_days[0]:
            return 0
        if member.tiers_told < len(self._tier_days) and days >= self._tier_days[member.tiers_told]:
            member.tiers_told += 1
        return member.tiers_told

    def _take(self, member: _Member, step: _Step, address: str, at: datetime) -> list[Action]:
        actions: list[Action] = []
        borrower_id = member.account.borrower_id
        if step.reply is not None and address in member.phones:
            replied_at = at + minutes(self._seed, 2, 9, "reply", borrower_id, member.steps_done)
            actions.append(self._text(member, address, step.reply, replied_at))
            if step.later_reply is not None:
                next_morning = self._local(member, at.astimezone(member.zone).date() + DAY, time(10, 5))
                actions.append(self._text(member, address, step.later_reply, next_morning))
        if step.pay_after is not None:
            actions += [
                Pay(terms.loan_id, step.amount, at + step.pay_after, step.kind, step.later)
                for terms in self._late(member, at)
            ]
            if step.kind in ("returned", "reversed"):
                member.step_not_before = at + step.pay_after + step.later
        if step.rest_after is not None:
            paid_at = at + step.rest_after
            kind: PaymentKind = step.kind if step.pay_after is None else "applied"
            actions += [Pay(terms.loan_id, "due", paid_at, kind, step.later) for terms in self._late(member, at)]
            actions += self._in_time_from(member, paid_at)
        return actions

    def _text(self, member: _Member, address: str, reply: tuple[str, Meaning], at: datetime) -> Text:
        member.last_text_at = at
        words, meaning = reply
        day = None
        if words in FRIDAY:
            today = at.astimezone(member.zone).date()
            day = today + ((4 - today.weekday() - 1) % 7 + 1) * DAY
        return Text(member.account.borrower_id, address, words, meaning, at, promised_on=day)

    def _late(self, member: _Member, at: datetime) -> list[LoanTerms]:
        return [terms for terms in member.account.loans if self._debts.days_past_due(terms.loan_id, at) > 0]

    def _in_time_from(self, member: _Member, paid_at: datetime) -> list[Action]:
        """From a cure on, every instalment two days before it is due."""
        cured_on = paid_at.astimezone(member.zone).date()
        return [
            Pay(terms.loan_id, "current", max(self._local(member, item.due_on - 2 * DAY, time(12, 0)), paid_at + HOUR))
            for terms in member.account.loans
            for item in terms.instalments
            if cured_on <= item.due_on <= self._last_day
        ]

    # ── What happens anyway ──────────────────────────────────────────────────────────────────────────────────────

    def _wishes(self, member: _Member) -> list[Action]:
        borrower_id, today = member.account.borrower_id, self._portfolio.start.date()
        wish = _WISHES.get(member.cohort)
        if member.cohort is Cohort.DRAWN:
            chance = draw(self._seed, "wish", borrower_id)
            for share, wished in _DRAWN_WISHES:
                if chance < share:
                    wish = wished
                    break
                chance -= share
        actions: list[Action] = []
        if wish is not None:
            actions.append(Choose(borrower_id, wish, self._local(member, today + DAY, time(9, 0))))
        if draw(self._seed, "agrees", borrower_id) < CONSENT_SHARE:
            said: dict[str, object] = {"purpose": "marketing", "source": "app", "wording": "marketing/3"}
            actions.append(Agree(borrower_id, {**said, "given": True}, self._local(member, today + DAY, time(10, 0))))
            later = self._local(member, today + 20 * DAY, time(10, 0))
            actions.append(Agree(borrower_id, {**said, "given": False}, later))
        return actions

    def _scripted_start(self, member: _Member) -> list[Action]:
        actions: list[Action] = []
        for terms, days in zip(member.account.loans, _HABITS.get(member.cohort, ()), strict=False):
            actions += [
                Pay(
                    terms.loan_id,
                    "current",
                    self._paid_at(member, item.due_on + days * DAY, terms.loan_id, item.number),
                )
                for item in terms.instalments
                if item.due_on <= self._last_day
            ]
        borrower_id = member.account.borrower_id
        loan = member.account.loans[0]
        due_on = loan.instalments[0].due_on
        match member.cohort:
            case Cohort.DISPUTE_HOLD:
                from_at = self._local(member, due_on + DISPUTE_FROM_DAY * DAY, time(14, 0))
                to_at = self._local(member, due_on + DISPUTE_TO_DAY * DAY, time(14, 0))
                actions.append(Hold(borrower_id, "dispute", from_at, to_at))
            case Cohort.HARDSHIP_HOLD:
                at = self._local(member, due_on + HARDSHIP_FROM_DAY * DAY, time(11, 0))
                actions.append(Hold(borrower_id, "hardship", at))
            case Cohort.LOAN_SOLD | Cohort.MORTGAGE_LEAVES:
                at = self._local(member, due_on + SOLD_ON_DAY * DAY, time(11, 0))
                actions.append(Leave(loan.loan_id, "sold", at))
            case Cohort.SHARED_NUMBER_OPTS_OUT:
                at = self._local(member, due_on + SHARED_NUMBER_PAYS_ON_DAY * DAY, time(18, 0))
                actions.append(Pay(loan.loan_id, "due", at))
                actions += self._in_time_from(member, at)
            case Cohort.RESTRUCTURED:
                at = self._local(member, due_on + RESTRUCTURED_ON_DAY * DAY, time(15, 0))
                first_due_on = due_on + (RESTRUCTURED_ON_DAY + 30) * DAY
                actions.append(Restructure(loan.loan_id, at, first_due_on, RESTRUCTURED_COUNT))
                actions += [
                    Pay(loan.loan_id, "current", self._local(member, day - DAY, time(12, 0)))
                    for day in monthly(first_due_on, RESTRUCTURED_COUNT)
                    if day <= self._last_day
                ]
            case _:
                pass
        return actions

    def _drawn_payments(self, member: _Member, terms: LoanTerms) -> list[Action]:
        actions: list[Action] = []
        for item in terms.instalments:
            if item.due_on > self._last_day:
                break
            matter = (terms.loan_id, item.number)
            timing = timing_of(draw(self._seed, "timing", *matter))
            days = whole(self._seed, timing.from_days, timing.to_days, "days", *matter)
            paid_on = item.due_on + days * DAY
            at = self._paid_at(member, paid_on, *matter)
            if draw(self._seed, "part", *matter) < PART_PAYMENT_SHARE:
                actions.append(Pay(terms.loan_id, "part", at))
                rest = whole(self._seed, *REST_FOLLOWS_DAYS, "rest", *matter)
                if timing in (EARLY, ON_THE_DAY):
                    rest = max(min(rest, -days), 0)  # who pays in time has paid all of it by the due date
                at += rest * DAY + HOUR
            kind: PaymentKind = "pending" if draw(self._seed, "kind", *matter) < 0.1 else "applied"
            amount: AmountWord = "current" if timing in (EARLY, ON_THE_DAY) else "due"
            actions.append(Pay(terms.loan_id, amount, at, kind, timedelta(hours=6)))
        return actions

    def _drawn_reply(self, member: _Member, address: str, at: datetime) -> list[Action]:
        if address not in member.phones:
            return []
        borrower_id = member.account.borrower_id
        chance = draw(self._seed, "answers", borrower_id, member.texts_received)
        for share, meaning, texts in _DRAWN_REPLIES:
            if chance < share:
                locale = member.account.parties[0].locale
                text = texts.get(locale, texts["en-US"])
                replied_at = at + minutes(self._seed, 1, 90, "answers after", borrower_id, member.texts_received)
                return [self._text(member, address, (text, meaning), replied_at)]
            chance -= share
        return []

    # ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _admit(self, account: Account, cohort: Cohort) -> None:
        phones = frozenset(
            number for party in account.parties for number in (party.phone, party.whatsapp) if number is not None
        )
        member = _Member(account, cohort, ZoneInfo(account.time_zone), phones, _SCRIPTS.get(cohort, ()))
        member.story = story_of(self._seed, account.borrower_id, cohort)
        member.planner = planner_of(cohort)
        self._members[account.borrower_id] = member
        for party in account.parties:
            for address in (party.phone, party.email, party.push_endpoint, party.whatsapp, party.wechat_openid):
                if address is not None:
                    self._at_address.setdefault(address, []).append(member)

    @property
    def _last_day(self) -> date:
        return self._portfolio.end.date() + 15 * DAY  # who pays early pays within the run for what is due after it

    def _paid_at(self, member: _Member, paid_on: date, *matter: object) -> datetime:
        clock = time(8 + whole(self._seed, 0, 13, "hour", *matter), whole(self._seed, 0, 59, "minute", *matter))
        return self._local(member, paid_on, clock)

    def _local(self, member: _Member, day: date, clock: time) -> datetime:
        """A local moment, not before the first hour of the run."""
        return max(datetime.combine(day, clock, tzinfo=member.zone), self._portfolio.start + HOUR)
