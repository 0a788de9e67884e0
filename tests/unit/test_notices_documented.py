"""The guide to core events says of each notice what the messages declare."""

from __future__ import annotations

import re

from dunlin.domain.notices import asks_for_money
from dunlin.domain.policy import NoticeRule

from tests.builders import ROOT, shipped_content

GUIDE = (ROOT / "docs" / "core-events.md").read_text(encoding="utf-8")
_FROM_STATEMENT = {"total", "fees", "due_on", "days", "accounts", "items"}


def row_of(rule: NoticeRule) -> tuple[str, str, dict[str, str], str, str]:
    """As the table has it: name, purpose, facts, whether it needs a loan, letter."""
    elsewhere = {"tail", "reply_by"} | (_FROM_STATEMENT if rule.statement else set())
    facts = {name: kind for name, kind in rule.variables.items() if name not in elsewhere}
    loan = "or `tail`" if "tail" in rule.variables else "optional"
    needs = "required" if asks_for_money(rule) else loan
    return rule.message, str(rule.purpose), facts, needs, rule.letter.replace("_", " ")


def test_the_table_is_what_the_messages_declare() -> None:
    written = {}
    for line in GUIDE.partition("## Notices")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name is not None and len(cells) == 5:
            facts = dict(re.findall(r"`(\w+)` \((\w+)\)", cells[2]))
            written[name[1]] = (name[1], cells[1], facts, cells[3], cells[4])
    declared = {rule.message: row_of(rule) for rule in shipped_content().notices.values() if rule.from_core}
    assert written == declared


def test_its_examples_are_notices() -> None:
    assert '"message": "payment_part_received"' in GUIDE
    rule = shipped_content().notices["payment_part_received"]
    assert set(rule.variables) == {"tail", "amount", "event_on", "remaining"}
