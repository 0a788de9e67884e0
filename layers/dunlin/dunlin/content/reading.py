"""The words that a borrower's text is held against, whatever the locale it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dunlin.domain.keywords import KeywordWords
from dunlin.errors import ContentError


def words_for(locale: str | None, words: Mapping[str, KeywordWords]) -> KeywordWords:
    """The words of `locale` and, since people answer as they like, of every other; single letters only its own.

    Raises:
        ContentError: no locale has any words.
    """
    found = words.get(locale or "")
    for other, theirs in sorted(words.items()):
        if other != locale:
            shared = without_whole(theirs)
            found = shared if found is None else found | shared
    if found is None:
        raise ContentError("words", ".", "no locale has any")
    return found


def without_whole(words: KeywordWords) -> KeywordWords:
    """The words that also mean something to people of another language."""
    return replace(
        words,
        opt_out=replace(words.opt_out, whole=frozenset()),
        opt_in=replace(words.opt_in, whole=frozenset()),
        help=replace(words.help, whole=frozenset()),
    )
