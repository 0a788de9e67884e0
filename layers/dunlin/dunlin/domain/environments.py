"""Where Dunlin runs, by name: a release is live in named environments only."""

from __future__ import annotations

from typing import Final

__all__ = ["EMBEDDED", "ENVIRONMENTS", "REAL"]

#: One process on a laptop: simulated providers, invented borrowers. Nothing is filed with a simulator.
EMBEDDED: Final = "embedded"
#: A stack in an account: real providers, real carriers.
REAL: Final = ("dev", "staging", "prod")
ENVIRONMENTS: Final = (EMBEDDED, *REAL)
