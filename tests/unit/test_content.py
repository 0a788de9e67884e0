"""The shipped content is whole and says what the sources say; mistakes are found where they were made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dunlin.content import Content, ContentErrors, check, content_version, json_schemas, load_content, sign
from dunlin.content.document import parse_document
from dunlin.content.schema import ALL_CAPACITIES
from dunlin.domain.policy import Conditions, Pack
from dunlin.domain.words import Channel, HoldKind, Purpose, StopSource, UnderStop
from dunlin.errors import ContentError
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "layers" / "content"
TODAY = date(2026, 11, 21)
SENDABLE = ("CN", "US-CA", "US-MA", "US-NY")

Edit = Callable[[str, str, str], None]


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path / "content"))


STOPS = "stops/base.yaml"


@pytest.fixture
def edit(root: Path) -> Edit:
    def change(name: str, old: str, new: str) -> None:
        path = root / name
        text = path.read_text(encoding="utf-8")
        assert old in text, "the file no longer has what this test changes"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def line_of(root: Path, name: str, text: str) -> str:
    """Where `text` stands now, as an error names it."""
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    return f"{name}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


# ── What is shipped ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_wrong_with_the_shipped_content() -> None:
    assert [str(problem) for problem in check(ROOT)] == []


def test_the_shipped_content_is_live(content: Content) -> None:
    assert content.live, f"{content.not_live_because}: sign it again (dunlin content sign)"
    assert content.number >= 1
    assert content.version == content_version(ROOT)


@pytest.mark.parametrize("jurisdiction", SENDABLE)
def test_a_reviewed_place_has_policy_strategy_and_lines(content: Content, jurisdiction: str) -> None:
    policy = content.policy(jurisdiction, TODAY)
    assert policy is not None
    assert policy.live
    assert policy.content_version == content.version
    assert policy.pack.capacity == content.lender.capacity
    strategy = content.strategy(jurisdiction)
    assert strategy is not None
    assert [stage.stage_id for stage in strategy.stages] == [
        "reminder_7", "reminder_3", "reminder_1", "due_today", "grace", "tier_1", "tier_2", "tier_3", "referral",
    ]  # fmt: skip
    assert [stage.offset_days for stage in strategy.stages] == [-7, -3, -1, 0, 2, 4, 15, 30, 45]
    for stage in strategy.stages:
        for channel in stage.channels:
            assert any(line.channel is channel and stage.purpose in line.purposes for line in policy.lines)


@pytest.mark.parametrize("jurisdiction", ["US", "US-TX", "US-N", "US-NYC", "CN-GD", "GB", "", "us-ny"])
def test_a_place_nobody_reviewed_has_no_policy(content: Content, jurisdiction: str) -> None:
    assert content.policy(jurisdiction, TODAY) is None
    assert content.pack(jurisdiction, TODAY) is None


def test_locales_belong_to_places(content: Content) -> None:
    cn, ny = content.policy("CN", TODAY), content.policy("US-NY", TODAY)
    assert cn is not None
    assert ny is not None
    assert {locale for _, locale in cn.locales} == {"zh-CN"}
    assert {locale for _, locale in ny.locales} == {"en-US"}
    assert ny.expected_parts["reminder", "en-US"] == 1
    assert cn.expected_parts["tier_2", "zh-CN"] == 2


def caps(pack: Pack | None) -> set[tuple[str, int, int, str, str]]:
    assert pack is not None
    return {(cap.rule_id, cap.count, cap.days, cap.basis, cap.per) for cap in pack.caps}


def test_massachusetts_counts_two_in_seven_for_each_debt_whoever_sends(content: Content) -> None:
    for capacity, rule in (("creditor", "us-ma-creditor-two-in-seven"), ("collector", "us-ma-collector-two-in-seven")):
        pack = content.pack("US-MA", TODAY, "creditor" if capacity == "creditor" else "collector")
        assert (rule, 2, 7, "rolling", "loan") in caps(pack)
        assert pack is not None
        cap = next(cap for cap in pack.caps if cap.rule_id == rule)
        assert cap.source.confidence == "P"
        assert {"sms", "call"} <= cap.channels


def test_regulation_f_binds_collectors_and_the_lender_s_own_hours_bind_creditors(content: Content) -> None:
    collector, creditor = content.pack("US-NY", TODAY), content.pack("US-NY", TODAY, "creditor")
    assert collector is not None
    assert creditor is not None
    assert collector.capacity == "collector", "asked without a capacity, the strictest is meant"
    assert {rule.rule_id: rule.source.confidence for rule in collector.hours} == {"us-reg-f-hours": "P"}
    assert {rule.rule_id: rule.source.confidence for rule in creditor.hours} == {"us-own-creditor-hours": "own"}
    assert Purpose.COLLECTION in collector.consent_needed
    assert Purpose.COLLECTION not in creditor.consent_needed
    assert all(rule.week == ((480, 1260),) * 7 for rule in (*collector.hours, *creditor.hours))


def test_a_rule_begins_on_its_day(content: Content) -> None:
    rule = ("us-ny-nyc-three-in-seven", 3, 7, "rolling", "loan")
    assert rule not in caps(content.pack("US-NY", date(2026, 8, 31), "creditor"))
    assert rule in caps(content.pack("US-NY", date(2026, 9, 1), "creditor"))


@pytest.mark.parametrize("jurisdiction", SENDABLE)
@pytest.mark.parametrize("capacity", sorted(ALL_CAPACITIES))
def test_holds_stop_what_they_must(content: Content, jurisdiction: str, capacity: str) -> None:
    pack = next(content.pack(jurisdiction, TODAY, known) for known in sorted(ALL_CAPACITIES) if known == capacity)
    assert pack is not None
    stops = {rule.kind: rule.stops for rule in pack.holds}
    assert stops.keys() == set(HoldKind)
    everything = {Purpose.SERVICING, Purpose.COLLECTION, Purpose.MARKETING}
    for kind in ("bankruptcy", "attorney", "cease_request", "deceased", "identity_theft", "litigation", "wrong_number"):
        assert stops[HoldKind(kind)] == everything
    for kind in ("promise", "plan", "dispute", "hardship", "complaint"):
        assert Purpose.COLLECTION in stops[HoldKind(kind)]
        assert Purpose.SERVICING not in stops[HoldKind(kind)]
    for purposes in stops.values():
        assert not purposes & {Purpose.REPLY, Purpose.MANDATORY}


def test_a_kind_has_one_row(root: Path, edit: Edit) -> None:
    edit(STOPS, "kind: plan", "kind: promise")
    assert ["a kind is there twice" in problem.text for problem in check(root)] == [True]


def test_without_a_table_there_is_no_content(root: Path) -> None:
    (root / STOPS).unlink()
    assert [str(problem) for problem in check(root)] == ["stops/base.yaml:1: stops: there is no table of stops"]


def test_a_pack_adds_to_the_table_and_takes_nothing_away(root: Path, edit: Edit) -> None:
    edit(
        "packs/us-ny.yaml",
        "signed:",
        """holds:
  - kinds: [disaster]
    stops: [servicing]
    escalation: ends
    lifted_by: [expiry, compliance, court]
    default_days: 60
    longest_days: 120
    source: {reference: "A law", confidence: M}
  - kinds: [bankruptcy]
    stops: [collection]
    escalation: goes_on
    source: {reference: "A law", confidence: M}
signed:""",
    )
    content = load_content(root)
    base, own = content.hold_rules("US-MA", TODAY), content.hold_rules("US-NY", TODAY)
    disaster = own[HoldKind.DISASTER]
    assert disaster.stops == {Purpose.SERVICING, Purpose.COLLECTION, Purpose.MARKETING}
    assert disaster.escalation is UnderStop.ENDS
    assert disaster.lifted_by == {StopSource.EXPIRY, StopSource.COMPLIANCE}
    assert (disaster.default_for, disaster.longest_for) == (timedelta(days=60), timedelta(days=120))
    assert own[HoldKind.BANKRUPTCY] == base[HoldKind.BANKRUPTCY]
    assert base[HoldKind.DISASTER].longest_for == timedelta(days=365)
    assert content.hold_rules("TW", TODAY).keys() == set(HoldKind)  # nobody reviewed it: a stop is a stop


@pytest.mark.parametrize("jurisdiction", SENDABLE)
def test_what_no_law_sets_is_the_lender_s_own(content: Content, jurisdiction: str) -> None:
    pack = content.pack(jurisdiction, TODAY, "creditor")
    assert pack is not None
    prefix = jurisdiction[:2].lower()
    own = {cap.rule_id: cap for cap in pack.caps if cap.source.confidence == "own"}
    assert own.keys() == {f"{prefix}-own-daily", f"{prefix}-own-weekly"}
    assert all(cap.channels == {"any"} for cap in own.values())
    assert all(cap.purposes == {Purpose.SERVICING, Purpose.COLLECTION} for cap in own.values())
    assert all(rule.source.reference and rule.source.confidence in {"P", "S", "M", "own"} for rule in pack.hours)


def test_china_is_quiet_at_night_and_marks_what_it_has_only_read_about(content: Content) -> None:
    pack = content.pack("CN", TODAY)
    assert pack is not None
    assert {rule.week[0] for rule in pack.hours} == {(480, 1320)}
    assert {rule.source.confidence for rule in pack.hours} == {"S"}


def test_each_kind_of_sender_is_used(content: Content) -> None:
    assert {line.provider for line in content.lender.lines} == {"aws_sms", "aws_sns", "aws_ses", "finance_sms"}
    texts = [line for line in content.lines("US-MA") if line.channel is Channel.SMS]
    replies = [line for line in texts if Purpose.REPLY in line.purposes]
    assert [line.provider for line in replies] == ["aws_sms", "aws_sns"]
    assert len({line.origination for line in replies}) == 1
    assert all(line.links == "none" for line in content.lines("CN"))
    assert content.line("cn-finance") in content.lines("CN")
    assert content.line("nobody") is None


# ── Asking per borrower ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_s_policy_is_built_once_and_follows_the_conditions(content: Content) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    first = content.policy("CN", TODAY, Conditions(feed_complete_to=now))
    assert content.policy("CN", TODAY, Conditions(feed_complete_to=now)) is first
    deaf = content.policy("CN", TODAY, Conditions(feed_complete_to=now, unheard_since=now))
    assert deaf is not None
    assert deaf.conditions.unheard_since == now
    assert first is not None
    assert first.conditions.unheard_since is None
    assert deaf.pack is first.pack


def test_an_expired_signature_plans_and_does_not_send(content: Content) -> None:
    last, after = content.policy("CN", date(2027, 12, 31)), content.policy("CN", date(2028, 1, 1))
    assert last is not None
    assert last.live
    assert after is not None
    assert not after.live
    assert after.pack.caps == last.pack.caps


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+12125550100", ("America/New_York",)),
        ("+13235550100", ("America/Los_Angeles",)),
        ("+18505550100", ("America/Chicago", "America/New_York")),  # the Florida panhandle
        ("+12085550100", ("America/Boise", "America/Denver", "America/Los_Angeles")),
        ("+15995550100", ("America/Los_Angeles", "America/New_York")),  # not assigned: both coasts
        ("+8613800138000", ("Asia/Shanghai",)),
        ("+447700900000", ()),
        ("", ()),
    ],
)
def test_zones_of_a_number(content: Content, number: str, zones: tuple[str, ...]) -> None:
    assert content.zones_of(number) == zones


def test_every_zone_exists(content: Content) -> None:
    for zones in content.zones:
        for names in (zones.otherwise, *zones.by_area.values()):
            for name in names:
                assert ZoneInfo(name).key == name


def test_words_exist_and_texts_do(content: Content) -> None:
    assert content.texts("en-US")["hotline"]
    with pytest.raises(ContentError, match="xx-XX"):
        content.texts("xx-XX")
    with pytest.raises(ContentError, match=r"templates/nothing/en-US\.sms\.j2"):
        content.template("nothing", "en-US", Channel.SMS)


# ── Mistakes, and where they are found ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "old", "new", "marker", "field", "problem"),
    [
        (
            "packs/cn.yaml",
            "    count: 4\n    days: 7",
            "    count: 0\n    days: 7",
            "count: 0",
            "caps[1].count",
            "greater than",
        ),
        ("packs/cn.yaml", "basis: rolling", "basis: roling", "roling", "caps[1].basis", "'rolling'"),
        (
            "packs/cn.yaml",
            "    per: debtor",
            "    per: debtor\n    pre: loan",
            "pre: loan",
            "caps[0].pre",
            "Extra inputs",
        ),
        (
            "packs/cn.yaml",
            'daily: "08:00-22:00"',
            'daily: "22:00-08:00"',
            "22:00-08:00",
            "hours[0].allowed.daily",
            "open before",
        ),
        (
            "packs/cn.yaml",
            'daily: "08:00-22:00"',
            'dayly: "08:00-22:00"',
            "dayly",
            "hours[0].allowed.dayly",
            "Extra inputs",
        ),
        (
            "packs/cn.yaml",
            "purposes: [collection]",
            "purposes: []",
            "purposes: []",
            "hours[0].purposes",
            "at least one",
        ),
        (
            "packs/cn.yaml",
            "stops: [collection, marketing]",
            "stops: [reply]",
            "kinds: [time_barred]",
            "holds[0]",
            "cannot stop an answer",
        ),
        (
            STOPS,
            "stops: [collection, marketing]",
            "stops: [reply]",
            "kind: promise",
            "stops[0]",
            "cannot stop an answer",
        ),
        (STOPS, "kind: plan", "kind: sold", "kind: sold", "stops[1]", "only `sold` follows"),
        (STOPS, "placed_by: [core, staff]", "placed_by: [expiry]", "kind: plan", "stops[1]", "only end a stop"),
        (
            STOPS,
            "stops: [collection, marketing]",
            "stops: [marketing]",
            "kind: promise",
            "stops[0]",
            "no stop to a case",
        ),
        (STOPS, "default_days: 7", "default_days: 32", "kind: promise", "stops[0]", "at most longest_days"),
        (STOPS, "    default_days: 7\n", "", "kind: promise", "stops[0]", "must be set"),
        (
            STOPS,
            "lifted_by: [expiry, payment",
            "lifted_by: [payment",
            "kind: promise",
            "stops[0]",
            "only what expiry lifts",
        ),
        (STOPS, "escalation: waits", "escalation: rests", "escalation: rests", "stops[0].escalation", "'waits'"),
        ("packs/cn.yaml", "basis: rolling", "basis: calendar", "id: cn-own-weekly", "caps[1]", "one day"),
        (
            "packs/cn.yaml",
            "confidence: own}",
            "confidence: sure}",
            "confidence: sure",
            "settings.balance_max_age_hours.source.confidence",
            "'own'",
        ),
        (
            "packs/cn.yaml",
            "locales: [zh-CN]",
            "locales: [zh-CN]\nlocales: [en-US]",
            "locales: [en-US]",
            "locales",
            "twice",
        ),
        ("packs/cn.yaml", "jurisdiction: CN", "jurisdiction: TW", "jurisdiction: TW", "jurisdiction", "file named tw"),
        ("packs/cn.yaml", "until: 2027-12-31", "until: 2027-13-31", "2027-13-31", "signed.until", "date"),
        ("packs/us-ma.yaml", "extends: US", "extends: UK", "extends: UK", "extends", "no pack UK"),
        (
            "packs/us-ma.yaml",
            "id: us-ma-collector-hours",
            "id: us-reg-f-hours",
            "id: us-reg-f-hours",
            "hours[0].id",
            "replaces none",
        ),
        (
            "packs/us.yaml",
            "  deaf_after_minutes:\n    value: 15",
            "  deaf_after_minutes:\n    value: fifteen",
            "fifteen",
            "settings.deaf_after_minutes.value",
            "integer",
        ),
        (
            "strategies/standard.yaml",
            "id: tier_2, kind: tier, offset_days: 15",
            "id: tier_2, kind: tier, offset_days: 3",
            "id: standard",
            ".",
            "offset_days must go up",
        ),
        (
            "strategies/standard.yaml",
            "offset_days: -3, lasts_days: 2",
            "offset_days: -3, lasts_days: 3",
            "id: standard",
            ".",
            "still be current",
        ),
        (
            "strategies/standard.yaml",
            "id: grace, kind: reminder, offset_days: 2, lasts_days: 2, purpose: collection",
            "id: grace, kind: reminder, offset_days: 2, lasts_days: 2, purpose: servicing",
            "id: grace",
            "stages[4]",
            "is collection",
        ),
        (
            "strategies/standard.yaml",
            "channels: [sms, email]",
            "channels: [sms, fax]",
            "fax",
            "stages[0].channels[1]",
            "'email'",
        ),
        ("lenders/sample.yaml", "links: none", "links: yes", "links: yes", "lines[0].links", "'none'"),
        ("lenders/sample.yaml", "    hotline: 800-555-0142\n", "", "en-US:", "texts.en-US.hotline", "required"),
        ("lenders/sample.yaml", "id: us-reply", "id: us-10dlc", "id: sample", ".", "used twice"),
        ("words/en-US.yaml", "courtesies:", "curtsies:", "curtsies", "curtsies", "Extra inputs"),
        ("zones/nanp.yaml", "codes: >-\n      201", "codes: >-\n      200 2011", "calling_code", ".", "3 digits"),
        ("templates/tier_1/en-US.sms.j2", "total: money", "total: text", "id: tier_1", ".", "is of type money"),
        ("templates/tier_1/en-US.sms.j2", "channel: sms", "channel: email", "id: tier_1", ".", "has a subject"),
        (
            "templates/tier_1/en-US.sms.j2",
            "purpose: collection",
            "purpose: nagging",
            "nagging",
            "purpose",
            "'collection'",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "id: tier_1",
            "id: tier_2",
            "id: tier_2",
            "id",
            "belongs in templates/tier_2",
        ),
        ("release.json", '"state": "live"', '"state": "alive"', "alive", "releases[0].state", "'live'"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(
    root: Path, edit: Edit, name: str, old: str, new: str, marker: str, field: str, problem: str
) -> None:
    edit(name, old, new)
    with pytest.raises(ContentErrors) as found:
        load_content(root)
    assert [(error.where, error.field) for error in found.value.errors][:1] == [(line_of(root, name, marker), field)]
    assert problem in found.value.errors[0].problem
    assert [(p.where, p.field) for p in check(root)][:1] == [(line_of(root, name, marker), field)]


def test_all_mistakes_are_reported_at_once(root: Path, edit: Edit) -> None:
    edit("packs/cn.yaml", "count: 1", "count: one")
    edit("packs/cn.yaml", "basis: rolling", "basis: monthly")
    edit("lenders/sample.yaml", "links: none", "links: some")
    with pytest.raises(ContentErrors) as found:
        load_content(root)
    assert [error.field for error in found.value.errors] == ["lines[0].links", "caps[0].count", "caps[1].basis"]
    assert str(found.value).count("\n") == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "not YAML"),
        ("", "is empty"),
        ("a: &x {b: 1}\nc: *x", "aliases"),
        ("? [1]\n: 2", "a key is a word"),
        ("a: 1\na: 2", "is there twice"),
    ],
)
def test_yaml_that_is_too_clever_or_not_yaml(text: str, problem: str) -> None:
    document = parse_document("x.yaml", text)
    assert problem in document.errors[0].problem


def test_scalars_are_what_they_look_like() -> None:
    document = parse_document("x.yaml", 'a: [yes, 20:00, 0123, 12, -3, 1.5, true, null, 2026-03-01, "7", ~]')
    assert document.data == {"a": ["yes", "20:00", "0123", 12, -3, 1.5, True, None, "2026-03-01", "7", None]}


def test_a_file_nobody_reads_is_a_mistake_and_a_foreign_folder_is_not(root: Path) -> None:
    (root / "python").mkdir()
    (root / "python" / "anything.yaml").write_text("not: ours")
    version = load_content(root).version
    assert version == content_version(ROOT)
    (root / "packs" / "us-tx.yml").write_text("jurisdiction: US-TX")
    with pytest.raises(ContentErrors, match=r"packs/us-tx\.yml:1: \.: nothing reads"):
        load_content(root)


def test_packs_cannot_extend_in_a_circle(root: Path, edit: Edit) -> None:
    edit("packs/us.yaml", "sendable: false", "sendable: false\nextends: US-NY")
    with pytest.raises(ContentErrors, match="circle"):
        load_content(root)


def test_a_template_without_a_header(root: Path) -> None:
    (root / "templates" / "help" / "en-US.sms.j2").write_text("Hello")
    with pytest.raises(ContentErrors, match=r"help/en-US\.sms\.j2:1"):
        load_content(root)


# ── What people are told before they sign ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "problem"),
    [
        ("templates/tier_3/zh-CN.sms.j2", "最终提醒", "最后警告", "templates/tier_3/zh-CN.sms.j2", "警告"),
        ("templates/tier_3/en-US.sms.j2", "a colleague", "the court", "templates/tier_3/en-US.sms.j2", "'court'"),
        ("templates/tier_1/en-US.sms.j2", "{{ opt_out }}", "", "templates/tier_1/en-US.sms.j2", "wants opt_out"),
        (
            "templates/tier_1/en-US.sms.j2",
            "{{ opt_out }}",
            "{% if fees %}{{ opt_out }}{% endif %}",
            "templates/tier_1/en-US.sms.j2",
            "how to opt out",
        ),
        (
            "templates/tier_1/zh-CN.sms.j2",
            "{{ signature }}",
            "尊敬的{{ signature }}",
            "templates/tier_1/zh-CN.sms.j2",
            "signature",
        ),
        ("templates/tier_1/zh-CN.sms.j2", "请在", "请点 t.cn/abc 或在", "templates/tier_1/zh-CN.sms.j2", "has a link"),
        ("templates/tier_1/en-US.sms.j2", "Please", "Please –", "templates/tier_1/en-US.sms.j2", "GSM-7"),
        (
            "templates/tier_1/en-US.sms.j2",
            "Please",
            "Please, " + "if you can, " * 9,
            "templates/tier_1/en-US.sms.j2",
            "expected_parts is 2",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "Please",
            "Please, " + "if you can, " * 20,
            "templates/tier_1/en-US.sms.j2",
            "max_parts is 3",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "{{ hotline }}",
            "us",
            "templates/tier_1/en-US.sms.j2",
            "declared but not used",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "{{ hotline }}",
            "{{ hotline }} {{ lender }}",
            "templates/tier_1/en-US.sms.j2",
            "used but not declared",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "{{ hotline }}",
            "{{ hotline",
            "templates/tier_1/en-US.sms.j2",
            "cannot be read",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "Please",
            "A fee of $25.00 applies. Please",
            "templates/tier_1/en-US.sms.j2",
            "figure of its own",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "says_next: reminder",
            "says_next: person",
            "templates/tier_1/en-US.sms.j2",
            "what follows tier_1 is reminder",
        ),
        (
            "templates/tier_1/en-US.sms.j2",
            "reply_within_days: 7",
            "reply_within_days: 9",
            "templates/tier_1/en-US.sms.j2",
            "may come sooner",
        ),
        (
            "templates/tier_1/en-US.email.j2",
            "A message about your account",
            "Your overdue loan",
            "templates/tier_1/en-US.email.j2",
            "'overdue'",
        ),
        (
            "strategies/standard.yaml",
            "template: tier_3",
            "template: tier_4",
            "strategies/standard.yaml",
            "tier_4/zh-CN.sms.j2 does not exist",
        ),
        ("lenders/sample.yaml", "opt_out_line: required", "opt_out_line: forbidden", "templates/", "forbids"),
        (
            "lenders/sample.yaml",
            "purposes: [servicing, collection, mandatory, reply]\n    parts_per_second: 50",
            "purposes: [servicing, collection, mandatory]\n    parts_per_second: 50",
            "packs/cn",
            "can answer",
        ),
        ("lenders/sample.yaml", "brand: Marram\n", "brand: Marram™\n", "templates/", "GSM-7"),
        (
            STOPS,
            "kind: minor\n",
            "kind: minor\n    capacity: [creditor]\n",
            STOPS,
            "says nothing of minor for a servicer",
        ),
        (STOPS, "kind: sold\n", "kind: sold\n    capacity: [creditor]\n", STOPS, "says nothing of sold for a servicer"),
        (STOPS, "lifted_by: [compliance]", "lifted_by: []", STOPS, "nothing ends time_barred in CN"),
        (
            "packs/cn.yaml",
            "kinds: [time_barred]\n",
            "kinds: [time_barred]\n    lifted_by: [court]\n",
            STOPS,
            "nothing ends time_barred in CN, and it does not say why",
        ),
        (
            "packs/us.yaml",
            "kinds: [dispute]\n",
            "kinds: [disaster]\n    longest_days: 30\n",
            "packs/us-ny.yaml",
            "disaster lasts longer by itself than it may",
        ),
        (
            "packs/cn.yaml",
            "signed: {by: compliance@binhe.example, until: 2027-12-31}",
            "signed: null",
            "packs/cn.yaml",
            "nobody answers",
        ),
        ("zones/cn.yaml", "Asia/Shanghai", "Asia/Peking", "zones", "Asia/Peking is not a time zone"),
    ],
)
def test_the_lint_finds(root: Path, edit: Edit, name: str, old: str, new: str, where: str, problem: str) -> None:
    edit(name, old, new)
    found = check(root)
    assert any(p.where.startswith(where) and problem in p.text for p in found), [str(p) for p in found]


def test_what_the_lint_finds_cannot_be_signed(root: Path, edit: Edit) -> None:
    before = (root / "release.json").read_bytes()
    edit("templates/tier_3/zh-CN.sms.j2", "最终提醒", "最后警告")
    with pytest.raises(ContentErrors, match="警告"):
        sign(root, "a@x.example", "b@x.example", "c@x.example", TODAY)
    assert (root / "release.json").read_bytes() == before


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_byte_is_not_live_until_another_person_signs_it(root: Path, edit: Edit) -> None:
    before = load_content(root)
    edit("strategies/standard.yaml", "max_attempts: 3", "max_attempts: 2")
    changed = load_content(root)
    assert changed.version != before.version
    assert not changed.live
    assert changed.number == 0
    assert "changed after" in changed.not_live_because
    policy = changed.policy("CN", TODAY)
    assert policy is not None
    assert not policy.live
    assert changed.knows(before.version), "it is newer than the live release, not older"
    assert not before.knows(changed.version)

    release = sign(root, "wei@x.example", "ana@x.example", "kim@x.example", TODAY, (("template", "T-1"),))
    after = load_content(root)
    assert (after.version, after.number, after.live) == (release.version, before.number + 1, True)
    assert after.knows(before.version)
    states = [release["state"] for release in json.loads((root / "release.json").read_text())["releases"]]
    assert states[-2:] == ["retired", "live"]
    assert sign(root, "wei@x.example", "ana@x.example", "kim@x.example", TODAY) == release, "signing again is nothing"


@pytest.mark.parametrize(
    ("author", "reviewer", "approver"),
    [
        ("a@x.example", "b@x.example", "a@x.example"),
        ("a@x.example", "b@x.example", " A@x.example"),
        ("a@x.example", "a@x.example", "b@x.example"),
        ("a@x.example", "b@x.example", " "),
        ("", "b@x.example", "c@x.example"),
    ],
)
def test_nobody_approves_their_own_release(root: Path, author: str, reviewer: str, approver: str) -> None:
    before = (root / "release.json").read_bytes()
    with pytest.raises(ContentError):
        sign(root, author, reviewer, approver, TODAY)
    assert (root / "release.json").read_bytes() == before


@pytest.mark.parametrize("state", ["draft", "reviewed", "approved", "filed", "retired"])
def test_only_a_live_release_sends(root: Path, edit: Edit, state: str) -> None:
    edit("release.json", '"state": "live"', f'"state": "{state}"')
    found = load_content(root)
    assert not found.live
    assert state in found.not_live_because


def test_a_forged_release_is_refused(root: Path) -> None:
    path = root / "release.json"
    document = json.loads(path.read_text())
    document["releases"][-1]["approved_by"] = document["releases"][-1]["author"]
    path.write_text(json.dumps(document))
    with pytest.raises(ContentErrors, match="nobody reviews or approves their own"):
        load_content(root)


def test_without_releases_nothing_is_live(root: Path) -> None:
    (root / "release.json").unlink()
    found = load_content(root)
    assert (found.number, found.live, found.not_live_because) == (0, False, "no release is live")


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_the_version_tells_any_two_contents_apart(tmp_path_factory: pytest.TempPathFactory, a: bytes, b: bytes) -> None:
    versions = []
    for files in ({"m.json": a, "n.json": b}, {"m.json": a + b}, {"n.json": a, "m.json": b}):
        root = tmp_path_factory.mktemp("versions")
        (root / "models").mkdir()
        for name, data in files.items():
            (root / "models" / name).write_bytes(data)
        versions.append(content_version(root))
    assert versions[0] != versions[1]
    assert (versions[0] == versions[2]) == (a == b)


# ── Published shapes ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_schemas_are_published_and_closed() -> None:
    schemas = json_schemas()
    assert schemas.keys() == {"pack", "stops", "strategy", "lender", "template", "words", "zones", "release"}
    for schema in schemas.values():
        assert schema["additionalProperties"] is False
        json.dumps(schema)


def test_a_pack_resolves_to_every_field_the_decision_has(content: Content) -> None:
    pack = content.pack("US-MA", TODAY)
    assert pack is not None
    assert all(getattr(pack, item.name) not in (None, "") for item in fields(pack))
