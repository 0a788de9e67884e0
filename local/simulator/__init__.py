"""The providers' side of the world, on the loopback interface and in virtual time.

One HTTP server speaks what Dunlin's senders speak: `pinpoint-sms-voice-v2` (shapes checked against botocore's model),
SNS Publish to a phone number, SES v2 SendEmail, and the finance provider's signed JSON. Reports and texts from people
wait on a heap until the virtual clock reaches them. Its record is evidence about the application, so nothing here
imports the application.
"""

from __future__ import annotations

from local.simulator.faults import Faults
from local.simulator.finance import FinanceKeys
from local.simulator.record import HandOverReceived, InboundSent, Record
from local.simulator.simulator import Delivered, Outgoing, Simulator, Stirred

__all__ = [
    "Delivered",
    "Faults",
    "FinanceKeys",
    "HandOverReceived",
    "InboundSent",
    "Outgoing",
    "Record",
    "Simulator",
    "Stirred",
]
