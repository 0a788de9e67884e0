"""The borrower's page as HTML: no script, nothing to load, one style that the policy names by its hash.

Everything that is filled in is escaped; the words are the content's, in the one language that serves the reader.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from dunlin.adapters.read_back import babel_locale
from dunlin.domain.borrower import ALL_PURPOSES, ContactPoint
from dunlin.domain.money import MINOR_UNITS, Money, parse_money
from dunlin.services.doors import Opened
from dunlin.services.page import DECLINABLE, PageView

if TYPE_CHECKING:
    from dunlin.content.model import Content

__all__ = ["PageHtml", "headers"]

#: Names of languages in themselves, for whoever chooses one. A locale that is not here is shown by its tag.
_LANGUAGES = {
    "en": "English", "es": "Español", "id": "Bahasa Indonesia", "ko": "한국어", "zh-CN": "简体中文", "zh-TW": "繁體中文",
}  # fmt: skip

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f24;--soft:#4a5560;--paper:#f6f7f8;--card:#fff;--line:#767f88;--act:#0b5a8a;
--on:#fff;--good:#e4f3e8;--bad:#fdeaea}
@media (prefers-color-scheme:dark){:root{--ink:#eceff1;--soft:#b4bec7;--paper:#14181b;--card:#1e2429;--line:#8b959e;
--act:#7cc4f0;--on:#10161a;--good:#173a24;--bad:#4a1f1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}
main,header,footer{max-width:42rem;margin:0 auto;padding:0 1rem}
header{padding-top:1rem;font-weight:600}footer{padding:1rem 1rem 3rem;color:var(--soft)}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.2rem;margin:0 0 .5rem}h3{font-size:1.05rem;margin:1rem 0 .25rem}
section,details,.note{background:var(--card);border-radius:.6rem;padding:1rem;margin:.75rem 0}
summary{cursor:pointer;font-weight:600;min-height:1.75rem;padding:.15rem 0}
dl{display:grid;grid-template-columns:1fr auto;gap:.15rem 1rem;margin:.5rem 0}dd{margin:0;text-align:right}
.sum{font-weight:700}.soft{color:var(--soft)}.all{user-select:all;-webkit-user-select:all}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .5rem .3rem 0}
td:last-child,th:last-child{text-align:right;padding-right:0}
label,legend{display:block;margin:.6rem 0 .2rem;font-weight:600}fieldset{border:0;margin:0;padding:0}
input:not([type=checkbox]),select{width:100%;min-height:2.75rem;font:inherit;padding:.4rem .6rem;color:inherit;
background:var(--paper);border:1px solid var(--line);border-radius:.4rem}
input[type=checkbox]{width:1.5rem;height:1.5rem;vertical-align:middle;margin:.25rem .5rem .25rem 0}
.check{font-weight:400}button{font:inherit;font-weight:600;min-height:2.75rem;width:100%;margin:.75rem 0 0;border:0;
border-radius:.4rem;padding:.4rem 1rem;background:var(--act);color:var(--on);cursor:pointer}
button.quiet{background:transparent;color:var(--act);border:1px solid var(--line)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
.good{background:var(--good)}.bad{background:var(--bad)}.said{white-space:pre-line}
""".strip()

_FRAME = """<!doctype html>
<html lang="{{ locale }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ title }} · {{ brand }}</title>
<style>{{ style }}</style>
</head>
<body>
<header>{{ brand }}</header>
<main>
{% block main %}{% endblock %}
</main>
<footer>
<p>{{ w("call", hotline=hotline, hours=hotline_hours) }}</p>
<p>{{ w("genuine") }}</p>
</footer>
</body>
</html>
"""

_DOOR = """{% extends "frame" %}{% block main %}
<h1>{{ title }}</h1>
{% if problem %}<p class="note bad" role="alert">{{ w(problem) }}</p>{% endif %}
<section>
<p>{{ w("door_intro") }}</p>
<form method="post" autocomplete="off">
<input type="hidden" name="do" value="come_in">
<input type="hidden" name="ticket" value="{{ ticket }}">
<label for="said">{{ w("ask_" ~ proof) }}</label>
<p class="soft" id="hint">{{ w("hint_" ~ proof) }}</p>
<input id="said" name="said" required maxlength="40" aria-describedby="hint" autocapitalize="characters">
<button>{{ w("go_in") }}</button>
</form>
</section>
{% endblock %}"""

_CLOSED = """{% extends "frame" %}{% block main %}
<h1>{{ title }}</h1>
<section><p>{{ text }}</p></section>
{% endblock %}"""

_INSIDE = """{% extends "frame" %}
{% macro form(what) %}{% set f = forms(what) %}<input type="hidden" name="do" value="{{ what }}">
<input type="hidden" name="once" value="{{ f[0] }}"><input type="hidden" name="check" value="{{ f[1] }}">{% endmacro %}
{% macro plain(what) %}<details><summary>{{ w(what ~ "_title") }}</summary><p>{{ w(what ~ "_intro") }}</p>
<form method="post">{{ form(what) }}<button>{{ w(what ~ "_go") }}</button></form></details>{% endmacro %}
{% block main %}
<h1>{{ w("greeting", name=v.party.name) }}</h1>
{% if said %}<p class="note {{ "bad" if is_problem else "good" }}" role="{{ "alert" if is_problem else "status" }}">{{ w(said) }}</p>{% endif %}
<section aria-labelledby="due"><h2 id="due">{{ w("due_title") }}</h2>
{% if not v.detail %}<p>{{ w("no_detail") }}</p>
{% elif not v.loans %}<p>{{ w("nothing_due") }}</p>
{% else %}{% for each in v.loans %}{% set loan = each.loan %}
<h3>{{ w("account", tail=loan.account_tail) }}</h3>
{% if not each.certain %}<p>{{ w("uncertain") }}</p>
{% else %}<p>{{ w("overdue_since" if each.days else "due_on", day=day(loan.instalments[0].due_on)) }}</p>
<dl>{% if each.days and loan.overdue %}
<dt>{{ w("principal") }}</dt><dd>{{ money(loan.overdue.principal) }}</dd>
<dt>{{ w("interest") }}</dt><dd>{{ money(loan.overdue.interest) }}</dd>
<dt>{{ w("fees") }}</dt><dd>{{ money(loan.overdue.fees) }}</dd>
<dt class="sum">{{ w("total") }}</dt><dd class="sum">{{ money(loan.overdue.total) }}</dd>
{% else %}<dt class="sum">{{ w("total") }}</dt><dd class="sum">{{ money(loan.instalments[0].outstanding) }}</dd>
{% endif %}</dl>{% endif %}{% endfor %}{% endif %}
</section>
<section aria-labelledby="next"><h2 id="next">{{ w("next_title") }}</h2>
{% if v.plan_asked %}<p>{{ w("next_plan_asked", day=when(v.plan_asked.answer_by)) }}</p>
{% elif v.plan %}<p>{{ w("next_plan", amount=machine_money(v.plan[0]), day=machine_day(v.plan[1])) }}</p>
{% elif v.promise %}<p>{{ w("next_promise", amount=money(v.promise.amount), day=day(v.promise.on)) }}</p>{% endif %}
{% if v.task and not v.plan_asked %}<p>{{ w("next_person", day=when(v.task.answer_by), reference=v.task.reference) }}</p>{% endif %}
{% if not (v.plan_asked or v.plan or v.promise or v.task) %}<p>{{ w("next_overdue" if late else "next_due" if v.loans else "next_nothing") }}</p>{% endif %}
</section>
{% if v.offered %}
<section aria-labelledby="offers"><h2 id="offers">{{ w("plan_title") }}</h2>
<p>{{ w("offers_until", moment=moment(v.offered.ends_at)) }}</p>
{% for offer in v.offered.offers %}
<h3>{{ w("offer_title", number=offer.number) }}</h3>
<p>{{ w("offer_total", count=offer.instalments|length, total=money(offer.total)) }}.
{{ w("offer_cost", cost=money(offer.extra_cost)) if offer.extra_cost.is_positive else w("offer_free") }}.</p>
<table><thead><tr><th scope="col">{{ w("payment") }}</th><th scope="col">{{ w("day") }}</th><th scope="col">{{ w("amount") }}</th></tr></thead><tbody>
{% for each in offer.instalments %}<tr><td>{{ loop.index }}</td><td>{{ day(each.due_on) }}</td><td>{{ money(each.amount) }}</td></tr>{% endfor %}
</tbody></table>
<form method="post">{{ form("choose") }}<input type="hidden" name="choice" value="{{ offer.number }}">
<input type="hidden" name="offer" value="{{ offer.offer_id }}"><button>{{ w("offer_choose", number=offer.number) }}</button></form>
{% endfor %}
<form method="post">{{ form("choose") }}<input type="hidden" name="choice" value="0"><button class="quiet">{{ w("offer_none") }}</button></form>
</section>{% endif %}
<section aria-labelledby="pay"><h2 id="pay">{{ w("pay_title") }}</h2>
{% for way in ways %}<p class="all">{{ way }}</p>{% endfor %}
<p>{{ early_help }}</p></section>
{% if v.detail and v.loans %}
<details><summary>{{ w("schedule_title") }}</summary>
{% for each in v.loans if each.certain %}<h3>{{ w("account", tail=each.loan.account_tail) }}</h3>
<table><thead><tr><th scope="col">{{ w("day") }}</th><th scope="col">{{ w("amount") }}</th></tr></thead><tbody>
{% for one in each.loan.instalments[:24] %}<tr><td>{{ day(one.due_on) }}</td><td>{{ money(one.outstanding) }}</td></tr>{% endfor %}
</tbody></table>{% endfor %}</details>{% endif %}
<h2>{{ w("acts_title") }}</h2>
<details><summary>{{ w("promise_title") }}</summary><p>{{ w("promise_intro") }}</p>
<form method="post">{{ form("promise") }}
<label for="p-on">{{ w("on") }}</label><input id="p-on" type="date" name="on" required min="{{ v.today }}">
<label for="p-amount">{{ w("amount_optional") }}</label><input id="p-amount" name="amount" inputmode="decimal" maxlength="14">
<button>{{ w("promise_go") }}</button></form></details>
<details><summary>{{ w("plan_title") }}</summary><p>{{ w("plan_intro") }}</p>
<form method="post">{{ form("plan") }}
<label for="l-amount">{{ w("plan_most") }}</label><input id="l-amount" name="amount" inputmode="decimal" maxlength="14">
<label for="l-on">{{ w("plan_from") }}</label><input id="l-on" type="date" name="on" min="{{ v.today }}">
<button>{{ w("plan_go") }}</button></form></details>
{{ plain("paid") }}{{ plain("hardship") }}{{ plain("dispute") }}{{ plain("complaint") }}{{ plain("person") }}
<details><summary>{{ w("wishes_title") }}</summary>
<form method="post">{{ form("wishes") }}
<label for="w-language">{{ w("language") }}</label><select id="w-language" name="language">
<option value="">{{ w("language_own") }}</option>
{% for each in v.locales %}<option value="{{ each }}" lang="{{ each }}">{{ language(each) }}</option>{% endfor %}</select>
<fieldset><legend>{{ w("quiet_intro") }}</legend>
<label for="w-from">{{ w("quiet_from") }}</label><input id="w-from" type="time" name="quiet_from" value="{{ quiet[0] }}">
<label for="w-to">{{ w("quiet_to") }}</label><input id="w-to" type="time" name="quiet_to" value="{{ quiet[1] }}"></fieldset>
<fieldset><legend>{{ w("channels") }}</legend>
{% for each in channels %}<label class="check"><input type="checkbox" name="by_{{ each[0] }}" value="1"{% if each[1] %} checked{% endif %}>{{ w("channel_" ~ each[0]) }}</label>{% endfor %}
</fieldset><button>{{ w("wishes_go") }}</button></form></details>
<details><summary>{{ w("outs_title") }}</summary><p>{{ w("outs_intro") }}</p>
{% for point in v.party.points %}<h3>{{ w("channel_" ~ point.channel) }}{% if point.channel in ("sms", "email", "whatsapp") %} <span class="soft">{{ masked(point.address) }}</span>{% endif %}</h3>
{% for purpose in outs(point) %}
<form method="post">{{ form(purpose[2]) }}<input type="hidden" name="point" value="{{ point.point }}">
<input type="hidden" name="purpose" value="{{ purpose[0] }}">
<button class="quiet">{{ w(purpose[2] ~ "_go", what=purpose[1]) }}</button></form>{% endfor %}{% endfor %}
<form method="post">{{ form("everything") }}<button class="quiet">{{ w("everything_go") }}</button></form>
</details>
<details><summary>{{ w("messages_title") }}</summary>
{% for message in v.messages %}<p class="soft">{{ moment(message.sent_at) }}</p><p class="said" lang="{{ message.locale }}">{{ message.body }}</p>
{% else %}<p>{{ w("messages_none") }}</p>{% endfor %}</details>
<form method="post">{{ form("leave") }}<button class="quiet">{{ w("leave") }}</button></form>
{% endblock %}"""


def _hash_of_style() -> str:
    return base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


@lru_cache(maxsize=1)
def headers() -> dict[str, str]:
    """What every answer of the page carries."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash_of_style()}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=63072000",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
    }


class PageHtml:
    """Makes the pages out of the content's words."""

    def __init__(self, content: Content) -> None:
        self._content = content

    @cached_property
    def _templates(self) -> Environment:
        sources = {"frame": _FRAME, "door": _DOOR, "closed": _CLOSED, "inside": _INSIDE}
        return Environment(
            loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, cache_size=8
        )

    def door(self, opened: Opened, accepts: str, problem: str = "") -> str:
        """The question, and nothing about whose door it is."""
        frame = self._frame(self._asked_for(accepts), "door_title")
        return self._render("door", frame | {"proof": str(opened.proof), "ticket": opened.ticket, "problem": problem})

    def closed(self, accepts: str, *, left: bool = False) -> str:
        """No link of ours, one that is over, a door that is shut: one page for all of them."""
        frame = self._frame(self._asked_for(accepts), "title" if left else "closed_title")
        write = frame["w"]
        assert callable(write)
        return self._render("closed", frame | {"text": write("left" if left else "closed")})

    def inside(
        self, view: PageView, forms: Callable[[str], tuple[str, str]], said: str = "", *, is_problem: bool = False
    ) -> str:
        """Everything, for somebody who proved who they are. `forms` gives each form its signature."""
        frame = self._frame(view.locale, "title")
        words = self._content.page_words(view.locale)[1]
        texts = self._texts(view.locale)
        locale, zone = babel_locale(str(frame["locale"])), ZoneInfo(view.zone)

        def outs(point: ContactPoint) -> list[tuple[str, str, str]]:
            blocked = point.blocked
            whole = ALL_PURPOSES in blocked
            rows = [("", words["all_messages"], "in" if whole else "out")]
            for purpose in DECLINABLE:
                is_out = whole or str(purpose) in blocked
                rows.append((str(purpose), words[f"purpose_{purpose}"], "in" if is_out else "out"))
            return rows

        wishes = view.party.preferences
        first = wishes.quiet[0] if wishes.quiet else None
        reached = dict.fromkeys(str(point.channel) for point in view.party.points)
        return self._render(
            "inside",
            frame
            | {
                "v": view,
                "forms": forms,
                "said": said,
                "is_problem": is_problem,
                "late": any(each.days for each in view.loans),
                "ways": [texts["pay_transfer"], texts["pay_wallet"], texts["pay_debit"]],
                "early_help": texts["early_help"],
                "money": lambda money: _money(money, locale),
                "machine_money": lambda said: _money(_read(said), locale),
                "day": lambda on: format_date(on, "long", locale=locale),
                "machine_day": lambda said: format_date(date.fromisoformat(said), "long", locale=locale),
                "when": lambda at: format_date(at.astimezone(zone).date(), "long", locale=locale),
                "moment": lambda at: _moment(at, zone, locale),
                "language": lambda each: _LANGUAGES.get(each) or _LANGUAGES.get(each.partition("-")[0], each),
                "quiet": (_clock(first.begins), _clock(first.ends)) if first else ("", ""),
                "channels": [(each, not wishes.channels or each in map(str, wishes.channels)) for each in reached],
                "masked": _masked,
                "outs": outs,
            },
        )

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _asked_for(self, accepts: str) -> str:
        """The language of whoever looks, before it is known who they are: of those we have, the first they name."""
        served = [locale for page in self._content.pages.values() for locale in page.serves]
        for part in accepts[:200].split(","):
            tag = part.partition(";")[0].strip().casefold()
            for locale in served:
                if tag and (locale.casefold() == tag or locale.partition("-")[0] == tag.partition("-")[0]):
                    return locale
        return served[0]

    def _texts(self, locale: str) -> Mapping[str, str]:
        texts = self._content.lender.texts
        return texts.get(locale) or texts[self._content.page_words(locale)[0]]

    def _frame(self, locale: str, title: str) -> dict[str, object]:
        spoken, words = self._content.page_words(locale)
        texts = self._texts(locale)

        def say(key: str, **gaps: object) -> Markup:
            return Markup(escape(words[key])).format(  # noqa: S704 - escaped before anything is filled in
                **{name: escape(value) for name, value in gaps.items()}
            )

        return {
            "locale": spoken,
            "title": words[title],
            "brand": texts["brand"],
            "hotline": texts["hotline"],
            "hotline_hours": texts["hotline_hours"],
            "style": Markup(_STYLE),  # noqa: S704 - ours, and named by its hash
            "w": say,
        }

    def _render(self, name: str, values: Mapping[str, object]) -> str:
        return self._templates.get_template(name).render(values)


def _money(money: Money, locale: Locale) -> str:
    digits = MINOR_UNITS[money.currency]
    return str(format_currency(money.amount.quantize(Decimal(1).scaleb(-digits)), money.currency, locale=locale))


def _read(said: str) -> Money:
    amount, _, currency = said.partition(" ")
    return parse_money(amount, currency)


def _moment(at: datetime, zone: ZoneInfo, locale: Locale) -> str:
    return str(format_datetime(at.astimezone(zone), "medium", tzinfo=zone, locale=locale))


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _masked(address: str) -> str:
    """Enough to tell one's own numbers apart, on a screen that others may see."""
    name, at, host = address.partition("@")
    return f"{name[:1]}…{at}{host}" if at else f"…{address[-4:]}"
