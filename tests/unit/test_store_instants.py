"""An instant as it is stored: read back as it was, and sorted as time is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dunlin.adapters.dynamo.store import instant, parse_instant


@pytest.mark.parametrize("year", [1, 999, 1000, 2026, 9999])
def test_whatever_the_year(year: int) -> None:
    moment = datetime(year, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
    assert instant(moment) == f"{year:04d}-03-04T05:06:07.000008Z"
    assert parse_instant(instant(moment)) == moment
