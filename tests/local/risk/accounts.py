"""Invented accounts in the source's columns: those who are behind miss the next instalment more often."""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

from local.risk.accounts import COLUMNS, TARGET

HEADER = ["id", *COLUMNS, TARGET]
#: Real accounts, of which the project has no copy: named in the environment, or beside the checkout.
REAL = Path(
    os.environ.get("DUNLIN_ACCOUNTS")
    or Path(__file__).resolve().parents[4] / "shared" / "data" / "credit-card-clients.csv"
)


def invented(count: int, seed: int = 1) -> list[dict[str, str]]:
    draws = random.Random(seed)
    rows = []
    for n in range(1, count + 1):
        worry = draws.random()
        limit = draws.choice([20_000, 50_000, 120_000, 300_000])
        statuses = [
            draws.randint(1, 3) if draws.random() < worry**2 else draws.choice([-2, -1, 0, 0]) for _ in range(6)
        ]
        billed = [int(limit * draws.random() * worry) for _ in range(6)]
        paid = [0 if draws.random() < worry / 2 else int(bill * draws.random()) for bill in billed]
        missed = draws.random() < worry**2 * 0.7
        figures = [limit, *statuses, *billed, *paid, int(missed)]
        rows.append(dict(zip(HEADER, map(str, [n, *figures]), strict=True)))
    return rows


def written(path: Path, rows: list[dict[str, str]], columns: list[str] | None = None) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path
