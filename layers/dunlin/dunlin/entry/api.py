"""The HTTP API's routes. Every refusal names the field and repeats nothing of what was sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dunlin.domain.words import Purpose
from dunlin.entry.bootstrap import runtime
from dunlin.entry.core_events import Id, invalid
from dunlin.entry.facts import apply_fact
from dunlin.entry.observability import logger
from dunlin.entry.records import json_object
from dunlin.errors import Conflict, DunlinError, InvalidInput, NotFound, TransientError
from dunlin.services.contacts import Denied

_MOST_BODY = 1_000_000
_MOST_EVENTS = 100


def _dumps(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


app = APIGatewayRestResolver(serializer=_dumps)


class _Reserve(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    request_id: Id
    borrower_id: Id
    channel: Literal["call", "letter", "visit", "agent", "agency", "email", "sms", "push"]
    purpose: Literal["servicing", "collection"]
    loan_ids: Annotated[list[Id], Field(max_length=50)] = []


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    borrower_id: Id
    ref: Annotated[str, Field(max_length=200)]
    made: bool


def _answer(status: int, body: dict[str, Any]) -> Response[str]:
    return Response(status_code=status, content_type=content_types.APPLICATION_JSON, body=_dumps(body))


def _body() -> dict[str, Any]:
    try:
        raw = app.current_event.decoded_body or ""
    except ValueError:  # base64 that is none, or bytes that are no text
        raise InvalidInput("body", "must be UTF-8, in base64 where the event says so") from None
    return dict(json_object(raw, _MOST_BODY))


@app.exception_handler(InvalidInput)  # type: ignore[untyped-decorator]
def _invalid_input(error: InvalidInput) -> Response[str]:
    return _refused(error)


def _refused(error: InvalidInput) -> Response[str]:
    logger.warning("input refused", extra={"source": "api", "field": error.field, "problem": error.problem})
    return _answer(400, {"error": "invalid_input", "field": error.field, "problem": error.problem})


@app.exception_handler(ValidationError)  # type: ignore[untyped-decorator]
def _validation_error(error: ValidationError) -> Response[str]:
    return _refused(invalid(error))


@app.exception_handler(NotFound)  # type: ignore[untyped-decorator]
def _not_found(error: NotFound) -> Response[str]:
    return _answer(404, {"error": "not_found", "field": str(error)})


@app.exception_handler([Conflict, TransientError])  # type: ignore[untyped-decorator]
def _come_again(_: DunlinError) -> Response[str]:
    return Response(
        status_code=503,
        content_type=content_types.APPLICATION_JSON,
        body=_dumps({"error": "try_again"}),
        headers={"Retry-After": "1"},
    )


@app.post("/events")
def post_events() -> Response[str]:
    """Core events, each applied or refused by itself. 202 when all were applied, 207 when some were refused."""
    events = _body().get("events")
    if not isinstance(events, list):
        raise InvalidInput("events", "must be a list")
    if not 0 < len(events) <= _MOST_EVENTS:
        raise InvalidInput("events", f"must be 1 to {_MOST_EVENTS} events")
    results: list[dict[str, Any]] = []
    for index, document in enumerate(events):
        try:
            _, result = apply_fact(runtime().ingest, document)
            results.append({"index": index, "result": str(result)})
        except InvalidInput as error:
            logger.warning("input refused", extra={"source": "api", "field": error.field, "problem": error.problem})
            results.append({"index": index, "result": "refused", "field": error.field, "problem": error.problem})
        except NotFound as error:
            results.append({"index": index, "result": "refused", "field": str(error), "problem": "is not known"})
    refused = sum(result["result"] == "refused" for result in results)
    status = 202 if not refused else 400 if refused == len(results) else 207
    return _answer(status, {"results": results, "refused": refused})


@app.post("/contacts:reserve")
def reserve_contact() -> Response[str]:
    """A dialler, an agent or an agency asks before it contacts a borrower."""
    asked = _Reserve.model_validate(_body())
    answer = runtime().contacts.reserve(
        asked.borrower_id, asked.request_id, asked.channel, Purpose(asked.purpose), tuple(asked.loan_ids)
    )
    if isinstance(answer, Denied):
        again_at = answer.at.isoformat() if answer.at is not None else None
        denied = {"allowed": False, "reason": answer.reason, "rule": answer.rule, "ask_again_at": again_at}
        return _answer(409, denied)
    return _answer(200, {"allowed": True, "ref": answer.ref, "until": answer.until.isoformat()})


@app.post("/contacts:report")
def report_contact() -> Response[str]:
    """What became of a reserved contact; one that was not made frees its cap."""
    told = _Report.model_validate(_body())
    if not runtime().contacts.report(told.borrower_id, told.ref, made=told.made):
        raise NotFound("ref")
    return _answer(200, {"recorded": True})
