"""What the simulated core is told of its borrowers and their loans on the first day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class PartyTerms:
    """A party as the core knows it; the names are those of the event format."""

    party_id: str
    role: str
    name: str
    locale: str
    phone: str | None
    email: str | None
    may_hear: tuple[str, ...]
    consents: tuple[str, ...]
    loan_ids: tuple[str, ...] = ()
    phone_verified_at: datetime | None = None
    email_verified_at: datetime | None = None
    push_endpoint: str | None = None
    push_verified_at: datetime | None = None
    wechat_openid: str | None = None
    wechat_verified_at: datetime | None = None
    whatsapp: str | None = None
    whatsapp_verified_at: datetime | None = None

    def document(self) -> dict[str, object]:
        """The party in a `borrower.updated` event; what is not known is left out."""
        document: dict[str, object] = {
            "party_id": self.party_id,
            "role": self.role,
            "name": self.name,
            "locale": self.locale,
            "may_hear": list(self.may_hear),
            "consents": list(self.consents),
        }
        if self.phone is not None:
            document["phone"] = self.phone
        if self.email is not None:
            document["email"] = self.email
        if self.push_endpoint is not None:
            document["push_endpoint"] = self.push_endpoint
        if self.wechat_openid is not None:
            document["wechat_openid"] = self.wechat_openid
        if self.whatsapp is not None:
            document["whatsapp"] = self.whatsapp
        if self.whatsapp is not None and self.whatsapp_verified_at is not None:
            document["whatsapp_verified_at"] = self.whatsapp_verified_at.isoformat()
        if self.phone is not None and self.phone_verified_at is not None:
            document["phone_verified_at"] = self.phone_verified_at.isoformat()
        if self.email is not None and self.email_verified_at is not None:
            document["email_verified_at"] = self.email_verified_at.isoformat()
        if self.push_endpoint is not None and self.push_verified_at is not None:
            document["push_verified_at"] = self.push_verified_at.isoformat()
        if self.wechat_openid is not None and self.wechat_verified_at is not None:
            document["wechat_verified_at"] = self.wechat_verified_at.isoformat()
        if self.loan_ids:
            document["loan_ids"] = list(self.loan_ids)
        return document


@dataclass(frozen=True, slots=True)
class ScheduledInstalment:
    """One instalment of the contract."""

    number: int
    due_on: date
    principal: Decimal
    interest: Decimal


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """A loan's contract from its oldest unpaid instalment on, and what being late costs.

    `late_fee` is charged once for an instalment that is more than `late_fee_after_days` late; `late_interest_daily`
    is a share of the overdue principal, charged each morning and rounded half up to the minor unit.
    """

    loan_id: str
    account_tail: str
    currency: str
    instalments: tuple[ScheduledInstalment, ...]
    late_fee: Decimal = ZERO
    late_fee_after_days: int = 5
    late_interest_daily: Decimal = Decimal(0)
    product: str = "instalment"


@dataclass(frozen=True, slots=True)
class PastContact:
    """A contact made before the cut-over by whatever was there before."""

    at: datetime
    channel: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Account:
    """A borrower with parties and loans. `imported` is not None for a cut-over import: its past contacts."""

    borrower_id: str
    jurisdiction: str
    time_zone: str
    parties: tuple[PartyTerms, ...]
    loans: tuple[LoanTerms, ...]
    imported: tuple[PastContact, ...] | None = None
