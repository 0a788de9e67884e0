"""WhatsApp as AWS End User Messaging Social carries it: what is on file at Meta, and the payloads of its one topic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from local.simulator.payloads import Order, Payload

__all__ = ["WHATSAPP", "WhatsAppAccount", "account_in", "known_as", "order_of", "whatsapp_inbound", "whatsapp_status"]

WHATSAPP = "aws_whatsapp"
_GAP = re.compile(r"\{\{([0-9]{1,2})\}\}")


@dataclass(frozen=True, slots=True)
class WhatsAppAccount:
    """The business's number, what AWS calls it, and its approved templates by name and language."""

    number: str = ""
    number_id: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)

    def composed(self, template: Mapping[str, Any]) -> str:
        """What the person reads; empty where the template is not approved, or its gaps are not all filled."""
        language = template.get("language")
        code = language.get("code") if isinstance(language, dict) else None
        text = self.templates.get(f"{template.get('name')}/{code}", "")
        values = [
            str(parameter.get("text", ""))
            for component in template.get("components", [])
            if component.get("type") == "body"
            for parameter in component.get("parameters", [])
        ]
        if len(values) != len(_GAP.findall(text)) or not all(values):
            return ""
        return _GAP.sub(lambda gap: values[int(gap[1]) - 1], text)


def account_in(content: Path) -> WhatsAppAccount:
    """What the lender has filed, by its profile; the first line that goes this way."""
    for profile in sorted((content / "lenders").glob("*.yaml")):
        for line in yaml.safe_load(profile.read_text(encoding="utf-8"))["lines"]:
            if line["provider"] == WHATSAPP:
                templates = {each["code"]: each["text"] for each in line["templates"]}
                return WhatsAppAccount(line["origination"], line["registrations"]["phone_number_id"], templates)
    return WhatsAppAccount()


def order_of(account: WhatsAppAccount, request: Mapping[str, Any]) -> Order:
    """What is to be sent, in the words that the person will read."""
    message = _message(request.get("message"))
    kind = str(message.get("type", ""))
    free = message.get("text")
    template = message.get("template")
    body = ""
    if kind == "text" and isinstance(free, dict):
        body = str(free.get("body", ""))
    elif kind == "template" and isinstance(template, dict):
        body = account.composed(template)
    is_ours = request.get("originationPhoneNumberId") == account.number_id
    return Order(
        provider=WHATSAPP,
        from_address=account.number if is_ours else "",
        to_address=str(message.get("to", "")),
        body=body,
        subject="",
        ref=str(message.get("biz_opaque_callback_data", "")),
        context=(("type", kind),),
        reserved_at="",
        ttl_seconds=None,
    )


def _message(blob: object) -> Mapping[str, Any]:
    try:
        document = json.loads(base64.b64decode(str(blob), validate=True))
    except (ValueError, binascii.Error):
        return {}
    return document if isinstance(document, dict) else {}


def known_as(wamid: str) -> str:
    """What the lender's side calls a person's message: of Meta's own id the number can be read."""
    return f"w{hashlib.sha256(wamid.encode()).hexdigest()[:40]}"


def whatsapp_status(account: WhatsAppAccount, order: Order, message_id: str, event: str, at: datetime) -> Payload:
    """`event`: a status of Meta's, a failure with its code behind it (`failed/131026`)."""
    said, _, code = event.partition("/")
    status: dict[str, object] = {
        "id": f"wamid.{message_id}",
        "status": said,
        "timestamp": str(int(at.timestamp())),
        "recipient_id": order.to_address.removeprefix("+"),
        "biz_opaque_callback_data": order.ref,
    }
    if code:
        status["errors"] = [{"code": int(code), "title": "simulated"}]
    return _wrapped(account, message_id, at, {"statuses": [status]})


def whatsapp_inbound(account: WhatsAppAccount, wamid: str, from_address: str, text: str, at: datetime) -> Payload:
    sender = from_address.removeprefix("+")
    message = {"from": sender, "id": wamid, "timestamp": str(int(at.timestamp())), "type": "text"}
    contacts = [{"profile": {"name": "simulated"}, "wa_id": sender}]
    return _wrapped(account, wamid, at, {"contacts": contacts, "messages": [{**message, "text": {"body": text}}]})


def _wrapped(account: WhatsAppAccount, message_id: str, at: datetime, value: Mapping[str, object]) -> Payload:
    metadata = {"display_phone_number": account.number.removeprefix("+"), "phone_number_id": "321010217760100"}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {
        "context": {"MetaWabaIds": [], "MetaPhoneNumberIds": []},
        "whatsAppWebhookEntry": json.dumps({"id": "365731266123456", "changes": [change]}, ensure_ascii=False),
        "aws_account_id": "123456789012",
        "message_timestamp": at.isoformat(),
        "messageId": message_id,
    }
