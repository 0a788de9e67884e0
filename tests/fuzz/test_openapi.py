"""The OpenAPI document is what the code says, and the deployed function answers as the document says.

Schemathesis draws requests from the document, such as fit it and such as do not, and holds each answer against it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from local.openapi import document, written
from tests.builders import ROOT
from tests.functional.conftest import Stack, prepared
from tests.functional.test_redaction import PERSONAL, Ears

pytestmark = pytest.mark.filterwarnings("ignore")

ROUTES = [(path, method) for path, methods in document()["paths"].items() for method in methods]
CONFORMANCE = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def test_the_document_is_what_the_code_says() -> None:
    """`dunlin openapi > docs/openapi.yaml` writes it anew."""
    assert (ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8") == written()


@pytest.fixture(scope="module")
def stack(content: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with prepared(content, tmp_path_factory.mktemp("logs")) as (stack, _):
        yield stack


@pytest.fixture(scope="module")
def schema(stack: Stack) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", served(stack))


def unguarded(described: dict[str, Any]) -> dict[str, Any]:
    """Without what the API Gateway checks before the function is asked: who calls, and with which key."""
    bare = json.loads(json.dumps(described))
    bare.pop("security", None)
    bare.get("components", {}).pop("securitySchemes", None)
    for methods in bare["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return bare  # type: ignore[no-any-return]


def served(stack: Stack) -> Application:
    """The embedded API as a WSGI application, the document beside it."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        if path == "/openapi.json":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(unguarded(document())).encode()]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name == "CONTENT_TYPE"
        }
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        answer = stack.aws.request(environ["REQUEST_METHOD"], path, headers=headers, body=body, query=query)
        start_response(f"{answer.status} .", list(answer.headers.items()))
        return [answer.body]

    return application


def held_against(
    stack: Stack, schema: Any, path: str, method: str, mode: GenerationMode, many: int, checks: list[Any]
) -> int:
    """Draw so many requests for a route, and hold each answer against the document. How many there were."""
    operation = schema[path][method.upper()]
    ears = Ears(stack)
    ears.listen()
    met = 0

    @settings(max_examples=many, suppress_health_check=list(HealthCheck), deadline=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def met_by(case: Any) -> None:
        nonlocal met
        answer = case.call()
        case.validate_response(answer, checks=checks)
        said = ears.listen()
        assert "failed unexpectedly" not in said
        assert not PERSONAL.search(said)
        met += 1

    met_by()
    return met


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_what_fits_is_answered_as_the_document_says(stack: Stack, schema: Any, path: str, method: str) -> None:
    assert held_against(stack, schema, path, method, GenerationMode.POSITIVE, 25, CONFORMANCE)


@pytest.mark.parametrize(("path", "method"), [route for route in ROUTES if route[1] != "get"])
def test_what_does_not_fit_is_refused(stack: Stack, schema: Any, path: str, method: str) -> None:
    # Events are refused one by one: some of a request may be taken.
    rejection = [] if path == "/events" else [negative_data_rejection]
    assert held_against(stack, schema, path, method, GenerationMode.NEGATIVE, 25, [*CONFORMANCE, *rejection])


@pytest.mark.proof
@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_two_hundred_of_each(stack: Stack, schema: Any, path: str, method: str) -> None:
    assert held_against(stack, schema, path, method, GenerationMode.POSITIVE, 100, CONFORMANCE)
    if method != "get":
        assert held_against(stack, schema, path, method, GenerationMode.NEGATIVE, 100, CONFORMANCE)
