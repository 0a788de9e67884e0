"""The borrower's page, from the link to what follows: every act has the effect of its text, and no trick has any."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from dunlin.entry.page import COOKIE

from local.embedded.api import ApiResponse
from tests.builders import NOW, TODAY, loan_document, overdue_document, party_document
from tests.functional.conftest import Stack, prepared, queue_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

BORN = "1990-12-31"
PARTY = "p-1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NAME = "Wilhelmina <script>alert(1)</script> Plantagenet"


@pytest.fixture(scope="module")
def stack(content: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with prepared(content, tmp_path_factory.mktemp("logs")) as (stack, _):
        yield stack


class Visitor:
    """A browser without script: it keeps a cookie, follows what it is told, and sends forms as they are."""

    def __init__(self, stack: Stack, borrower_id: str, phone: str) -> None:
        self.stack, self.borrower_id, self.phone = stack, borrower_id, phone
        self.cookie, self.text, self.said = "", "", ""
        self.path = new_link(stack, borrower_id, phone)

    def get(self, query: dict[str, str] | None = None, path: str = "", cookie: str | None = None) -> ApiResponse:
        heads = {"Accept-Language": "en-US"}
        sent = self.cookie if cookie is None else cookie
        if sent:
            heads["Cookie"] = f"{COOKIE}={sent}"
        answer = self.stack.aws.request("GET", path or self.path, headers=heads, query=query or {})
        self.text = answer.body.decode()
        return answer

    def post(self, fields: dict[str, str], *, cookie: str | None = None, **heads: str) -> ApiResponse:
        sent = self.cookie if cookie is None else cookie
        headers = FORM | ({"Cookie": f"{COOKIE}={sent}"} if sent else {}) | heads
        answer = self.stack.aws.request("POST", self.path, headers=headers, body=urlencode(fields).encode())
        kept = re.search(rf"{COOKIE}=([^;]*)", answer.headers.get("Set-Cookie", ""))
        if kept:
            self.cookie = kept[1]
        where = answer.headers.get("Location", "")
        self.said = where.removeprefix("?").removeprefix("said=")
        if answer.status == 303:
            self.get({"said": self.said} if self.said else {})
        else:
            self.text = answer.body.decode()
        return answer

    def form(self, do: str, **where: str) -> dict[str, str]:
        """The hidden fields of the form that does this."""
        for form in re.findall(r"<form.*?</form>", self.text, re.DOTALL):
            fields = {
                name: html.unescape(value)
                for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
            }
            if fields.get("do") == do and all(fields.get(name) == value for name, value in where.items()):
                return fields
        raise AssertionError(f"no form {do}")

    def come_in(self, said: str = BORN) -> ApiResponse:
        self.get()
        return self.post(self.form("come_in") | {"said": said})

    def do(self, what: str, fields: dict[str, str] | None = None, **where: str) -> str:
        self.post(self.form(what, **where) | (fields or {}))
        return self.said


def know(stack: Stack, borrower_id: str, phone: str, *, days_late: int = 20, locale: str = "en-US") -> None:
    due_on = TODAY.fromordinal(TODAY.toordinal() - days_late)
    party = party_document(name=NAME, phone=phone) | {
        "birth_on": BORN, "locale": locale, "phone_verified_at": NOW.isoformat(),
    }  # fmt: skip
    profile = {"sequence": 1, "jurisdiction": "US-NY", "time_zone": "America/New_York", "parties": [party]}
    loan = loan_document(due_on=due_on, outstanding="200.00")
    if days_late > 0:
        loan |= {"overdue": overdue_document("200.00")}
    common = {"occurred_at": NOW.isoformat(), "borrower_id": borrower_id}
    events: list[dict[str, Any]] = [
        {"event_id": f"{borrower_id}-1", "type": "borrower.updated", "borrower": profile} | common,
        {"event_id": f"{borrower_id}-2", "type": "loan.snapshot", "loan": loan} | common,
    ]
    answer = stack.call("ingest_events", queue_event(*(json.dumps({"detail": event}) for event in events)))
    assert answer == {"batchItemFailures": []}


def new_link(stack: Stack, borrower_id: str, phone: str) -> str:
    asked = {"borrower_id": borrower_id, "party_id": PARTY, "phone": phone}
    answer = stack.aws.request(
        "POST", "/page-links", headers={"Content-Type": "application/json"}, body=json.dumps(asked).encode()
    )
    assert answer.status == 200, answer.body
    url = str(json.loads(answer.body)["url"])
    assert url.startswith("https://my.marram.example/my/")
    return url.removeprefix("https://my.marram.example")


_numbers = iter(range(2000))


def visitor(stack: Stack, **known: Any) -> Visitor:
    number = next(_numbers)
    borrower_id, phone = f"page-{number}", f"+1212556{number:04d}"
    know(stack, borrower_id, phone, **known)
    return Visitor(stack, borrower_id, phone)


def inside(stack: Stack, **known: Any) -> Visitor:
    who = visitor(stack, **known)
    assert who.come_in().status == 303
    assert who.cookie, who.text
    return who


def kinds(stack: Stack, borrower_id: str, of: str) -> set[str]:
    return {each["kind"] for each in stack.borrower(borrower_id)[of]}


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_alone_tells_nothing_and_looking_writes_nothing(stack: Stack) -> None:
    who = visitor(stack)
    before = (stack.aws.items("ControlsTable"), stack.borrower(who.borrower_id))
    for _ in range(3):
        answer = who.get()
    assert answer.status == 200
    assert not any(each in who.text for each in ("Wilhelmina", "200", who.borrower_id, who.phone, "0142-"))
    assert (stack.aws.items("ControlsTable"), stack.borrower(who.borrower_id)) == before
    assert "Set-Cookie" not in answer.headers
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_who_proves_who_they_are_sees_what_they_owe(stack: Stack) -> None:
    who = inside(stack)
    assert "$200.00" in who.text
    assert "June" in who.text or "May" in who.text
    assert "<script" not in who.text
    assert "Wilhelmina &lt;script&gt;" in who.text
    assert len(who.text.encode()) < 60_000


def test_a_token_is_kept_nowhere(stack: Stack) -> None:
    who = inside(stack)
    token = who.path.rpartition("/")[2]
    stored = json.dumps([stack.aws.items(each) for each in ("ControlsTable", "BorrowersTable")], default=str)
    for secret in (token, who.cookie, BORN):
        assert secret not in stored
        assert secret not in stack.written()


def test_wrong_answers_shut_the_door_and_end_every_link(stack: Stack) -> None:
    who = visitor(stack)
    second = new_link(stack, who.borrower_id, who.phone)
    for _ in range(4):
        who.come_in("1990-01-01")
        assert who.said == "wrong"
    assert who.come_in("1990-01-01").status == 404
    assert who.get().status == 404
    assert who.get(path=second).status == 404
    asked = {"borrower_id": who.borrower_id, "party_id": PARTY, "phone": who.phone}
    answer = stack.aws.request("POST", "/page-links", body=json.dumps(asked).encode())
    assert answer.status == 503, "no new link until the door is open again"


def test_of_answers_sent_at_once_one_is_weighed(stack: Stack) -> None:
    who = visitor(stack)
    who.get()
    form = who.form("come_in")
    said = [who.post(form | {"said": f"1990-01-{day:02d}"}).headers["Location"] for day in range(1, 20)]
    assert said == ["?said=wrong", *["?said=stale"] * 18], "a ticket is good for one answer"
    who.get()
    replayed = who.form("come_in") | {"said": BORN}
    assert who.post(replayed).headers["Location"] == "?"
    who.cookie = ""
    assert who.post(replayed).headers["Location"] == "?said=stale", "a sign-in that is sent again opens nothing"
    assert not who.cookie


def test_a_link_that_was_taken_back_is_like_none(stack: Stack) -> None:
    who = inside(stack)
    unknown = who.get(path="/my/" + "0" * 14).body
    body = json.dumps({"borrower_id": who.borrower_id, "party_id": PARTY}).encode()
    assert stack.aws.request("POST", "/page-links:revoke", body=body).status == 200
    answer = who.get()
    assert (answer.status, answer.body) == (404, unknown)


@pytest.mark.parametrize(("borrower_id", "party_id", "status"), [("b-nobody", PARTY, 404), (None, "p-nobody", 400)])
def test_links_of_nobody_are_not_revoked(
    stack: Stack, caplog: pytest.LogCaptureFixture, borrower_id: str | None, party_id: str, status: int
) -> None:
    who = visitor(stack)
    body = json.dumps({"borrower_id": borrower_id or who.borrower_id, "party_id": party_id}).encode()
    assert stack.aws.request("POST", "/page-links:revoke", body=body).status == status
    assert "nobody" not in caplog.text


def test_a_session_is_good_for_its_own_link_only(stack: Stack) -> None:
    who, other = inside(stack), visitor(stack)
    assert 'value="come_in"' in other.get(cookie=who.cookie).body.decode()
    other.post(who.form("hardship"), cookie=who.cookie)
    for each in (who, other):
        assert not stack.borrower(each.borrower_id)["holds"]


# ── tricks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_form_but_the_session_s_own_does_anything(stack: Stack) -> None:
    who, other = inside(stack), inside(stack)
    good = who.form("dispute")
    before = stack.borrower(who.borrower_id)
    tries: list[tuple[dict[str, str], dict[str, str], int]] = [
        (other.form("dispute"), {}, 403),  # another session's
        (good | {"do": "hardship"}, {}, 403),  # another act's
        (good | {"check": "0" * 32}, {}, 403),
        (good | {"once": "0" * 32}, {}, 403),
        ({"do": "dispute"}, {}, 403),
        (good, {"Sec-Fetch-Site": "cross-site"}, 403),
        (good, {"Content-Type": "text/plain"}, 400),
        (good | {"more": "x" * 5000}, {}, 400),
        (good | {f"f{number}": "1" for number in range(40)}, {}, 400),
    ]
    for fields, heads, status in tries:
        assert who.post(fields, **heads).status == status
    assert stack.borrower(who.borrower_id) == before
    assert who.post(good).status == 303
    assert kinds(stack, who.borrower_id, "holds") == {"dispute"}


def test_a_form_that_is_sent_twice_does_it_once(stack: Stack) -> None:
    who = inside(stack)
    form = who.form("complaint")
    who.post(form)
    after = stack.borrower(who.borrower_id)
    who.post(form)
    assert who.said == "stale"
    assert stack.borrower(who.borrower_id) == after


def test_another_person_s_number_cannot_be_named(stack: Stack) -> None:
    who, other = inside(stack), inside(stack)
    theirs = other.form("out")["point"]
    before = stack.borrower(other.borrower_id)
    who.post(who.form("out") | {"point": theirs})
    assert who.said == "problem_choice"
    assert stack.borrower(other.borrower_id) == before


@pytest.mark.parametrize(
    "planted", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; --", "\x00", "𝟙" * 30]
)
def test_what_is_typed_comes_back_in_no_page(stack: Stack, planted: str) -> None:
    who = inside(stack)
    for what in ("promise", "plan", "wishes"):
        fields = dict.fromkeys(("on", "amount", "language", "quiet_from", "quiet_to", "by_sms"), planted)
        who.do(what, fields)
        assert planted not in who.text
        who.get()
    who.get({"said": planted})
    assert planted not in who.text
    assert planted not in stack.written() or planted == "\x00"


def test_hosts_and_forwarding_heads_go_nowhere(stack: Stack) -> None:
    who = visitor(stack)
    heads = dict.fromkeys(("Host", "X-Forwarded-Host"), "evil.example")
    heads |= {"X-Original-URL": "/events", "Forwarded": "host=evil.example"}
    answer = stack.aws.request("GET", who.path, headers=heads)
    assert b"evil" not in answer.body
    assert "evil" not in json.dumps(dict(answer.headers))


def test_guesses_are_all_alike(stack: Stack) -> None:
    who = visitor(stack)
    bodies = {who.get(path=f"/my/{guess}").body for guess in ("0" * 14, "A" * 13, "z" * 15, "..%2Fevents", "x")}
    assert len(bodies) == 1


# ── what is done has the effect of its text ──────────────────────────────────────────────────────────────────────────


def test_a_promise_stops_collection_until_its_day(stack: Stack) -> None:
    who = inside(stack)
    on = TODAY.fromordinal(TODAY.toordinal() + 5).isoformat()
    assert who.do("promise", {"on": on}) == "promise_confirmed"
    (promise,) = stack.borrower(who.borrower_id)["promises"]
    assert (promise["on"], promise["amount"]["amount"]) == (on, "200.00")
    assert kinds(stack, who.borrower_id, "holds") == {"promise"}
    assert "You promised $200.00" in who.text


def test_a_plan_is_chosen_out_of_exact_offers(stack: Stack) -> None:
    who = inside(stack)
    assert who.do("plan", {"amount": "", "on": ""}) == "plan_choices"
    (dialogue,) = stack.borrower(who.borrower_id)["dialogues"]
    offer = dialogue["offers"][0]
    assert f"${offer['instalments'][0]['principal']['amount']}" in who.text
    form = who.form("choose", choice="1")
    who.post(form | {"offer": "of another debt"})
    assert who.said in ("problem_choice", "stale")
    who.get()
    assert who.do("choose", choice="1") in ("plan_agreed", "plan_chosen")
    (plan,) = stack.borrower(who.borrower_id)["plans"]
    assert plan["offer"]["offer_id"] == offer["offer_id"]
    assert "plan" in kinds(stack, who.borrower_id, "holds")


@pytest.mark.parametrize(
    ("what", "hold", "said"),
    [
        ("hardship", "hardship", "hardship_received"),
        ("dispute", "dispute", "dispute_received"),
        ("complaint", "complaint", "complaint_received"),
        ("paid", "paid_claimed", "paid"),
        ("person", None, "person"),
    ],
)
def test_what_brings_a_person_stops_first(stack: Stack, what: str, hold: str | None, said: str) -> None:
    who = inside(stack)
    assert who.do(what) == said
    assert kinds(stack, who.borrower_id, "holds") == ({hold} if hold else set())
    (task,) = stack.borrower(who.borrower_id)["tasks"]
    assert task["reference"] in who.text


def test_an_opt_out_of_one_purpose_and_of_all_binds_at_once(stack: Stack) -> None:
    who = inside(stack)
    assert who.do("out", purpose="collection") == "stopped"
    (party,) = stack.borrower(who.borrower_id)["parties"]
    assert party["points"][0]["blocked"] == ["collection"]
    who.get()
    assert who.do("in", purpose="collection") == "resumed"
    who.get()
    assert who.do("out", purpose="") == "stopped"
    (party,) = stack.borrower(who.borrower_id)["parties"]
    assert party["points"][0]["blocked"] == ["*"]


def test_everything_stops_everywhere(stack: Stack) -> None:
    who = inside(stack)
    assert who.do("everything") == "stopped"
    (party,) = stack.borrower(who.borrower_id)["parties"]
    assert party["last_word"]["opted_out"] is True
    assert kinds(stack, who.borrower_id, "holds") == {"cease_request"}


def test_wishes_are_kept_and_one_that_silences_is_refused(stack: Stack) -> None:
    who = inside(stack)
    wish = {"language": "es-US", "quiet_from": "18:00", "quiet_to": "08:00", "by_sms": "1"}
    assert who.do("wishes", wish) == "saved"
    (party,) = stack.borrower(who.borrower_id)["parties"]
    assert party["preferences"]["language"] == "es-US"
    assert party["preferences"]["quiet"] == [[1080, 480, []]]
    who.get()
    assert who.do("wishes", wish | {"quiet_from": "00:00", "quiet_to": "23:59"}) == "problem_quiet"
    who.get()
    assert who.do("wishes", {"quiet_from": "", "quiet_to": ""}) == "problem_channels"


def test_who_leaves_is_out(stack: Stack) -> None:
    who = inside(stack)
    cookie = who.cookie
    who.post(who.form("leave"))
    assert 'value="come_in"' in who.get(cookie=cookie).body.decode()


def test_nothing_personal_is_logged(stack: Stack) -> None:
    inside(stack).do("hardship")
    written = stack.written()
    for planted in ("Wilhelmina", "Plantagenet", "212556", BORN, "200.00"):
        assert planted not in written


@pytest.mark.slow
def test_what_was_done_on_the_page_changes_the_next_day_s_messages(stack: Stack) -> None:
    """Last, because a day passes: who did nothing is written to, and who spoke to us on the page is not."""
    silent, promised, planned, stopped, complained = (inside(stack) for _ in range(5))
    on = TODAY.fromordinal(TODAY.toordinal() + 7).isoformat()
    assert promised.do("promise", {"on": on}) == "promise_confirmed"
    assert planned.do("plan", {"amount": "", "on": ""}) == "plan_choices"
    assert planned.do("choose", choice="1") in ("plan_agreed", "plan_chosen")
    assert stopped.do("out", purpose="") == "stopped"
    assert complained.do("complaint") == "complaint_received"
    stack.aws.clock.advance_to(NOW + timedelta(hours=24))
    for _ in range(4):
        stack.aws.tick()
        stack.aws.clock.advance_to(stack.aws.clock.now() + timedelta(minutes=1))
    documents = [(item["borrower_id"], json.loads(item["document"])) for item in stack.aws.items("MessagesTable")]
    told = {
        borrower_id
        for borrower_id, message in documents
        if message["purpose"] == "collection" and message["state"] != "SUPPRESSED"
    }
    assert silent.borrower_id in told
    assert not told & {each.borrower_id for each in (promised, planned, stopped, complained)}
