"""The errors Dunlin raises.

    DunlinError
    ├── ConfigurationError      a setting, a secret or the content is missing or wrong: fails at cold start
    │   └── ContentError        a pack, strategy, template or profile; names file, line and field
    ├── InvalidInput            input that can never be accepted; names the field, never its value
    ├── NotFound                a borrower or a message that does not exist
    ├── Conflict                another writer was first: read again and decide again
    │   ├── VersionConflict     the borrower's version moved
    │   ├── StateConflict       the message is no longer in the state it was moved from
    │   └── Suppressed          the contact point's suppression item forbids
    ├── AlreadyRecorded         the item exists: this occasion, payment or text was recorded before
    ├── TransientError          storage or provider is not reachable now; the batch's retry is the right answer
    ├── ContentOutdated         this function's content is older than the message's: retry, never send under another
    ├── UnreadableItem          a stored document does not parse under this version of the code
    ├── FiguresMismatch         the figures read back from a text are not the ledger's: it must not be sent
    ├── BatchFailed             every record of a batch failed: the whole batch is tried again
    └── Unexpected              something nobody foresaw: tells the type's name, since its own message may tell anything

Results are not errors: an opt-out, a cap, a hold or a quiet hour is a decision with a reason.
"""

from __future__ import annotations

__all__ = [
    "AlreadyRecorded",
    "BatchFailed",
    "ConfigurationError",
    "Conflict",
    "ContentError",
    "ContentOutdated",
    "DunlinError",
    "FiguresMismatch",
    "InvalidInput",
    "NotFound",
    "StateConflict",
    "Suppressed",
    "TransientError",
    "Unexpected",
    "UnreadableItem",
    "VersionConflict",
]


class DunlinError(Exception):
    """Root of everything Dunlin raises on purpose."""


class ConfigurationError(DunlinError):
    """A setting, a secret or the content is missing or wrong."""


class ContentError(ConfigurationError):
    """A content file is wrong. `where` is `file:line`, `field` the dotted path inside it."""

    def __init__(self, where: str, field: str, problem: str) -> None:
        super().__init__(f"{where}: {field}: {problem}")
        self.where = where
        self.field = field
        self.problem = problem


class InvalidInput(DunlinError):
    """Input that can never be accepted. `field` is its path; the value is never part of the error."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotFound(DunlinError):
    """A borrower or a message that does not exist."""


class Conflict(DunlinError):
    """Another writer was first: read again and decide again."""


class VersionConflict(Conflict):
    """The borrower's version moved since it was read."""


class StateConflict(Conflict):
    """The message is no longer in the state it was to be moved from."""


class Suppressed(Conflict):
    """The contact point's suppression item forbids the reservation."""


class AlreadyRecorded(DunlinError):
    """The item exists already: this occasion, payment, event or text was recorded before."""


class TransientError(DunlinError):
    """Storage or provider cannot be reached now; the batch's retry is the right answer."""


class UnreadableItem(DunlinError):
    """A stored document does not parse under this version of the code. What it holds is not in the error."""


class ContentOutdated(DunlinError):
    """This function's content is older than the one the message was made under."""


class FiguresMismatch(DunlinError):
    """The figures read back from a rendered text are not those of the facts it was rendered from."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the text does not carry the figure it was rendered from")
        self.field = field


class BatchFailed(DunlinError):
    """Every record of a batch failed. Names the records' errors."""


class Unexpected(DunlinError):
    """An error that is not Dunlin's. Its message is the original type's name and nothing else."""
