"""What is wrong with contact strategies that no file can know by itself: beside each other, the packs, the messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from dunlin.content.model import Served, serving
from dunlin.content.resolve import covers, layers_of, strategy_of
from dunlin.content.schema import TONES, MessageModel, PackModel, PolicyModel, StrategyModel
from dunlin.domain.words import Product

#: Which of the strategies, where in its file, and what is wrong.
Found = tuple[int, tuple[str | int, ...], str]
_Numbered = Sequence[tuple[int, StrategyModel]]


def strategy_problems(
    strategies: Sequence[StrategyModel],
    packs: Mapping[str, PackModel],
    policies: Mapping[str, PolicyModel],
    messages: Mapping[str, MessageModel] | None,
) -> Iterator[Found]:
    """Every mistake. `messages` None: they were not read, and what the strategies say is not looked at."""
    numbered = list(enumerate(strategies))
    yield from _claimed_twice(numbered)
    yield from _leads(numbered, packs)
    yield from _other_rules_names(numbered, packs, policies)
    yield from _shared_stages(numbered)
    for number, strategy in numbered:
        yield from _fees_left_out(number, strategy, packs, policies)
        if messages is not None:
            yield from _sharper_words(number, strategy, messages)


def _file(strategy: StrategyModel) -> str:
    return f"strategies/{strategy.id}.yaml"


def _claimed_twice(numbered: _Numbered) -> Iterator[Found]:
    claimed: dict[tuple[str, Product], StrategyModel] = {}
    for number, strategy in numbered:
        for code in sorted(strategy.jurisdictions):
            for product in sorted(strategy.products):
                other = claimed.setdefault((code, product), strategy)
                if other is not strategy:
                    yield number, ("products",), f"{product} in {code} is in {_file(other)} too"


def _leads(numbered: _Numbered, packs: Mapping[str, PackModel]) -> Iterator[Found]:
    """Of two strategies that one person may have loans under one leads, and in no step is it the sooner one: nobody
    hears of a second loan by being pressed earlier."""
    models = {strategy.id: (number, strategy) for number, strategy in numbered}
    served = [Served(strategy.jurisdictions, strategy.products, strategy_of(strategy)) for _, strategy in numbered]
    told: set[tuple[str, str]] = set()
    for code in sorted(packs):
        there = {each.strategy_id for product in Product if (each := serving(served, code, product))}
        for pair in combinations(sorted(there), 2):
            if pair not in told:
                found = list(_leads_wrongly(code, *(models[name] for name in pair)))
                told.update([pair] if found else [])
                yield from found


def _leads_wrongly(code: str, one: tuple[int, StrategyModel], other: tuple[int, StrategyModel]) -> Iterator[Found]:
    (_, led), (number, leader) = sorted((one, other), key=lambda each: each[1].precedence)
    if led.precedence == leader.precedence:
        same = f"{leader.precedence} is that of {_file(led)} too"
        yield number, ("precedence",), f"{same}, and in {code} one of the two has to lead"
        return
    steps = {stage.id: stage.offset_days for stage in led.stages if stage.kind != "reminder"}
    for stage in leader.stages:
        if stage.offset_days < steps.get(stage.id, stage.offset_days):
            problem = f"leads {_file(led)} in {code}, where {stage.id} comes later: the gentler one leads"
            yield number, ("precedence",), problem
            return


def _other_rules_names(
    numbered: _Numbered, packs: Mapping[str, PackModel], policies: Mapping[str, PolicyModel]
) -> Iterator[Found]:
    layers: list[PackModel | PolicyModel] = [*packs.values(), *policies.values()]
    taken = {
        rule.id
        for layer in layers
        for rules in (layer.hours, layer.caps, layer.consents, layer.bans, layer.texts)
        for rule in rules
    }
    for number, strategy in numbered:
        if strategy.hours.id in taken:
            yield number, ("hours", "id"), f"{strategy.hours.id} is another rule's id"
        taken.add(strategy.hours.id)


def _shared_stages(numbered: _Numbered) -> Iterator[Found]:
    """A stage that several strategies have is one stage: what became of it is remembered under its id alone."""
    known: dict[str, tuple[str, str, StrategyModel]] = {}
    for number, strategy in numbered:
        for place, stage in enumerate(strategy.stages):
            kind, purpose, other = known.setdefault(stage.id, (stage.kind, stage.purpose, strategy))
            if (kind, purpose) != (stage.kind, stage.purpose):
                problem = f"{stage.id} is a {kind} of {purpose} in {_file(other)}: another stage has another id"
                yield number, ("stages", place, "id"), problem


def _fees_left_out(
    number: int, strategy: StrategyModel, packs: Mapping[str, PackModel], policies: Mapping[str, PolicyModel]
) -> Iterator[Found]:
    """Fees are left out only where no rule wants them stated."""
    if strategy.late_fees == "stated":
        return
    purposes = {stage.purpose for stage in strategy.stages if stage.template is not None}
    told: set[str] = set()
    for code in sorted(packs):
        if not any(covers(own, code) for own in strategy.jurisdictions):
            continue
        for layer in layers_of(packs, policies, code):
            for rule in layer.texts:
                if "fees" in rule.must_say and purposes & rule.purposes and rule.id not in told:
                    told.add(rule.id)
                    yield number, ("late_fees",), f"{rule.id} wants fees in the text in {code}: they must be stated"


def _sharper_words(number: int, strategy: StrategyModel, messages: Mapping[str, MessageModel]) -> Iterator[Found]:
    """A stage says how sharp its words may be; its messages are no sharper."""
    for place, stage in enumerate(strategy.stages):
        for name in stage.messages:
            message = messages.get(name)  # that it does not exist is said of its texts
            if message is None or stage.tone is None:
                continue
            if TONES.index(message.tone) > TONES.index(stage.tone):
                problem = f"{stage.id} is to be {stage.tone}, and {name} is {message.tone}"
                yield number, ("stages", place, "tone"), problem
