"""Policy, strategy and words as data: read, validated, released.

    load_content(root)   the files, validated, as `Content`; raises ContentError with file, line and field
    load_rules(root)     only the rules of places and the lender's own, to be asked
    load_lexicon(root)   only what a borrower's text is read with
    check(root)          what is wrong with the content beyond its shape, as a list for people
    sign(root, ...)      a release of exactly these bytes, by three people, for the embedded environment
    json_schemas()       the files' shapes, published for editors

Importing this package reads nothing. `check` and `sign` are imported when they are first asked for: they render every
text, and no deployed function does that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dunlin.content.errors import ContentErrors
from dunlin.content.loader import Rules, content_version, json_schemas, load_content, load_lexicon, load_rules
from dunlin.content.model import Content, LenderTexts, Template

if TYPE_CHECKING:
    from dunlin.content.lint import Problem, check
    from dunlin.content.signing import sign

__all__ = [
    "Content",
    "ContentErrors",
    "LenderTexts",
    "Problem",
    "Rules",
    "Template",
    "check",
    "content_version",
    "json_schemas",
    "load_content",
    "load_lexicon",
    "load_rules",
    "sign",
]


_IMPORTED_WHEN_ASKED = {"Problem": "lint", "check": "lint", "sign": "signing"}


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_IMPORTED_WHEN_ASKED[name]}"), name)
