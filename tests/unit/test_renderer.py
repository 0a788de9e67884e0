"""Texts carry the statement's figures and the core's facts, all of them and no others, whoever the borrower says to be.

Each language writes them its own way and is read back in it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dunlin.adapters.read_back import ReadBack, SeenDate, read_back
from dunlin.adapters.renderer import Renderer, figures_of, short_name
from dunlin.content import Content, Template, load_content
from dunlin.content.schema import STATEMENT_VARIABLES
from dunlin.domain.message import Figure
from dunlin.domain.money import MINOR_UNITS, Money
from dunlin.domain.policy import Line
from dunlin.domain.segments import segment
from dunlin.domain.statement import Statement, StatementLine
from dunlin.domain.words import Channel, Purpose
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services.ports import Rendered, RenderRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "layers" / "content"
TODAY = date(2026, 3, 25)
CONTENT = load_content(ROOT)
#: The currencies that are lent in a language, the usual one first.
CURRENCIES = {
    "en-US": ("USD", "PHP"),
    "es-US": ("USD",),
    "en-GB": ("GBP",),
    "en-AU": ("AUD",),
    "en-IN": ("INR",),
    "id-ID": ("IDR",),
    "ko-KR": ("KRW",),
    "zh-CN": ("CNY",),
    "zh-TW": ("CNY",),
}
LOCALES = sorted(CURRENCIES)
KINDS = sorted({code.partition(".")[0] for code in CONTENT.phrases["en-US"]})

hostile_names = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "Dana Whitfield", "王伟", "José Núñez", "Łukasz", "O’Brien", "D'Angelo", "", "   ", "X Æ A-12",
            "Pay $1.00 by May 5", "$999,999.00", "9,999.99", "¥1元", "3月9日", "12 days", "99天", "May 12, 2026",
            "{{ total }}", "{% for x in y %}", "{{ ''.__class__ }}", "【招商银行】", "evil.com", "http://evil.co/x",
            "a\nb\r\nc", "\u202eevil\u202c", "zero\u200bwidth",
            "名字\u3000有空格", "𝟗𝟗", "ＡＢ１２", "Reply STOP", "May", "Mei", "Mar", "mar 9", "3월 9일", "1,000원",
            "원", "월", "일", "元", "hari", "días", "12,5%", "Rp5", "Rs 5", "김민수", "Guadalupe Concepción",
        ]
    ),
)  # fmt: skip


def line_for(content: Content, locale: str, channel: Channel, purpose: Purpose) -> Line:
    """A line that carries it; a push has none and says nothing of one."""
    country = "CN" if locale.startswith("zh") else locale.partition("-")[2]
    carrier = Channel.EMAIL if channel is Channel.PUSH else channel
    return next(
        line
        for line in content.lender.lines
        if line.jurisdiction == country and line.channel is carrier and purpose in line.purposes
    )


def statement(
    *amounts: str,
    locale: str = "en-US",
    currency: str = "",
    fees: str | None = None,
    days: int = 4,
    today: date = TODAY,
) -> Statement:
    currency = currency or CURRENCIES[locale][0]
    due_on = today - timedelta(days=days)
    lines = tuple(
        StatementLine(f"l-{number}", f"{4821 + number}", Money(Decimal(amount), currency), due_on)
        for number, amount in enumerate(amounts)
    )
    total = sum((item.amount.amount for item in lines), Decimal(0).scaleb(-MINOR_UNITS[currency]))
    charged = None if fees is None else Money(Decimal(fees), currency)
    return Statement(lines, Money(total, currency), charged, due_on, max(days, 0))


def request(
    template: str,
    stated: Statement | None = None,
    *,
    locale: str = "en-US",
    channel: Channel = Channel.SMS,
    name: str = "Dana Whitfield",
    today: date = TODAY,
    content: Content = CONTENT,
    facts: Mapping[str, str] | None = None,
) -> RenderRequest:
    purpose = content.template(template, locale, channel).purpose
    line = line_for(content, locale, channel, purpose)
    told = tuple(Figure(fact, value) for fact, value in (facts or {}).items())
    return RenderRequest(template, locale, channel, name, line, today, stated, told)


def facts_of(template: Template, amount: str, day: date, rate: str, **others: str) -> dict[str, str]:
    """What an event of the core brings for this text, as machines write it."""
    kinds = {
        "money": amount,
        "date": day.isoformat(),
        "percent": rate,
        "count": "36",
        "tail": "4821",
        "reference": "A7K2-9Q4M",
    }
    facts = {}
    for name, kind in template.variables.items():
        if template.statement and name in STATEMENT_VARIABLES:
            continue
        facts[name] = (
            others.get(name) or kinds.get(kind) or next(c for c in CONTENT.phrases["en-US"] if c.startswith(name))
        )
    return facts


RENDERER = Renderer(CONTENT)


def with_source(
    source: str, template: str = "tier_1", locale: str = "en-US", channel: Channel = Channel.SMS
) -> Renderer:
    """The content with one text rewritten by somebody who makes mistakes."""
    key = (template, locale, channel)
    rewritten = replace(CONTENT.templates[key], source=source)
    return Renderer(replace(CONTENT, templates={**CONTENT.templates, key: rewritten}))


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reminder_is_one_friendly_part() -> None:
    rendered = RENDERER.render(request("reminder", statement("820.00", days=-7)))
    assert rendered == Rendered(
        subject="",
        body="Marram: Hi Dana, $820.00 for account ending 4821 is due Apr 1. Pay by transfer, wallet or autopay. "
        "Need time? Call 800-555-0142. Reply STOP to opt out.",
        parts=1,
        encoding="GSM-7",
        figures=(
            Figure("total", "820.00 USD"),
            Figure("due_on", "2026-04-01"),
            Figure("days_past_due", "0"),
            Figure("amount.l-0", "820.00 USD"),
        ),
    )


def test_a_chinese_tier_says_amount_days_fees_and_what_follows() -> None:
    facts = statement("820.00", locale="zh-CN", fees="12.50", days=15)
    rendered = RENDERER.render(request("tier_2", facts, locale="zh-CN", name="王伟"))
    assert rendered.body == (
        "【滨禾消费金融】王伟您好，您尾号4821的贷款3月10日到期，已逾期15天，应还¥820.00，其中费用¥12.50。"
        "请在4月1日前通过转账、钱包或自动扣款还款，或致电400-000-0142商定还款计划。"
        "届时若没有消息，我们会再提醒一次，之后由专员联系您。退订回T"
    )
    assert (rendered.parts, rendered.encoding) == (2, "UCS-2")
    assert Figure("reply_by", "2026-04-01") in rendered.figures


def test_several_loans_are_listed_with_their_total() -> None:
    body = RENDERER.render(request("tier_1", statement("820.00", "310.75"))).body
    assert "2 accounts are up to 4 days overdue: $1,130.75 (4821: $820.00, 4822: $310.75)" in body


def test_more_loans_than_anyone_reads_are_counted_and_summed() -> None:
    body = RENDERER.render(request("tier_1", statement(*["100.00"] * 7))).body
    assert "7 accounts are up to 4 days overdue: $700.00, due since" in body


def test_an_e_mail_has_a_subject_that_tells_a_stranger_nothing() -> None:
    rendered = RENDERER.render(request("tier_3", statement("820.00", days=30), channel=Channel.EMAIL))
    assert rendered.subject == "A message about your account"
    assert "February 23, 2026" in rendered.body
    assert rendered.parts == 0


def test_an_answer_needs_no_statement() -> None:
    rendered = RENDERER.render(request("opt_out_confirmation", None))
    assert (rendered.figures, rendered.parts) == ((), 1)


def test_a_line_that_forbids_the_opt_out_line_gets_none() -> None:
    ordinary = request("reminder", statement("820.00", days=-1))
    rendered = RENDERER.render(replace(ordinary, line=replace(ordinary.line, opt_out_line="forbidden")))
    assert "STOP" not in rendered.body
    assert not rendered.body.endswith(" ")


def test_too_many_parts_are_said_to_be() -> None:
    source = CONTENT.template("tier_1", "en-US", Channel.SMS).source + " very" * 60
    assert with_source(source).render(request("tier_1", statement("820.00"))).is_too_long
    assert not RENDERER.render(request("tier_1", statement("820.00"))).is_too_long


def test_expected_parts_are_for_text_messages() -> None:
    assert RENDERER.expected_parts("reminder", "zh-CN") == 2
    with pytest.raises(ContentError):
        RENDERER.expected_parts("nothing", "zh-CN")


# ── As people of each language write it ──────────────────────────────────────────────────────────────────────────────

NINTH_OF_MARCH = date(2026, 3, 9)
#: Of a locale: an amount of the core's, and how it, 9 March 2026 and 12.5 percent stand in a text and in an e-mail.
WRITTEN = {
    "en-US": ("1130.75 USD", ("$1,130.75", "Mar 9", "12.5%"), ("$1,130.75", "March 9, 2026", "12.5%")),
    "es-US": ("1130.75 USD", ("$1,130.75", "9 mar", "12.5%"), ("$1,130.75", "9 de marzo de 2026", "12.5%")),
    "en-GB": ("1130.75 GBP", ("£1,130.75", "9 Mar", "12.5%"), ("£1,130.75", "9 March 2026", "12.5%")),
    "en-AU": ("1130.75 AUD", ("$1,130.75", "9 Mar", "12.5%"), ("$1,130.75", "9 March 2026", "12.5%")),
    "en-IN": ("113075.50 INR", ("Rs 1,13,075.50", "9 Mar", "12.5%"), ("₹1,13,075.50", "9 March 2026", "12.5%")),
    "id-ID": ("1130750.00 IDR", ("Rp1.130.750", "9 Mar", "12,5%"), ("Rp1.130.750", "9 Maret 2026", "12,5%")),
    "ko-KR": ("1130750 KRW", ("1,130,750원", "3월 9일", "12.5%"), ("1,130,750원", "2026년 3월 9일", "12.5%")),
    "zh-CN": ("1130.75 CNY", ("¥1,130.75", "3月9日", "12.5%"), ("¥1,130.75", "2026年3月9日", "12.5%")),
    "zh-TW": ("1130.75 CNY", ("¥1,130.75", "3月9日", "12.5%"), ("¥1,130.75", "2026年3月9日", "12.5%")),
}


def test_every_language_has_its_forms() -> None:
    assert {locale for _, locale, _ in CONTENT.templates} == WRITTEN.keys() == CURRENCIES.keys()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_figures_are_written_as_people_there_write_them(locale: str, channel: Channel) -> None:
    machine, in_text, in_mail = WRITTEN[locale]
    amount, day, rate = in_text if channel is Channel.SMS else in_mail
    for template, expected in (("debit_announced", {amount, day}), ("rate_changed", {day, rate})):
        facts = facts_of(CONTENT.template(template, locale, channel), machine, NINTH_OF_MARCH, "12.5", old_rate="11.75")
        rendered = RENDERER.render(request(template, locale=locale, channel=channel, facts=facts))
        assert expected <= {form for form in expected if form in rendered.body}, rendered.body
        assert rendered.figures == tuple(Figure(name, value) for name, value in facts.items())
    stated = statement(machine.split()[0], locale=locale, days=16)
    rendered = RENDERER.render(request("tier_1", stated, locale=locale, channel=channel))
    assert amount in rendered.body
    assert day in rendered.body


@pytest.mark.parametrize(
    ("locale", "channel", "amount", "written"),
    [
        ("id-ID", Channel.SMS, "1130750.50 IDR", "Rp1.130.750,50"),  # decimals only where there are any
        ("id-ID", Channel.EMAIL, "500.00 IDR", "Rp500"),
        ("ko-KR", Channel.SMS, "999 KRW", "999원"),
        ("en-IN", Channel.EMAIL, "12345678.00 INR", "₹1,23,45,678.00"),
        ("en-IN", Channel.SMS, "999.00 INR", "Rs 999.00"),
        ("en-US", Channel.SMS, "820.00 PHP", "PHP 820.00"),  # the sign would turn the text into UCS-2
        ("en-US", Channel.EMAIL, "820.00 PHP", "₱820.00"),
        ("en-AU", Channel.SMS, "820.00 USD", "USD820.00"),
        ("zh-CN", Channel.SMS, "820.00 USD", "US$820.00"),
    ],
)
def test_amounts_by_example(locale: str, channel: Channel, amount: str, written: str) -> None:
    facts = facts_of(CONTENT.template("debit_announced", locale, channel), amount, NINTH_OF_MARCH, "")
    rendered = RENDERER.render(request("debit_announced", locale=locale, channel=channel, facts=facts))
    assert re.search(rf"(?<![A-Za-z\d.,]){re.escape(written)}(?![\d.,]*\d)", rendered.body), rendered.body


@pytest.mark.parametrize(
    ("locale", "reasons"),
    [
        ("en-US", "proof of income and bank statement"),
        ("en-GB", "and"),
        ("es-US", " y "),
        ("id-ID", " dan "),
        ("zh-CN", "和"),
    ],
)
def test_codes_of_the_core_become_approved_words(locale: str, reasons: str) -> None:
    facts = {
        "reference": "A7",
        "documents": "documents.proof_of_income,documents.bank_statement",
        "respond_by": "2026-04-02",
    }
    body = RENDERER.render(request("application_documents", locale=locale, facts=facts)).body
    words = CONTENT.phrases[locale]
    assert words["documents.proof_of_income"] in body
    assert words["documents.bank_statement"] in body
    assert reasons in body
    assert "documents." not in body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", "310.00"),
        ("amount", "about 310 USD"),
        ("amount", "310.00 XXX"),
        ("amount", "NaN USD"),
        ("amount", "310.001 USD"),
        ("respond_by", "next week"),
        ("respond_by", "2026-02-30"),
        ("rate", "1e1"),
        ("rate", "-3"),
        ("rate", "12.5%"),
        ("months", "36 months"),
        ("months", "-1"),
        ("reference", "call 0900-1 now"),
        ("reference", ""),
    ],
)
def test_a_fact_that_is_not_of_its_kind_is_refused(name: str, value: str) -> None:
    facts = facts_of(CONTENT.template("application_approved", "en-US", Channel.SMS), "310.00 USD", TODAY, "12.5")
    RENDERER.render(request("application_approved", facts=facts))
    with pytest.raises(FiguresMismatch) as refused:
        RENDERER.render(request("application_approved", facts=facts | {name: value}))
    assert refused.value.field == name
    assert not value or value not in str(refused.value)


def test_words_that_nobody_approved_are_not_sent() -> None:
    for reason in ("reason.because", "You are a liar", "", "reason.income,reason.because"):
        with pytest.raises(FiguresMismatch, match="reason"):
            RENDERER.render(request("plan_refused", facts={"tail": "4821", "reason": reason}))


@pytest.mark.parametrize("left_out", ["amount", "rate", "months", "respond_by", "reference"])
def test_a_fact_that_the_core_left_out(left_out: str) -> None:
    facts = facts_of(CONTENT.template("application_approved", "en-US", Channel.SMS), "310.00 USD", TODAY, "12.5")
    del facts[left_out]
    with pytest.raises(FiguresMismatch, match=left_out):
        RENDERER.render(request("application_approved", facts=facts))


@pytest.mark.parametrize("locale", LOCALES)
def test_a_reference_or_a_tail_that_looks_like_money_is_none(locale: str) -> None:
    for code in ("RS1042", "CNY0", "USD-5", "5USD", "RP99", "EUR1"):
        facts = {"reference": code, "expected_by": "2026-04-02"}
        assert code in RENDERER.render(request("dispute_received", locale=locale, facts=facts)).body
    for tail in ("RS42", "USD5", "RP99"):
        assert (
            tail
            in RENDERER.render(
                request("loan_closed", locale=locale, facts={"tail": tail, "event_on": "2026-04-02"})
            ).body
        )
    source = CONTENT.template("dispute_received", locale, Channel.SMS).source
    for forged in ("RS1043", "USD1042", "RS1042.50", "RS 1042"):
        with pytest.raises(FiguresMismatch, match="amounts"):
            with_source(f"{source} {forged}", "dispute_received", locale).render(
                request("dispute_received", locale=locale, facts={"reference": "RS1042", "expected_by": "2026-04-02"})
            )


def test_two_currencies_in_one_text_are_refused() -> None:
    facts = {"tail": "4821", "amount": "310.00 USD", "event_on": "2026-03-20"}
    rest = {"first_amount": "31.00 PHP", "first_due_on": "2026-04-20"}
    with pytest.raises(FiguresMismatch, match="currency"):
        RENDERER.render(request("disbursed", facts=facts | rest))


def test_what_a_statement_says_comes_from_nowhere_else() -> None:
    facts = {"total": "1.00 USD", "due_on": "2020-01-01", "days": "99", "reply_by": "2020-01-02", "nothing": "x"}
    told = RENDERER.render(request("tier_1", statement("820.00"), facts=facts))
    assert told == RENDERER.render(request("tier_1", statement("820.00")))
    with pytest.raises(FiguresMismatch):
        RENDERER.render(request("tier_1", None, facts=facts | {"tail": "4821", "accounts": "1"}))


PUSHED = sorted(key for key in CONTENT.templates if key[2] is Channel.PUSH)


def test_a_push_shows_no_fact() -> None:
    """Others read a lock screen: whatever the core says, it says the same."""
    assert {locale for _, locale, _ in PUSHED} == WRITTEN.keys()
    for key in PUSHED:
        template, locale, channel = key
        words = CONTENT.templates[key]
        shown = set()
        for amount, day, rate, tail in (("310", TODAY, "12.5", "4821"), ("77", NINTH_OF_MARCH, "3.25", "9999")):
            facts = facts_of(words, f"{amount} {CURRENCIES[locale][0]}", day, rate, tail=tail, reference=f"R{tail}")
            stated = statement(amount, locale=locale) if words.statement else None
            rendered = RENDERER.render(request(template, stated, locale=locale, channel=channel, facts=facts))
            assert (rendered.parts, rendered.figures) == (0, ())
            assert rendered.subject
            shown.add((rendered.subject, rendered.body))
            assert not re.search(rf"\b({amount}|{tail}|R{tail}|{re.escape(rate)})\b", rendered.subject + rendered.body)
        assert len(shown) == 1


@pytest.mark.parametrize("source", ["{{ amount }} left", "Account {{ tail }}", "on {{ event_on }}"])
def test_a_push_that_would_show_one_cannot_be_rendered(source: str) -> None:
    facts = {"tail": "4821", "amount": "310.00 USD", "event_on": "2026-03-20"}
    renderer = with_source(source, "payment_received", channel=Channel.PUSH)
    with pytest.raises(ContentError, match="UndefinedError"):
        renderer.render(request("payment_received", channel=Channel.PUSH, facts=facts))


@pytest.mark.parametrize("source", ["You paid $310.00", "Due Mar 9", "Now 12.5%", "4 days late, {{ 3 + 2 }} days"])
def test_a_push_with_a_figure_of_its_own_is_refused(source: str) -> None:
    facts = {"tail": "4821", "amount": "310.00 USD", "event_on": "2026-03-20"}
    renderer = with_source(source, "payment_received", channel=Channel.PUSH)
    with pytest.raises(FiguresMismatch):
        renderer.render(request("payment_received", channel=Channel.PUSH, facts=facts))


# ── Properties of every text ─────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def borrowers(draw: st.DrawFn, locale: str) -> tuple[str, date, Statement, dict[str, str]]:
    """Anybody: a name, a day, what is due, and every fact that some event may bring, by name or by kind."""
    currency = draw(st.sampled_from(CURRENCIES[locale]))
    unit = -MINOR_UNITS[currency]
    amount = st.integers(min_value=1, max_value=10**9).map(lambda minor: str(Decimal(minor).scaleb(unit)))
    day = st.dates(date(2020, 1, 1), date(2035, 12, 31)).map(date.isoformat)
    rate = st.decimals(Decimal(0), Decimal("999.99"), places=2).map(str)
    today = draw(st.dates(date(2024, 1, 1), date(2030, 12, 31)))
    amounts = draw(st.lists(amount, min_size=1, max_size=6))
    fees = draw(st.none() | amount)
    stated = statement(
        *amounts, locale=locale, currency=currency, fees=fees, days=draw(st.integers(-30, 365)), today=today
    )
    facts: dict[str, str] = {
        "money": f"{draw(amount)} {currency}",
        "date": draw(day),
        "percent": draw(rate),
        "count": str(draw(st.integers(1, 9999))),
        "tail": draw(st.from_regex(r"\A[0-9A-Za-z]{1,12}\Z")),
        "reference": draw(st.from_regex(r"\A[A-Z0-9][A-Z0-9-]{0,11}\Z")),
        **{name: f"{draw(amount)} {currency}" for name in ("first_amount", "remaining")},
        **{name: draw(day) for name in ("first_due_on", "ends_on", "debit_on")},
        "old_rate": draw(rate),
        "offers": ";".join(
            f"{draw(st.integers(1, 99))}|{draw(amount)} {currency}|{draw(day)}|{draw(amount)} {currency}"
            for _ in range(draw(st.integers(1, 3)))
        ),
    }
    for kind in KINDS:
        codes = [code for code in CONTENT.phrases[locale] if code.startswith(f"{kind}.")]
        facts[kind] = draw(st.sampled_from(codes))
        if kind == "documents":
            facts[kind] = ",".join(draw(st.lists(st.sampled_from(codes), min_size=1, unique=True)))
    return draw(hostile_names), today, stated, facts


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_text_is_read_back_whoever_it_is_for(locale: str, data: st.DataObject) -> None:
    name, today, stated, anything = data.draw(borrowers(locale))
    for key, template in CONTENT.templates.items():
        if key[1] != locale or "words" in template.variables.values():
            continue  # what a person types is read as `tests.properties.test_free_words` has it
        facts = {
            fact: anything.get(fact) or anything[kind]
            for fact, kind in template.variables.items()
            if not (template.statement and fact in STATEMENT_VARIABLES)
        }
        due = stated if template.statement else None
        asked = request(key[0], due, locale=locale, channel=key[2], name=name, today=today, facts=facts)
        rendered = RENDERER.render(asked)
        _is_well_formed(rendered, key)
        if key[2] is not Channel.PUSH:
            _carries(rendered, template, due, facts)


def _is_well_formed(rendered: Rendered, key: tuple[str, str, Channel]) -> None:
    _, locale, channel = key
    if channel is Channel.SMS:
        assert "\n" not in rendered.body
        assert rendered.parts == segment(rendered.body).parts
        assert locale[:2] not in ("en", "id") or rendered.encoding == "GSM-7"
    assert not re.search("[\u200b-\u200f\u2028-\u202f\u00a0\u2060-\u2069\ufeff]", rendered.subject + rendered.body)
    assert rendered.body.count("【") == (1 if locale.startswith("zh") and channel is Channel.SMS else 0)
    assert "{{" not in rendered.body


def _carries(rendered: Rendered, template: Template, stated: Statement | None, facts: Mapping[str, str]) -> None:
    """Each fact is in the text, found there by its form alone, and no other."""
    money = {fact: value.split() for fact, value in facts.items() if template.variables[fact] == "money"}
    for fact in [fact for fact in facts if template.variables[fact] == "offers"]:
        for number, offer in enumerate(facts[fact].split(";")):
            _, first, _, whole = offer.split("|")
            money |= {f"{fact}.{number}.first": first.split(), f"{fact}.{number}.total": whole.split()}
    currency = stated.total.currency if stated is not None else next((unit for _, unit in money.values()), "")
    codes = {facts.get("reference", ""), facts.get("tail", "")[-4:]}
    coded = "|".join(re.escape(code) for code in codes if re.search("[A-Za-z]", code)) or "(?!)"
    plain = re.sub(rf"(?<![A-Za-z0-9-])({coded})(?![A-Za-z0-9-])", "", rendered.body)
    found = read_back(plain, template.locale, currency)
    amounts = {Decimal(amount) for amount, _ in money.values()}
    if stated is not None:
        assert rendered.figures[: len(figures_of(stated))] == figures_of(stated)
        assert stated.total.amount in found.amounts
    else:
        assert found.amounts == amounts
    assert amounts <= found.amounts
    days = {date.fromisoformat(value) for fact, value in facts.items() if template.variables[fact] == "date"}
    assert all(any(seen.is_day(day) for seen in found.dates) for day in days)
    assert found.percents == {Decimal(value) for fact, value in facts.items() if template.variables[fact] == "percent"}
    assert {Figure(fact, value) for fact, value in facts.items()} <= set(rendered.figures)
    assert not found.unreadable


@given(name=hostile_names, locale=st.sampled_from(LOCALES), channel=st.sampled_from(Channel))
def test_a_name_is_letters_and_short(name: str, locale: str, channel: Channel) -> None:
    short = short_name(name, locale, channel)
    assert len(short) <= {"en": 20, "es": 20, "id": 24, "ko": 12, "zh": 12}[locale[:2]]
    assert not re.search(r"[\d$¥€{}【】\[\]<>%/:.\n\r\t]", short)
    assert short == short.strip()
    assert read_back(short, locale, "USD") == ReadBack()
    assert channel is not Channel.SMS or locale[:2] not in ("en", "id") or segment(short).encoding == "GSM-7"


@pytest.mark.parametrize(
    ("name", "locale", "expected"),
    [
        ("Dana Whitfield", "en-US", "Dana"),
        ("J R Ewing", "en-US", "J R"),
        ("Maximiliane-Alexandra", "en-US", "Maximiliane"),
        ("José Núñez", "en-US", "José"),
        ("Martín Álvarez", "en-US", "Martin"),  # GSM-7 has é, and neither í nor Á
        ("Łukasz", "en-US", ""),
        ("王伟", "en-US", ""),
        ("Sari Dewi Lestari", "id-ID", "Sari Dewi Lestari"),  # no family name: nobody is called by half of it
        ("Kusumawardhani Prawirodirdjo", "id-ID", "Kusumawardhani"),
        ("José María Núñez", "es-US", "José"),
        ("김민수", "ko-KR", "김민수"),
        ("王偉", "zh-TW", "王偉"),
        ("王伟", "zh-CN", "王伟"),
        ("欧阳 娜娜", "zh-CN", "欧阳 娜娜"),
        ("【招商银行】王伟", "zh-CN", "招商银行 王伟"),
        ("买买提·阿不都热依木江·吐尔逊", "zh-CN", "买买提·阿不都热依木江"),
    ],
)
def test_names_people_have(name: str, locale: str, expected: str) -> None:
    assert short_name(name, locale, Channel.SMS) == expected


# ── Figures that are tampered with ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ((r"\{\{ total \}\}", "$821.00"), "amounts"),  # another amount
        ((r"\{\{ total \}\}", "821.00"), "amounts"),  # and without a mark
        ((r"\{\{ total \}\}", "{{ total }} (was $999)"), "amounts"),  # one too many
        ((r"\{\{ total \}\}", "{{ total }} or 5 dollars"), "amounts"),
        ((r"\{\{ total \}\}", "{{ total }} (€5)"), "amounts"),
        ((r"\{\{ total \}\}", "{{ total|replace('$', '€') }}"), "amounts"),  # another currency
        ((r"\{\{ total \}\}", "{{ total|replace('.', '') }}"), "amounts"),  # a hundred times as much
        ((r"\{\{ total \}\}", "{{ total|replace('$', '') }}"), "amounts"),
        ((r"\{\{ total \}\}", "{{ total|length }}"), "total"),  # none at all
        ((r"\{\{ fees \}\}", "{{ fees|length }}"), "fees"),
        ((r"\{\{ due_on \}\}", "Jan 1"), "dates"),
        ((r"\{\{ due_on \}\}", "{{ due_on }}, 2019"), "dates"),  # the right day of the wrong year
        ((r"\{\{ due_on \}\}", "{{ due_on|length }}"), "due_on"),
        ((r"\{\{ due_on \}\}", "{{ due_on }} (3/9)"), "dates"),
        ((r"\{\{ reply_by \}\}", "{{ due_on }}"), "reply_by"),
        ((r"\{\{ reply_by \}\}", "{{ reply_by }} or May 30"), "dates"),
        ((r"is \{\{ days \}\} day", "is {{ days + 1 }} day"), "days_past_due"),
        ((r"is \{\{ days \}\} day", "is {{ days }} weeks and {{ days }} month"), "days_past_due"),
        ((r"Please", "{{ days * 2 }} days! Please"), "days_past_due"),
    ],
)
def test_a_text_with_another_figure_is_refused(change: tuple[str, str], field: str) -> None:
    original = CONTENT.template("tier_1", "en-US", Channel.SMS).source
    tampered, count = re.subn(change[0], change[1].replace("\\", "\\\\"), original)
    assert count, "the template no longer has what this case changes"
    with pytest.raises(FiguresMismatch) as refused:
        with_source(tampered).render(request("tier_1", statement("820.00", fees="12.50")))
    assert refused.value.field == field
    assert "82" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ((r"\{\{ total \}\}", "¥821.00"), "amounts"),
        ((r"\{\{ total \}\}", "821元"), "amounts"),
        ((r"\{\{ total \}\}", "{{ total }}（约800元）"), "amounts"),
        ((r"\{\{ total \}\}", "{{ total|replace('¥', 'US$') }}"), "amounts"),
        ((r"\{\{ due_on \}\}", "1月1日"), "dates"),
        ((r"\{\{ due_on \}\}", "2019年{{ due_on }}"), "dates"),
        ((r"\{\{ days \}\}天", "{{ days + 1 }}天"), "days_past_due"),
        ((r"\{\{ days \}\}天", "多天"), "days_past_due"),
        ((r"\{\{ reply_by \}\}前", "近日"), "reply_by"),
    ],
)
def test_a_chinese_text_with_another_figure_is_refused(change: tuple[str, str], field: str) -> None:
    original = CONTENT.template("tier_1", "zh-CN", Channel.SMS).source
    tampered, count = re.subn(change[0], change[1], original)
    assert count
    with pytest.raises(FiguresMismatch) as refused:
        with_source(tampered, locale="zh-CN").render(
            request("tier_1", statement("820.00", locale="zh-CN", fees="12.50"), locale="zh-CN", name="王伟")
        )
    assert refused.value.field == field


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changing_any_digit_of_a_figure_is_noticed(locale: str, data: st.DataObject) -> None:
    """Of an amount, a date or a percentage, in whichever text it stands."""
    told = {"money", "date", "percent"}
    keys = [k for k, text in CONTENT.templates.items() if k[1] == locale and told & set(text.variables.values())]
    template, _, channel = data.draw(st.sampled_from([key for key in keys if key[2] is not Channel.PUSH]))
    words = CONTENT.template(template, locale, channel)
    machine, in_text, in_mail = WRITTEN[locale]
    stated = statement(machine.split()[0], locale=locale, days=16) if words.statement else None
    facts = facts_of(words, machine, NINTH_OF_MARCH, "12.5")
    asked = request(template, stated, locale=locale, channel=channel, facts=facts)
    body = RENDERER.render(asked).body
    spots = [
        position
        for form in (in_text if channel is Channel.SMS else in_mail)
        for match in re.finditer(re.escape(form), body)
        for position in range(*match.span())
        if body[position].isdigit()
    ]
    spot = data.draw(st.sampled_from(spots))
    digit = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != body[spot]]))
    forged = body[:spot] + digit + body[spot + 1 :]
    with pytest.raises(FiguresMismatch):
        with_source("{% raw %}" + forged + "{% endraw %}", template, locale, channel).render(asked)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_another_figure_beside_the_right_ones_is_noticed(locale: str, channel: Channel) -> None:
    machine, in_text, in_mail = WRITTEN[locale]
    amount, day, rate = in_text if channel is Channel.SMS else in_mail
    for template, more in (
        ("rate_changed", amount),
        ("rate_changed", rate.replace("5", "6")),
        ("rate_changed", day.replace("9", "8")),
        ("debit_announced", rate),
        ("debit_announced", amount.replace("1", "2", 1)),
    ):
        words = CONTENT.template(template, locale, channel)
        asked = request(
            template, locale=locale, channel=channel, facts=facts_of(words, machine, NINTH_OF_MARCH, "12.5")
        )
        RENDERER.render(asked)
        with pytest.raises(FiguresMismatch):
            with_source(f"{words.source} ({more})", template, locale, channel).render(asked)


def test_a_number_of_months_that_is_not_the_core_s_is_noticed() -> None:
    words = CONTENT.template("application_approved", "en-US", Channel.SMS)
    asked = request("application_approved", facts=facts_of(words, "310.00 USD", TODAY, "12.5"))
    forged = words.source.replace("{{ months }}", "{{ months }}6")
    assert forged != words.source
    with pytest.raises(FiguresMismatch, match="months"):
        with_source(forged, "application_approved").render(asked)


def test_a_figure_in_an_answer_that_has_no_statement_is_refused() -> None:
    source = "{{ brand }}: You owe $5.00. Questions: {{ hotline }}."
    with pytest.raises(FiguresMismatch):
        with_source(source, "opt_out_confirmation").render(request("opt_out_confirmation", None))


def test_a_text_that_states_figures_needs_a_statement() -> None:
    with pytest.raises(FiguresMismatch):
        RENDERER.render(request("tier_1", None))


def test_a_subject_with_a_figure_is_refused() -> None:
    key = ("tier_1", "en-US", Channel.EMAIL)
    told = replace(CONTENT.templates[key], subject="Your {{ total }}")
    renderer = Renderer(replace(CONTENT, templates={**CONTENT.templates, key: told}))
    with pytest.raises(FiguresMismatch, match="subject"):
        renderer.render(request("tier_1", statement("820.00"), channel=Channel.EMAIL))


# ── Templates that cannot be used ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "source", ["{{ nothing }}", "{{ total", "{{ total.__class__.__mro__ }}", "{{ days / 0 }}", "{{ rate }}"]
)
def test_a_template_that_cannot_be_rendered_says_where_and_no_value(source: str) -> None:
    with pytest.raises(ContentError) as wrong:
        with_source(source).render(request("tier_1", statement("820.00")))
    assert wrong.value.where.startswith("templates/tier_1/en-US.txt:")
    assert "820" not in str(wrong.value)


def test_a_text_that_does_not_exist() -> None:
    with pytest.raises(ContentError, match="does not exist"):
        RENDERER.render(replace(request("tier_1", statement("820.00")), template="tier_9"))


# ── The reader ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "locale", "currency", "amounts"),
    [
        ("Call 800-555-0142, account 4821, 24/7, 9:00-20:00.", "en-US", "USD", set()),
        ("请致电400-000-0142（每天9:00至20:00），尾号4821", "zh-CN", "CNY", set()),
        ("$1,234.50.", "en-US", "USD", {"1234.50"}),
        ("$5, $6", "en-US", "USD", {"5", "6"}),
        ("¥1,234.50（尾号4821：¥8.00）", "zh-CN", "CNY", {"1234.50", "8.00"}),
        ("CN¥12.00", "en-US", "CNY", {"12.00"}),
        ("Rs 1,13,075.50 or ₹999.00", "en-IN", "INR", {"113075.50", "999.00"}),
        ("1,130,750원(끝자리 4821: 999원), 평일 9시~18시", "ko-KR", "KRW", {"1130750", "999"}),
        ("Rp1.130.750, Rp500,50", "id-ID", "IDR", {"1130750", "500.50"}),
        ("Senin-Sabtu pukul 08.00-20.00 WIB, kontrak 4821", "id-ID", "IDR", set()),
        ("de 8 a. m. a 8 p. m., 4821, 24/7", "es-US", "USD", set()),
        ("PHP 820.00 (₱1.00)", "en-US", "PHP", {"820.00", "1.00"}),
        ("应还CNY¥", "zh-CN", "CNY", set()),
    ],
)
def test_only_money_is_read_as_money(text: str, locale: str, currency: str, amounts: set[str]) -> None:
    found = read_back(text, locale, currency)
    assert found.amounts == {Decimal(amount) for amount in amounts}
    assert not found.unreadable
    assert not found.dates


@pytest.mark.parametrize(
    ("text", "locale", "currency"),
    [
        *[(text, "en-US", "USD") for text in ("€5.00", "5.00", "1,234", "5 USD", "5 dollars", "$-5.00", "1.234,50")],
        *[(text, "en-US", "USD") for text in ("¥5", "RMB 5", "12,3", "1.234")],
        *[(text, "en-IN", "INR") for text in ("$5.00", "5 lakh", "5.00", "INR 5", "₹ 5 rupees", "1,13,075")],
        *[(text, "id-ID", "IDR") for text in ("Rp1,130,750.00", "1.130.750", "1,130,750", "1,130.50", "5 juta")],
        *[(text, "id-ID", "IDR") for text in ("5 ribu", "IDR 5", "$5", "500,50")],
        *[(text, "ko-KR", "KRW") for text in ("₩5", "5만원", "1,130,750", "5 달러 $5", "KRW 5", "5元")],
        *[(text, "en-GB", "GBP") for text in ("$5.00", "5 pounds", "50 pence", "£1.130,75", "GBP 5")],
        *[(text, "es-US", "USD") for text in ("5 dólares", "5 pesos", "€5", "1.130,75", "50 centavos")],
        *[(text, "zh-CN", "CNY") for text in ("5元", "5万", "RMB5", "共5块", "应还CNY 5", "$5")],
        *[(text, "zh-TW", "CNY") for text in ("5圓", "5塊", "5萬", "NT$5")],
    ],
)  # fmt: skip
def test_money_in_a_form_nobody_asked_for_is_unreadable(text: str, locale: str, currency: str) -> None:
    assert read_back(text, locale, currency).unreadable


@pytest.mark.parametrize(
    ("text", "locale", "seen"),
    [
        ("Mar 9, March 19, 2027, Sept 1", "en-US", {(3, 9, None), (3, 19, 2027), (9, 1, None)}),
        ("9 Mar, 19 March 2027, 1 Sept", "en-GB", {(3, 9, None), (3, 19, 2027), (9, 1, None)}),
        ("el 9 mar, el 19 de marzo de 2027", "es-US", {(3, 9, None), (3, 19, 2027)}),
        ("9 Mar, 19 Maret 2027, 1 Agu", "id-ID", {(3, 9, None), (3, 19, 2027), (8, 1, None)}),
        ("3월 9일, 2027년 3월 19일, 연체 4일", "ko-KR", {(3, 9, None), (3, 19, 2027)}),
        ("3月9日、2027年3月19號，逾期4日", "zh-TW", {(3, 9, None), (3, 19, 2027)}),
        ("2027-03-19, 3/9, 24/7", "en-AU", {(3, 19, 2027), (3, 9, None)}),
        ("0 mar, 99 de marzo", "es-US", {(3, 0, None), (3, 99, None)}),  # no such day: no text may say it
        ("2월 30일, 13월 1일", "ko-KR", {(2, 30, None), (13, 1, None)}),
        ("£820.15 may be due", "en-GB", set()),
    ],
)
def test_dates_are_found_by_their_form(text: str, locale: str, seen: set[tuple[int, int, int | None]]) -> None:
    assert read_back(text, locale, "").dates == {SeenDate(*parts) for parts in seen}


@pytest.mark.parametrize(
    ("text", "locale", "percents"),
    [
        ("12.5% or 3 %", "en-US", {"12.5", "3"}),
        ("12,5% atau 11,75%", "id-ID", {"12.5", "11.75"}),
        ("연 12.5％", "ko-KR", {"12.5"}),
        ("12.5%", "id-ID", {"-1"}),  # not as it is written there, so no fact is
        ("12,5%", "es-US", {"-1"}),
    ],
)
def test_percentages_are_found_by_their_form(text: str, locale: str, percents: set[str]) -> None:
    assert read_back(text, locale, "") == ReadBack(percents=frozenset(Decimal(percent) for percent in percents))


def test_which_language_is_read_first_does_not_matter() -> None:
    """Babel keeps names of one language for another: only a process of its own shows it."""
    said = [("zh-CN", "3月9日"), ("ko-KR", "3월 9일"), ("es-US", "9 mar"), ("id-ID", "9 Mar"), ("en-GB", "9 Mar")]
    program = f"""
from dunlin.adapters.read_back import read_back
from babel.dates import get_month_names
for locale, text in {said!r}:
    get_month_names("wide", "stand-alone", locale.replace("-", "_"))
    assert len(read_back(text, locale, "").dates) == 1, locale
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_language_nobody_can_read_has_no_texts() -> None:
    with pytest.raises(ContentError, match="fr-FR has no reader"):
        read_back("", "fr-FR", "EUR")
