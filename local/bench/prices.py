"""List prices of us-east-1 in US dollars, on demand, without free tiers. From memory (confidence M), November 2026.

They change seldom and by little; what is compared here is compared under the same prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

#: DynamoDB: a write unit is up to 1 KiB, a read unit up to 4 KiB read strongly.
WRITE_UNIT: Final = Decimal("0.625") / 1_000_000
READ_UNIT: Final = Decimal("0.125") / 1_000_000
#: Lambda on Arm.
INVOCATION: Final = Decimal("0.20") / 1_000_000
GIGABYTE_SECOND: Final = Decimal("0.0000133334")
#: Step Functions, standard workflows.
TRANSITION: Final = Decimal("25") / 1_000_000
#: Of logs, as they are taken in.
LOG_GIGABYTE: Final = Decimal("0.50")
#: A request, where requests are what is paid for. Sending itself is not here: a text costs what its carrier takes, and
#: that is many times all of this.
REQUEST: Final[Mapping[str, Decimal]] = {
    "sqs": Decimal("0.50") / 1_000_000,
    "sns": Decimal("0.50") / 1_000_000,
    "events": Decimal("1.00") / 1_000_000,
    "secretsmanager": Decimal("5.00") / 1_000_000,
}
#: What Lambda's pollers ask of one queue while nothing is in it: five connections, each for twenty seconds.
IDLE_RECEIVES_A_DAY: Final = 5 * 3 * 60 * 24
