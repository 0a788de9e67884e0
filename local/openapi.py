"""The HTTP API as an OpenAPI 3.1 document, made from the template's routes and the code's own shapes.

`docs/openapi.yaml` is this, written out; a test compares the two, and another holds the answers of the deployed
functions against it. Source: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from dunlin.entry.api import BODIES
from dunlin.entry.core_events import json_schema
from pydantic.json_schema import models_json_schema

from local.embedded.template import Template

__all__ = ["document", "written"]

_ROOT: Final = Path(__file__).parent.parent
_REF: Final = "#/components/schemas/{model}"

Schema = Mapping[str, Any]


def _object(required: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: Final = {"type": "string"}
_TRUE: Final = {"const": True}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_MAYBE_MOMENT: Final = {"anyOf": [_MOMENT, {"type": "null"}]}
_STOP: Final = _object(
    {
        "scope": _TEXT,
        "name": _TEXT,
        "by": _TEXT,
        "why": _TEXT,
        "since": _MOMENT,
        "until": _MAYBE_MOMENT,
    }
)
_RESULTS: Final = _object(
    {
        "results": {
            "type": "array",
            "items": _object(
                {
                    "index": {"type": "integer", "minimum": 0},
                    "result": {"enum": ["applied", "repeated", "older", "refused"]},
                },
                field=_TEXT,
                problem=_TEXT,
            ),
        },
        "refused": {"type": "integer", "minimum": 0},
    }
)
_REFUSAL: Final = _object({"error": {"const": "invalid_input"}, "field": _TEXT, "problem": _TEXT})
_CHANGED: Final = {
    "200": ("Recorded; `changed` is false where it was so already.", _object({"changed": {"type": "boolean"}}))
}
_UNKNOWN: Final = {
    "404": ("Nobody, or nothing, of that name.", _object({"error": {"const": "not_found"}, "field": _TEXT}))
}
_REFUSED: Final = {"400": ("Refused; names the field and never its value.", _REFUSAL)}
_AGAIN: Final = {
    "503": (
        "Another writer was first, or storage was out of reach. Send it again.",
        _object({"error": {"const": "try_again"}}),
    )
}

_ANSWERS: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, Schema]]]] = {
    ("/events", "POST"): {
        "202": ("All of them were applied, or had been.", _RESULTS),
        "207": ("Some were refused; each is told by its index.", _RESULTS),
        "400": ("All of them were refused, or it is no list of events.", {"anyOf": [_REFUSAL, _RESULTS]}),
    },
    ("/opt-outs", "POST"): {**_CHANGED, **_REFUSED, **_UNKNOWN},
    ("/preferences", "POST"): {**_CHANGED, **_REFUSED, **_UNKNOWN},
    ("/contacts:reserve", "POST"): {
        "200": ("It may be made until then.", _object({"allowed": _TRUE, "ref": _TEXT, "until": _MOMENT})),
        "409": (
            "It may not be made now: by which rule, and when to ask again.",
            _object({"allowed": {"const": False}, "reason": _TEXT, "rule": _TEXT, "ask_again_at": _MAYBE_MOMENT}),
        ),
        **_REFUSED,
        **_UNKNOWN,
    },
    ("/contacts:report", "POST"): {
        "200": ("Recorded.", _object({"recorded": _TRUE})),
        **_REFUSED,
        **_UNKNOWN,
    },
    ("/pauses", "POST"): {"200": ("In force at the next reservation.", _STOP), **_REFUSED},
    ("/pauses:resume", "POST"): {"200": ("Lifted.", _object({"resumed": _TRUE})), **_REFUSED, **_UNKNOWN},
    ("/page-links", "POST"): {
        "200": ("The link: said once.", _object({"url": _TEXT, "ends_at": _MOMENT})),
        **_REFUSED,
        **_UNKNOWN,
    },
    ("/page-links:revoke", "POST"): {
        "200": ("None of them opens any more.", _object({"revoked": _TRUE})),
        **_REFUSED,
        **_UNKNOWN,
    },
    ("/pauses", "GET"): {
        "200": ("What is stopped now.", _object({"pauses": {"type": "array", "items": _STOP}})),
    },
}
_SUMMARIES: Final = {
    ("/page-links", "POST"): "A link to somebody's page, for one number or address of theirs",
    ("/page-links:revoke", "POST"): "Every link to somebody's page ends",
    ("/events", "POST"): "Core events, each applied or refused by itself",
    ("/opt-outs", "POST"): "Somebody opts out, or in again, other than by a text",
    ("/preferences", "POST"): "A borrower's own wishes: quiet hours, channels, a language",
    ("/contacts:reserve", "POST"): "Ask before a call, a visit, a letter or an agency's contact",
    ("/contacts:report", "POST"): "What became of a reserved contact",
    ("/pauses", "POST"): "The stop button",
    ("/pauses:resume", "POST"): "Lift a stop",
    ("/pauses", "GET"): "What is stopped now",
}
_EVENTS: Final = {
    "type": "object",
    "properties": {
        "events": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": _REF.format(model="CoreEvent")}}
    },
    "required": ["events"],
}


def document(template: Path = _ROOT / "template.yaml") -> dict[str, Any]:
    """The document, of the routes that the lender's own systems call. Providers' webhooks have the shapes of their
    providers, and the page behind an e-mail's link has none.

    Raises:
        KeyError: the template has a route of which nothing is said here.
    """
    read = Template.read(template, parameters={"Environment": "dev"}, region="us-east-1", stack="dunlin")
    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for event in read.events():
        if event.function == "ServeApiFunction" and event.type == "Api":
            path, method = str(event.properties["Path"]), str(event.properties["Method"]).upper()
            paths.setdefault(path, {})[method.lower()] = _operation(event.name, path, method, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dunlin",
            "version": "1",
            "description": "What a lender's own systems tell and ask. A request is signed with IAM credentials of the "
            "lender's account (Signature Version 4) and carries an API key, which meters and proves nothing.",
        },
        "security": [{"iam": [], "key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "iam": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "AWS SigV4"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": schemas,
        },
    }


def written() -> str:
    """The document as it stands in `docs/openapi.yaml`."""
    return "# Made by `dunlin openapi`; what has to change is in template.yaml and the code.\n" + yaml.dump(
        document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120
    )


class _Plain(yaml.SafeDumper):
    """Without anchors, which readers of OpenAPI stumble over."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (the base class names it)
        return True


def _operation(name: str, path: str, method: str, schemas: Schema) -> dict[str, Any]:
    answers = {**_ANSWERS[path, method], **_AGAIN}
    operation: dict[str, Any] = {"operationId": name, "summary": _SUMMARIES[path, method]}
    if method == "POST":
        model = "Events" if path == "/events" else BODIES[path].__name__.lstrip("_")
        assert model in schemas
        body = {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}
        operation["requestBody"] = {"required": True, "content": body}
    operation["responses"] = {
        status: {"description": said, "content": {"application/json": {"schema": schema}}}
        for status, (said, schema) in sorted(answers.items())
    }
    return operation


def _schemas() -> dict[str, Any]:
    """Every shape by name, without the underscore that keeps it private in the code."""
    _, bodies = models_json_schema([(model, "validation") for model in BODIES.values()], ref_template=_REF)
    events = json_schema(_REF)
    found = {**bodies["$defs"], **events.pop("$defs")}
    found = {name: _public(schema) for name, schema in found.items()}
    named = {name.lstrip("_"): schema for name, schema in found.items()}
    assert len(named) == len(found), "two shapes would have one name"
    return {name: named[name] for name in sorted(named)} | {"CoreEvent": _public(events), "Events": _EVENTS}


def _public(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: _public(inner) for key, inner in value.items() if not (key == "title" and isinstance(inner, str))
            }
        case list():
            return [_public(inner) for inner in value]
        case str() if value.startswith("#/components/schemas/_"):
            return value.replace("/_", "/", 1)
    return value
