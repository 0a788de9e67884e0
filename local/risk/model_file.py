"""The model's file: JSON, a tree a line, so that a change of it can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dunlin.domain.risk import RiskModel, model_of
from dunlin.errors import InvalidInput

#: Trained on the public accounts of Yeh (2009); `dunlin train` makes a lender's own.
SHIPPED = Path(__file__).parent / "model.json"


def read_model(path: Path = SHIPPED) -> RiskModel:
    """The model in a file.

    Raises:
        InvalidInput: it holds none. OSError: it cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise InvalidInput("model", "is no JSON in UTF-8") from None
    return model_of(document)


def written(document: Mapping[str, Any]) -> str:
    """The file's text."""
    lines = []
    for name, value in document.items():
        if name in ("trees", "calibration"):
            inner = ",\n  ".join(json.dumps(each, separators=(",", ":")) for each in value)
            lines.append(f'"{name}": [\n  {inner}\n]')
        elif name == "inputs":
            inner = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(each)}" for key, each in value.items())
            lines.append(f'"{name}": {{\n  {inner}\n}}')
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
