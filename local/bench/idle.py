"""Idle loans: a run with a hundred times more of them makes the same calls."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from local.bench.portfolio import REGION, Setting, opened

__all__ = ["idle"]

_FEW, _TIMES = 20, 100


def idle(setting: Setting) -> dict[str, object]:
    """AWS operations of the same run beside `few` idle borrowers, and beside a hundred times as many.

    An idle borrower is a real one, of the run itself, whose next moment is a year after its end.
    """
    pattern, _ = _run(setting, None, 0)
    few = _run(setting, pattern, _FEW)[1]
    many = _run(setting, pattern, _FEW * _TIMES)[1]
    return {
        "idle_borrowers": [_FEW, _FEW * _TIMES],
        "operations": [few, many],
        "operations_an_idle_borrower": (many - few) / (_FEW * (_TIMES - 1)),
        "growth": round(many / few - 1, 4),
    }


def _run(setting: Setting, pattern: dict[str, Any] | None, idle_borrowers: int) -> tuple[dict[str, Any], int]:
    with TemporaryDirectory(prefix="dunlin-bench-") as folder, opened(setting, Path(folder)) as world:
        table: Any = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[
            world.aws.template.physical_name("BorrowersTable")
        ]
        for number in range(idle_borrowers):
            assert pattern is not None
            table.put_item(_renamed(pattern, f"idle-{number:06d}", number))
        world.run()
        hot = [item for item in table.all_items() if item.attrs["item"].value == "HOT" and "wake_at" in item.attrs]
        found: dict[str, Any] = copy.deepcopy(hot[0].to_json()["Attributes"])
        later = (world.end + timedelta(days=365)).isoformat()
        document = json.loads(found["document"]["S"])
        document["wake_at"] = later
        found |= {"document": {"S": json.dumps(document)}, "wake_at": {"S": later}}
        return found, sum(world.aws.counters.calls.values())


def _renamed(pattern: dict[str, Any], borrower_id: str, number: int) -> dict[str, Any]:
    shards = pattern["wake_shard"]["S"]
    shard = f"{number % _SHARDS:0{len(shards)}d}" if shards.isdecimal() else shards
    return pattern | {"borrower_id": {"S": borrower_id}, "wake_shard": {"S": shard}}


_SHARDS = 8
