"""WhatsApp through End User Messaging Social: filed templates first, free words in an answer, one request."""

from __future__ import annotations

import json
from typing import Any, cast

import boto3
import pytest
from botocore.loaders import Loader
from botocore.stub import ANY, Stubber
from dunlin.adapters.senders import whatsapp
from dunlin.adapters.senders.whatsapp import WhatsAppSender
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

from tests.unit.test_senders import REF, client_error, line, order

NUMBER_ID = "phone-number-id-976c72a700aac43eaf573ae050example"
TEMPLATES = (
    ("reminder_1/en_GB", "Marram: Hi {{1}}, {{2}} is due on {{3}}. Reply STOP to opt out."),
    ("reminder_2/en_GB", "Marram: {{1}} is due on {{2}}. Reply STOP to opt out."),
    ("thanks/en_GB", "Marram: thank you."),
)
NAMED = "Marram: Hi Jo, £41.20 is due on 3 Dec. Reply STOP to opt out."


class Social:
    def __init__(self, outcome: object) -> None:
        self._outcome = outcome
        self.requests: list[dict[str, Any]] = []

    def send_whatsapp_message(self, **request: Any) -> object:
        self.requests.append(request)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def written(**changes: Any) -> HandOver:
    own = line(
        channel=Channel.WHATSAPP,
        provider="aws_whatsapp",
        origination="+447700900143",
        registrations=(("phone_number_id", NUMBER_ID),),
        templates=TEMPLATES,
    )
    given = {"line": own, "address": "+447700900011", "purpose": Purpose.SERVICING, "subject": "", "body": NAMED}
    return order(**(given | changes))


def sent(outcome: object = None, **changes: Any) -> tuple[HandOverResult, list[dict[str, Any]]]:
    client = Social(outcome if outcome is not None else {"messageId": "m-1"})
    return WhatsAppSender(client).hand_over(written(**changes)), client.requests


def message(requests: list[dict[str, Any]]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(requests[0]["message"]))


def test_a_reminder_goes_as_the_filed_template_that_it_reads_as() -> None:
    result, requests = sent()
    assert result == Accepted("m-1")
    assert requests[0]["originationPhoneNumberId"] == NUMBER_ID
    assert requests[0]["metaApiVersion"] == whatsapp.META_API_VERSION
    assert message(requests) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+447700900011",
        "type": "template",
        "template": {
            "name": "reminder_1",
            "language": {"code": "en_GB"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": t} for t in ("Jo", "£41.20", "3 Dec")]}
            ],
        },
        "biz_opaque_callback_data": REF,
    }


@pytest.mark.parametrize(
    ("body", "name", "values"),
    [
        ("Marram: £41.20 is due on 3 Dec. Reply STOP to opt out.", "reminder_2", ["£41.20", "3 Dec"]),
        ("Marram: thank you.", "thanks", []),
    ],
)
def test_what_meta_composes_is_the_text_that_was_reserved(body: str, name: str, values: list[str]) -> None:
    _, requests = sent(body=body)
    template = message(requests)["template"]
    assert template["name"] == name
    assert [each["text"] for part in template["components"] for each in part["parameters"]] == values
    composed = dict(TEMPLATES)[f"{name}/en_GB"]
    for number, value in enumerate(values, 1):
        composed = composed.replace(f"{{{{{number}}}}}", value)
    assert composed == body


def test_words_that_are_not_on_file_are_not_sent() -> None:
    assert sent(body="Marram: something new.") == (Refused(Reason.INVALID_MESSAGE), [])


def test_an_answer_goes_in_its_own_words() -> None:
    result, requests = sent(purpose=Purpose.REPLY, body="Marram: you are opted out.")
    assert result == Accepted("m-1")
    assert message(requests)["type"] == "text"
    assert message(requests)["text"] == {"body": "Marram: you are opted out.", "preview_url": False}
    assert "template" not in message(requests)


@pytest.mark.parametrize("purpose", [Purpose.COLLECTION, Purpose.MANDATORY, Purpose.MARKETING])
def test_nothing_that_may_not_be_felt_late_goes_where_there_is_no_time_to_live(purpose: Purpose) -> None:
    assert sent(purpose=purpose) == (Refused(Reason.NO_ROUTE), [])


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"address": "07700900011"}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        ({"line": line(channel=Channel.WHATSAPP, registrations=())}, Refused(Reason.NO_ROUTE)),
        ({"line": line(channel=Channel.WHATSAPP, registrations=(("phone_number_id", "*"),))}, Refused(Reason.NO_ROUTE)),
        ({"body": "x" * 1025}, Refused(Reason.TOO_LONG)),
        ({"body": "x" * 4097, "purpose": Purpose.REPLY}, Refused(Reason.TOO_LONG)),
        ({"ref": "b/" + "k" * 512}, Refused(Reason.NO_ROUTE)),
    ],
)
def test_what_cannot_be_sent_is_not_tried(changes: dict[str, Any], refused: Refused) -> None:
    assert sent(**changes) == (refused, [])


def test_the_request_has_the_shape_of_the_service_s_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("socialmessaging", region_name="eu-west-2")
    stub = Stubber(client)
    expected = {"originationPhoneNumberId": NUMBER_ID, "message": ANY, "metaApiVersion": whatsapp.META_API_VERSION}
    stub.add_response("send_whatsapp_message", {"messageId": "m-1"}, expected)
    with stub:
        assert WhatsAppSender(client).hand_over(written()) == Accepted("m-1")


def test_every_error_of_the_service_s_model_is_settled() -> None:
    model = Loader().load_service_model("socialmessaging", "service-2")
    errors = {error["shape"] for error in model["operations"]["SendWhatsAppMessage"]["errors"]}
    assert errors == set(whatsapp.CODES)


@pytest.mark.parametrize(
    ("code", "status", "result"),
    [
        ("ThrottledRequestException", 429, NotAccepted(Reason.THROTTLED)),
        ("AccessDeniedException", 403, Refused(Reason.ACCESS_DENIED, stops_line=True)),
        ("ResourceNotFoundException", 404, Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)),
        ("ValidationException", 400, Refused(Reason.INVALID_MESSAGE)),
        ("InvalidParametersException", 400, Refused(Reason.INVALID_MESSAGE)),
        ("InternalServiceException", 500, Unsettled(Reason.PROVIDER_ERROR)),
        ("DependencyException", 502, Unsettled(Reason.PROVIDER_ERROR)),
        ("SomethingNewException", 400, Refused(Reason.REFUSED_BY_PROVIDER)),
    ],
)
def test_an_error_proves_what_it_proves(code: str, status: int, result: HandOverResult) -> None:
    outcome, requests = sent(client_error(code, status=status))
    assert outcome == result
    assert len(requests) == 1


def test_an_answer_without_an_id_leaves_it_open() -> None:
    assert sent({})[0] == Unsettled(Reason.PROVIDER_ERROR)
