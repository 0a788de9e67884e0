"""The functional tests' content: released, so that also what is sent is met."""

from tests.functional.conftest import content

__all__ = ["content"]
