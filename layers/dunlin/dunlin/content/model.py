"""The content as the rest of Dunlin sees it: frozen, looked up by name, cheap to ask once per borrower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from dunlin.content.answers import AnswersModel, answer_policy
from dunlin.content.plans import Agreements, plan_policy, promise_policy
from dunlin.content.reading import words_for
from dunlin.content.resolve import Calendars, covers, hold_rules, law, lineage, resolve_pack
from dunlin.content.retained import retention_rules
from dunlin.content.routes import filed_only
from dunlin.content.schema import (
    STRICTEST,
    AnswerClass,
    Capacity,
    MessageModel,
    PackModel,
    PageWordsModel,
    PolicyModel,
    StopModel,
    UnderstandingModel,
    VariableType,
    WeightsModel,
)
from dunlin.content.texts import Section
from dunlin.domain.keywords import KeywordWords
from dunlin.domain.plans import PlanPolicy
from dunlin.domain.policy import Conditions, HoldRule, Lender, Line, NoticeRule, Pack, Policy, Strategy
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.retention import RetentionRules
from dunlin.domain.words import Channel, HoldKind, Product, Purpose, said_as
from dunlin.errors import ContentError

if TYPE_CHECKING:
    from dunlin.domain.understanding.lexicon import Lexicon

LenderTexts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """One text in one language on one channel. `source` is Jinja2; `subject` too, and empty for a text message."""

    template_id: str
    locale: str
    channel: Channel
    purpose: Purpose
    variables: Mapping[str, VariableType]  # the facts it needs; what every text may say is not among them
    statement: bool
    source: str
    subject: str
    name: str  # the file it comes from
    body_line: int  # the line of that file on which `source` begins
    opt_out: str
    says_next: str
    reply_within_days: int | None
    expected_parts: int
    max_parts: int
    tone: str
    author: str


@dataclass(frozen=True, slots=True)
class Served:
    """A contact strategy, and for which loans it is: of these products, to people in these places."""

    jurisdictions: frozenset[str]
    products: frozenset[Product]
    strategy: Strategy

    def closeness(self, jurisdiction: str) -> int:
        """How closely it names the place: `US-NY` more so than `US`. 0: not at all."""
        return max((len(code) for code in self.jurisdictions if covers(code, jurisdiction)), default=0)


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of one calling code's numbers."""

    calling_code: str
    area_code_digits: int
    otherwise: tuple[str, ...]
    by_area: Mapping[str, tuple[str, ...]]


#: A process asks about a handful of days and jurisdictions; more means that somebody walks through years.
_MOST_POLICIES = 4096
_NO_CONDITIONS = Conditions()


@dataclass(frozen=True, repr=False)
class Content:
    """All content of one version.

    `number` is the release's, 0 when these bytes were never released. Only a `live` release sends;
    `not_live_because` says what is missing. Lookups of a jurisdiction that nobody reviewed answer None: that is a
    result, and it means that nobody there is written to.
    """

    version: str
    number: int
    live: bool
    not_live_because: str
    lender: Lender
    packs: Mapping[str, PackModel]
    stops: tuple[StopModel, ...]
    strategies: tuple[Served, ...]
    messages: Mapping[str, MessageModel]
    places: Mapping[str, str]  # of a message: the file and line that declare it
    parts: Mapping[tuple[str, str], int]  # of a message and locale that has words; 0: none for a text message
    templates: Mapping[tuple[str, str, Channel], Template]
    phrases: Mapping[str, Mapping[str, str]]  # of a locale: `reason.income` and its words
    keyword_words: Mapping[str, KeywordWords]
    forbidden: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    never_said: Mapping[
        str, Mapping[AnswerClass, tuple[str, ...]]
    ]  # of a locale: what no answer of a person says, by class
    zones: tuple[Zones, ...]
    released: Mapping[str, int]
    policies: Mapping[str, PolicyModel]
    answers: tuple[AnswersModel, ...]
    calendars: Calendars
    agreements: Mapping[str, Agreements]  # by the file's id
    understanding: Mapping[str, UnderstandingModel] = field(default_factory=dict)
    weights: Mapping[str, WeightsModel] = field(default_factory=dict)
    #: Of a line, message and locale: the provider's number of each wording it has on file, by the wording's digest.
    filed: Mapping[tuple[str, str, str], Mapping[str, str]] = field(default_factory=dict)
    pages: Mapping[str, PageWordsModel] = field(default_factory=dict)
    _policies: dict[tuple[str, date], Policy | None] = field(default_factory=dict, repr=False, compare=False)
    _strategies: dict[tuple[str, frozenset[Product], str], Strategy | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    _words: dict[str, KeywordWords] = field(default_factory=dict, repr=False, compare=False)
    _hold_rules: dict[tuple[str, date], Mapping[HoldKind, HoldRule]] = field(
        default_factory=dict, repr=False, compare=False
    )

    _retention: dict[tuple[str, date], RetentionRules | None] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"Content(version={self.version!r}, number={self.number}, live={self.live})"

    @property
    def capacity(self) -> Capacity:
        """The lender's, which selects the rules; the strictest where it is none that the packs know."""
        return _capacity(self.lender.capacity) or STRICTEST

    def policy(self, jurisdiction: str, today: date, conditions: Conditions = _NO_CONDITIONS) -> Policy | None:
        """What a decision about a borrower of `jurisdiction` follows on `today`; None: nobody reviewed it.

        The lender's capacity selects the rules. Called per borrower: the policy of a day is built once, and handed
        out again as long as the conditions are the same.
        """
        key = (jurisdiction, today)
        try:
            policy = self._policies[key]
        except KeyError:
            if len(self._policies) >= _MOST_POLICIES:
                self._policies.clear()
            policy = self._policies[key] = self._build_policy(jurisdiction, today)
        if policy is None or policy.conditions is conditions or policy.conditions == conditions:
            return policy
        policy = self._policies[key] = replace(policy, conditions=conditions)
        return policy

    def pack(self, jurisdiction: str, today: date, capacity: Capacity | None = None) -> Pack | None:
        """A jurisdiction's rules for one capacity; without one, the strictest. None: nobody reviewed it."""
        return resolve_pack(
            self.packs, self.stops, jurisdiction, today, capacity, policies=self.policies, calendars=self.calendars
        )

    @cached_property
    def notices(self) -> Mapping[str, NoticeRule]:
        """What is said because something happened: by the name of its message."""
        return {
            message_id: NoticeRule(
                message=message_id,
                # Unasked, it is no reply: it keeps the hours and counts.
                purpose=Purpose.SERVICE if message.purpose is Purpose.REPLY else message.purpose,
                channels=message.channels,
                within=timedelta(hours=message.within_hours),
                urgent=message.urgent,
                statement=message.statement,
                from_core=message.trigger == "event",
                by_person=message.trigger == "answer",
                letter=message.letter or "",
                consent=message.consent or "",
                despite=message.despite,
                variables=message.variables,
            )
            for message_id, message in self.messages.items()
            if message.trigger in ("event", "case", "answer")
        }

    def has_phrase(self, code: str) -> bool:
        """Whether somebody approved words for this code of the core's, in any language (they all have the same)."""
        return any(code in phrases for phrases in self.phrases.values())

    def law(
        self, jurisdiction: str, today: date, capacity: Capacity | None = None, *, own: bool = False
    ) -> Pack | None:
        """What a place asks, to be read and not sent under; with `own` also what the lender asks of itself there."""
        policies = self.policies if own else {}
        return law(self.packs, self.stops, jurisdiction, today, capacity, policies=policies, calendars=self.calendars)

    def retention(self, jurisdiction: str, today: date) -> RetentionRules | None:
        """How long what is known of somebody there is kept; None: nobody reviewed it. Rules that nobody answers for,
        today and in these very bytes, are not `live`: they keep and delete nothing."""
        key = (jurisdiction, today)
        if key not in self._retention:
            if len(self._retention) >= _MOST_POLICIES:
                self._retention.clear()
            capacity = _capacity(self.lender.capacity) or STRICTEST
            pack = self.pack(jurisdiction, today, capacity)
            self._retention[key] = (
                retention_rules(
                    self.packs,
                    self.policies,
                    jurisdiction,
                    today,
                    capacity,
                    version=self.version,
                    live=self.live and bool(pack.signed_by) and today <= pack.signed_until,
                )
                if pack is not None
                else None
            )
        return self._retention[key]

    def page_words(self, locale: str) -> tuple[str, Mapping[str, str]]:
        """The page in the language that is declared for this locale, else the first file's; with that locale."""
        found = next((page for page in self.pages.values() if locale in page.serves), None)
        page = found if found is not None else next(iter(self.pages.values()))
        return page.locale, page.words

    def hold_rules(self, jurisdiction: str, today: date) -> Mapping[HoldKind, HoldRule]:
        """The table of stops for a jurisdiction: the bare table where no pack is reviewed, since a stop is a stop."""
        key = (jurisdiction, today)
        if key not in self._hold_rules:
            if len(self._hold_rules) >= _MOST_POLICIES:
                self._hold_rules.clear()
            rules = self.hold_rules_for(jurisdiction, today, _capacity(self.lender.capacity) or STRICTEST)
            self._hold_rules[key] = {rule.kind: rule for rule in rules}
        return self._hold_rules[key]

    def hold_rules_for(self, jurisdiction: str, today: date, capacity: Capacity) -> tuple[HoldRule, ...]:
        """The same for a capacity that may not be the lender's."""
        family = tuple(lineage(self.packs, jurisdiction)) if jurisdiction in self.packs else ()
        return hold_rules(self.stops, family, capacity, today)

    def strategy(self, jurisdiction: str, products: frozenset[Product], strategy_id: str = "") -> Strategy | None:
        """The contact strategy that leads where somebody has loans of these products: of the strategies for each, the
        one of the highest precedence. `strategy_id`, as long as it serves the place, whatever the products are.

        None: one of the products has no strategy there, so nobody knows how its borrowers are to be contacted.
        """
        key = (jurisdiction, products, strategy_id)
        try:
            return self._strategies[key]
        except KeyError:
            found = self._named(jurisdiction, strategy_id) or self._leading(jurisdiction, products)
            if len(self._strategies) < _MOST_POLICIES:
                self._strategies[key] = found
            return found

    def strategies_in(self, jurisdiction: str) -> tuple[Strategy, ...]:
        """Every strategy that somebody there may follow, the one that leads the others first."""
        found = {each.strategy_id: each for product in Product if (each := self._serving(jurisdiction, product))}
        return tuple(sorted(found.values(), key=lambda strategy: strategy.precedence, reverse=True))

    def _serving(self, jurisdiction: str, product: Product) -> Strategy | None:
        """The strategy for loans of this product: of the closest of `US-NY`, `US`."""
        return serving(self.strategies, jurisdiction, product)

    def _named(self, jurisdiction: str, strategy_id: str) -> Strategy | None:
        for each in self.strategies if strategy_id else ():
            if each.strategy.strategy_id == strategy_id and each.closeness(jurisdiction):
                return each.strategy
        return None

    def _leading(self, jurisdiction: str, products: frozenset[Product]) -> Strategy | None:
        leading: Strategy | None = None
        for product in sorted(products):
            found = self._serving(jurisdiction, product)
            if found is None:
                return None
            if leading is None or found.precedence > leading.precedence:
                leading = found
        return leading

    def plan_policy(self, jurisdiction: str, products: frozenset[Product], today: date) -> PlanPolicy | None:
        """What is offered to somebody there with loans of these products. None: no one policy covers them all, or it
        offers no plans; a person helps."""
        return plan_policy(self.agreements.values(), jurisdiction, products, today)

    def promise_policy(self, jurisdiction: str, products: frozenset[Product], today: date) -> PromisePolicy | None:
        """Which promises about loans of these products are taken there: where policies differ, the strictest of each
        limit. None: one of the products has no policy; a person helps."""
        return promise_policy(self.agreements.values(), jurisdiction, products, today)

    def lines(self, jurisdiction: str) -> tuple[Line, ...]:
        """The lines that serve a jurisdiction, in the profile's order: a line of `US` serves `US-NY`."""
        return tuple(line for line in self.lender.lines if covers(line.jurisdiction, jurisdiction))

    def line(self, line_id: str) -> Line | None:
        return next((line for line in self.lender.lines if line.line_id == line_id), None)

    def template(self, template_id: str, locale: str, channel: Channel) -> Template:
        """The text.

        Raises:
            ContentError: there is none.
        """
        found = self.templates.get((template_id, locale, said_as(channel)))
        if found is None:
            raise ContentError(f"templates/{template_id}/{locale}.txt", channel, "does not exist")
        return found

    def texts(self, locale: str) -> LenderTexts:
        """The lender's own words in a locale.

        Raises:
            ContentError: the profile has none in this locale.
        """
        try:
            return self.lender.texts[locale]
        except KeyError:
            raise ContentError(f"lenders/{self.lender.lender_id}.yaml", f"texts.{locale}", "does not exist") from None

    @cached_property
    def lexicon(self) -> Lexicon:
        """What texts are read with (`dunlin.domain.understanding`)."""
        from dunlin.content.lexicons import lexicon_of  # noqa: PLC0415 - only who reads texts needs what reads them

        rules = next(iter(self.understanding.values()), None)
        weights = next(iter(self.weights.values()), None)
        return lexicon_of(rules, weights, self.words)

    def words(self, locale: str | None = None) -> KeywordWords:
        """The words to read an inbound text with: of `locale` and, since people answer as they like, of every other.

        Single letters count in their own locale only; without a locale (an unknown sender) they do not count.
        """
        key = locale or ""
        if key not in self._words:
            words = words_for(locale, self.keyword_words)
            if len(self._words) >= 64:
                return words
            self._words[key] = words
        return self._words[key]

    def zones_of(self, e164: str) -> tuple[str, ...]:
        """Every zone a number may be in, as its area code says; empty where nobody knows."""
        digits = e164.removeprefix("+")
        for zones in self.zones:
            if digits.startswith(zones.calling_code):
                begin = len(zones.calling_code)
                return zones.by_area.get(digits[begin : begin + zones.area_code_digits], zones.otherwise)
        return ()

    def knows(self, version: str) -> bool:
        """Whether this content is that version or a later one. If not, it is older than whoever asks."""
        return version == self.version or version in self.released

    def _build_policy(self, jurisdiction: str, today: date) -> Policy | None:
        pack = self.pack(jurisdiction, today, _capacity(self.lender.capacity))
        if pack is None:
            return None
        locales = self.packs[jurisdiction].locales
        existing = {key: parts for key, parts in self.parts.items() if key[1] in locales}
        return Policy(
            pack=pack,
            lines=self.lines(jurisdiction),
            content_version=self.version,
            live=self.live and bool(pack.signed_by) and today <= pack.signed_until,
            conditions=_NO_CONDITIONS,
            locales=frozenset(existing),
            expected_parts=existing,
            languages=locales,
            notices=self.notices,
            answers=answer_policy(self.answers, self.packs, jurisdiction, self.capacity, today),
            filed_only=filed_only(
                tuple(lineage(self.packs, jurisdiction)), self.lines(jurisdiction), self.capacity, today
            ),
        )


def serving(strategies: Iterable[Served], jurisdiction: str, product: Product) -> Strategy | None:
    """The strategy for loans of this product there: the one that names the place most closely."""
    closest = max(
        (each for each in strategies if product in each.products and each.closeness(jurisdiction)),
        key=lambda each: each.closeness(jurisdiction),
        default=None,
    )
    return closest.strategy if closest is not None else None


def _capacity(capacity: str) -> Capacity | None:
    match capacity:
        case "creditor" | "servicer" | "collector":
            return capacity
        case _:
            return None


def template_of(
    message_id: str, message: MessageModel, locale: str, author: str, name: str, words: Section
) -> Template:
    return Template(
        template_id=message_id,
        locale=locale,
        channel=words.channel,
        purpose=message.purpose,
        variables=message.variables,
        statement=message.statement,
        source=words.source,
        subject=words.subject,
        name=name,
        body_line=words.line,
        opt_out=message.opt_out,
        says_next=message.says_next,
        reply_within_days=message.reply_within_days,
        expected_parts=words.expected_parts,
        max_parts=words.max_parts,
        tone=message.tone,
        author=author,
    )
