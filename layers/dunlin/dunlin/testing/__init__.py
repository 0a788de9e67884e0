"""In-memory stand-ins for every port, held to the same contract suite as the real ones. Shipped, so users test too."""

from dunlin.testing.memory import (
    FakeAnnouncements,
    FakeClock,
    FakeDeadLetters,
    FakeEars,
    FakeEscalations,
    FakeIntake,
    FakePointKeys,
    FakeRefusedInput,
    FakeSender,
    FakeSlots,
    FakeWakeQueue,
    MemoryControls,
    MemoryHoldings,
    MemoryStore,
)

__all__ = [
    "FakeAnnouncements",
    "FakeClock",
    "FakeDeadLetters",
    "FakeEars",
    "FakeEscalations",
    "FakeIntake",
    "FakePointKeys",
    "FakeRefusedInput",
    "FakeSender",
    "FakeSlots",
    "FakeWakeQueue",
    "MemoryControls",
    "MemoryHoldings",
    "MemoryStore",
]
