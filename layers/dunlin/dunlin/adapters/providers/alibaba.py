"""Alibaba Cloud SMS on the mainland: a JSON array, repeated after 1, 5 and 10 minutes, and signed by nothing.

Whoever knows the address can speak: so the address holds an unguessable token, and what is said this way can confirm
or end what we handed over and can opt a number out, and nothing else (`is_signed`).
"""

from __future__ import annotations

from typing import Final

from dunlin.adapters.providers import unsigned
from dunlin.adapters.providers.mainland import element_provider

PROVIDER: Final = element_provider("alibaba", signing_field="", verify=unsigned)
