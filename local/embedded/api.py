"""API Gateway (REST) in front of the functions: routes by the template's `Api` events, proxy events of version 1."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from local.embedded.template import ACCOUNT_ID

STAGE = "embedded"


@dataclass(frozen=True)
class ApiResponse:
    """What a client of the API receives."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Route:
    """One `Api` event. `method` is upper case, or ANY."""

    function: str
    method: str
    path: str

    @property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{([^}]+)\}", self.path)
        text = ""
        for index, part in enumerate(parts):
            if index % 2 == 0:
                text += re.escape(part)
            elif part.endswith("+"):
                text += f"(?P<{part[:-1]}>.+)"
            else:
                text += f"(?P<{part}>[^/]+)"
        return re.compile(text)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Fixed segments before parameters, parameters before greedy ones, a method before ANY."""
        return (self.path.count("+}"), self.path.count("{"), int(self.method == "ANY"))


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    for route in sorted(routes, key=lambda route: route.rank):
        if route.method not in (method.upper(), "ANY"):
            continue
        match = route.pattern.fullmatch(path)
        if match:
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def proxy_event(
    route: Route,
    parameters: Mapping[str, str],
    *,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query: Mapping[str, str | Sequence[str]],
    now: datetime,
    request_id: str,
) -> dict[str, Any]:
    """The event of Lambda proxy integration, version 1. A body that is not UTF-8 is Base64."""
    many: dict[str, list[str]] = {
        name: [value] if isinstance(value, str) else list(value) for name, value in query.items()
    }
    try:
        text, encoded = body.decode("utf-8"), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode("ascii"), True
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": method.upper(),
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in many.items() if values} or None,
        "multiValueQueryStringParameters": many or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "embedded",
            "domainName": lower.get("host", "embedded.execute-api.localhost"),
            "domainPrefix": "embedded",
            "extendedRequestId": request_id,
            "httpMethod": method.upper(),
            "identity": {"sourceIp": "127.0.0.1", "userAgent": lower.get("user-agent")},
            "path": f"/{STAGE}{path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "resourceId": "embedded",
            "resourcePath": route.path,
            "stage": STAGE,
        },
        "body": text if body else None,
        "isBase64Encoded": encoded,
    }


def proxy_response(answer: Any) -> ApiResponse:
    """What API Gateway makes of a handler's answer; a malformed one is a 502, as there."""
    malformed = ApiResponse(502, {"Content-Type": "application/json"}, b'{"message": "Internal server error"}')
    if not isinstance(answer, dict) or not str(answer.get("statusCode", "")).isdigit():
        return malformed
    headers = {str(name): str(value) for name, value in (answer.get("headers") or {}).items()}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name] = ", ".join(map(str, values))
    body = answer.get("body")
    if body is not None and not isinstance(body, str):
        return malformed
    content = (body or "").encode()
    if answer.get("isBase64Encoded"):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error:
            return malformed
    return ApiResponse(int(answer["statusCode"]), headers, content)
