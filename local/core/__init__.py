"""A simulated core banking system: it owns the debt and feeds Dunlin with events."""

from local.core.accounts import Account, LoanTerms, PartyTerms, PastContact, ScheduledInstalment
from local.core.core import AmountWord, Core, LoanEnd, PaymentKind
from local.core.feed import CoreEvent, Feed, FeedFaults
from local.core.ledger import Arrears, LoanLedger, Standing

__all__ = [
    "Account",
    "AmountWord",
    "Arrears",
    "Core",
    "CoreEvent",
    "Feed",
    "FeedFaults",
    "LoanEnd",
    "LoanLedger",
    "LoanTerms",
    "PartyTerms",
    "PastContact",
    "PaymentKind",
    "ScheduledInstalment",
    "Standing",
]
