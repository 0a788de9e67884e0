"""The link of an e-mail, from the secret to the suppression: a look changes nothing, one click does."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import pytest
from dunlin.adapters.aws import HmacPointKeys
from dunlin.adapters.unsubscribe import UnsubscribeLinks
from dunlin.domain.words import Channel, Purpose

from tests.functional.conftest import REGION, Stack, read_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")


def test_only_a_click_opts_out(stack: Stack) -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    key = secrets.get_secret_value(SecretId=stack.aws.template.physical_name("PointKeySecret"))["SecretString"]
    point = HmacPointKeys(key).point(Channel.EMAIL, "somebody@plantagenet.example")
    token = UnsubscribeLinks(key, "").token(point, Purpose.COLLECTION)

    def ask(case: str) -> dict[str, Any]:
        event = copy.deepcopy(read_event("receive_unsubscribe", case))
        event["pathParameters"]["token"] = token
        answer: dict[str, Any] = stack.call("receive_unsubscribe", event)
        return answer

    def kept() -> list[dict[str, Any]]:
        return [item for item in stack.aws.items("SuppressionsTable") if item["point"] == point]

    assert ask("looked_at") == stack.call("receive_unsubscribe", read_event("receive_unsubscribe", "looked_at"))
    assert kept() == []
    assert ask("forged") == stack.call("receive_unsubscribe", read_event("receive_unsubscribe", "forged"))
    (state,) = kept()
    assert "email#collection" in str(state)
    ask("forged")
    assert [item["item"] for item in kept()] == ["STATE"]
    assert token not in stack.written()
    assert point not in stack.written()
