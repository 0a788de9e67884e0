"""Outside production, whatever happens, nothing reaches an address that is not on the list."""

from __future__ import annotations

from dunlin.domain.recipients import parse_recipients
from dunlin.domain.words import Channel
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.builders import DAY, TODAY, House, loan_document, overdue_document, party_document

PHONES = ("+12125550123", "+12125550187", "+12065550123", "+13105550140")
MAILS = ("jo@mail.example", "jo@other.example", "sam@mail.example")
ENTRIES = (*PHONES, *MAILS, "+12125*", "+1212555012*", "+13105550140*", "*@mail.example", "*@other.example")


def covered(entries: list[str], address: str) -> bool:
    """Told again, as somebody would read the list aloud."""
    for entry in entries:
        if entry.startswith("*"):
            if "@" in address and address.split("@")[1] == entry[2:]:
                return True
        elif entry.endswith("*"):
            if "@" not in address and address.startswith(entry[:-1]):
                return True
        elif entry == address:
            return True
    return False


@given(st.lists(st.sampled_from(ENTRIES), max_size=4), st.sampled_from((*PHONES, *MAILS)))
def test_the_list_says_what_it_says(entries: list[str], address: str) -> None:
    assert parse_recipients({"recipients": entries}).include(address) == covered(entries, address)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_entry_reaches_more_than_it_says(entry: str, address: str) -> None:
    try:
        recipients = parse_recipients({"recipients": [entry]})
    except Exception:  # the list is refused: nothing is sent at all
        return
    assert not recipients.include(address) or covered([entry.casefold()], address.casefold())


class Dealings(RuleBasedStateMachine):
    """Borrowers come, change their addresses, text us, and days pass."""

    @initialize(entries=st.lists(st.sampled_from(ENTRIES), max_size=4))
    def begin(self, entries: list[str]) -> None:
        self.entries = entries
        self.house = House(recipients=parse_recipients({"recipients": entries}))
        self.sequence = 0

    @rule(
        borrower=st.sampled_from(("b-1", "b-2")),
        phone=st.none() | st.sampled_from(PHONES),
        email=st.none() | st.sampled_from(MAILS),
        days=st.sampled_from((-20, -4, 0, 2)),
    )
    def know(self, borrower: str, phone: str | None, email: str | None, days: int) -> None:
        self.sequence += 1
        due_on = TODAY.fromordinal(TODAY.toordinal() + days)
        overdue = {"overdue": overdue_document("120.50")} if days < 0 else {}
        loan = loan_document(
            f"l-{borrower}",
            due_on,
            sequence=self.sequence,
            as_of=self.house.now,
            **overdue,  # type: ignore[arg-type]
        )
        party = party_document(phone=phone, email=email)
        self.house.know(borrower, loan, parties=[party], sequence=self.sequence)

    @rule(phone=st.sampled_from(PHONES), text=st.sampled_from(("STOP", "START", "HELP")))
    def text(self, phone: str, text: str) -> None:
        self.sequence += 1
        self.house.text(text, phone, f"in-{self.sequence}", received_at=self.house.now)

    @rule(days=st.integers(1, 8))
    def wait(self, days: int) -> None:
        self.house.run_until(self.house.now + days * DAY)

    @invariant()
    def nobody_else(self) -> None:
        for order in self.house.orders if hasattr(self, "house") else ():
            assert covered(self.entries, order.address)
            assert ("@" in order.address) == (order.line.channel is Channel.EMAIL)

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.check_ledger()


TestDealings = Dealings.TestCase
TestDealings.settings = settings(max_examples=15, stateful_step_count=10)
