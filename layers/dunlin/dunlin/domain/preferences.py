"""What a contact point wants to hear, out of every word that was said about it.

A word is about one purpose or about all of them. For each purpose the latest word that covers it prevails, in whatever
order words are processed; of two in one instant, the opt-out. So an opt-in never reaches further than it was meant,
and an opt-out that is processed late takes nothing back that was said after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dunlin.domain.borrower import ALL_PURPOSES
from dunlin.domain.words import Channel, Purpose


@dataclass(frozen=True, slots=True)
class Word:
    """An opt-out or opt-in received `at`. `purpose` is one of ours, or `*`; `by` names the text or request."""

    channel: Channel
    purpose: str
    opted_out: bool
    at: datetime
    by: str

    def prevails_over(self, other: Word) -> bool:
        return (self.at, self.opted_out) > (other.at, other.opted_out)


def with_word(words: tuple[Word, ...], word: Word) -> tuple[Word, ...]:
    """The words that still matter once `word` was said: at most one for each purpose and one for all, a channel."""
    rivals = [known for known in words if known.channel is word.channel]
    covering = [known for known in rivals if known.purpose in (word.purpose, ALL_PURPOSES)]
    if not all(word.prevails_over(known) for known in covering):
        return words
    kept = tuple(
        known
        for known in words
        if known.channel is not word.channel
        or not (word.purpose in (known.purpose, ALL_PURPOSES) and word.prevails_over(known))
    )
    return (*kept, word)


def blocked_by(words: Iterable[Word]) -> frozenset[str]:
    """What the words forbid: `channel#purpose`, or `channel#*` where nothing is excepted."""
    blocked: set[str] = set()
    by_channel: dict[Channel, dict[str, Word]] = {}
    for word in words:
        by_channel.setdefault(word.channel, {})[word.purpose] = word
    for channel, said in by_channel.items():
        of_all = said.get(ALL_PURPOSES)
        standing = {purpose: _standing(said.get(purpose), of_all) for purpose in Purpose}
        if of_all is not None and of_all.opted_out and all(standing.values()):
            blocked.add(f"{channel}#{ALL_PURPOSES}")
        else:
            blocked.update(f"{channel}#{purpose}" for purpose, is_out in standing.items() if is_out)
    return frozenset(blocked)


def _standing(own: Word | None, of_all: Word | None) -> bool:
    if own is None or of_all is None:
        word = own or of_all
        return word is not None and word.opted_out
    return own.opted_out if own.prevails_over(of_all) else of_all.opted_out
