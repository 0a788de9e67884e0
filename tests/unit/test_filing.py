"""What has to be on file before a line may send: whose rules ask for it, how a text reads, what was changed since."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dunlin.adapters.renderer import MOST_ITEMS, Renderer
from dunlin.content import Content, ContentErrors, load_content, signing
from dunlin.content.filing import (
    LISTED,
    Filings,
    Wording,
    constants,
    filing_number,
    filings_of,
    number_kind,
    read_filings,
    wordings,
    write_filings,
)
from dunlin.content.lint import renderings
from dunlin.content.schema import COMMON_VARIABLES, FiledTextModel, FilingModel, VariableType
from dunlin.domain.policy import Line
from dunlin.domain.words import Channel
from dunlin.errors import ContentError
from dunlin.services.ports import Rendered
from pydantic import ValidationError

ROOT = Path(__file__).parents[2] / "layers" / "content"
ON = date(2026, 11, 21)
ANA, BEN, CAL, DEE = "ana@x.example", "ben@x.example", "cal@x.example", "dee@x.example"


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


@pytest.fixture(scope="module")
def unfiled(content: Content) -> Filings:
    return filings_of(content, (), ON)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped content with two messages' words: what else is missing is the lint's, which others test."""
    monkeypatch.setattr(signing, "check", lambda _: [])

    def left_out(of: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(of) == ROOT / "templates" and name not in ("tier_1", "help")]

    folder = Path(shutil.copytree(ROOT, tmp_path / "content", ignore=left_out))
    (folder / "release.json").unlink()
    return folder


def filed_as(wording: Wording, number: str = "T-1") -> FiledTextModel:
    line, message, locale = wording.key
    return FiledTextModel(line=line, message=message, locale=locale, digest=wording.digest, id=number, on=ON)


def file_everything(root: Path) -> None:
    found = filings_of(load_content(root), read_filings(root), ON)
    write_filings(root, (*read_filings(root), *map(filed_as, found.missing_texts)))


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# ── What a line needs ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("origination", "kind"),
    [
        ("+12065550100", "long_code"),
        ("+18005550100", "toll_free"),
        ("+18885550100", "toll_free"),
        ("18665550100", "toll_free"),
        ("+18015550100", "long_code"),
        ("+448005550100", "long_code"),
        ("72345", "short_code"),
        ("106900000142", "long_code"),
        ("MARRAM", "sender_id"),
        ("1Marram", "sender_id"),
    ],
)
def test_an_origination_says_what_it_is(origination: str, kind: str) -> None:
    assert number_kind(origination) == kind


def asked(content: Content, line_id: str, **changes: Any) -> set[tuple[str, bool, bool]]:
    """(name, is there, is required) of what a line must have registered."""
    lines = tuple(replace(line, **changes) if line.line_id == line_id else line for line in content.lender.lines)
    changed = replace(content, lender=replace(content.lender, lines=lines))
    found = filings_of(changed, (), ON).registrations
    return {(each.name, bool(each.number), each.required) for each in found if each.line == line_id}


def test_what_the_packs_ask_of_the_lines(content: Content) -> None:
    assert asked(content, "cn-finance") == {("signature", True, True)}
    assert asked(content, "us-10dlc") == {("brand", True, True), ("campaign", True, True)}
    assert asked(content, "au-sms") == {("sender_id", True, True)}
    assert asked(content, "gb-sms") == set()
    assert asked(content, "us-email") == set()
    assert asked(content, "in-sms") == {("IN_ENTITY_ID", True, False), ("IN_HEADER", True, False)}


def test_it_depends_on_the_number_and_the_links(content: Content) -> None:
    assert asked(content, "us-10dlc", origination="+18005550100") == {("toll_free_use_case", False, True)}
    assert asked(content, "in-sms", links="host") >= {("IN_URL_LIST", False, False)}
    assert asked(content, "cn-finance", registrations=()) == {("signature", False, True)}
    assert asked(content, "gb-sms", jurisdiction="AU") == {("sender_id", False, True)}


def test_a_rule_can_be_about_some_providers(content: Content) -> None:
    source = {"reference": "a provider's own rule", "confidence": "own"}
    rule = FilingModel.model_validate(
        {"id": "gb-x", "providers": ["aws_sms"], "registrations": ["pool"], "source": source}
    )
    packs = {**content.packs, "GB": content.packs["GB"].model_copy(update={"filings": (rule,)})}
    with_rule = replace(content, packs=packs)
    assert asked(with_rule, "gb-sms") == {("pool", False, True)}
    assert asked(with_rule, "gb-sms", provider="other") == set()


def test_a_rule_asks_only_while_it_is_in_force(content: Content) -> None:
    before = filings_of(content, (), date(2026, 6, 30)).registrations
    assert {each.line for each in before if each.rule_id == "au-sender-id"} == set()


@pytest.mark.parametrize(
    "asks", [{}, {"registrations": ["a"], "each_text": "*"}, {"registrations": []}, {"each_text": ""}]
)
def test_a_rule_asks_for_one_thing(asks: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilingModel.model_validate({"id": "x", "source": {"reference": "r", "confidence": "P"}, **asks})


def test_texts_are_filed_where_a_pack_says_so(unfiled: Filings, content: Content) -> None:
    assert {(each.line, each.locale, each.required) for each in unfiled.wordings} == {
        ("cn-finance", "zh-CN", True),
        ("cn-finance", "zh-TW", True),
        ("in-sms", "en-IN", False),  # a draft: nothing is sent there, so nothing waits for it
    }
    messages = {name for name, _, channel in content.templates if channel is Channel.SMS}
    own_words = {name for name, message in content.messages.items() if "words" in message.variables.values()}
    assert own_words == {"answer"}  # what a person types is on file nowhere, and goes nowhere where everything is
    assert {each.message for each in unfiled.wordings if each.line == "cn-finance"} == messages - own_words
    assert unfiled.missing_texts
    assert all(each.line == "cn-finance" for each in unfiled.missing_texts)


# ── How a text reads ─────────────────────────────────────────────────────────────────────────────────────────────────

NAMED = re.compile(r"\\\$\\\{[a-z_0-9]+\\\}")


def test_every_text_that_a_borrower_can_get_is_one_of_its_wordings(content: Content, unfiled: Filings) -> None:
    """The renderer and the filing know nothing of each other: what one renders, the other has to have filed."""
    line = content.line("cn-finance")
    assert line is not None
    renderer, tried = Renderer(content), 0
    for template in content.templates.values():
        if template.channel is not Channel.SMS or template.locale not in ("zh-CN", "zh-TW"):
            continue
        if "words" in template.variables.values():
            continue
        filed = [
            each.text for each in unfiled.wordings if each.key == (line.line_id, template.template_id, template.locale)
        ]
        shapes = [re.compile(NAMED.sub(".+", re.escape(text))) for text in filed]
        for label, rendered in renderings(renderer, content, template, line):
            assert isinstance(rendered, Rendered)
            assert any(shape.fullmatch(rendered.body) for shape in shapes), (template.name, label)
            tried += 1
    assert tried > 500


def test_a_text_is_known_by_the_words_it_is_filed_under(
    content: Content, unfiled: Filings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """India: what the provider compares a text with is named in the hand-over; each rendering has one number."""
    monkeypatch.setattr("dunlin.content.lint._TRIED", {})  # what was tried before knows nothing of what is filed
    line = content.line("in-sms")
    assert line is not None
    of_line = [each for each in unfiled.wordings if each.line == "in-sms"]
    numbers: dict[tuple[str, str, str], dict[str, str]] = {}
    for place, each in enumerate(of_line):
        numbers.setdefault(each.key, {})[each.digest] = f"T-{place}"
    text_of = {f"T-{place}": each.text for place, each in enumerate(of_line)}
    filed = replace(content, filed=numbers)
    renderer, tried = Renderer(filed), 0
    for template in content.templates.values():
        if template.channel is not Channel.SMS or template.locale != "en-IN" or template.template_id == "answer":
            continue  # a person's own words cannot be filed, and are not sent there
        for label, rendered in renderings(renderer, filed, template, line):
            assert isinstance(rendered, Rendered)
            text = text_of[rendered.filing]
            shape = re.escape(text).replace(re.escape("{#var#}"), ".+")
            assert re.fullmatch(shape, rendered.body), (template.name, label)
            tried += 1
    assert tried > 100


def test_a_text_that_is_not_on_file_has_no_number(content: Content, unfiled: Filings) -> None:
    line, template = content.line("in-sms"), content.template("help", "en-IN", Channel.SMS)
    assert line is not None
    (wording,) = (each for each in unfiled.wordings if each.key == (line.line_id, "help", "en-IN"))
    body, key = wording.text.replace("{#var#}", "x"), wording.key
    known = replace(content, filed={key: {wording.digest: "T-1"}})
    assert filing_number(known, line, template, body, ON) == "T-1"
    assert filing_number(known, line, template, f"{body} And more.", ON) == ""
    assert filing_number(replace(known, filed={key: {"0" * 64: "T-1"}}), line, template, body, ON) == ""
    assert filing_number(content, line, template, body, ON) == ""


def test_the_numbers_are_read_with_the_content(root: Path) -> None:
    file_everything(root)
    filed = load_content(root).filed
    assert filed
    assert {digest for numbers in filed.values() for digest in numbers} == {each.digest for each in read_filings(root)}


def test_the_constants_are_those_that_the_renderer_fills_in(content: Content) -> None:
    line = content.line("cn-finance")
    assert line is not None
    template = content.template("tier_1", "zh-CN", Channel.SMS)
    said = constants(content, template, line)
    assert said.keys() == COMMON_VARIABLES - {"name"}
    assert said["signature"] == "【滨禾消费金融】"
    assert said["opt_out"] == "退订回T"
    assert constants(content, template, replace(line, opt_out_line="forbidden"))["opt_out"] == ""
    assert LISTED[-1] == MOST_ITEMS


def wordings_of(content: Content, source: str, **variables: VariableType) -> tuple[str, ...]:
    template = replace(content.template("tier_1", "en-US", Channel.SMS), source=source, variables=variables)
    return wordings(template, {"brand": "Marram"}, "{*}")


@pytest.mark.parametrize(
    ("source", "variables", "expected"),
    [
        ("{{ brand }}: hello", {}, {"Marram: hello"}),
        ("{{ brand }}: {{ total }}", {"total": "money"}, {"Marram: {total}"}),
        ("A{% if name %} {{ name }}{% endif %}.", {}, {"A {name}.", "A."}),
        ("{{ days }} day{{ '' if days == 1 else 's' }}", {"days": "count"}, {"{days} day", "{days} days"}),
        ("{% if days > 60 %}long{% else %}short{% endif %}", {"days": "count"}, {"long", "short"}),
        ("{% if 3 <= days < 5 %}few{% else %}other{% endif %}", {"days": "count"}, {"few", "other"}),
        ("a{% if fees %} {{ fees }}{% endif %}", {"fees": "optional_money"}, {"a {fees}", "a"}),
        ("{{ accounts }}", {"accounts": "count", "items": "items"}, {"{accounts}"}),
        (
            "{% if accounts == 1 %}1{% elif items %}{% for i in items %}{{ i.tail }};{% endfor %}{% endif %}+",
            {"accounts": "count", "items": "items"},
            {"1+", "+", *("".join(f"{{tail_{place}}};" for place in range(1, count + 1)) + "+" for count in (2, 3, 4))},
        ),
        ("one\n two   three", {}, {"one two three"}),
        ("【滨】\n您好", {}, {"【滨】您好"}),
    ],
)
def test_a_text_has_the_wordings_that_it_can_really_have(
    content: Content, source: str, variables: dict[str, VariableType], expected: set[str]
) -> None:
    found = wordings_of(content, source, **variables)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("source", ["{{ unknown }}", "{% if %}", "{{ days + 'x' }}"])
def test_a_text_that_cannot_be_read_has_none(content: Content, source: str) -> None:
    with pytest.raises(ContentError, match="has no wording to file"):
        wordings_of(content, source, days="count")


# ── What was changed since ───────────────────────────────────────────────────────────────────────────────────────────


def keys(filings: Filings) -> set[tuple[str, str, str]]:
    return {each.key for each in filings.missing_texts}


def test_a_number_is_for_exactly_the_words_that_were_filed(content: Content, unfiled: Filings) -> None:
    every = tuple(map(filed_as, unfiled.wordings))
    assert filings_of(content, every, ON).is_complete
    one = next(each for each in unfiled.wordings if each.key == ("cn-finance", "help", "zh-CN"))
    for changes in ({"digest": "0" * 64}, {"message": "tier_2"}, {"locale": "zh-TW"}, {"line": "in-sms"}):
        others = tuple(each for each in every if each != filed_as(one))
        again = filings_of(content, (*others, filed_as(one).model_copy(update=changes)), ON)
        assert keys(again) == {one.key}
        (missed,) = again.missing_texts
        assert missed.changed == ("digest" in changes), "only other words of this text say that it was changed"


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("templates/tier_1/zh-CN.txt", "与我们商量。", "与我们联系。", {("cn-finance", "tier_1", "zh-CN")}),
        (
            "lenders/sample.yaml",
            "【滨禾消费金融】",
            "【滨禾消金】",
            {("cn-finance", message, locale) for message in ("tier_1", "help") for locale in ("zh-CN", "zh-TW")},
        ),
        (
            "lenders/sample.yaml",
            "pay_short: 转账、钱包或自动扣款",
            "pay_short: 转账",
            {("cn-finance", "tier_1", "zh-CN")},
        ),
        ("templates/tier_1/zh-CN.txt", "一封与您账户有关的信", "一封信", set()),  # an e-mail is filed nowhere
        ("templates/tier_1/en-US.txt", "we will remind you", "we shall remind you", set()),
    ],
)
def test_a_text_that_was_changed_after_its_filing_is_not_filed(
    root: Path, name: str, old: str, new: str, changed: set[tuple[str, str, str]]
) -> None:
    file_everything(root)
    assert keys(filings_of(load_content(root), read_filings(root), ON)) == set()
    edit(root, name, old, new)
    found = filings_of(load_content(root), read_filings(root), ON)
    assert keys(found) == changed
    assert all(each.changed for each in found.missing_texts)


def test_a_branch_that_was_changed_is_filed_alone(root: Path) -> None:
    file_everything(root)
    edit(root, "templates/tier_1/zh-CN.txt", "，其中费用{{ fees }}", "，含费用{{ fees }}")
    found = filings_of(load_content(root), read_filings(root), ON)
    assert all("含费用${fees}" in each.text for each in found.missing_texts)
    assert len(found.missing_texts) == 10


# ── Going to where it is real ────────────────────────────────────────────────────────────────────────────────────────


def approve(root: Path) -> None:
    signing.draft(root, ANA, ON)
    signing.review(root, BEN, ON)
    signing.approve(root, CAL, ON)


def test_a_release_goes_live_somewhere_real_when_everything_is_filed(root: Path) -> None:
    approve(root)
    with pytest.raises(ContentErrors) as refused:
        signing.file_with_providers(root, DEE, ON)
    assert [(error.where, error.field) for error in refused.value.errors] == [
        ("filings.json", f"cn-finance.{message}.{locale}")
        for message in ("help", "tier_1")
        for locale in ("zh-CN", "zh-TW")
    ]
    assert "20 wordings have to be filed" in str(refused.value)
    file_everything(root)
    release = signing.file_with_providers(root, DEE, ON)
    assert release.filing is not None
    filed = {line.line: line for line in release.filing.lines}
    assert filed["cn-finance"].registrations == {"signature": "SIGN-EXAMPLE"}
    assert (filed["cn-finance"].texts, filed["au-sms"].texts, filed["au-sms"].digest) == (42, 0, None)
    signing.make_live(root, DEE, ON, ["prod"])
    assert load_content(root, environment="prod").live
    assert not load_content(root, environment="staging").live
    assert not load_content(root).live
    edit(root, "templates/tier_1/zh-CN.txt", "与我们商量。", "与我们联系。")
    assert not load_content(root, environment="prod").live


def test_a_number_that_a_line_lacks_is_named(root: Path) -> None:
    edit(root, "lenders/sample.yaml", "    registrations: {sender_id: AU-EXAMPLE}\n", "")
    approve(root)
    file_everything(root)
    with pytest.raises(ContentErrors) as refused:
        signing.file_with_providers(root, DEE, ON)
    (error,) = refused.value.errors
    assert (error.where, error.field) == ("lenders/sample.yaml", "lines.au-sms.registrations.sender_id")
    assert error.problem == "au-sender-id wants it"


def lose_one(root: Path) -> None:
    write_filings(root, read_filings(root)[1:])


def renumber_one(root: Path) -> None:
    first, *others = read_filings(root)
    write_filings(root, (first.model_copy(update={"id": "T-2"}), *others))


@pytest.mark.parametrize(
    ("change", "problem"), [(lose_one, "one wording has to be filed"), (renumber_one, "record the filing again")]
)
def test_what_is_on_file_is_looked_at_again_before_it_goes_live(
    root: Path, change: Callable[[Path], None], problem: str
) -> None:
    approve(root)
    file_everything(root)
    signing.file_with_providers(root, DEE, ON)
    change(root)
    before = (root / "release.json").read_bytes()
    with pytest.raises(ContentError, match=problem):
        signing.make_live(root, DEE, ON, ["prod"])
    assert (root / "release.json").read_bytes() == before
    signing.make_live(root, DEE, ON, ["embedded"])


def test_signing_for_somewhere_real_asks_for_the_filings_too(root: Path) -> None:
    with pytest.raises(ContentErrors, match="to be filed"):
        signing.sign(root, ANA, BEN, CAL, ON, environments=["prod"])
    assert not (root / "release.json").exists()
    file_everything(root)
    release = signing.sign(root, ANA, BEN, CAL, ON, environments=["prod"])
    assert set(release.live) == {"prod"}
    assert load_content(root, environment="prod").live


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_filings_are_written_in_one_order_and_the_last_number_counts(root: Path, unfiled: Filings) -> None:
    one, two = unfiled.wordings[:2]
    write_filings(root, (filed_as(two), filed_as(one), filed_as(one, "T-2")))
    first = (root / "filings.json").read_text()
    write_filings(root, (filed_as(one, "T-2"), filed_as(two)))
    assert (root / "filings.json").read_text() == first
    assert first.count("\n") == 4
    assert {(each.digest, each.id) for each in read_filings(root)} == {(one.digest, "T-2"), (two.digest, "T-1")}


def test_the_filings_are_no_part_of_the_version(root: Path) -> None:
    before = load_content(root).version
    file_everything(root)
    assert load_content(root).version == before


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        ({"digest": "abc"}, "filings[1].digest", "match pattern"),
        ({"id": "two words"}, "filings[1].id", "match pattern"),
        ({"id": "x" * 101}, "filings[1].id", "at most 100"),
        ({"on": "yesterday"}, "filings[1].on", "date"),
        ({"locale": "chinese"}, "filings[1].locale", "match pattern"),
        ({"more": "1"}, "filings[1].more", "Extra inputs"),
    ],
)
def test_a_mistake_in_the_filings_is_named(
    root: Path, unfiled: Filings, change: dict[str, str], where: str, problem: str
) -> None:
    write_filings(root, tuple(map(filed_as, unfiled.wordings[:3])))
    document = json.loads((root / "filings.json").read_text())
    document["filings"][1] |= change
    rows = ",\n".join(map(json.dumps, document["filings"]))
    (root / "filings.json").write_text(f'{{"filings": [\n{rows}]}}')
    with pytest.raises(ContentErrors) as found:
        read_filings(root)
    error = found.value.errors[0]
    assert (error.where, error.field) == ("filings.json:3", where)
    assert problem in error.problem


def test_a_line_of_no_jurisdiction_with_rules_needs_nothing() -> None:
    line = Line(
        "x", "FR", Channel.SMS, "aws_sms", "+33639980100", frozenset(), 1.0, links="none", opt_out_line="required"
    )
    content = load_content(ROOT)
    only = replace(content, lender=replace(content.lender, lines=(line,)))
    assert filings_of(only, (), ON) == Filings((), ())
    assert filings_of(only, (), ON).is_complete
