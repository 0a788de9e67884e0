"""`python -m local.auditor <folder>`: the judgement as JSON; the exit code is 1 if anything was found."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from local.auditor import EvidenceError, audit


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.auditor", description="Judge a folder of evidence.")
    parser.add_argument("evidence", type=Path)
    parser.add_argument("--settle-seconds", type=float, default=0.0, help="how long a fact may take to be taken in")
    arguments = parser.parse_args()
    try:
        report = audit(arguments.evidence, settle_seconds=arguments.settle_seconds)
    except EvidenceError as error:
        print(f"the evidence cannot be judged: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    return 1 if report.total else 0


if __name__ == "__main__":
    raise SystemExit(main())
