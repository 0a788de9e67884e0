"""What somebody who writes to us wants: the words for it, apart from how it is read (`dunlin.domain.understanding`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

__all__ = ["Asked", "Intent", "Topic", "Understood"]


class Intent(StrEnum):
    """What a text asks for. One text, one intent: the one that has to be acted on first."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    BALANCE = "balance"
    PAID = "paid"
    PROMISE = "promise"
    PLAN = "plan"
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    COMPLAINT = "complaint"
    WRONG_NUMBER = "wrong_number"
    DECEASED = "deceased"
    QUESTION = "question"
    SERVICE = "service"
    CRISIS = "crisis"
    FEEDBACK = "feedback"
    CHOICE = "choice"
    OTHER = "other"


class Topic(StrEnum):
    """What an intent is about, where that decides what is done."""

    NONE = ""
    # opt_out
    EVERYTHING = "everything"  # every purpose, every point; a request to cease contact is one
    # hardship, dispute: somebody else has to be spoken to, or a court already has the matter
    BANKRUPTCY = "bankruptcy"
    ATTORNEY = "attorney"
    IDENTITY_THEFT = "identity_theft"
    FORGOT = "forgot"  # promise, other: it slipped their mind, which is not hardship
    # question
    TERMS = "terms"
    HOW_TO_PAY = "how_to_pay"
    STATUS = "status"  # of an application or a limit
    REALLY_OURS = "really_ours"  # is this text really yours?
    GUIDANCE = "guidance"  # who gives independent advice on money
    # service
    STATEMENT = "statement"
    PAYOFF = "payoff"
    DUE_DATE = "due_date"
    DEBIT = "debit"
    CERTIFICATE = "certificate"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Asked:
    """What we asked last, if that dialogue is still open: it makes "2" or "yes" mean something.

    `offers`: how many numbered offers stand; `confirms`: yes or no is expected; `rating`: a mark from 1 to 5 is.
    """

    offers: int = 0
    confirms: bool = False
    rating: bool = False

    @property
    def is_open(self) -> bool:
        return bool(self.offers or self.confirms or self.rating)


@dataclass(frozen=True, slots=True)
class Understood:
    """How a text was read.

    `confidence` is between 0 and 1. `amount` is in the currency of whoever wrote it (what they owe us in), exact as
    written; `on` is a date on their own calendar. `choice` is the number chosen, 0 for no; only in an open dialogue.
    `language` is a language tag (`en`, `zh-Hans`, `zh-Hant`, …), the locale's where the text does not show it.
    """

    intent: Intent
    confidence: float
    language: str
    topic: Topic = Topic.NONE
    amount: Decimal | None = None
    on: date | None = None
    choice: int | None = None
    #: A mark from 1 to 5, where we asked for one.
    rating: int | None = None
