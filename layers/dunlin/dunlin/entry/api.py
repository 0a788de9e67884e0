"""The HTTP API's routes. Every refusal names the field and repeats nothing of what was sent."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dunlin.domain.pauses import Pause
from dunlin.domain.words import PauseScope, Purpose
from dunlin.entry.bootstrap import runtime
from dunlin.entry.core_events import Addressed, Choice, Id, Preference, invalid
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
    channel: Literal[
        "call", "letter", "visit", "agent", "agency", "email", "sms", "push", "wechat", "whatsapp", "voicemail"
    ]
    purpose: Literal["servicing", "collection"]
    loan_ids: Annotated[list[Id], Field(max_length=50)] = []
    party_id: Id | None = None


class _OptOut(BaseModel):
    """A word about what somebody wants to hear. The borrower need not be known, unless everything is meant."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    request_id: Id
    borrower_id: Id | None = None
    received_at: AwareDatetime | None = None
    preference: Preference


class _Chosen(BaseModel):
    """What somebody wishes for: hours, channels, a language."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    request_id: Id
    borrower_id: Id
    received_at: AwareDatetime | None = None
    choice: Choice


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    borrower_id: Id
    ref: Annotated[str, Field(max_length=200)]
    made: bool


class _Stopping(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    scope: PauseScope
    name: Annotated[str, Field(max_length=64)] = ""
    by: Annotated[str, Field(min_length=1, max_length=200)]


class _Pause(_Stopping):
    why: Annotated[str, Field(min_length=1, max_length=200)]
    until: AwareDatetime | None = None


class _Resume(_Stopping):
    why: Annotated[str, Field(max_length=200)] = ""


class _PageLink(Addressed):
    """A link to a person's page, for one number or address of theirs, which is the only place to send it to."""

    borrower_id: Id
    party_id: Id

    @model_validator(mode="after")
    def _name_one(self) -> _PageLink:
        if len(self.addresses) != 1:
            raise ValueError("one of phone, email, push_endpoint, whatsapp and wechat_openid")
        return self


class _PageLinksRevoke(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    borrower_id: Id
    party_id: Id


#: What each route's body has to be, for whoever describes the API. `POST /events` takes core events, each by itself.
BODIES: dict[str, type[BaseModel]] = {
    "/opt-outs": _OptOut,
    "/preferences": _Chosen,
    "/contacts:reserve": _Reserve,
    "/contacts:report": _Report,
    "/pauses": _Pause,
    "/pauses:resume": _Resume,
    "/page-links": _PageLink,
    "/page-links:revoke": _PageLinksRevoke,
}


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


@app.post("/opt-outs")
def post_opt_out() -> Response[str]:
    """Somebody opts out, or in again, other than by a text: of one purpose at one number, of one number, of everything.

    It binds when this is answered. The same `request_id` twice is nothing.
    """
    asked = _OptOut.model_validate(_body())
    wanted = asked.preference
    if wanted.scope == "everything" and asked.borrower_id is None:
        raise InvalidInput("borrower_id", "must be set where everything is meant")
    at = asked.received_at.astimezone(UTC) if asked.received_at is not None else runtime().clock()
    changed = runtime().preferences.change(asked.borrower_id or "", wanted.facts, at=at, by=asked.request_id)
    logger.info(
        "preference recorded",
        extra={
            "request_id": asked.request_id,
            "scope": wanted.scope,
            "opted_out": wanted.opted_out,
            "changed": changed,
        },
    )
    return _answer(200, {"changed": changed})


@app.post("/preferences")
def post_preference() -> Response[str]:
    """A borrower's own wishes: quiet hours, channels, a language. They narrow what may be sent and never widen it; one
    that would leave nothing is refused. The same `request_id` twice is nothing.
    """
    asked = _Chosen.model_validate(_body())
    at = asked.received_at.astimezone(UTC) if asked.received_at is not None else runtime().clock()
    changed = runtime().choices.choose(
        asked.borrower_id, asked.choice.party_id or "", asked.choice.wish, at=at, by=asked.request_id
    )
    logger.info("choice recorded", extra={"request_id": asked.request_id, "changed": changed})
    return _answer(200, {"changed": changed})


@app.post("/contacts:reserve")
def reserve_contact() -> Response[str]:
    """A dialler, an agent or an agency asks before it contacts a borrower."""
    asked = _Reserve.model_validate(_body())
    answer = runtime().contacts.reserve(
        asked.borrower_id,
        asked.request_id,
        asked.channel,
        Purpose(asked.purpose),
        tuple(asked.loan_ids),
        asked.party_id or "",
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


@app.post("/pauses")
def pause() -> Response[str]:
    """The stop button: everything, a brand, a line or a template, in force at the next reservation."""
    asked = _Pause.model_validate(_body())
    until = asked.until.astimezone(UTC) if asked.until is not None else None
    pressed = runtime().pauses.pause(asked.scope, asked.name, by=asked.by, why=asked.why, until=until)
    logger.warning("paused", extra={"scope": str(asked.scope), "paused": asked.name})
    return _answer(200, _shown(pressed))


@app.post("/pauses:resume")
def resume() -> Response[str]:
    """Lift a stop; 404 when it was not in force."""
    asked = _Resume.model_validate(_body())
    if not runtime().pauses.resume(asked.scope, asked.name, by=asked.by, why=asked.why):
        raise NotFound("name")
    logger.warning("resumed", extra={"scope": str(asked.scope), "paused": asked.name})
    return _answer(200, {"resumed": True})


@app.get("/pauses")
def pauses() -> Response[str]:
    """What is stopped now, by whom and why."""
    return _answer(200, {"pauses": [_shown(pause) for pause in runtime().pauses.in_force()]})


@app.post("/page-links")
def give_link() -> Response[str]:
    """A new link to somebody's page. It is said here once; nobody can read it back."""
    asked = _PageLink.model_validate(_body())
    address = asked.address
    assert address is not None  # the model asks for one
    token = runtime().doors.issue(asked.borrower_id, asked.party_id, runtime().keys.point(*address))
    rules = runtime().page_rules
    ends_at = runtime().clock() + timedelta(days=rules.link_days)
    logger.info("page link given", extra={"borrower_id": asked.borrower_id, "party_id": asked.party_id})
    return _answer(200, {"url": f"https://{rules.host}/my/{token}", "ends_at": ends_at.isoformat()})


@app.post("/page-links:revoke")
def revoke_links() -> Response[str]:
    """Every link to this person's page ends, and everybody who is in it is out."""
    asked = _PageLinksRevoke.model_validate(_body())
    runtime().doors.revoke(asked.borrower_id, asked.party_id)
    logger.info("page links revoked", extra={"borrower_id": asked.borrower_id, "party_id": asked.party_id})
    return _answer(200, {"revoked": True})


def _shown(pause: Pause) -> dict[str, Any]:
    return {
        "scope": str(pause.scope),
        "name": pause.name,
        "by": pause.by,
        "why": pause.why,
        "since": pause.since.isoformat(),
        "until": pause.until.isoformat() if pause.until is not None else None,
    }
