"""Documents from a JSON Schema, and what can go wrong with any document. Everything is drawn from one `Random`."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

__all__ = ["ODD", "Raw", "broken", "encoded", "from_schema", "mutated", "written"]

#: Half a character, none at all, the end of a text in C, both directions, other digits, joined and stacked ones.
ODD: Final = (
    *("\ud83d", "\udc00x", "\x00", "\x1b[31m", "\ufffe", "\uffff", "\u202e1234", "\u200b", "\u2028", "\ufeff"),
    *("١٢٣٤٥", "１２１２５５５０１２３", "é" * 40, "👨‍👩‍👧‍👦", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G", "ﷺ", "İ", "ß" * 70, "A\u030a"),
    *(
        "' OR 1=1 --",
        "{{7*7}}",
        "${jndi:ldap://127.0.0.1/x}",
        "../../etc/passwd",
        "%00",
        "<script>",
        "=cmd|' /C calc'!A0",
    ),
    *("null", "true", "NaN", "-0", "1e999", "0x10", "1_000", " ", "", "\t\n", "#", "/", "+", "-", ".", "__proto__"),
)
MOMENTS: Final = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00", "2026-02-30T00:00:00Z"),
    *("2026-06-01T15:00:00", "2026-06-01T24:00:00Z", "2026-06-30T23:59:60Z", "1970-01-01T00:00:00Z", "1780326000"),
    *("2026-06-01T15:00:00.123456789Z", "2026-06-01t15:00:00z", "2026-06-01 15:00:00+00:00", "20260601T150000Z"),
    *("2026-W23-1", "2026-06-01T15:00:00+23:59", "-2026-06-01T15:00:00Z", "+12026-06-01T15:00:00Z", "2026-06-01"),
)
NUMBERS: Final = (
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.1, -0.0, 1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf")),
)
AMOUNTS: Final = (
    "-0",
    "-0.00",
    "999999999999.9999",
    "1e3",
    "00.1",
    "1,000.00",
    "٣.٠٠",
    "0.00001",
    "+5",
    ".5",
    "5.",
    "∞",
)


class Raw(str):
    """JSON as it is to be written, which no document makes: a key twice, a number too large, an end too early."""

    __slots__ = ()


# ── what fits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def from_schema(schema: Mapping[str, Any], random: Random, known: Mapping[str, Sequence[str]]) -> Any:
    """A document that fits the schema. `known`: values by property name that mean something here, often taken."""
    return _Making(schema.get("$defs", {}), random, known).made(schema)


class _Making:
    def __init__(self, definitions: Mapping[str, Any], random: Random, known: Mapping[str, Sequence[str]]) -> None:
        self._definitions = definitions
        self._random = random
        self._known = known

    def made(self, schema: Mapping[str, Any], name: str = "") -> Any:
        random = self._random
        if "$ref" in schema:
            return self.made(self._definitions[schema["$ref"].rpartition("/")[2]], name)
        for union in ("oneOf", "anyOf", "allOf"):
            if union in schema:
                return self.made(random.choice(schema[union]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return random.choice(schema["enum"])
        if name in self._known and random.random() < 0.6:
            return random.choice(self._known[name])
        match schema.get("type"):
            case "object":
                return self._object(schema)
            case "array":
                most = min(schema.get("maxItems", 4), random.choice((1, 2, 4)))
                return [
                    self.made(schema["items"], name) for _ in range(random.randint(schema.get("minItems", 0), most))
                ]
            case "string":
                return self._text(schema)
            case "integer":
                lowest = schema.get("minimum", -5)
                return random.randint(lowest, min(schema.get("maximum", lowest + 500), lowest + 500))
            case "number":
                return random.choice((0, 1.5, -2, 1e9))
            case "boolean":
                return random.random() < 0.5
            case _:
                return None

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        wanted = set(schema.get("required", ()))
        document = {
            name: self.made(inner, name)
            for name, inner in schema.get("properties", {}).items()
            if name in wanted or self._random.random() < 0.6
        }
        if isinstance(more := schema.get("additionalProperties"), dict):
            document |= {f"fact_{number}": self.made(more) for number in range(self._random.randint(1, 4))}
        return document

    def _text(self, schema: Mapping[str, Any]) -> str:
        random = self._random
        match schema.get("format"):
            case "date-time":
                day = f"2026-0{random.randint(4, 6)}-{random.randint(1, 28):02}"
                return f"{day}T{random.randint(0, 23):02}:{random.randint(0, 59):02}:00{random.choice(('Z', '+08:00'))}"
            case "date":
                return f"2026-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
        if "pattern" in schema:
            return _matching(schema["pattern"], random)
        most = min(schema.get("maxLength", 30), random.choice((1, 10, 30)))
        return "".join(random.choices("aZ9 -é中#.", k=max(schema.get("minLength", 0), random.randint(0, most))))


def _matching(pattern: str, random: Random) -> str:
    """A text of a simple pattern, as the schemas have them."""
    parser: Any = vars(re)["_parser"]
    return _from_tree(parser.parse(pattern.strip("^$")), random)


def _from_tree(tree: Any, random: Random) -> str:
    text = ""
    for operation, argument in tree:
        match str(operation):
            case "LITERAL":
                text += chr(argument)
            case "IN":
                text += _one_of(argument, random)
            case "MAX_REPEAT":
                least, most, inner = argument
                times = random.randint(int(least), min(int(most), int(least) + random.choice((1, 3, 12))))
                text += "".join(_from_tree(inner, random) for _ in range(times))
            case "SUBPATTERN":
                text += _from_tree(argument[3], random)
            case "BRANCH":
                text += _from_tree(random.choice(argument[1]), random)
            case "ANY":
                text += "x"
    return text


def _one_of(choices: Any, random: Random) -> str:
    operation, argument = random.choice(choices)
    match str(operation):
        case "RANGE":
            return chr(random.randint(*argument))
        case "CATEGORY":
            return random.choice("0123456789")
        case _:
            return chr(argument)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


def mutated(document: Any, random: Random, planted: Sequence[str]) -> Any:
    """The document with one to three things wrong in it. Not all of them have to be wrong for whoever reads it."""
    changed = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        parent, key = _somewhere(changed, random)
        if parent is None:
            return _other(changed, random, planted)
        _CHANGES[random.randrange(len(_CHANGES))](parent, key, random, planted)
    return changed


def _somewhere(document: Any, random: Random) -> tuple[Any, Any]:
    """A place in the document, deep ones as likely as shallow ones."""
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
            places += [(value, key) for key, _ in entries]
            waiting += [inner for _, inner in entries]
    return random.choice(places) if places else (None, None)


def _other(before: Any, random: Random, planted: Sequence[str]) -> Any:
    text = str(before)
    choices: tuple[Callable[[], Any], ...] = (
        lambda: random.choice(planted),
        lambda: random.choice(planted),
        # With a space between, so that no id comes of an amount: an id is what a log may say.
        lambda: f"{text} {random.choice(planted)}",
        lambda: random.choice(ODD),
        lambda: f"{text}{random.choice(ODD)}",
        lambda: random.choice(MOMENTS),
        lambda: random.choice(NUMBERS),
        lambda: random.choice(AMOUNTS),
        lambda: random.choice((None, True, False, [], {}, [[]], {"": ""})),
        lambda: [before, before],
        lambda: {random.choice(planted): before},
        lambda: text * random.choice((2, 50)),
        lambda: random.choice(planted) * random.choice((20, 2_000)),
        lambda: text[::-1],
        text.upper,
        lambda: text[: len(text) // 2],
        lambda: deep(random.choice((5, 40, 100)), random.choice(planted)),
        lambda: Raw("[" * 100_000),
        lambda: Raw('{"x": [' * 400 + "1" + "]}" * 400),
        lambda: Raw('{"x": [' * 3_000 + "1" + "]}" * 3_000),
        lambda: Raw(random.choice(("NaN", "-Infinity", "1e999", "0" * 50, "9" * 5_000, "-", "'x'", "\\u00zz"))),
    )
    return random.choice(choices)()


def deep(levels: int, inside: Any) -> Any:
    for level in range(levels):
        inside = [inside] if level % 2 else {"x": inside}
    return inside


def _drop(parent: Any, key: Any, random: Random, planted: Sequence[str]) -> None:
    del parent[key]


def _replace(parent: Any, key: Any, random: Random, planted: Sequence[str]) -> None:
    parent[key] = _other(parent[key], random, planted)


def _add(parent: Any, key: Any, random: Random, planted: Sequence[str]) -> None:
    if isinstance(parent, dict):
        parent[random.choice((*planted, *ODD, "constructor"))] = _other(parent[key], random, planted)
    else:
        parent.extend([copy.deepcopy(parent[key])] * random.choice((1, 30, 600)))


def _rename(parent: Any, key: Any, random: Random, planted: Sequence[str]) -> None:
    """Under another name, which a refusal must not repeat: one that is planted, most of the time."""
    if isinstance(parent, dict):
        parent[random.choice((*planted, *planted, *planted, str(key).upper(), f"{key} ", *ODD))] = parent.pop(key)


def _swap(parent: Any, key: Any, random: Random, planted: Sequence[str]) -> None:
    other = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    parent[key], parent[other] = parent[other], parent[key]


_CHANGES: Final = (_drop, _replace, _replace, _replace, _add, _rename, _swap)


# ── how it is written ────────────────────────────────────────────────────────────────────────────────────────────────

_RAW: Final = re.compile(r'"\\u0001raw:([A-Za-z0-9+/=]*)\\u0001"')


def written(document: Any) -> str:
    """The document as JSON, `Raw` parts as they are."""

    def marked(value: Any) -> Any:
        match value:
            case Raw():
                return f"\u0001raw:{base64.b64encode(value.encode()).decode()}\u0001"
            case dict():
                return {str(key): marked(inner) for key, inner in value.items()}
            case list():
                return [marked(inner) for inner in value]
        return value

    try:
        text = json.dumps(marked(document))
    except RecursionError:  # deeper than Python writes, which does not keep others from it
        text = '{"x": [' * 1_000 + "]}" * 1_000
    return _RAW.sub(lambda found: base64.b64decode(found.group(1)).decode(), text)


def broken(text: str, random: Random, planted: Sequence[str]) -> str:
    """JSON that is none any more, or that says something twice."""
    at = random.randrange(len(text) + 1)
    choices: tuple[Callable[[], str], ...] = (
        lambda: text[:at],
        lambda: text[:at] + random.choice(ODD) + text[at:],
        lambda: text[:at] + random.choice(planted) + text[at:],
        lambda: f"{text}{text}",
        lambda: f'{text[:-1]}, "type": "{random.choice(planted)}"{text[-1:]}',
        lambda: re.sub(r'("\w+": )', r"\1\1", text, count=1),
        lambda: re.sub(
            r'("\w+"): ', lambda found: f"{found[0]}{json.dumps(random.choice(planted))}, {found[0]}", text, count=1
        ),
        lambda: text.replace('"', "'"),
        lambda: f"\ufeff{text}",
        lambda: "[" * random.choice((10, 3_000)) + text,
        lambda: json.dumps(text),
        lambda: random.choice(planted),
        lambda: "",
    )
    return random.choice(choices)()


def encoded(text: str, random: Random) -> tuple[str, bool]:
    """A body as a gateway hands it on: (text, whether it is Base64), in any encoding, right or wrong."""
    raw = text.encode("utf-8", "surrogatepass")
    with contextlib.suppress(UnicodeError):
        raw = random.choice(
            (raw, raw, raw, text.encode("utf-16"), text.encode("latin-1", "replace"), gzip.compress(raw))
        )
    if random.random() < 0.1:
        raw = bytes(byte ^ 0x80 if index % 37 == 5 else byte for index, byte in enumerate(raw))
    found = base64.b64encode(raw).decode()
    return (found[:-1] if random.random() < 0.1 else found), random.random() < 0.9
