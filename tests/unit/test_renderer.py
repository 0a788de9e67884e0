"""Texts carry the statement's figures, all of them and no others, whoever the borrower says to be."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dunlin.adapters.renderer import Renderer, figures_of, read_back, short_name
from dunlin.content import Content, load_content
from dunlin.domain.message import Figure
from dunlin.domain.money import Money
from dunlin.domain.policy import Line
from dunlin.domain.segments import segment
from dunlin.domain.statement import Statement, StatementLine
from dunlin.domain.words import Channel, Purpose
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services.ports import Rendered, RenderRequest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "layers" / "content"
TODAY = date(2026, 3, 25)
CONTENT = load_content(ROOT)
CURRENCIES = {"en-US": "USD", "zh-CN": "CNY"}
STATED = sorted({(t, locale, c) for (t, locale, c), x in CONTENT.templates.items() if "total" in x.variables})
EVERY = sorted(CONTENT.templates)

hostile_names = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "Dana Whitfield", "王伟", "José Núñez", "Łukasz", "O’Brien", "D'Angelo", "", "   ", "X Æ A-12",
            "Pay $1.00 by May 5", "$999,999.00", "9,999.99", "¥1元", "3月9日", "12 days", "99天", "May 12, 2026",
            "{{ total }}", "{% for x in y %}", "{{ ''.__class__ }}", "【招商银行】", "evil.com", "http://evil.co/x",
            "a\nb\r\nc", "\u202eevil\u202c", "zero\u200bwidth",
            "名字\u3000有空格", "𝟗𝟗", "ＡＢ１２", "Reply STOP", "May",
        ]
    ),
)  # fmt: skip
cents = st.integers(min_value=1, max_value=10**9)


def line_for(content: Content, locale: str, channel: Channel, purpose: Purpose) -> Line:
    country = locale.partition("-")[2]
    return next(
        line
        for line in content.lender.lines
        if line.jurisdiction == country and line.channel is channel and purpose in line.purposes
    )


def statement(
    *amounts: str, locale: str = "en-US", fees: str | None = None, days: int = 4, today: date = TODAY
) -> Statement:
    currency = CURRENCIES[locale]
    due_on = today - timedelta(days=days)
    lines = tuple(
        StatementLine(f"l-{number}", f"{4821 + number}", Money(Decimal(amount), currency), due_on)
        for number, amount in enumerate(amounts)
    )
    total = sum((item.amount.amount for item in lines), Decimal("0.00"))
    charged = None if fees is None else Money(Decimal(fees), currency)
    return Statement(lines, Money(total, currency), charged, due_on, max(days, 0))


def request(
    template: str,
    facts: Statement | None,
    *,
    locale: str = "en-US",
    channel: Channel = Channel.SMS,
    name: str = "Dana Whitfield",
    today: date = TODAY,
    content: Content = CONTENT,
) -> RenderRequest:
    purpose = content.template(template, locale, channel).purpose
    return RenderRequest(template, locale, channel, name, line_for(content, locale, channel, purpose), today, facts)


RENDERER = Renderer(CONTENT)


def with_source(source: str, template: str = "tier_1", locale: str = "en-US") -> Renderer:
    """The content with one text rewritten by somebody who makes mistakes."""
    key = (template, locale, Channel.SMS)
    rewritten = replace(CONTENT.templates[key], source=source)
    return Renderer(replace(CONTENT, templates={**CONTENT.templates, key: rewritten}))


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reminder_is_one_friendly_part() -> None:
    rendered = RENDERER.render(request("reminder", statement("820.00", days=-7)))
    assert rendered == Rendered(
        subject="",
        body="Marram: Hi Dana, $820.00 for account ending 4821 is due Apr 1. Pay by transfer, wallet or autopay. "
        "Need more time? Call 800-555-0142. Reply STOP to opt out.",
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


# ── Properties of every text ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    key=st.sampled_from(EVERY),
    name=hostile_names,
    amounts=st.lists(cents, min_size=1, max_size=6),
    fees=st.none() | cents,
    days=st.integers(min_value=0, max_value=365),
    today=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
)
@example(key=EVERY[0], name="May", amounts=[201_00], fees=1, days=1, today=date(2026, 5, 2))
def test_every_text_is_read_back_whoever_it_is_for(
    key: tuple[str, str, Channel], name: str, amounts: list[int], fees: int | None, days: int, today: date
) -> None:
    template, locale, channel = key
    money = [str(Decimal(amount).scaleb(-2)) for amount in amounts]
    charged = None if fees is None else str(Decimal(fees).scaleb(-2))
    facts = statement(*money, locale=locale, fees=charged, days=days, today=today)
    stated = (template, locale, channel) in STATED
    rendered = RENDERER.render(
        request(template, facts if stated else None, locale=locale, channel=channel, name=name, today=today)
    )
    if stated:
        assert rendered.figures[: len(figures_of(facts))] == figures_of(facts)
    if channel is Channel.SMS:
        assert "\n" not in rendered.body
        assert rendered.parts == segment(rendered.body).parts
        assert not locale.startswith("en") or rendered.encoding == "GSM-7"
    assert not re.search("[\u200b-\u200f\u202a-\u202f\u00a0\u2066-\u2069]", rendered.body)
    assert rendered.body.count("【") == (1 if locale == "zh-CN" and channel is Channel.SMS else 0)
    assert "{{" not in rendered.body


@given(name=hostile_names, locale=st.sampled_from(["en-US", "zh-CN"]), channel=st.sampled_from(Channel))
def test_a_name_is_letters_and_short(name: str, locale: str, channel: Channel) -> None:
    short = short_name(name, locale, channel)
    assert len(short) <= (20 if locale == "en-US" else 12)
    assert not re.search(r"[\d$¥€{}【】\[\]<>%/:.\n\r\t]", short)
    assert short == short.strip()
    assert read_back(short, locale, "USD") == read_back("", locale, "USD")


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


@settings(max_examples=200, deadline=None)
@given(data=st.data(), key=st.sampled_from([key for key in STATED if key[2] is Channel.SMS]))
def test_changing_any_digit_of_an_amount_is_noticed(data: st.DataObject, key: tuple[str, str, Channel]) -> None:
    template, locale, channel = key
    facts = statement("8204.35", locale=locale, fees=None, days=4)
    body = RENDERER.render(request(template, facts, locale=locale, channel=channel)).body
    begin = body.index("8,204.35")
    spot = begin + data.draw(st.sampled_from([0, 2, 3, 4, 6, 7]))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != body[spot]]))
    forged = body[:spot] + digit + body[spot + 1 :]
    with pytest.raises(FiguresMismatch):
        with_source("{% raw %}" + forged + "{% endraw %}", template, locale).render(
            request(template, facts, locale=locale, channel=channel)
        )


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
    "source", ["{{ nothing }}", "{{ total", "{{ total.__class__.__mro__ }}", "{{ days / 0 }}", "{{ hotline_hours }}"]
)
def test_a_template_that_cannot_be_rendered_says_where_and_no_value(source: str) -> None:
    with pytest.raises(ContentError) as wrong:
        with_source(source).render(request("tier_1", statement("820.00")))
    assert wrong.value.where.startswith("templates/tier_1/en-US.sms.j2:")
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
    ],
)
def test_only_money_is_read_as_money(text: str, locale: str, currency: str, amounts: set[str]) -> None:
    found = read_back(text, locale, currency)
    assert found.amounts == {Decimal(amount) for amount in amounts}
    assert not found.unreadable
    assert not found.dates


@pytest.mark.parametrize("text", ["€5.00", "5.00", "1,234", "5 USD", "5 dollars", "$-5.00", "1.234,50", "¥5", "RMB 5"])
def test_money_in_a_form_nobody_asked_for_is_unreadable(text: str) -> None:
    assert read_back(text, "en-US", "USD").unreadable
