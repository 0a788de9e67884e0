"""A suppression list becomes events that the door takes; what is wrong is named by line and column, never repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.entry.core_events import parse_core_event
from dunlin.errors import InvalidInput
from dunlin.services.ingest import Ingested
from typer.testing import CliRunner

from local.cli import app
from local.commands.suppressions import Refused, put, read_list
from tests.builders import NOW, PHONE, House, loan_document, party_document

HEADER = "phone,email,scope,purpose,at,source\n"
GOOD = f"{PHONE},,number,,2026-05-01T10:00:00+00:00,import\n"


def a_file(folder: Path, rows: str, header: str = HEADER) -> Path:
    path = folder / "list.csv"
    path.write_text(header + rows, encoding="utf-8")
    return path


def test_good_rows_are_events_that_the_door_takes(tmp_path: Path) -> None:
    rows = GOOD + "\n,Jo@Marram.example,purpose,marketing,2026-05-02T10:00:00Z,web\n" + f"{PHONE},,everything,,"
    found = read_list(a_file(tmp_path, rows + "2026-05-03T10:00:00+02:00,paper\n"), NOW)
    assert found.refused == ()
    assert [parse_core_event(event).type for event in found.events] == ["suppression.imported"] * 3
    assert found.events[1]["suppression"] == {
        "email": "Jo@Marram.example",
        "scope": "purpose",
        "purpose": "marketing",
        "source": "web",
    }


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("12,,number,,2026-05-01T10:00:00+00:00,import", "phone"),
        (",nobody,number,,2026-05-01T10:00:00+00:00,import", "email"),
        (f"{PHONE},,,,2026-05-01T10:00:00+00:00,import", "scope"),
        (f"{PHONE},,house,,2026-05-01T10:00:00+00:00,import", "scope"),
        (f"{PHONE},,purpose,,2026-05-01T10:00:00+00:00,import", "row"),
        (f"{PHONE},,purpose,fun,2026-05-01T10:00:00+00:00,import", "purpose"),
        (f"{PHONE},jo@marram.example,number,,2026-05-01T10:00:00+00:00,import", "row"),
        (f"{PHONE},,number,,yesterday,import", "at"),
        (f"{PHONE},,number,,2026-05-01T10:00:00,import", "at"),
        (f"{PHONE},,number,,2026-06-02T10:00:00+00:00,import", "at"),
        (f"{PHONE},,number,,2026-05-01T10:00:00+00:00,", "source"),
        (f"{PHONE},,number,,2026-05-01T10:00:00+00:00,A list!", "source"),
        (f"{PHONE},number", "row"),
    ],
)
def test_a_wrong_row_is_named_and_holds_up_no_other(tmp_path: Path, row: str, column: str) -> None:
    found = read_list(a_file(tmp_path, GOOD + row + "\n" + GOOD), NOW)
    assert len(found.events) == 2
    (refused,) = found.refused
    assert (refused.line, refused.column) == (3, column)
    values = [cell for cell in row.split(",") if cell not in ("", "number", "purpose", "import")]
    assert not any(value in str(refused) for value in values)


@pytest.mark.parametrize(
    "header",
    ["phone,scope,at\n", "scope,at,source\n", "phone,scope,at,source,note\n", "phone,phone,scope,at,source\n", ""],
)
def test_a_file_that_is_no_list(tmp_path: Path, header: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_list(a_file(tmp_path, GOOD, header), NOW)
    assert refused.value.field == "header"
    assert PHONE not in str(refused.value)


def test_a_first_line_that_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^file: is not CSV at line "):
        read_list(a_file(tmp_path, GOOD, header=f"phone{'x' * 200_000}\n"), NOW)


def test_the_same_file_is_the_same_events_and_they_change_nothing_twice(tmp_path: Path) -> None:
    path = a_file(tmp_path, GOOD + ",jo@marram.example,everything,,2026-05-02T10:00:00Z,web\n")
    first, again = read_list(path, NOW), read_list(path, NOW + timedelta(days=3))
    assert first == again
    house = House()
    house.know("b-1", loan_document(), parties=[party_document(email="jo@marram.example")])
    results = [house.ingest.receive(parse_core_event(event)) for event in first.events]
    assert results == [Ingested.APPLIED, Ingested.APPLIED]
    before = (house.borrower(), dict(house.store.suppressions), dict(house.store.point_records))
    results = [house.ingest.receive(parse_core_event(event)) for event in again.events]
    assert results == [Ingested.REPEATED, Ingested.REPEATED]
    assert (house.borrower(), house.store.suppressions, house.store.point_records) == before
    assert all(point.blocked == {"*"} for point in house.borrower().parties[0].points)
    assert not any(PHONE.removeprefix("+") in event["event_id"] for event in first.events)


class ABus:
    """Takes what it is given, but the first of every call only the second time."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.taken: list[Mapping[str, str]] = []
        self.calls: list[int] = []
        self.deaf = deaf

    def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:  # noqa: N803
        self.calls.append(len(Entries))
        fails = [self.deaf or (number == 0 and len(Entries) > 1) for number in range(len(Entries))]
        self.taken += [entry for entry, failed in zip(Entries, fails, strict=True) if not failed]
        return {"Entries": [{"ErrorCode": "Throttled"} if failed else {"EventId": "1"} for failed in fails]}


def test_the_bus_is_asked_again_for_what_it_did_not_take(tmp_path: Path) -> None:
    events = read_list(a_file(tmp_path, GOOD * 12), NOW).events
    bus = ABus()
    put(bus, "core", "lender.core", events)
    assert bus.calls == [10, 1, 2, 1]
    assert sorted(entry["Detail"] for entry in bus.taken) == sorted(json.dumps(event) for event in events)
    assert {(entry["EventBusName"], entry["Source"], entry["DetailType"]) for entry in bus.taken} == {
        ("core", "lender.core", "suppression.imported")
    }
    with pytest.raises(InvalidInput):
        put(ABus(deaf=True), "core", "lender.core", events)


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    path = a_file(tmp_path, GOOD + "12,,number,,2026-05-01T10:00:00+00:00,import\n")
    result = CliRunner().invoke(app, ["suppressions", str(path), "--out", str(out)])
    assert result.exit_code == 1
    assert "line 3: phone: must be" in result.output
    assert "1 rows written, 1 refused" in result.output
    assert [json.loads(line)["type"] for line in out.read_text().splitlines()] == ["suppression.imported"]
    assert CliRunner().invoke(app, ["suppressions", str(a_file(tmp_path, GOOD))]).exit_code == 0
    assert CliRunner().invoke(app, ["suppressions", str(tmp_path / "none.csv")]).exit_code == 2


def test_a_refusal_in_words() -> None:
    assert str(Refused(7, "phone", "must be an E.164 number")) == "line 7: phone: must be an E.164 number"
