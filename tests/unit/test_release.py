"""The release chain: who may put their name to what, in which order, and what is noticed afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import ContentErrors, content_version, load_content, signing
from dunlin.content.acts import Book, Release, digest_of, person
from dunlin.content.release import as_written, next_act, read_book, standing
from dunlin.domain.environments import EMBEDDED, ENVIRONMENTS, REAL
from dunlin.entry.bootstrap import Runtime
from dunlin.entry.settings import Settings
from dunlin.errors import ConfigurationError, ContentError

ROOT = Path(__file__).parents[2] / "layers" / "content"
ON = date(2026, 11, 21)
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ANA, BEN, CAL, DEE = "ana@x.example", "ben@x.example", "cal@x.example", "dee@x.example"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A content of one file, in which nothing is wrong and nothing has to be filed."""
    monkeypatch.setattr(signing, "check", lambda _: [])
    monkeypatch.setattr(signing, "_everything_filed", lambda *_: ())
    write(tmp_path, "first")
    return tmp_path


def write(root: Path, text: str) -> str:
    (root / "models").mkdir(exist_ok=True)
    (root / "models" / "risk.json").write_text(text)
    return content_version(root)


def book_of(root: Path) -> Book:
    errors: list[ContentError] = []
    book = read_book(root, errors)
    assert errors == []
    return book


def mistake(root: Path) -> ContentError:
    """What is wrong with the file: one thing, told once."""
    errors: list[ContentError] = []
    assert read_book(root, errors) == Book()
    (error,) = errors
    return error


def why_not(root: Path, environment: str = EMBEDDED) -> str:
    return standing(book_of(root), content_version(root), environment)[2]


def is_live(root: Path, environment: str) -> bool:
    return standing(book_of(root), content_version(root), environment)[1]


Step = Callable[[Path], Release]
STEPS: dict[str, Step] = {
    "draft": lambda root: signing.draft(root, ANA, AT),
    "review": lambda root: signing.review(root, BEN, AT),
    "approve": lambda root: signing.approve(root, CAL, AT),
    "file": lambda root: signing.file_with_providers(root, DEE, AT),
    "live": lambda root: signing.make_live(root, DEE, AT, [EMBEDDED]),
    "live in prod": lambda root: signing.make_live(root, DEE, AT, ["prod"]),
    "withdraw": lambda root: signing.withdraw(root, DEE, AT),
    "withdraw from embedded": lambda root: signing.withdraw(root, DEE, AT, [EMBEDDED]),
}
APPROVED = "draft, review, approve"


def walk(root: Path, steps: str) -> None:
    for step in filter(None, steps.split(", ")):
        STEPS[step](root)


# ── In order ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("done", "state", "live"),
    [
        ("draft", "drafted", set()),
        ("draft, review", "reviewed", set()),
        (APPROVED, "approved", set()),
        (f"{APPROVED}, live", "live", {EMBEDDED}),
        (f"{APPROVED}, file", "filed", set()),
        (f"{APPROVED}, file, live in prod", "live", {"prod"}),
        (f"{APPROVED}, live, file, live in prod", "live", {EMBEDDED, "prod"}),
        (f"{APPROVED}, file, file", "filed", set()),
        (f"{APPROVED}, live, withdraw from embedded", "retired", set()),
        (f"{APPROVED}, live, withdraw from embedded, live", "live", {EMBEDDED}),
        (f"{APPROVED}, live, withdraw", "withdrawn", set()),
        (f"{APPROVED}, live, withdraw, {APPROVED}", "approved", set()),
        ("draft, withdraw, draft", "drafted", set()),
    ],
)
def test_a_version_moves_along(root: Path, done: str, state: str, live: set[str]) -> None:
    walk(root, done)
    (release,) = book_of(root).releases.values()
    assert (release.state, set(release.live)) == (state, live)
    assert {name for name in ENVIRONMENTS if is_live(root, name)} == live
    assert [act.number for act in book_of(root).acts] == list(range(1, len(done.split(", ")) + 1))


@pytest.mark.parametrize(
    ("done", "step", "problem"),
    [
        ("", "review", "is not drafted"),
        ("", "approve", "is not drafted"),
        ("", "file", "is not drafted"),
        ("", "live", "is not drafted"),
        ("", "withdraw", "is not drafted"),
        ("draft", "draft", "is drafted already"),
        ("draft", "approve", "is not reviewed"),
        ("draft", "file", "is not approved"),
        ("draft", "live", "is not approved"),
        ("draft, review", "draft", "is reviewed already"),
        ("draft, review", "review", "is reviewed already"),
        ("draft, review", "file", "is not approved"),
        ("draft, review", "live", "is not approved"),
        (APPROVED, "draft", "is approved already"),
        (APPROVED, "review", "is reviewed already"),
        (APPROVED, "approve", "is approved already"),
        (APPROVED, "live in prod", "is not filed for prod"),
        (APPROVED, "withdraw from embedded", "is not live in embedded"),
        (f"{APPROVED}, live", "live", "is live in embedded already"),
        (f"{APPROVED}, live", "live in prod", "is not filed for prod"),
        (f"{APPROVED}, live", "draft", "is live already"),
        (f"{APPROVED}, live, withdraw from embedded", "draft", "is retired already"),
        (f"{APPROVED}, file, live in prod", "live in prod", "is live in prod already"),
        (f"{APPROVED}, live, withdraw", "live", "was withdrawn"),
        (f"{APPROVED}, live, withdraw", "withdraw", "was withdrawn"),
        (f"{APPROVED}, file, withdraw, {APPROVED}", "live in prod", "is not filed for prod"),
    ],
)
def test_what_is_out_of_order_is_refused_and_nothing_is_written(root: Path, done: str, step: str, problem: str) -> None:
    walk(root, done)
    path = root / "release.json"
    before = path.read_bytes() if path.exists() else b""
    with pytest.raises(ContentError, match=problem):
        STEPS[step](root)
    assert (path.read_bytes() if path.exists() else b"") == before


def test_what_the_lint_finds_is_not_drafted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dunlin.content.lint import Problem

    monkeypatch.setattr(signing, "check", lambda _: [Problem("words/en-US.yaml:3", "help", "is empty")])
    with pytest.raises(ContentErrors, match=r"words/en-US\.yaml:3: help: is empty"):
        signing.draft(root, ANA, AT)
    assert not (root / "release.json").exists()


def test_a_moment_has_its_zone(root: Path) -> None:
    with pytest.raises(ValueError, match="zone"):
        signing.draft(root, ANA, datetime(2026, 11, 21, 9))  # noqa: DTZ001


def test_a_note_is_kept(root: Path) -> None:
    signing.draft(root, ANA, AT, "warmer words for tier 1")
    assert book_of(root).acts[0].note == "warmer words for tier 1"


# ── By whom ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("author", "reviewer", "approver", "problem"),
    [
        (ANA, ANA, CAL, "nobody reviews their own"),
        (ANA, " ANA@x.example ", CAL, "nobody reviews their own"),
        (ANA, "a na@x.example", CAL, "nobody reviews their own"),
        (ANA, "ana\u200b@x.example", CAL, "nobody reviews their own"),
        (ANA, "ａｎａ@x.example", CAL, "nobody reviews their own"),
        ("STRASSE", "straße", CAL, "nobody reviews their own"),
        (ANA, BEN, ANA, "nobody approves their own"),
        (ANA, BEN, "Ana@X.example", "nobody approves their own"),
        (ANA, BEN, BEN, "does not approve it too"),
        (ANA, BEN, "BEN@x. example", "does not approve it too"),
        ("\u200b", BEN, CAL, "has no name"),
        (ANA, " \t", CAL, "has no name"),
        (ANA, BEN, "", "has no name"),
    ],
)
def test_it_takes_three_people(root: Path, author: str, reviewer: str, approver: str, problem: str) -> None:
    with pytest.raises(ContentError, match=problem):
        signing.sign(root, author, reviewer, approver, ON)
    assert not (root / "release.json").exists()


@pytest.mark.parametrize(
    ("reviewer", "approver", "problem"),
    [(" ANA@x.example ", CAL, "reviews their own"), (BEN, "ANA@x.example", "approves their own"), (BEN, BEN, "too")],
)
def test_it_takes_three_people_one_after_the_other_too(root: Path, reviewer: str, approver: str, problem: str) -> None:
    def all_of_them() -> None:
        signing.review(root, reviewer, AT)
        signing.approve(root, approver, AT)

    signing.draft(root, ANA, AT)
    with pytest.raises(ContentError, match=problem):
        all_of_them()
    assert not is_live(root, EMBEDDED)


def test_who_wrote_a_draft_stays_its_author_when_somebody_else_drafts_it_anew(root: Path) -> None:
    walk(root, "draft, withdraw")
    signing.draft(root, BEN, AT)
    with pytest.raises(ContentError, match="nobody reviews their own"):
        signing.review(root, ANA, AT)
    signing.review(root, CAL, AT)
    with pytest.raises(ContentError, match="nobody approves their own"):
        signing.approve(root, ANA, AT)
    assert signing.approve(root, DEE, AT).number == 1


def test_a_name_is_one_however_it_is_written() -> None:
    assert person(" Ana\u00a0Lee ") == person("ana lee") == person("ＡＮＡ\u200dＬＥＥ") == "analee"
    assert person("Ana") != person("Anna")


# ── Environments ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_signed_is_live_in_the_embedded_environment_only(root: Path) -> None:
    signing.sign(root, ANA, BEN, CAL, ON)
    assert [name for name in ENVIRONMENTS if is_live(root, name)] == [EMBEDDED]
    for name in REAL:
        assert why_not(root, name) == f"release 1 is live in embedded only, and not filed for {name}"


def test_why_it_is_not_live_says_what_is_missing(root: Path) -> None:
    assert why_not(root) == "no release is live"
    signing.draft(root, ANA, AT)
    assert why_not(root) == "release 1 is drafted, and not approved"
    signing.review(root, BEN, AT)
    assert why_not(root) == "release 1 is reviewed, and not approved"
    signing.approve(root, CAL, AT)
    assert why_not(root) == "release 1 is approved, and not released for embedded"
    assert why_not(root, "prod") == "release 1 is approved, and not filed for prod"
    signing.file_with_providers(root, DEE, AT, ["prod"])
    assert why_not(root, "prod") == "release 1 is filed, and not released for prod"
    assert why_not(root, "dev") == "release 1 is filed, and not filed for dev"
    signing.make_live(root, DEE, AT, ["prod"])
    assert why_not(root, "prod") == ""
    write(root, "second")
    assert why_not(root, "prod") == "the files were changed after the live release was approved"
    assert why_not(root) == "no release is live in embedded"
    signing.sign(root, BEN, CAL, DEE, ON, environments=["prod"])
    assert why_not(root, "prod") == ""
    write(root, "first")
    assert why_not(root, "prod") == "release 1 is retired in prod (act 10): release 2 is live there"
    signing.withdraw(root, DEE, AT, version=book_of(root).live_in("prod").version)  # type: ignore[union-attr]
    assert why_not(root, "prod") == "release 1 is retired in prod (act 10)"
    signing.withdraw(root, DEE, AT)
    assert why_not(root, "prod") == "release 1 was withdrawn (act 12)"


def test_signing_for_another_environment_needs_the_same_people_once_it_is_live(root: Path) -> None:
    first = signing.sign(root, ANA, BEN, CAL, ON)
    assert signing.sign(root, BEN, CAL, DEE, ON) == first, "signing again is nothing"
    for names in ((BEN, ANA, CAL), (ANA, CAL, BEN), (ANA, BEN, DEE)):
        with pytest.raises(ContentError, match="is somebody else in act"):
            signing.sign(root, *names, ON, environments=["prod"])
    both = signing.sign(root, ANA, BEN, CAL, ON, environments=[EMBEDDED, "prod"])
    assert set(both.live) == {EMBEDDED, "prod"}
    assert [act.act for act in book_of(root).acts] == [
        "drafted",
        "reviewed",
        "approved",
        "released",
        "filed",
        "released",
    ]


def test_numbers_given_by_hand_are_written_down_and_open_no_door(root: Path) -> None:
    release = signing.sign(root, ANA, BEN, CAL, ON, (("template", "T-1"),))
    assert release.filing is not None
    assert release.filing.registrations == {"template": "T-1"}
    assert release.filed_for == frozenset({EMBEDDED})
    with pytest.raises(ContentError, match="is not filed for prod"):
        signing.make_live(root, DEE, AT, ["prod"])


def test_going_back_is_releasing_an_earlier_version_again(root: Path) -> None:
    first = write(root, "first")
    signing.sign(root, ANA, BEN, CAL, ON)
    second = write(root, "second")
    signing.sign(root, ANA, BEN, CAL, ON)
    assert book_of(root).releases[first].state == "retired"
    assert not is_live_version(root, first)
    write(root, "first")
    signing.make_live(root, DEE, AT, [EMBEDDED])
    book = book_of(root)
    assert (book.releases[first].state, book.releases[second].state) == ("live", "retired")
    assert book.releases[first].number == 1
    assert book.live_in(EMBEDDED) == book.releases[first]


def is_live_version(root: Path, version: str) -> bool:
    return standing(book_of(root), version, EMBEDDED)[1]


def test_a_version_knows_those_before_it_and_none_that_came_later(root: Path) -> None:
    """A function of an older release leaves a message of a newer one alone; after going back it takes it over."""
    first = write(root, "first")
    signing.sign(root, ANA, BEN, CAL, ON)
    second = write(root, "second")
    signing.draft(root, ANA, AT)
    assert book_of(root).before(first, EMBEDDED) == {first: 1}
    signing.review(root, BEN, AT)
    signing.approve(root, CAL, AT)
    signing.make_live(root, DEE, AT, [EMBEDDED])
    assert book_of(root).before(second, EMBEDDED) == {first: 1, second: 2}
    assert book_of(root).before("0" * 16, EMBEDDED) == {first: 1, second: 2}, "a change that nobody drafted is newer"
    write(root, "first")
    signing.make_live(root, DEE, AT, [EMBEDDED])
    assert book_of(root).before(first, EMBEDDED) == {first: 1, second: 2}


def test_what_is_live_elsewhere_made_no_message_here(root: Path) -> None:
    first = write(root, "first")
    signing.sign(root, ANA, BEN, CAL, ON, environments=["prod"])
    second = write(root, "second")
    signing.sign(root, ANA, BEN, CAL, ON)
    third = write(root, "third")
    signing.sign(root, ANA, BEN, CAL, ON, environments=[EMBEDDED, "prod"])
    assert book_of(root).before(third, "prod") == {first: 1, third: 3}
    assert book_of(root).before(third, EMBEDDED) == {second: 2, third: 3}


# ── What is noticed afterwards ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def signed(root: Path) -> Path:
    signing.draft(root, ANA, AT, "first words")
    walk(root, "review, approve, file, live, live in prod")
    write(root, "second")
    signing.sign(root, ANA, BEN, CAL, ON)
    return root


def acts_of(root: Path) -> list[dict[str, Any]]:
    acts: list[dict[str, Any]] = json.loads((root / "release.json").read_text())["acts"]
    return acts


def put(root: Path, acts: list[dict[str, Any]]) -> None:
    rows = ",\n  ".join(json.dumps(act, ensure_ascii=False) for act in acts)
    (root / "release.json").write_text(f'{{"acts": [\n  {rows}\n]}}\n')


def tampered() -> Iterator[tuple[str, Any]]:
    yield "by", "mallory@x.example"
    yield "at", "2026-11-20"
    yield "version", "0" * 16
    yield "note", "other words"
    yield "previous", "0" * 64
    yield "digest", "0" * 64


@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize(("field", "value"), list(tampered()))
def test_an_act_that_was_edited_is_named(signed: Path, place: int, field: str, value: Any) -> None:
    acts = acts_of(signed)
    assert len(acts) == 10
    acts[place][field] = value
    put(signed, acts)
    error = mistake(signed)
    assert error.where == f"release.json:{place + 2}"
    assert error.field == f"acts[{place}].digest"
    assert error.problem == f"act {place + 1} ({acts[place]['act']}): was changed after it was written"


@pytest.mark.parametrize("place", range(9))
def test_an_act_that_was_removed_is_noticed_at_the_next(signed: Path, place: int) -> None:
    acts = acts_of(signed)
    del acts[place]
    put(signed, acts)
    error = mistake(signed)
    assert error.where == f"release.json:{place + 2}"
    assert error.field == f"acts[{place}].number"
    assert "an act was removed" in error.problem


@pytest.mark.parametrize("place", range(9))
def test_one_edited_with_a_new_digest_of_its_own_is_noticed_at_the_next(signed: Path, place: int) -> None:
    acts = acts_of(signed)
    acts[place]["at"] = "2026-01-01"
    acts[place]["digest"] = digest_of(acts[place])
    put(signed, acts)
    error = mistake(signed)
    assert error.field == f"acts[{place + 1}].previous"
    assert "one was changed, removed or put between" in error.problem


def test_one_put_between_or_two_exchanged_are_noticed(signed: Path) -> None:
    acts = acts_of(signed)
    put(signed, [*acts[:2], acts[1], *acts[2:]])
    assert mistake(signed).field == "acts[2].number"
    put(signed, [acts[1], acts[0], *acts[2:]])
    assert mistake(signed).field == "acts[0].number"


def test_a_chain_that_is_whole_and_breaks_the_rules_is_refused(signed: Path) -> None:
    """Whoever can write digests still cannot be author and approver."""
    book = book_of(signed)
    version = book.acts[-1].version
    acts = acts_of(signed)
    for extra, field, problem in (
        ({"act": "approved", "by": CAL}, "act", "is approved already"),
        ({"act": "released", "by": CAL, "environments": ["prod"]}, "environments", "is not filed for prod"),
        ({"act": "drafted", "by": CAL}, "act", "is live in embedded"),
        ({"act": "released", "by": "\u200b", "environments": ["dev"]}, "by", "has no name"),
    ):
        act = next_act(book, version=version, at="2026-11-22", **extra)
        put(signed, [*acts, as_written(act)])
        error = mistake(signed)
        assert error.field == f"acts[10].{field}"
        assert problem in error.problem


def test_what_the_chain_cannot_show(signed: Path) -> None:
    """Acts cut off at the end leave a whole chain: the digest of the last act, kept elsewhere, would show it."""
    head = book_of(signed).head
    put(signed, acts_of(signed)[:6])
    assert book_of(signed).head != head
    assert book_of(signed).live_in("prod") is not None


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", "release.json:1", "not JSON"),
        ('{"acts": [\n{]}', "release.json:2", "not JSON"),
        ('{"acts": [], "acts": []}', "release.json:1", "is there twice"),
        ("[" * 100_000, "release.json:1", "not JSON"),
        ("[]", "release.json:1", "valid dictionary"),
        ("null", "release.json:1", "valid dictionary"),
        ('{"acts": null}', "release.json:1", "valid tuple"),
        ('{"acts": [\n{"number": 1.0}]}', "release.json:2", "valid integer"),
        ('{"acts": [\n{"number": 1e0}]}', "release.json:2", "valid integer"),
        ('{"acts": [\n{"number": NaN}]}', "release.json:2", "valid integer"),
        ('{"acts": [{"number": 1, "by": "\\ud800"}]}', "release.json:1", ""),
        ('{"acts": [], "more": 1}', "release.json:1", "Extra inputs"),
        ('{"releases": []}', "release.json:1", "sign anew"),
        ('{"acts": [\n {"number": 0}]}', "release.json:2", "greater than or equal to 1"),
    ],
)
def test_a_file_that_is_no_list_of_acts(root: Path, text: str, where: str, problem: str) -> None:
    (root / "release.json").write_text(text)
    errors: list[ContentError] = []
    assert read_book(root, errors) == Book()
    assert errors[0].where == where
    assert problem in errors[0].problem
    with pytest.raises(ContentErrors):
        signing.review(root, BEN, AT)


def test_a_file_that_is_not_utf_8(root: Path) -> None:
    (root / "release.json").write_bytes(b"\xff\xfe")
    assert mistake(root).problem == "is not UTF-8"


def test_a_lone_surrogate_is_a_name_like_any_other(root: Path) -> None:
    """JSON can say it and UTF-8 cannot: a digest over it has to exist all the same."""
    assert len(digest_of({"by": "\ud800"})) == 64


# ── In the content, and in a function ────────────────────────────────────────────────────────────────────────────────


def test_the_shipped_content_plans_and_does_not_send_anywhere_real() -> None:
    for name in REAL:
        content = load_content(ROOT, environment=name)
        assert not content.live
        assert content.not_live_because.endswith(f"live in embedded only, and not filed for {name}")
        for jurisdiction in ("CN", "US-MA", "GB", "AU"):
            policy = content.policy(jurisdiction, ON)
            assert policy is not None
            assert not policy.live
    assert load_content(ROOT).live
    assert load_content(ROOT, lazily=True).live


def test_what_a_function_reads_late_is_what_everybody_else_reads_whole() -> None:
    late, whole = load_content(ROOT, lazily=True), load_content(ROOT)
    for name in ("messages", "templates", "phrases", "keyword_words", "understanding", "weights", "agreements"):
        assert dict(getattr(late, name)) == dict(getattr(whole, name)), name
    assert late.lexicon.rules == whole.lexicon.rules
    assert late.lexicon.hints == whole.lexicon.hints


def test_a_pattern_is_taken_on_trust_only_from_signed_bytes(tmp_path: Path) -> None:
    """One byte more, and the files are no live release: they are read whole, and each pattern is tried."""
    root = Path(shutil.copytree(ROOT, tmp_path / "content"))
    rules = root / "understanding" / "rules.yaml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("any: [", 'any: ["(", ', 1), encoding="utf-8")
    with pytest.raises(ContentErrors, match=r"any\[0\]: is no regular expression"):
        load_content(root, lazily=True)


def test_a_pack_whose_signature_ended_plans_and_does_not_send() -> None:
    content = load_content(ROOT)
    last_day = date(2027, 12, 31)
    policies = [content.policy("US-MA", day) for day in (last_day, last_day.replace(year=2028, month=1, day=1))]
    assert [policy is not None and policy.live for policy in policies] == [True, False]
    unsigned = replace(
        content,
        packs={code: pack.model_copy(update={"signed": None}) for code, pack in content.packs.items()},
        _policies={},
    )
    policy = unsigned.policy("US-MA", ON)
    assert policy is not None
    assert not policy.live


def test_a_tampered_chain_stops_the_content(tmp_path: Path) -> None:
    root = Path(shutil.copytree(ROOT, tmp_path / "content"))
    acts = acts_of(root)
    acts[2]["by"] = "mallory@x.example"
    put(root, acts)
    with pytest.raises(ContentErrors, match=r"release\.json:4: acts\[2\]\.digest: act 3 \(approved\): was changed"):
        load_content(root, lazily=True)


@pytest.mark.parametrize(("environment", "live"), [(EMBEDDED, True), ("dev", False), ("prod", False)])
def test_a_function_reads_the_content_of_its_environment(
    monkeypatch: pytest.MonkeyPatch, environment: str, live: bool
) -> None:
    monkeypatch.setenv("CONTENT_DIR", str(ROOT))
    runtime = Runtime(Settings("f", "us-east-1", environment, None), lambda: AT)
    assert runtime.content.live is live


class TestTheSetting:
    @pytest.fixture(autouse=True)
    def _region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.delenv("SENDING_MODE", raising=False)
        monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)

    @pytest.mark.parametrize("name", ENVIRONMENTS)
    def test_is_one_of_four(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", name)
        assert Settings.from_environment().environment == name

    @pytest.mark.parametrize("name", ["", "production", "Embedded", "test"])
    def test_and_nothing_else(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", name)
        with pytest.raises(ConfigurationError, match="DUNLIN_ENVIRONMENT: must be"):
            Settings.from_environment()

    def test_a_deployed_function_is_never_embedded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", EMBEDDED)
        with pytest.raises(ConfigurationError, match="embedded is for one process on a laptop"):
            Settings.from_environment()
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", "prod")
        assert Settings.from_environment().environment == "prod"

    def test_outside_production_the_list_of_recipients_holds_in_the_embedded_environment_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("RECIPIENTS_SECRET", raising=False)
        with pytest.raises(ConfigurationError, match="RECIPIENTS_SECRET: must be set"):
            _ = Runtime(Settings("f", "us-east-1", EMBEDDED, None), lambda: AT).recipients
