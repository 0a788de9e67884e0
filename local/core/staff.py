"""What people at the lender answer in the thread: a few plain lines, and where only texts on file go, one of those."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from local.core.accounts import Account
from local.core.draws import choose, draw

#: Assumed: so many of the tasks that a person closes are answered in the thread.
IN_THE_THREAD = 0.7

_FILED = ("answer_ready", "answer_call")
#: By the kind of a task; {owed} is what the core says is overdue.
_LINES: Mapping[str, tuple[str, ...]] = {
    "complaint": (
        "I am sorry for the way this went. I have listened to the call, and you are right: that was not good enough.",
        "Thank you for telling us. We have spoken with the person you dealt with, and it will not happen again.",
        "I have read everything you wrote. We got this wrong, and I have put it right on your account.",
    ),
    "question": (
        "Your payment is higher this month because a fee from last month is in it. Next time it is as before.",
        "I have checked: the fee will be taken off within five days. There is nothing you need to do.",
        "The amount changes when a payment comes after its day. I am happy to go through it with you on the phone.",
    ),
    "paid": (
        "We cannot see it yet. If you send the date it left your bank, I will look again.",
        "I have looked, and it has not reached us so far. Please check which account it went to.",
    ),
    "service": ("I have passed this on, and it will be done by the end of the week.",),
    "not_understood": (
        "I read your text and was not sure what you meant. Tell me in a few words, and I will help.",
        "Thank you for writing. Is there something I can do for you?",
    ),
    "feedback": (
        "I am sorry that it went so badly. I have read your case and would like to do better: may I call you?",
        "Thank you for being honest. I have taken this to the team, and your case is with me now.",
    ),
    "hardship": (
        "Thank you for telling me. Let us talk about what is possible: call me, or write when you can talk.",
        "I have noted what you told us. A smaller payment for a few months is possible, whenever you are ready.",
    ),
}
_WITH_FIGURE: Mapping[str, tuple[str, ...]] = {
    "question": ("I have checked for you: {owed} is what is open today, and the late fee is part of it.",),
    "paid": (
        "I have looked everywhere and cannot find it. {owed} is still open here; could you check with your bank?",
    ),
    "hardship": (
        "I can see that {owed} is open. That can be spread over some months: write PLAN, and you will see how.",
    ),
}
#: What is said of a payment that has come.
_FOUND = (
    "I have found your payment, thank you. It had been booked to another account and is on yours now.",
    "Your payment had not reached us yet when we wrote. Thank you for letting us know.",
)
_MARKS = {"USD": "$", "GBP": "£", "AUD": "$"}
_WITH_FIGURE_SHARE = 0.4


def answers_in_thread(kind: str, account: Account, seed: int, task_id: str) -> bool:
    """Whether this task is closed with an answer to whoever wrote."""
    return kind in _LINES and draw(seed, "answers in the thread", account.borrower_id, task_id) < IN_THE_THREAD


def answer_of(
    kind: str, account: Account, seed: int, task_id: str, by: str, owed: Decimal, currency: str
) -> dict[str, object]:
    """The answer: words where words may go, and a text on file elsewhere."""
    asked: dict[str, object] = {
        "answer_id": f"answer-{draw(seed, 'answer', account.borrower_id, task_id):.12f}".replace(".", ""),
        "author": by,
        "task_id": task_id,
        "closes_task": True,
    }
    language = account.parties[0].locale.partition("-")[0]
    if account.jurisdiction == "CN" or language != "en":
        return {**asked, "message": choose(seed, _FILED, "filed", account.borrower_id, task_id)}
    lines = _FOUND if kind == "paid" and owed == 0 else _LINES[kind]
    with_figure = _WITH_FIGURE.get(kind, ()) if owed > 0 and currency in _MARKS else ()
    if with_figure and draw(seed, "with a figure", account.borrower_id, task_id) < _WITH_FIGURE_SHARE:
        lines = with_figure
    words = choose(seed, lines, "words", account.borrower_id, task_id)
    return {**asked, "words": words.format(owed=f"{_MARKS.get(currency, '')}{owed:,.2f}")}
