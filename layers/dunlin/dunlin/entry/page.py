"""The borrower's page over HTTP: `GET` and `POST /my/{token}`. A look does nothing; a form does one thing, once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import logger
from dunlin.errors import Conflict, InvalidInput, NotFound
from dunlin.services.doors import Entry, Refusal
from dunlin.services.page import ACTS, PROBLEMS, SAID

__all__ = ["serve"]

#: A form of ours is a few hundred bytes.
_MOST_BODY = 4096
_MOST_FIELDS = 24
COOKIE = "__Host-dunlin"


def serve(event: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request of API Gateway's (REST, version 1)."""
    token = str((event.get("pathParameters") or {}).get("token", ""))
    heads = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    accepts = heads.get("accept-language", "")
    cookie = _cookie(heads.get("cookie", ""))
    if event.get("httpMethod") != "POST":
        asked = event.get("queryStringParameters") or {}
        return _looked(token, cookie, accepts, str(asked.get("said", "")))
    if _from_elsewhere(heads):
        return _refused("another site's form", 403, accepts)
    fields = _fields(event, heads)
    if fields is None:
        return _refused("no form of ours", 400, accepts)
    if fields.get("do") == "come_in":
        return _come_in(token, fields, accepts)
    return _act(token, cookie, fields, accepts)


def _looked(token: str, cookie: str, accepts: str, said: str) -> dict[str, Any]:
    entry = runtime().doors.inside(token, cookie) if cookie else None
    if entry is None:
        opened = runtime().doors.look(token)
        if isinstance(opened, Refusal):
            return _refused(str(opened), 404, accepts)
        problem = said if said in ("wrong", "stale") else ""
        return _answer(200, runtime().page_html.door(opened, accepts, problem))
    kind, _, name = said.partition("_")
    is_problem = kind == "problem" and name in PROBLEMS
    shown = said if is_problem else f"said_{said}" if said in SAID else ""
    return _answer(200, _inside(entry, shown, is_problem=is_problem))


def _inside(entry: Entry, said: str, *, is_problem: bool) -> str:
    doors = runtime().doors

    def form(what: str) -> tuple[str, str]:
        once = doors.nonce()
        return once, doors.form(entry.secret, what, once)

    return runtime().page_html.inside(runtime().page.view(entry), form, said, is_problem=is_problem)


def _come_in(token: str, fields: Mapping[str, str], accepts: str) -> dict[str, Any]:
    entry = runtime().doors.come_in(token, fields.get("ticket", ""), fields.get("said", ""))
    if isinstance(entry, Refusal):
        logger.warning("page: not let in", extra={"why": str(entry)})
        if entry in (Refusal.WRONG, Refusal.STALE):
            return _to(f"?said={entry}")
        return _refused(str(entry), 404, accepts)
    logger.info("page: let in", extra={"borrower_id": entry.borrower.borrower_id, "party_id": entry.party.party_id})
    lasts = int(runtime().page_rules.session_minutes * 60)
    return _to("?", f"{COOKIE}={entry.secret}; Path=/; Max-Age={lasts}; Secure; HttpOnly; SameSite=Strict")


def _act(token: str, cookie: str, fields: Mapping[str, str], accepts: str) -> dict[str, Any]:
    doors, what, once = runtime().doors, fields.get("do", ""), fields.get("once", "")
    entry = doors.inside(token, cookie)
    if entry is None:
        logger.warning("page: act refused", extra={"why": "nobody is inside"})
        return _to("?said=stale")
    if what not in ACTS or not doors.is_form(entry.secret, what, once, fields.get("check", "")):
        return _refused("no form of this session's", 403, accepts)
    if what == "leave":
        doors.leave(token, cookie)
        gone = f"{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict"
        return _answer(200, runtime().page_html.closed(accepts, left=True), gone)
    try:
        said = runtime().page.act(entry, what, fields, doors.request_id(entry.secret, what, once))
    except InvalidInput as refusal:
        said = f"problem_{refusal.field}" if refusal.field in PROBLEMS else "problem_choice"
    except (Conflict, NotFound):
        said = "stale"
    extra = {"borrower_id": entry.borrower.borrower_id, "party_id": entry.party.party_id, "act": what, "said": said}
    logger.info("page: act", extra=extra)
    return _to(f"?said={said}")


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _cookie(header: str) -> str:
    values = [part.partition("=")[2] for part in header[:4096].split("; ") if part.partition("=")[0] == COOKIE]
    return values[0] if len(values) == 1 else ""


def _from_elsewhere(heads: Mapping[str, str]) -> bool:
    """Whether the browser says that another site sent this form. One that says nothing is judged by the form itself."""
    return heads.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _fields(event: Mapping[str, Any], heads: Mapping[str, str]) -> dict[str, str] | None:
    """The form's fields, each once; None for what no form of ours sends."""
    body = event.get("body") or ""
    if not isinstance(body, str) or len(body) > 2 * _MOST_BODY:
        return None
    if not re.match(r"application/x-www-form-urlencoded(\s*;|$)", heads.get("content-type", "")):
        return None
    try:
        text = base64.b64decode(body, validate=True).decode() if event.get("isBase64Encoded") else body
        if len(text) > _MOST_BODY:
            return None
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except (ValueError, binascii.Error):
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _refused(why: str, status: int, accepts: str) -> dict[str, Any]:
    logger.warning("page: refused", extra={"why": why})
    return _answer(status, runtime().page_html.closed(accepts))


def _to(where: str, cookie: str = "") -> dict[str, Any]:
    """Back to the same address, so that going back or reloading sends nothing twice."""
    answer = _answer(303, "", cookie)
    answer["headers"]["Location"] = where
    return answer


def _answer(status: int, body: str, cookie: str = "") -> dict[str, Any]:
    from dunlin.adapters.page import headers

    own = dict(headers())
    if cookie:
        own["Set-Cookie"] = cookie
    return {"statusCode": status, "headers": own, "body": body}
