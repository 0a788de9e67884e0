"""EventBridge patterns, as far as Lambda's FilterCriteria use them."""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

_MISSING: Final = object()
_NUMERIC: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """True when every key of `pattern` matches `event`. An array in the event matches when any element does.

    Raises:
        ValueError: the pattern uses an operator that is not known.
    """
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(matches(option, event) for option in wanted):
                return False
            continue
        actual = event.get(key, _MISSING)
        if isinstance(wanted, Mapping):
            if not _matches_nested(wanted, actual):
                return False
        elif not any(_matches_leaf(matcher, actual) for matcher in wanted):
            return False
    return True


def _matches_nested(pattern: Mapping[str, Any], actual: Any) -> bool:
    if isinstance(actual, Mapping):
        return matches(pattern, actual)
    if isinstance(actual, Sequence) and not isinstance(actual, str):
        return any(_matches_nested(pattern, element) for element in actual)
    # Nothing is there to descend into: only `exists: false` further down can still hold.
    return matches(pattern, {})


def _matches_leaf(matcher: Any, actual: Any) -> bool:
    if isinstance(matcher, Mapping) and "exists" in matcher:
        # As in EventBridge, `exists` looks at leaves: an object is not one.
        present = actual is not _MISSING and not isinstance(actual, Mapping)
        return present is bool(matcher["exists"])
    if actual is _MISSING or isinstance(actual, Mapping):
        return False
    if isinstance(actual, Sequence) and not isinstance(actual, str):
        return any(_matches_value(matcher, element) for element in actual)
    return _matches_value(matcher, actual)


def _matches_value(matcher: Any, actual: Any) -> bool:
    if not isinstance(matcher, Mapping):
        return _same(matcher, actual)
    if len(matcher) != 1:
        raise ValueError(f"a matcher has one operator, not {sorted(matcher)}")
    name, wanted = next(iter(matcher.items()))
    match name:
        case "prefix" | "suffix":
            return _matches_affix(name, wanted, actual)
        case "equals-ignore-case":
            return isinstance(actual, str) and actual.casefold() == str(wanted).casefold()
        case "wildcard":
            return isinstance(actual, str) and fnmatch.fnmatchcase(actual, str(wanted).replace("[", "[[]"))
        case "anything-but":
            return _matches_anything_but(wanted, actual)
        case "numeric":
            return _matches_numeric(wanted, actual)
        case _:
            raise ValueError(f"unknown pattern operator {name!r}")


def _matches_affix(name: str, wanted: Any, actual: Any) -> bool:
    if not isinstance(actual, str):
        return False
    text = actual
    if isinstance(wanted, Mapping):
        wanted, text = str(wanted["equals-ignore-case"]).casefold(), text.casefold()
    return text.startswith(wanted) if name == "prefix" else text.endswith(wanted)


def _matches_anything_but(wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, Mapping):
        return not _matches_value(wanted, actual)
    refused = wanted if isinstance(wanted, list) else [wanted]
    return not any(_same(value, actual) for value in refused)


def _matches_numeric(wanted: Sequence[Any], actual: Any) -> bool:
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        return False
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return all(_NUMERIC[sign](actual, bound) for sign, bound in pairs)


def _same(wanted: Any, actual: Any) -> bool:
    # JSON tells `true` from 1; Python does not.
    return isinstance(wanted, bool) == isinstance(actual, bool) and bool(wanted == actual)
