"""Alibaba Cloud SMS on the mainland: a JSON array, repeated after 1, 5 and 10 minutes, and signed by nothing.

Whoever knows the address can speak: so the address holds an unguessable token, and what is said this way can confirm
or end what we handed over and can opt a number out, and nothing else (`is_signed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from dunlin.adapters.providers import Call, Provider, unsigned
from dunlin.adapters.providers.mainland import array_of, element_inbound, element_report
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "alibaba"


def elements(call: Call) -> Sequence[object]:
    return array_of(call.request.raw)


def report(payload: Mapping[str, object]) -> DeliveryReport:
    return element_report(payload, is_signed=False)


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    return element_inbound(payload, received_at, provider=NAME, is_signed=False)


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="",
    settings=(),
    methods=frozenset({"POST"}),
    answer=(200, "application/json", '{"code":0,"msg":"received"}'),
    report_time="report_time",
    verify=unsigned,
    elements=elements,
    report=report,
    inbound=inbound,
)
