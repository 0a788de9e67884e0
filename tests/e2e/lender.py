"""The lender's core: what it says of its borrowers, in its own words, over the bus and over HTTP.

It signs as a principal of its own, which may put events on the core's bus and call the API's `/events` and `/pauses`,
and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from botocore.credentials import Credentials

from tests.e2e.stack import ACCOUNT, REGION, Answer, Stack

__all__ = ["Borrower", "Lender"]

Document = dict[str, Any]
HEARS = ("service", "servicing", "collection", "mandatory", "reply")
#: What the lender charges once somebody is a fortnight late.
FEES_AFTER_DAYS, FEES = 14, Decimal("18.25")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Borrower:
    """Somebody with one loan, of which one instalment is due."""

    borrower_id: str
    jurisdiction: str
    zone: str
    locale: str
    name: str
    phone: str
    email: str
    tail: str
    currency: str
    amount: str
    due_on: date

    def profile(self) -> Document:
        party = {
            "party_id": "p-1",
            "role": "primary",
            "name": self.name,
            "locale": self.locale,
            "phone": self.phone,
            "email": self.email,
            "may_hear": list(HEARS),
            "consents": ["collection", "servicing"],
        }
        return {"sequence": 1, "jurisdiction": self.jurisdiction, "time_zone": self.zone, "parties": [party]}

    def loan(self, at: datetime, sequence: int) -> Document:
        days = max((at.astimezone(ZoneInfo(self.zone)).date() - self.due_on).days, 0)
        fees = FEES if days > FEES_AFTER_DAYS else Decimal("0.00")
        overdue = Decimal(self.amount) if days else Decimal("0.00")
        return {
            "loan_id": f"l-{self.borrower_id}",
            "account_tail": self.tail,
            "currency": self.currency,
            "status": "open",
            "as_of": at.isoformat(),
            "sequence": sequence,
            "instalments": [{"number": 3, "due_on": self.due_on.isoformat(), "outstanding": self.amount}],
            "overdue": {
                "principal": str(overdue),
                "interest": "0.00",
                "fees": str(fees),
                "total": str(overdue + fees),
            },
            "days_past_due": days,
            "pending": [],
            "product": "instalment",
        }

    def paid(self, at: datetime, sequence: int) -> Document:
        """Everything that was due is paid; the next instalment is a year away."""
        following = self.due_on.replace(year=self.due_on.year + 1).isoformat()
        nothing = dict.fromkeys(("principal", "interest", "fees", "total"), "0.00")
        return self.loan(at, sequence) | {
            "instalments": [{"number": 4, "due_on": following, "outstanding": self.amount}],
            "overdue": nothing,
            "days_past_due": 0,
        }


class Lender:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.keys = self._principal()
        self.api_key = self._metered_key()
        self._events = stack.client("events", self.keys)

    def _principal(self) -> Credentials:
        iam, stack = self._stack.client("iam"), self._stack
        api = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{stack.resources['DunlinApi']}/v1"
        bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{stack.outputs['CoreEventBusName']}"
        allowed = [
            {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus},
            {
                "Effect": "Allow",
                "Action": "execute-api:Invoke",
                "Resource": [f"{api}/POST/events", f"{api}/GET/pauses"],
            },
        ]
        iam.create_user(UserName="core")
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_user_policy(UserName="core", PolicyName="core", PolicyDocument=document)
        key = iam.create_access_key(UserName="core")["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def _metered_key(self) -> str:
        """A key of the stack's usage plan, as somebody makes one for each system that calls."""
        client, api = self._stack.client("apigateway"), self._stack.resources["DunlinApi"]
        plans = client.get_usage_plans()["items"]
        (plan,) = (plan for plan in plans if any(stage["apiId"] == api for stage in plan["apiStages"]))
        key = client.create_api_key(name="core", enabled=True)
        client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return str(client.get_api_key(apiKey=key["id"], includeValue=True)["value"])

    def event(self, kind: str, borrower_id: str | None = None, **what: Any) -> Document:
        said: Document = {
            "event_id": f"e-{next(_numbers)}",
            "type": kind,
            "occurred_at": self._stack.clock.now().isoformat(timespec="seconds"),
        }
        return said | ({"borrower_id": borrower_id} if borrower_id else {}) | what

    def put(self, *events: Document) -> None:
        """Over the bus."""
        entries = [
            {
                "Source": "lender.core",
                "DetailType": event["type"],
                "Detail": json.dumps(event, ensure_ascii=False),
                "EventBusName": self._stack.outputs["CoreEventBusName"],
            }
            for event in events
        ]
        answer = self._events.put_events(Entries=entries)
        assert answer["FailedEntryCount"] == 0, answer
        self._stack.settle()

    def post(self, *events: Document, signed: bool = True, metered: bool = True) -> Answer:
        """Over HTTP."""
        body = json.dumps({"events": list(events)}, ensure_ascii=False).encode()
        return self.call("POST", "/events", body, signed=signed, metered=metered)

    def call(self, method: str, path: str, body: bytes = b"", *, signed: bool = True, metered: bool = True) -> Answer:
        headers = {"X-Api-Key": self.api_key} if metered else {}
        return self._stack.request(method, path, body, headers, self.keys if signed else None)

    def begin(self, day: date, zone: ZoneInfo, borrowers: Sequence[Borrower], sequence: int) -> None:
        """Go to a morning, up to a minute before anybody may be written to.

        After days without anything the application takes itself for deaf until it has heard itself, and puts off for a
        quarter of an hour whoever came due meanwhile. That happens before the hour, and not so long before it that it
        counts as silence again.
        """
        opens = datetime.combine(day, time(9), zone)
        self._stack.clock.advance_to(opens - timedelta(minutes=10))
        self._stack.minute()
        self.morning(borrowers, sequence)
        self._stack.clock.advance_to(opens - timedelta(minutes=1))

    def morning(self, borrowers: Sequence[Borrower], sequence: int) -> None:
        """The day's figures, and the word that they are all."""
        now = self._stack.clock.now()
        told = [self.event("loan.snapshot", each.borrower_id, loan=each.loan(now, sequence)) for each in borrowers]
        self.put(*told, self.event("feed.checkpoint", complete_to=now.isoformat(timespec="seconds")))
