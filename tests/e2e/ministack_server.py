"""Starts ministack for the tests; run by the Python of `.venv-e2e`, which knows nothing of this project.

Three things differ from `ministack`. Schedules are looked at every second, not every ten, because the tests move the
clock a minute at a time. `Ref` of a secret is its ARN, as in CloudFormation. And three resource types that it does not know are accepted and make nothing, so that the
template can be deployed with what depends on them: without them `EndUserMessaging=true` and `WebAcl=true`, and the
rights that come with these, would stay untried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, str]]]
#: Known to CloudFormation and not to ministack.
ACCEPTED = ("AWS::SMSVOICE::ConfigurationSet", "AWS::SMSVOICE::OptOutList", "AWS::WAFv2::WebACLAssociation")


def accept(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    """Nothing is made; the name is the template's, since what refers to the resource refers to that."""
    named = properties.get("ConfigurationSetName") or properties.get("OptOutListName") or f"{stack}-{logical_id}"
    return named, {"Arn": f"arn:aws:accepted:::{named}"}


def forget(physical_id: str, properties: dict[str, Any]) -> None:
    """Nothing was made."""


def by_arn(create: Create) -> Create:
    """`Ref` of a secret is its ARN in CloudFormation, and policies rest on that; ministack has its name there."""

    def created(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        _, attributes = create(logical_id, properties, stack)
        return attributes["Arn"], attributes

    return created


def main() -> None:
    known = provisioners._RESOURCE_HANDLERS
    for resource_type in ACCEPTED:
        if resource_type in known:
            raise SystemExit(f"ministack knows {resource_type} now: take it off the list")
        known[resource_type] = {"create": accept, "delete": forget}
    secret = known["AWS::SecretsManager::Secret"]
    secret["create"] = by_arn(secret["create"])
    eventbridge._SCHEDULER_TICK_INTERVAL = 1
    app._port_is_bindable = lambda *_: False  # with TLS it would take port 443 as well
    app.main()


if __name__ == "__main__":
    main()
