"""How the page says things: plain words for states, reasons, stages, promises. Unknown words are shown as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Reasons for which a message was not sent, by whose reason it was.
NOT_SENT: dict[str, tuple[str, str]] = {
    "opted_out": ("The borrower opted out", "borrower"),
    "no_consent": ("No consent for this purpose", "borrower"),
    "not_verified": ("Nobody made sure whose number it is", "borrower"),
    "not_wanted": ("Another channel was asked for", "borrower"),
    "quiet_hours": ("Quiet hours, until it was too late", "borrower"),
    "cap": ("Enough contacts already", "borrower"),
    "hold": ("A hold was in force", "borrower"),
    "forbidden": ("Never said to somebody in this position", "borrower"),
    "holdout": ("Left out, so that what it does can be measured", "ours"),
    "not_a_party": ("Not a party to the loan", "borrower"),
    "paid": ("Paid in the meantime", "facts"),
    "payment_pending": ("A payment was on its way", "facts"),
    "loan_not_open": ("The loan is no longer ours to speak of", "facts"),
    "stale_balance": ("The balance was too old", "facts"),
    "deaf": ("We might not hear answers", "facts"),
    "overtaken": ("Overtaken by a later step", "facts"),
    "facts_changed": ("The facts changed at the last moment", "facts"),
    "no_contact_point": ("No usable number or address", "ours"),
    "no_template": ("No template for it", "ours"),
    "no_route": ("No line carries it", "ours"),
    "content_not_live": ("The wording was not released", "ours"),
    "figures_mismatch": ("Figures did not read back", "ours"),
    "too_long": ("The text was too long", "ours"),
    "failures": ("Too much of what the line was given failed", "ours"),
    "plan_agreed": ("It is in a plan that was agreed", "facts"),
    "line_full": ("The line could not carry it before its window closed", "ours"),
    "line_stopped": ("The line was stopped", "ours"),
    "paused": ("Paused by a person", "ours"),
    "ceiling": ("The day's ceiling of its template was reached", "ours"),
    "window_closed": ("Its window closed", "ours"),
    "not_released": ("Not released in time", "ours"),
    "not_on_allow_list": ("Not on this environment's list of recipients", "ours"),
    "shadow": ("It would have been sent: shadow mode", "ours"),
    "throttled": ("The provider was too busy", "provider"),
    "not_connected": ("No connection to the provider", "provider"),
    "provider_opted_out": ("On the provider's opt-out list", "provider"),
    "number_not_verified": ("Number not verified", "provider"),
    "country_blocked": ("Country blocked", "provider"),
    "price_over_threshold": ("Over the price limit", "provider"),
    "spend_limit": ("Spend limit reached", "provider"),
    "access_denied": ("The provider denied access", "provider"),
    "invalid_number": ("Not a valid number", "provider"),
    "not_following": ("The person does not follow the account", "provider"),
    "endpoint_disabled": ("The app is gone from that device", "provider"),
    "refused_by_provider": ("Refused by the provider", "provider"),
}
#: Reasons after a hand-over: the provider had it, or may have had it.
AFTER_SENDING: dict[str, str] = {
    "timed_out": "No answer from the provider; never sent again",
    "provider_error": "Provider error; never sent again",
    "process_lost": "Our process was lost in the middle",
    "unreachable": "The handset could not be reached",
    "carrier_unreachable": "The carrier could not be reached",
    "blocked": "Blocked",
    "carrier_blocked": "Blocked by the carrier",
    "spam": "Taken for spam",
    "invalid_message": "The carrier refused the message",
    "ttl_expired": "Its time ran out before delivery",
    "bounced": "The e-mail bounced",
    "no_report": "No report ever came",
}
GOOD: dict[str, str] = {
    "stage_due": "Its day had come",
    "reply_due": "An answer was due",
    "notice_due": "Something happened, or came to its end",
    "accepted": "Accepted by the provider",
    "delivered": "Delivered",
}
OWNERS = {
    "borrower": "for the borrower's sake",
    "facts": "because the facts moved",
    "ours": "for reasons of our own",
    "provider": "by the provider's answer",
    "other": "for other reasons",
}
STATES = {
    "REQUESTED": "Waiting for its turn",
    "DUE": "About to be written",
    "RENDERED": "Written, not reserved",
    "RESERVED": "Reserved",
    "SENT": "Sent, no report yet",
    "UNSETTLED": "Outcome not known yet",
    "DELIVERED": "Delivered",
    "FAILED": "Failed",
    "UNKNOWN": "Closed as unknown",
    "SUPPRESSED": "Not sent",
    "EXPIRED": "Not sent in time",
    "CANCELLED": "Cancelled",
}
WAITING = ("REQUESTED", "DUE", "RENDERED")
HANDED_OVER = ("RESERVED", "SENT", "UNSETTLED", "DELIVERED", "FAILED", "UNKNOWN")
STOPPED = ("SUPPRESSED", "EXPIRED", "CANCELLED")
OUTCOMES = {
    "cured": "Cured by payment",
    "referred": "Referred to a person",
    "opted_out": "Opted out of texts",
    "closed": "The loan left us",
    "agreed": "A plan was agreed",
    "open": "Still open",
}


@dataclass(frozen=True, slots=True)
class Promise:
    """A counter of violations in plain words, and which count of checks stands behind its zero."""

    kind: str
    title: str
    said: str
    checked: str
    unit: str


PROMISES = (
    Promise("opt_out", "Opt-out is absolute", "texts reserved after an opt-out was recorded", "texts", "texts"),
    Promise("quiet_hours", "Nobody is woken", "texts that could arrive in quiet hours", "hours_checks", "hour checks"),
    Promise("cap", "Never too often", "contacts over a legal or own limit", "cap_checks", "cap checks"),
    Promise("duplicates", "Never twice", "messages handed over twice", "occasions", "hand-overs"),
    Promise("paid_already", "Never for money paid", "texts about what was already paid", "paid_checks", "texts"),
    Promise("stale_balance", "Never on stale figures", "texts on a balance too old", "balance_ages", "balance ages"),
    Promise("wrong_amount", "Accurate", "texts whose figures are not the core's", "amounts", "amounts read back"),
    Promise("third_party", "Only a party to the loan", "texts to or about anybody else", "recipients", "recipients"),
    Promise("not_open", "Only our own loans", "texts about a loan sold, placed or closed", "paid_checks", "texts"),
    Promise("strategy", "One strategy at a time", "texts that the strategy does not have", "strategy_checks", "texts"),
    Promise("hold", "A stop is a stop", "texts while a hold was in force", "texts", "texts"),
    Promise("consent", "Only what was agreed to", "texts without the consent asked for", "consent_checks", "texts"),
    Promise("preference", "Wishes are kept", "texts in hours or on channels not wanted", "wish_checks", "texts"),
    Promise("contact_point", "Sure of the person", "texts to numbers lost or not confirmed", "contact_points", "texts"),
    Promise("content", "Decent words", "texts with forbidden or missing words", "wordings", "texts"),
    Promise("not_asked", "Only what was asked for", "notices without an event behind them", "notices", "notices"),
    Promise("too_late", "In time or not at all", "notices after their time", "notices", "notices"),
    Promise("promotion", "No unwanted offers", "offers without consent, or to who owes", "notices", "notices"),
    Promise("text_stop", "Heard", "reminders against what they had written", "text_stops", "checks"),
    Promise("promise", "A promise is a promise", "words about a promise that are not so", "promises", "texts"),
    Promise("unanswered", "Nobody is ignored", "texts without an answer or a person", "texts_to_answer", "texts"),
    Promise("stranger", "Discreet", "debts told to a wrong or shared number", "to_strangers", "texts"),
    Promise("balance", "The balance is the core's", "balances that are not the core's", "balances", "balances"),
    Promise("answer", "A person's own words", "answers that say what no text may say", "answers", "answers"),
    Promise("repeated", "Asked once", "the same question to the same person again", "asked_after", "questions"),
    Promise("plan", "A plan is as agreed", "words about plans that are not so", "plans", "words about plans"),
    Promise("plan_dunned", "Kept to", "reminders of what a plan is about", "plan_freezes", "checks"),
    Promise("pii_in_logs", "Private", "log lines with personal data", "log_lines", "log lines"),
)


def reason_words(reason: str) -> str:
    if reason in NOT_SENT:
        return NOT_SENT[reason][0]
    return AFTER_SENDING.get(reason) or GOOD.get(reason) or plain(reason)


def stage_words(stage: str) -> str:
    """`reminder_7` as people say it."""
    found = re.fullmatch(r"([a-z]+(?:_[a-z]+)*?)_?(\d+)?", stage)
    if found is None:
        return plain(stage)
    name, number = found.group(1), found.group(2)
    match name, number:
        case "reminder" | "reminder_before" | "before", str():
            days = int(number)
            return "Reminder, due today" if days == 0 else f"Reminder, {days} day{'s' * (days != 1)} before"
        case "due" | "due_today" | "due_on" | "due_day", _:
            return "Due today"
        case "grace" | "late" | "after", str():
            return f"{int(number)} day{'s' * (int(number) != 1)} after"
        case "grace", None:
            return "Shortly after the due date"
        case "tier", str():
            return f"Overdue, tier {number}"
        case _:
            return plain(stage)


def stage_order(stage: str) -> tuple[int, int, str]:
    """Stages as they come in a borrower's month: reminders towards the due date, grace, tiers, answers."""
    number = int(match.group()) if (match := re.search(r"\d+", stage)) else 0
    for place, start in enumerate(("appl", "approv", "disburs", "reminder", "before", "due", "grace", "late", "tier")):
        if stage.startswith(start):
            return place, -number if start in ("reminder", "before") else number, stage
    return 99, number, stage


def plain(word: str) -> str:
    text = re.sub(r"[_\-.]+", " ", word).strip()
    return text[:1].upper() + text[1:]
