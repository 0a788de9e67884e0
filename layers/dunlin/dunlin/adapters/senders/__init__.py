"""Senders: one a provider, all behind `services.ports.Sender`.

A hand-over is one request and never more. Every answer becomes one of four results:

    Accepted      the provider has it
    Refused       it does not and will not: a 4xx answer, or something that cannot be sent at all
    NotAccepted   throttled, or no connection was made: proof that nothing was accepted, so it may be tried again
    Unsettled     time-out, reset, 5xx or an answer that cannot be read: nobody knows, so it is never sent again

Twilio, Alibaba Cloud and Tencent Cloud are imported from their own modules, by whoever has a line of theirs.

What a provider or its SDK says in words stays here: botocore prints phone numbers in its errors.
"""

from __future__ import annotations

from dunlin.adapters.senders.aws import one_attempt
from dunlin.adapters.senders.email import SesSender
from dunlin.adapters.senders.finance_sms import FinanceSmsKey, FinanceSmsSender
from dunlin.adapters.senders.sms_voice import SmsVoiceSender, sms_voice_client
from dunlin.adapters.senders.sns import SnsSender

__all__ = [
    "FinanceSmsKey",
    "FinanceSmsSender",
    "SesSender",
    "SmsVoiceSender",
    "SnsSender",
    "one_attempt",
    "sms_voice_client",
]
