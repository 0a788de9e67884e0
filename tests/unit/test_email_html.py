"""The HTML part of an e-mail says what its text part says, and nothing in it is obeyed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from dunlin.adapters.senders.html import html_of
from hypothesis import given
from hypothesis import strategies as st

LETTER = """Dear Dana,

Your account ending 4821 is 12 days overdue.

- Account ending 4821: $820.00
- Together: $820.00

How to pay
- Bank transfer
- Wallet

Marram Lending, Inc.
"""
#: What a browser may load, run or follow.
ACTIVE = {"a", "img", "script", "iframe", "link", "object", "embed", "form", "video", "audio", "svg"}


class Read(HTMLParser):
    """Tags and words as a mail programme sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self._in_title = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        if not self._in_title:
            self.words += data.split()


def words_of(text: str) -> list[str]:
    """The words of a text part, without the dashes of its lists."""
    return re.sub(r"(?m)^- ", "", text).split()


def test_paragraphs_and_lists() -> None:
    page = html_of("A message about your account", LETTER, "en-US")
    assert "<ul><li>Account ending 4821: $820.00</li><li>Together: $820.00</li></ul>" in page
    assert "<p>How to pay</p>\n<ul><li>Bank transfer</li><li>Wallet</li></ul>" in page
    assert '<html lang="en-US">' in page
    assert Read(page).words == words_of(LETTER)


lines = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


@given(st.lists(lines, max_size=12), lines)
def test_it_says_the_same_words_and_obeys_none(said: list[str], subject: str) -> None:
    text = "\n".join(said)
    read = Read(html_of(subject, text, "en-US"))
    assert "".join(read.words) == "".join(words_of(text))
    assert not ACTIVE & set(read.tags)
    assert read.attributes <= {"lang", "charset", "name", "content", "style"}


def test_markup_in_a_name_is_shown() -> None:
    page = html_of("Hi", 'Dear <script>alert("x")</script> & <b>Co</b>,', "en-US")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
