"""The shipped content is whole and says what the sources say; mistakes are found where they were made."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dunlin.content import (
    Content,
    ContentErrors,
    Problem,
    check,
    content_version,
    json_schemas,
    load_content,
    load_rules,
    sign,
)
from dunlin.content.document import parse_document
from dunlin.content.schema import ALL_CAPACITIES
from dunlin.content.texts import channels_in, parse_text_file
from dunlin.domain.policy import Conditions, Pack
from dunlin.domain.words import Channel, HoldKind, Product, Purpose, StopSource, UnderStop
from dunlin.errors import ContentError
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "layers" / "content"
TODAY = date(2026, 11, 21)
SENDABLE = ("AU", "CN", "GB", "US-MA", "US-NY", "US-NYC")
DRAFTS = ("ID", "IN", "KR", "PH", "US-CA")
#: The messages whose texts `part` has: rendering all of them for every mistake would take an hour.
WORDED = ("help", "plan_refused", "rate_changed", "tier_1", "tier_3")


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped content, to be spoilt."""
    return Path(shutil.copytree(ROOT, tmp_path / "content"))


def partly(folder: Path) -> Path:
    def left_out(of: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(of) == ROOT / "templates" and name not in WORDED]

    return Path(shutil.copytree(ROOT, folder / "content", ignore=left_out))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The same without most of its texts."""
    return partly(tmp_path)


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> frozenset[Problem]:
    """What is wrong with `part` before anybody spoils it: the texts that it does not have."""
    found = frozenset(check(partly(tmp_path_factory.mktemp("part"))))
    assert all("templates/" in str(problem) for problem in found)
    return found


STOPS = "stops/base.yaml"
TEXT = "templates/tier_1/en-US.txt"


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text, "the file no longer has what this test changes"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


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
    strategy = content.strategy(jurisdiction, frozenset({Product.INSTALMENT}))
    assert strategy is not None
    assert [stage.stage_id for stage in strategy.stages] == [
        "reminder_7", "reminder_3", "reminder_1", "due_today", "grace", "tier_1", "tier_2", "tier_3", "referral",
    ]  # fmt: skip
    assert [stage.offset_days for stage in strategy.stages] == [-7, -3, -1, 0, 2, 4, 15, 30, 45]
    for stage in (stage for each in content.strategies_in(jurisdiction) for stage in each.stages):
        for channel in stage.channels:
            carried = any(line.channel is channel and stage.purpose in line.purposes for line in policy.lines)
            # A channel that has no line there: whoever lives in such a place is reached the other ways.
            has_none = {
                Channel.PUSH: ("CN", "US-NYC"),
                Channel.WECHAT: ("AU", "GB", "US-MA", "US-NY", "US-NYC"),
                Channel.WHATSAPP: ("AU", "CN", "US-MA", "US-NY", "US-NYC"),
            }
            assert carried or jurisdiction in has_none.get(channel, ())


@pytest.mark.parametrize("jurisdiction", DRAFTS)
def test_a_draft_plans_and_does_not_send(content: Content, jurisdiction: str) -> None:
    policy = content.policy(jurisdiction, TODAY)
    assert policy is not None
    assert not policy.live
    assert content.strategy(jurisdiction, frozenset(Product)) is not None


def test_every_place_is_reviewed_a_draft_or_a_base_of_others(content: Content) -> None:
    assert {code for code, pack in content.packs.items() if pack.sendable} == {*SENDABLE, *DRAFTS}
    assert {code for code, pack in content.packs.items() if pack.status == "draft"} == set(DRAFTS)


@pytest.mark.parametrize("jurisdiction", ["US", "US-TX", "US-N", "US-LA", "CN-GD", "FR", "", "us-ny"])
def test_a_place_nobody_reviewed_has_no_policy(content: Content, jurisdiction: str) -> None:
    assert content.policy(jurisdiction, TODAY) is None
    assert content.pack(jurisdiction, TODAY) is None


def test_locales_belong_to_places(content: Content) -> None:
    cn, ny = content.policy("CN", TODAY), content.policy("US-NY", TODAY)
    assert cn is not None
    assert ny is not None
    assert {locale for _, locale in cn.locales} == {"zh-CN", "zh-TW"}
    assert {locale for _, locale in ny.locales} == {"en-US", "es-US"}
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
    offers = {"us-tcpa-offer-hours": "M"}
    assert {rule.rule_id: rule.source.confidence for rule in collector.hours} == {"us-reg-f-hours": "P", **offers}
    assert {rule.rule_id: rule.source.confidence for rule in creditor.hours} == {
        "us-own-creditor-hours": "own",
        **offers,
    }
    assert collector.missing_consent(Purpose.COLLECTION, "sms", ()) == "us-ny-nyc-electronic-consent"
    assert collector.missing_consent(Purpose.COLLECTION, "call", ()) is None
    assert creditor.missing_consent(Purpose.COLLECTION, "sms", ()) is None
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
    everything = {Purpose.SERVICE, Purpose.SERVICING, Purpose.COLLECTION, Purpose.MARKETING}
    for kind in ("bankruptcy", "attorney", "cease_request", "deceased", "identity_theft", "litigation", "wrong_number"):
        assert stops[HoldKind(kind)] == everything
    for kind in ("plan", "complaint"):
        assert Purpose.COLLECTION in stops[HoldKind(kind)]
        assert not stops[HoldKind(kind)] & {Purpose.SERVICING, Purpose.SERVICE}
    for kind in ("promise", "dispute", "hardship"):  # whoever was told that no reminder comes gets none
        assert stops[HoldKind(kind)] == everything - {Purpose.SERVICE}
    for purposes in stops.values():
        assert not purposes & {Purpose.REPLY, Purpose.MANDATORY}


def test_a_kind_has_one_row(part: Path) -> None:
    edit(part, STOPS, "kind: plan", "kind: promise")
    assert ["a kind is there twice" in problem.text for problem in check(part)] == [True]


def test_without_a_table_there_is_no_content(part: Path) -> None:
    (part / STOPS).unlink()
    assert [str(problem) for problem in check(part)] == ["stops/base.yaml:1: stops: there is no table of stops"]


def test_a_pack_adds_to_the_table_and_takes_nothing_away(part: Path) -> None:
    edit(
        part,
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
    content = load_content(part)
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
    assert {line.provider for line in content.lender.lines} == {
        "aws_sms",
        "aws_sns",
        "aws_ses",
        "aws_push",
        "aws_whatsapp",
        "finance_sms",
        "wechat",
    }
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
        ("+447700900000", ("Europe/London",)),
        ("+4915112345678", ()),
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
    with pytest.raises(ContentError, match=r"templates/nothing/en-US\.txt"):
        content.template("nothing", "en-US", Channel.SMS)


# ── Law as data: by date, on holidays, unless ────────────────────────────────────────────────────────────────────────


def test_a_value_holds_from_its_day(content: Content) -> None:
    before, after = content.law("KR", date(2024, 10, 16)), content.law("KR", date(2024, 10, 17))
    assert before is not None
    assert after is not None
    assert caps(before) == set()
    assert caps(after) == {("kr-pda-seven-in-seven", 7, 7, "rolling", "loan")}
    assert [rule.rule_id for rule in before.hours] == ["kr-network-act-night-offers"]
    assert {rule.rule_id for rule in after.hours} == {"kr-pda-hours", "kr-network-act-night-offers"}


def test_one_value_takes_the_place_of_another_on_its_day(part: Path) -> None:
    edit(part, "packs/kr.yaml", "count: {2024-10-17: 7}", "count: {2024-10-17: 7, 2027-01-01: 5}")
    edit(
        part,
        "packs/kr.yaml",
        '{2024-10-17: {daily: "08:00-21:00"}}',
        '{2024-10-17: {daily: "08:00-21:00"}, 2027-01-01: {daily: "09:00-20:00"}}',
    )
    rules = load_rules(part)
    for day, count, opens in ((date(2026, 12, 31), 7, 480), (date(2027, 1, 1), 5, 540), (date(2040, 1, 1), 5, 540)):
        law = rules.law("KR", day)
        assert law is not None
        assert [cap.count for cap in law.caps] == [count]
        assert next(rule for rule in law.hours if rule.rule_id == "kr-pda-hours").week[0] == (
            opens,
            1260 - (opens - 480),
        )


def test_a_setting_follows_its_day_and_the_stricter_of_law_and_policy(part: Path) -> None:
    own = "source: {reference: Lender's own policy, confidence: own}\n"
    edit(
        part,
        "policies/us.yaml",
        "settings:\n",
        f"settings:\n  keep_records_years:\n    value: {{2027-01-01: 5}}\n    {own}",
    )
    edit(
        part,
        "policies/us.yaml",
        "settings:\n",
        f"settings:\n  confirm_opt_out_within_minutes:\n    value: {{2027-01-01: 2}}\n    {own}",
    )
    rules = load_rules(part)
    for day, minutes in ((date(2026, 12, 31), 5), (date(2027, 1, 1), 2)):
        policy, law = rules.law("US-MA", day, own=True), rules.law("US-MA", day)
        assert policy is not None
        assert law is not None
        assert (policy.confirm_opt_out_within_minutes, law.confirm_opt_out_within_minutes) == (minutes, 5)


def test_a_rule_ends_after_its_last_day(part: Path) -> None:
    edit(
        part,
        "packs/us-ma.yaml",
        "id: us-ma-creditor-hours\n",
        "id: us-ma-creditor-hours\n    effective_until: 2026-12-31\n",
    )
    rules = load_rules(part)
    for day, binds in ((date(2026, 12, 31), True), (date(2027, 1, 1), False)):
        law = rules.law("US-MA", day, "creditor")
        assert law is not None
        assert ("us-ma-creditor-hours" in {rule.rule_id for rule in law.hours}) is binds


def test_holidays_come_from_the_calendar(content: Content) -> None:
    for place, holiday in (("AU", date(2026, 12, 25)), ("ID", date(2026, 8, 17))):
        law = content.law(place, TODAY)
        assert law is not None
        (rule,) = law.hours
        assert holiday in rule.holidays
        assert holiday + timedelta(days=5) not in rule.holidays
        assert rule.on_holidays is None
    british = content.law("GB", TODAY)
    assert british is not None
    assert all(not rule.holidays for rule in british.hours)


def test_holidays_may_have_hours_of_their_own(part: Path) -> None:
    edit(part, "packs/au.yaml", "on_holidays: none", 'on_holidays: "10:00-12:00"')
    law = load_rules(part).law("AU", TODAY)
    assert law is not None
    assert law.hours[0].on_holidays == (600, 720)


def test_a_rule_steps_back_where_it_says_so(content: Content) -> None:
    law = content.law("PH", TODAY)
    assert law is not None
    (rule,) = law.hours
    assert (rule.unless_days_over, rule.unless_consent) == (15, "any_hour")
    assert law.hours_change_with_age
    korean = content.law("KR", TODAY)
    assert korean is not None
    assert {rule.rule_id: rule.unless_consent for rule in korean.hours} == {
        "kr-pda-hours": "",
        "kr-network-act-night-offers": "night_marketing",
    }
    assert not korean.hours_change_with_age


def test_the_lender_s_own_policy_is_no_law(content: Content) -> None:
    law, both = content.law("CN", TODAY), content.law("CN", TODAY, own=True)
    assert law is not None
    assert both is not None
    assert {rule_id for rule_id, *_ in caps(both) - caps(law)} == {"cn-own-daily", "cn-own-weekly"}
    assert all(cap.source.confidence != "own" for cap in law.caps)


def test_rules_are_read_without_a_word_of_the_texts(part: Path) -> None:
    shutil.rmtree(part / "templates")
    shutil.rmtree(part / "messages")
    assert load_rules(part).law("US-MA", TODAY, own=True) == load_rules(ROOT).law("US-MA", TODAY, own=True)
    edit(part, "packs/us-ma.yaml", "extends: US", "extends: UK")
    with pytest.raises(ContentErrors, match="no pack UK"):
        load_rules(part)


# ── Mistakes, and where they are found ───────────────────────────────────────────────────────────────────────────────

#: Of a file: what is changed, into what, a text on the line that the error names, its field, and what it says.
MISTAKES: dict[str, list[tuple[str, str, str, str, str]]] = {
    "packs/cn.yaml": [
        ("{2025-02-28: 3}", "{2025-02-28: 0}", "28: 0}", "caps[0].count.2025-02-28", "greater than"),
        ("{2025-02-28: 3}", "{2025-02-30: 3}", "30: 3}", "caps[0].count", "integer"),
        (
            'daily: "08:00-22:00"',
            'daily: "22:00-08:00"',
            "22:00-08",
            "hours[0].allowed.2026-01-30.daily",
            "open before",
        ),
        ('daily: "08:00-22:00"', 'dayly: "08:00-22:00"', "dayly", "hours[0].allowed.2026-01-30.dayly", "Extra inputs"),
        ("purposes: [collection]", "purposes: []", "purposes: []", "hours[0].purposes", "at least one"),
        ("[collection, marketing]", "[reply]", "kinds: [time_barred]", "holds[0]", "cannot stop an answer"),
        ("confidence: S}", "confidence: sure}", "sure", "settings.keep_records_years.source.confidence", "'own'"),
        ("locales: [zh-CN, zh-TW]", "locales: [zh-CN]\nlocales: [zh-TW]", "[zh-TW]", "locales", "twice"),
        ("jurisdiction: CN", "jurisdiction: TW", "jurisdiction: TW", "jurisdiction", "file named tw"),
        ("until: 2027-12-31", "until: 2027-13-31", "2027-13-31", "signed.until", "date"),
        (
            'at: "2026-11-23 07:59"',
            'at: "2026-11-23"',
            'at: "2026-11-23", all',
            "hours[0].cases[0].at",
            "match pattern",
        ),
    ],
    "packs/us-ma.yaml": [
        ("basis: rolling", "basis: roling", "roling", "caps[0].basis", "'rolling'"),
        ("basis: rolling", "basis: calendar", "id: us-ma-collector-two", "caps[0]", "one day"),
        ("    per: loan", "    per: loan\n    pre: loan", "pre: loan", "caps[0].pre", "Extra inputs"),
        ("extends: US", "extends: UK", "extends: UK", "extends", "no pack UK"),
        ("us-ma-collector-hours", "us-reg-f-hours", "id: us-reg-f-hours", "hours[0].id", "replaces none"),
        ("11-17 10:00 sms", "11-17 sms", "11-17 sms", "caps[0].cases[0].contacts[0]", "match pattern"),
    ],
    "packs/us.yaml": [
        ("numbers: [long_code]", "numbers: [vanity]", "vanity", "filings[0].numbers[0]", "'toll_free'"),
        ("    registrations: [brand, campaign]\n", "", "id: us-ten-dlc-campaign", "filings[0]", "must ask either"),
        ("    value: 5", "    value: five", "five", "settings.confirm_opt_out_within_minutes.value", "integer"),
        ("AL: unreviewed", "AL: unknown", "AL: unknown", "regions.AL", "'same' or 'unreviewed'"),
        ("AL: unreviewed", "Alabama: same", "Alabama", "regions.Alabama", "match pattern"),
    ],
    "packs/us-ca.yaml": [
        ("status: draft", "status: idea", "status: idea", "status", "'draft'"),
        (
            "status: draft",
            "status: draft\nsigned: {by: a, until: 2027-12-31}",
            "ion: US-CA",
            ".",
            "a draft is not signed",
        ),
    ],
    "packs/gb.yaml": [('tue: "08:00-21:00", ', "", 'mon: "08', "hours[0].allowed", "each of them")],
    "packs/ph.yaml": [
        (
            "{days_overdue_over: 15, consent: any_hour}",
            "{}",
            "unless: {}",
            "hours[0].unless",
            "days_overdue_over or consent",
        ),
    ],
    "packs/id.yaml": [
        ("holidays: id", "holidays: sg", "holidays: sg", "hours[0].holidays", "no calendar sg"),
        ("    holidays: id\n", "", "id: id-pojk-22-hours", "hours[0]", "needs holidays"),
    ],
    "calendars/au.yaml": [
        ("last_year: 2035", "last_year: 2036", "calendar: au", ".", "each year from first_year"),
        ("2019-01-26", "2019-02-30", "2019-02-30", "days.2019-02-30", "valid date"),
    ],
    "policies/us.yaml": [
        ('collectors", confidence: own', 'collectors", confidence: P', "jurisdiction: US", ".", "belongs in a pack"),
        ("id: us-own-creditor-hours", "id: us-reg-f-hours", "id: us-reg-f-hours", "hours[0].id", "another rule's id"),
        ("id: us-own-daily", "id: us-reg-f-calls", "id: us-reg-f-calls", "caps[0].id", "another rule's id"),
        ("jurisdiction: US", "jurisdiction: US-TX", "ion: US-TX", "jurisdiction", "file named us-tx"),
    ],
    STOPS: [
        (
            "stops: [servicing, collection, marketing]",
            "stops: [reply]",
            "kind: promise",
            "stops[0]",
            "cannot stop an answer",
        ),
        ("kind: plan", "kind: sold", "kind: sold", "stops[1]", "only `sold` follows"),
        ("placed_by: [core, borrower, staff]", "placed_by: [expiry]", "kind: plan", "stops[1]", "only end a stop"),
        (
            "stops: [servicing, collection, marketing]",
            "stops: [marketing]",
            "kind: promise",
            "stops[0]",
            "no stop to a case",
        ),
        ("default_days: 7", "default_days: 41", "kind: promise", "stops[0]", "at most longest_days"),
        ("    default_days: 7\n", "", "kind: promise", "stops[0]", "must be set"),
        ("[expiry, payment", "[payment", "kind: promise", "stops[0]", "only what expiry lifts"),
        ("escalation: waits", "escalation: rests", "escalation: rests", "stops[0].escalation", "'waits'"),
    ],
    "strategies/standard.yaml": [
        ("tier, offset_days: 15", "tier, offset_days: 3", "id: standard", ".", "offset_days must go up"),
        ("offset_days: -3, lasts_days: 2", "offset_days: -3, lasts_days: 3", "id: standard", ".", "still be current"),
        (
            "id: grace, kind: reminder, offset_days: 2, lasts_days: 2, purpose: collection",
            "id: grace, kind: reminder, offset_days: 2, lasts_days: 2, purpose: servicing",
            "id: grace",
            "stages[4]",
            "is collection",
        ),
        ("channels: [sms, email]", "channels: [sms, fax]", "fax", "stages[2].channels[1]", "'email'"),
    ],
    "lenders/sample.yaml": [
        ("links: none", "links: yes", "links: yes", "lines[0].links", "'none'"),
        ("    hotline: 800-555-0142\n", "", "en-US:", "texts.en-US.hotline", "required"),
        ("id: us-reply", "id: us-10dlc", "id: sample", ".", "used twice"),
    ],
    "words/en-US.yaml": [("courtesies:", "curtsies:", "curtsies", "curtsies", "Extra inputs")],
    "zones/nanp.yaml": [("codes: >-\n      201", "codes: >-\n      200 2011", "calling_code", ".", "3 digits")],
    "messages/overdue.yaml": [
        ("days: count", "days: counter", "days: counter", "messages.tier_1.variables.days", "'percent'"),
        (
            "    reply_within_days: 7\n",
            "",
            "  tier_1:",
            "messages.tier_1",
            "reply_by and reply_within_days go together",
        ),
        (", reply_by: date", "", "  tier_1:", "messages.tier_1", "reply_by and reply_within_days go together"),
        ("total: money, ", "", "  tier_1:", "messages.tier_1", "states the total"),
        ("total: money", "total: text", "  tier_1:", "messages.tier_1", "is of type money"),
        ("    statement: true\n", "", "  tier_1:", "messages.tier_1", "comes from a statement"),
        ("purpose: collection", "purpose: nagging", "nagging", "messages.tier_1.purpose", "'collection'"),
        ("purpose: collection", "purpose: service", "  tier_1:", "messages.tier_1", "servicing or collection"),
        ("trigger: stage", "trigger: whim", "whim", "messages.tier_1.trigger", "'event'"),
        ("tone: friendly", "tone: harsh", "harsh", "messages.tier_1.tone", "'friendly'"),
        ("group: overdue", "group: late", "group: late", "group", "file named late"),
        ("  tier_2:", "  tier_1:  # again", "# again", "messages.tier_1", "is there twice"),
    ],
    "messages/repayment.yaml": [
        ("  reminder:", "  tier_1:", "  tier_1:", "messages.tier_1", "is in another group too"),
    ],
    "messages/account.yaml": [
        ("tail: tail, amount", "brand: text, amount", "  disbursed:", "messages.disbursed", "brand is in every text"),
        (
            "    purpose: service\n",
            "    purpose: service\n    channels: [sms, sms]\n",
            "  disbursed:",
            "messages.disbursed",
            "one is there twice",
        ),
    ],
    "phrases/en-US.yaml": [
        (
            "    decision: making our decision",
            "    decision: ''",
            "decision: ''",
            "phrases.step.decision",
            "at least 1",
        ),
        ("locale: en-US", "locale: en-GB", "locale: en-GB", "locale", "file named en-GB"),
    ],
    TEXT: [
        ("author: strategy@marram.example\n", "", "", "author", "is not there"),
        ("author: strategy@marram.example", "author: ", "author:", ".", "one line, author: and a name"),
        ("\n\n=== sms", "\nauthor: somebody else\n\n=== sms", "somebody else", ".", "one line, author: and a name"),
        ("\n\n=== sms", "\npurpose: collection\n\n=== sms", "purpose:", ".", "one line, author: and a name"),
        ("=== sms 2/3", "=== sms", "=== sms", "sms", "needs parts behind it"),
        ("=== sms 2/3", "=== sms 3/2", "=== sms", "sms", "needs parts behind it"),
        ("=== sms 2/3", "=== sms 0/3", "=== sms", "sms", "needs parts behind it"),
        ("=== sms 2/3", "=== sms 2/11", "=== sms", "sms", "needs parts behind it"),
        ("=== sms 2/3", "=== sms 2 3", "=== sms", "sms", "needs parts behind it"),
        ("=== sms 2/3", "=== fax 2/3", "=== fax", "fax", "is not one of sms, email, push, wechat"),
        ("=== sms 2/3", "===sms 2/3", "===sms", ".", "a section begins with === and a channel"),
        ("=== sms 2/3", "=== email A letter", "A message about your account", "email", "is there twice"),
        ("=== email A message about your account", "=== email", "=== email", "email", "needs its subject"),
        ("=== email A", "=== push A\n\n=== email A", "=== push", "push", "says nothing"),
    ],
    "release.json": [
        ('"act": "released"', '"act": "let loose"', "let loose", "acts[3].act", "'released'"),
        ('"act": "reviewed"', '"act": "drafted"', '"number": 2', "acts[1].digest", "was changed after it was written"),
        ('"environments": ["embedded"], ', "", '"number": 4', "acts[3]", "says where"),
        ('"at": "2026-11-14"', '"at": "2026-11-14T10:00"', '"number": 1', "acts[0].at", "a moment with its zone"),
    ],
}


@pytest.mark.parametrize(
    ("name", "old", "new", "marker", "field", "problem"),
    [(name, *mistake) for name, mistakes in MISTAKES.items() for mistake in mistakes],
)
def test_a_mistake_is_named_with_file_line_and_field(
    part: Path, name: str, old: str, new: str, marker: str, field: str, problem: str
) -> None:
    edit(part, name, old, new)
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    first = found.value.errors[0]
    assert first.where == line_of(part, name, marker)
    assert f"{first.field}.".startswith(f"{field}.")
    assert problem in first.problem


def test_all_mistakes_are_reported_at_once(part: Path) -> None:
    edit(part, "packs/cn.yaml", "count: {2025-02-28: 3}", "count: {2025-02-28: three}")
    edit(part, "packs/cn.yaml", "basis: calendar", "basis: monthly")
    edit(part, "lenders/sample.yaml", "links: none", "links: some")
    edit(part, TEXT, "=== sms 2/3", "=== sms")
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    fields_named = [error.field for error in found.value.errors]
    assert fields_named == ["lines[0].links", "caps[0].count.2025-02-28", "caps[0].basis", "sms"]
    assert str(found.value).count("\n") == 3
    assert [str(problem) for problem in check(part)] == str(found.value).split("\n")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("templates/tier_9/en-US.txt", "author: a\n\n=== sms 1/1\nHi\n", "no message tier_9 is in messages/"),
        ("templates/help/english.txt", "author: a\n\n=== sms 1/1\nHi\n", "english is not a locale, such as en-US"),
        ("templates/help/en-US.txt", "Hello", "has no section; one begins with ==="),
        ("policies/fr.yaml", "jurisdiction: FR\n", "there is no pack FR to be stricter than"),
        ("messages/empty.yaml", "group: empty\nmessages: {}\n", "at least 1 item"),
    ],
)
def test_a_file_that_fits_nothing(part: Path, name: str, text: str, problem: str) -> None:
    (part / name).parent.mkdir(exist_ok=True)
    (part / name).write_text(text, encoding="utf-8")
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    assert all(error.where.startswith(f"{name}:") for error in found.value.errors)
    assert any(problem in error.problem for error in found.value.errors)


# ── A policy is only ever stricter than the law ──────────────────────────────────────────────────────────────────────

OWN_SOURCE = "source: {reference: Lender's own policy, confidence: own}"
SUNDAY = f"""hours:
  - id: id-own-hours
    purposes: [collection]
    allowed: {{daily: "09:00-19:00"}}
    {OWN_SOURCE}
caps:"""
MORE_A_WEEK = f"""caps:
  - id: au-own-week
    purposes: [collection]
    channels: [sms]
    count: 4
    days: 7
    basis: rolling
    per: loan
    {OWN_SOURCE}"""


def set_to(name: str, value: str) -> str:
    return f"settings:\n  {name}:\n    value: {value}\n    {OWN_SOURCE}"


@pytest.mark.parametrize(
    ("name", "old", "new", "marker", "field", "problem"),
    [
        (
            "policies/us.yaml",
            'capacity: [creditor, servicer]\n    purposes: [collection]\n    allowed: {daily: "08:00-21:00"}',
            'capacity: [collector]\n    purposes: [collection]\n    allowed: {daily: "07:30-20:00"}',
            "allowed: {daily",
            "hours[0].allowed",
            "is wider on mon than us-reg-f-hours, which allows 08:00-21:00",
        ),
        (
            "policies/id.yaml",
            "caps:",
            SUNDAY,
            "allowed: {daily",
            "hours[0].allowed",
            "is open on sun, on which id-pojk-22-hours allows nothing",
        ),
        (
            "policies/au.yaml",
            "caps:",
            MORE_A_WEEK,
            "count: 4",
            "caps[0].count",
            "4 is more than au-rg96-three-a-week allows: 3",
        ),
        (
            "policies/us.yaml",
            "settings:",
            set_to("confirm_opt_out_within_minutes", "9"),
            "confirm_opt_out_within_minutes:",
            "settings.confirm_opt_out_within_minutes",
            "9 is looser than the 5 of pack US",
        ),
        (
            "policies/us.yaml",
            "settings:",
            set_to("keep_records_years", "2"),
            "keep_records_years:",
            "settings.keep_records_years",
            "2 is looser than the 3 of pack US",
        ),
        (
            "policies/cn.yaml",
            "settings:",
            set_to("keep_records_years", "{2020-01-01: 6, 2030-01-01: 4}"),  # one day is enough
            "keep_records_years:",
            "settings.keep_records_years",
            "4 is looser than the 5 of pack CN",
        ),
    ],
)
def test_a_policy_that_loosens_a_law_is_refused_by_name(
    part: Path, name: str, old: str, new: str, marker: str, field: str, problem: str
) -> None:
    edit(part, name, old, new)
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    assert [(error.where, error.field, error.problem) for error in found.value.errors] == [
        (line_of(part, name, marker), field, problem)
    ]
    with pytest.raises(ContentErrors):
        load_rules(part)


def test_a_policy_that_is_stricter_or_about_something_else_is_not(part: Path) -> None:
    edit(part, "policies/id.yaml", "caps:", SUNDAY.replace('{daily: "09:00-19:00"}', "{daily: none}"))
    edit(part, "policies/au.yaml", "caps:", MORE_A_WEEK.replace("count: 4", "count: 2"))
    edit(part, "policies/gb.yaml", "caps:", MORE_A_WEEK.replace("au-own", "gb-own").replace("count: 4", "count: 90"))
    edit(part, "policies/us.yaml", "settings:", set_to("keep_records_years", "5"))
    rules = load_rules(part)
    australian, indonesian = rules.law("AU", TODAY, own=True), rules.law("ID", TODAY, own=True)
    assert australian is not None
    assert indonesian is not None
    assert ("au-own-week", 2, 7, "rolling", "loan") in caps(australian)
    assert [rule.week for rule in indonesian.hours if rule.rule_id == "id-own-hours"] == [(None,) * 7]


# ── Texts, YAML ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["author: a", "=== sms 1/2", "=== email Hello", "=== push Hello", "=== sms", "=== fax 1/1", "====", ""]
            ),
            st.text(max_size=12),
        ),
        max_size=12,
    ).map("\n".join)
)
def test_any_text_file_is_read_or_its_mistakes_are_named(text: str) -> None:
    found = parse_text_file("x.txt", text)
    lines = text.split("\n")
    assert found.errors or found.sections
    assert not found.errors or all(1 <= int(error.where.rpartition(":")[2]) <= len(lines) for error in found.errors)
    for channel, section in found.sections.items():
        body = section.source.split("\n")
        assert lines[section.line - 1 :][: len(body) - 1] == body[:-1]
        assert lines[section.line + len(body) - 2].rstrip() == body[-1]
        assert section.source.strip()
        assert bool(section.subject) != (channel is Channel.SMS)
        assert 1 <= section.expected_parts <= section.max_parts or channel is not Channel.SMS
    assert set(found.sections) <= set(channels_in(text))


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


def test_packs_cannot_extend_in_a_circle(part: Path) -> None:
    edit(part, "packs/us.yaml", "sendable: false", "sendable: false\nextends: US-NY")
    with pytest.raises(ContentErrors, match="circle"):
        load_content(part)


# ── What people are told before they sign ────────────────────────────────────────────────────────────────────────────

CHINESE, GUARDED = "templates/tier_1/zh-CN.txt", "templates/rate_changed/en-US.txt"
#: Of a file: what is changed, into what, and what is found, with a text on the line that it names (none: line 1).
FOUND: dict[str, list[tuple[str, str, str, str]]] = {
    "templates/tier_3/zh-CN.txt": [("最终提醒", "最后警告", "最后警告", "body: says '警告'")],
    "templates/tier_3/en-US.txt": [("a colleague", "the court", "the court", "body: says 'court'")],
    CHINESE: [
        ("{{ signature }}", "尊敬的{{ signature }}", "尊敬的", "ordinary: does not begin with the line's signature"),
        ("请在", "请点 t.cn/abc 或在", "{{ signature }}", "ordinary: has a link, which line cn-finance may not carry"),
        ("{{ due_on }}", "3月9日", "{{ signature }}", "body: has a figure of its own"),
    ],
    TEXT: [
        ("{{ opt_out }}", "", "=== sms", "sms: us-reg-f-opt-out wants opt_out in the text"),
        (
            "{{ opt_out }}",
            "{% if fees %}{{ opt_out }}{% endif %}",
            "{{ brand }}",
            "ordinary: does not say how to opt out",
        ),
        ("Please pay {{ pay }}", "Please pay", "=== sms", "sms: us-own-way-out wants pay in the text"),
        ("\n{{ lender }}", "\nThe lender", "=== email", "email: us-own-identity wants lender in the text"),
        ("Please", "Please –", "Please –", "body: has '–' (U+2013), outside GSM-7: the text would be UCS-2; write '-'"),
        ("we will", "we’ll", "we’ll", "body: has '’' (U+2019), outside GSM-7: the text would be UCS-2; write \"'\""),
        ("Please", "Plеase", "Plеase", "body: has 'е' (U+0435), outside GSM-7: the text would be UCS-2; write 'e'"),
        (
            "Please",
            "Please 好",
            "Please 好",
            "body: has '好' (U+597D), outside GSM-7: the text would be UCS-2; write it another",
        ),
        ("Please", "Please\u200b", "Please\u200b", "body: has the invisible character U+200B; take it out"),
        ("Please", "Please\u202e", "Please\u202e", "body: has the invisible character U+202E; take it out"),
        ("A message", "A mes\u00adsage", "A mes", "subject: has the invisible character U+00AD; take it out"),
        ("Please", "Please, " + "if you can, " * 9, "{{ brand }}", "ordinary: takes 3 parts; it says 2 behind sms"),
        (
            "Please",
            "Please, " + "if you can, " * 20,
            "{{ brand }}",
            "longest: takes 4 parts; at most 3, it says behind sms",
        ),
        ("{{ due_on }}.", "recently.", "=== sms", "due_on: is a fact of tier_1 and is not said"),
        ("{{ hotline }} and", "{{ hotlin }} and", "hotlin }}", "hotlin: is used, but tier_1 declares no such fact"),
        ("{{ pay_wallet }}", "{{ account }}", "{{ account }}", "account: is used, but tier_1 declares"),
        ("{{ hotline }}", "{{ hotline", "{{ hotline and", "body: cannot be read"),
        ("Please", "A fee of $25.00 applies. Please", "{{ brand }}", "body: has a figure of its own"),
        ("A message about your account", "Your overdue loan", "=== email", "subject: says 'overdue'"),
        (
            "A message about your account",
            "About {{ total }}",
            "{% if name %}Dear",
            "ordinary: subject: the text does not carry",
        ),
    ],
    GUARDED: [
        ("Open the {{ brand }}", "Now {{ rate }}. Open the {{ brand }}", "Now {{", "rate: stands on a lock screen"),
        ("Open the {{ brand }}", "Now 3%. Open the {{ brand }}", "Now 3%", "body: has a figure of its own"),
        ("Open the {{ brand }}", "{{ 1 / 0 }} {{ brand }}", "{{ 1 / 0", "ordinary: "),
    ],
    "messages/overdue.yaml": [
        ("says_next: reminder", "says_next: person", "  tier_1:", "says_next: what follows tier_1 is reminder"),
        (
            "reply_within_days: 7",
            "reply_within_days: 9",
            "  tier_1:",
            "reply_within_days: the stage after tier_1 may come",
        ),
        ("purpose: collection", "purpose: servicing", "  tier_1:", "purpose: tier_1 is collection"),
    ],
    "strategies/standard.yaml": [
        ("template: tier_3", "template: tier_4", "", "stages[7].template: templates/tier_4/zh-CN.txt does not exist"),
        ("guarantor: tier_3", "guarantor: tier_4", "", "stages[7].template: templates/tier_4"),
    ],
    "phrases/ko-KR.yaml": [
        ("    income:", "    incom:", "", "reason.income: has no words here, and has some in another")
    ],
    "phrases/en-US.yaml": [
        ("your income", "your income’s", "", "step.income_check: has '’' (U+2019), outside GSM-7"),
        ("your income", "your\u200b income", "", "step.income_check: has the invisible character U+200B"),
        ("your income", "the court, your income", "", "step.income_check: says 'court'"),
    ],
    "packs/gb.yaml": [
        (
            '07:59", allowed: false',
            '07:59", allowed: true',
            "",
            "hours[0].cases[0]: gb-conc-7-9-hours stops 2026-11-23 07:59, which the case says it does not",
        ),
        ("Europe/London", "Europe/Atlantis", "", "zones: Europe/Atlantis is not a time zone"),
        ("zones: [Europe/London]\n", "", "", "zones: says in which time zones people there live"),
    ],
    "packs/us-ma.yaml": [
        (
            '"2026-11-17 10:00 sms", "2026-11-20 10:00 call"], allowed: false',
            '"2026-11-17 10:00 sms"], allowed: false',
            "",
            "caps[0].cases[0]: us-ma-collector-two-in-seven allows 2026-11-23 12:00",
        ),
        (
            "11-17 10:00 sms",
            "11-17 10:00 sms nagging",
            "",
            "caps[0].cases[0]: us-ma-collector-two-in-seven: 2026-11-23 12:00",
        ),
    ],
    "packs/us-ca.yaml": [
        ('07:59", allowed: false', '08:59", allowed: true', "", "hours[0].cases: us-ca-rosenthal-hours needs cases"),
    ],
    "packs/cn.yaml": [
        ("signed: {by: compliance@binhe.example, until: 2027-12-31}", "signed: null", "", "signed: nobody answers"),
        ("locales: [zh-CN, zh-TW]", "locales: [zh-CN, en-NZ]", "", "locales: the lender has no words in en-NZ"),
    ],
}


@pytest.mark.parametrize(
    ("name", "old", "new", "marker", "problem"),
    [(name, *mistake) for name, mistakes in FOUND.items() for mistake in mistakes],
)
def test_the_lint_finds(
    part: Path, left_out: frozenset[Problem], name: str, old: str, new: str, marker: str, problem: str
) -> None:
    edit(part, name, old, new)
    where = line_of(part, name, marker) if marker else f"{name}:1"
    found = [str(found) for found in check(part) if found not in left_out]
    assert any(said.startswith(f"{where}: {problem}") for said in found), found
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "problem"),
    [
        ("lenders/sample.yaml", "opt_out_line: required", "opt_out_line: forbidden", "templates/", "forbids"),
        (
            "lenders/sample.yaml",
            "mandatory, reply, marketing]\n    parts_per_second: 50",
            "mandatory, marketing]\n    parts_per_second: 50",
            "packs/cn",
            "can answer",
        ),
        ("lenders/sample.yaml", "brand: Marram\n", "brand: Marram™\n", "templates/", "GSM-7"),
        ("lenders/sample.yaml", "8 p.m. Eastern", "8 p.m., 3% off", "lenders/sample", "has an amount or a date in it"),
        ("lenders/sample.yaml", "8 p.m. Eastern", "8 p.m.\u200b", "lenders/sample", "invisible character U+200B"),
        (STOPS, "kind: minor\n", "kind: minor\n    capacity: [creditor]\n", STOPS, "nothing of minor for a servicer"),
        (STOPS, "kind: sold\n", "kind: sold\n    capacity: [creditor]\n", STOPS, "nothing of sold for a servicer"),
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
        ("zones/cn.yaml", "Asia/Shanghai", "Asia/Peking", "zones", "Asia/Peking is not a time zone"),
        (
            "lenders/sample.yaml",
            "    parts_per_second: 0.8\n",
            "    parts_per_second: 0.8\n    day_zone: America/Atlantis\n",
            "lenders/sample.yaml",
            "America/Atlantis is not a time zone",
        ),
        (
            "messages/service.yaml",
            "  help:",
            "  halp:",
            "messages/service.yaml",
            "a borrower's text is answered with it",
        ),
    ],
)
def test_the_lint_finds_elsewhere(
    part: Path, left_out: frozenset[Problem], name: str, old: str, new: str, where: str, problem: str
) -> None:
    if name == "messages/service.yaml":
        shutil.rmtree(part / "templates" / "help")
    edit(part, name, old, new)
    found = [problem for problem in check(part) if problem not in left_out]
    assert any(p.where.startswith(where) and problem in p.text for p in found), [str(p) for p in found]


def test_the_lint_finds_words_that_are_missing(part: Path, left_out: frozenset[Problem]) -> None:
    (part / "phrases" / "ko-KR.yaml").unlink()
    (part / "templates" / "tier_1" / "en-GB.txt").unlink()
    edit(part, "templates/help/en-AU.txt", "=== email", "=== push")
    found = {str(problem) for problem in check(part) if problem not in left_out}
    assert "phrases/ko-KR.yaml:1: .: does not exist" in found
    assert "templates/tier_1/en-GB.txt:1: .: does not exist" in found
    assert "templates/help/en-AU.txt:1: email: has no words for it, and help goes this way" in found


def test_an_example_beside_the_lender_s_own_rule_is_tried_too(part: Path, left_out: frozenset[Problem]) -> None:
    rule = 'which binds collectors", confidence: own}'
    case = '{at: "2026-11-23 07:59", zones: [America/Denver], allowed: false}'
    edit(part, "policies/us.yaml", rule, f"{rule}\n    cases: [{case}]")
    assert frozenset(check(part)) == left_out
    edit(part, "policies/us.yaml", "allowed: false", "allowed: true")
    (problem,) = (problem for problem in check(part) if problem not in left_out)
    assert (problem.where, problem.field) == ("policies/us.yaml:1", "hours[0].cases[0]")
    assert problem.text == "us-own-creditor-hours stops 2026-11-23 07:59, which the case says it does not"


def test_a_rule_does_not_bind_before_its_first_day(part: Path, left_out: frozenset[Problem]) -> None:
    late = '"2024-10-16 23:30", allowed: true'
    edit(part, "packs/kr.yaml", '"2026-11-23 07:59", allowed: false', late)
    assert frozenset(check(part)) == left_out
    edit(part, "packs/kr.yaml", late, late.replace("16", "17"))
    (problem,) = (problem for problem in check(part) if problem not in left_out)
    assert problem.text == "kr-pda-hours stops 2024-10-17 23:30, which the case says it does not"


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "packs").glob("*.yaml")))
def test_no_rule_of_a_law_is_without_examples(
    part: Path, left_out: frozenset[Problem], content: Content, name: str
) -> None:
    """Taking the examples away is noticed rule by rule."""
    text = (part / "packs" / name).read_text(encoding="utf-8")
    bare = re.sub(r"^    cases:.*\n(?:^      .*\n)*", "", text, flags=re.MULTILINE)
    (part / "packs" / name).write_text(bare, encoding="utf-8")
    pack = next(pack for code, pack in content.packs.items() if name == f"{code.lower()}.yaml")
    laws = {
        rule.id
        for rule in (*pack.hours, *pack.caps, *pack.consents, *pack.verifications, *pack.bans)
        if rule.source.confidence != "own"
    }
    found = [problem for problem in check(part) if problem not in left_out]
    assert {problem.text.split()[0] for problem in found} == laws
    assert all("needs cases that show what it lets pass and what it stops" in problem.text for problem in found)


def test_the_lint_finds_a_language_that_nobody_can_read_back(part: Path, left_out: frozenset[Problem]) -> None:
    (part / "templates" / "help" / "fr-FR.txt").write_text("author: a\n\n=== sms 1/1\n{{ brand }}: {{ hotline }}\n")
    found = [str(problem) for problem in check(part) if problem not in left_out]
    assert found == ["templates/help/fr-FR.txt:3: fr-FR: has no reader for its figures yet"]


def test_what_the_lint_finds_cannot_be_signed(root: Path) -> None:
    before = (root / "release.json").read_bytes()
    edit(root, "templates/tier_3/zh-CN.txt", "最终提醒", "最后警告")
    with pytest.raises(ContentErrors, match="警告"):
        sign(root, "a@x.example", "b@x.example", "c@x.example", TODAY)
    assert (root / "release.json").read_bytes() == before


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_byte_is_not_live_until_another_person_signs_it(root: Path) -> None:
    before = load_content(root)
    edit(root, "strategies/standard.yaml", "max_attempts: 3", "max_attempts: 2")
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
    acts = [act["act"] for act in json.loads((root / "release.json").read_text())["acts"]]
    assert acts[-5:] == ["drafted", "reviewed", "approved", "filed", "released"]
    assert sign(root, "wei@x.example", "ana@x.example", "kim@x.example", TODAY) == release, "signing again is nothing"


@pytest.mark.parametrize(
    ("author", "reviewer", "approver"),
    [
        ("a@x.example", "b@x.example", "a@x.example"),
        ("a@x.example", "b@x.example", " A@x.example"),
        ("a@x.example", "a@x.example", "b@x.example"),
        ("a@x.example", "b@x.example", "B@ x.example"),
        ("a@x.example", "b@x.example", " "),
        ("", "b@x.example", "c@x.example"),
    ],
)
def test_nobody_approves_their_own_release(part: Path, author: str, reviewer: str, approver: str) -> None:
    before = (part / "release.json").read_bytes()
    with pytest.raises(ContentError, match=r"own release|has no name|does not approve it too"):
        sign(part, author, reviewer, approver, TODAY)
    assert (part / "release.json").read_bytes() == before


def test_without_releases_nothing_is_live(part: Path) -> None:
    (part / "release.json").unlink()
    found = load_content(part)
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
    assert schemas.keys() == {
        *("pack", "policy", "calendar", "stops", "strategy", "plans", "answers", "lender"),
        *("messages", "phrases", "pages", "words", "understanding", "weights", "zones"),
        *("release", "filings"),
    }
    for schema in schemas.values():
        assert schema["additionalProperties"] is False
        json.dumps(schema)


def test_a_pack_resolves_to_every_field_the_decision_has(content: Content) -> None:
    pack = content.pack("US-MA", TODAY)
    assert pack is not None
    assert all(getattr(pack, item.name) not in (None, "", ()) for item in fields(pack))
