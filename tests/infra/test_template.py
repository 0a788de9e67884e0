"""The template as a whole: it lints, it transforms, and it names no Region and no partition."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.stack import ROOT, TEMPLATE, load, stack

ENVIRONMENTS = ("dev", "staging", "prod")


def cfn_lint(path: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("cfn-lint")
    command = [str(tool), "--non-zero-exit-code", "warning", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    result = cfn_lint(TEMPLATE)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_transformed_template_is_valid_cloudformation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "aws-sam-translator is not installed"
    transform = pytest.importorskip("samtranslator.translator.transform", reason=reason).transform
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    document = load(TEMPLATE)
    for resource in document["Resources"].values():
        # What `sam package` does: code and definitions are objects in a bucket by then.
        for key in ("CodeUri", "ContentUri", "DefinitionUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://bucket/key"

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    transformed: dict[str, Any] = transform(document, {}, NoManagedPolicies())

    resources = transformed["Resources"]
    own_roles = stack().of("AWS::IAM::Role")
    generated = {name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"} - set(own_roles)
    assert not generated, "SAM wrote a role of its own, with managed policies that hold for the whole account"
    kinds = [resource["Type"] for resource in resources.values()]
    assert kinds.count("AWS::Lambda::Function") == 16
    assert kinds.count("AWS::Lambda::EventSourceMapping") == 8
    assert kinds.count("AWS::Lambda::EventInvokeConfig") == 4
    written = tmp_path / "transformed.json"
    written.write_text(json.dumps(transformed), encoding="utf-8")
    result = cfn_lint(written)
    errors = [line for line in result.stdout.splitlines() if line.startswith("E")]
    assert not errors, result.stdout


def test_no_region_and_no_partition_is_written_out() -> None:
    text = "\n".join(line for line in TEMPLATE.read_text(encoding="utf-8").splitlines() if "#" not in line)
    assert not re.search(r"\barn:aws[a-z-]*:", text)
    assert not re.search(r"\b(us|eu|ap|cn|sa|ca|af|me|il)-[a-z]+-\d\b", text)
    hosts = re.findall(r"[\w.${}:-]*amazonaws\.com\S*", text)
    assert all(re.fullmatch(r"[a-z-]+\.amazonaws\.com[],]*", host) for host in hosts), "only service principals"


def test_what_a_partition_or_an_emulator_lacks_is_conditional() -> None:
    conditional = ("AWS::SMSVOICE::", "AWS::WAFv2::", "AWS::ApiGateway::Account")
    for name, resource in stack().resources.items():
        if resource["Type"].startswith(conditional):
            assert "Condition" in resource, name
    for name in ("EndUserMessaging", "SnsText", "WebAcl", "ApiGatewayAccountRole"):
        assert stack().parameters[name]["Default"] == "false", name


def test_every_parameter_and_condition_is_used() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    for name in stack().parameters:
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", text), name
    declared = stack().document["Conditions"]
    for name in declared:
        used = rf"Condition:? {name}\b|!If \[{name},|^ *- {name}$"
        assert re.search(used, text, re.MULTILINE), name


def config() -> dict[str, Any]:
    with (ROOT / "samconfig.toml").open("rb") as file:
        return tomllib.load(file)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_deploys_under_its_own_name(environment: str) -> None:
    deploy = config()[environment]["deploy"]["parameters"]
    overrides = dict(item.split("=", 1) for item in deploy["parameter_overrides"])
    assert deploy["stack_name"] == f"dunlin-{environment}"
    assert overrides["Environment"] == environment
    assert f"environment={environment}" in deploy["tags"]
    for name, value in overrides.items():
        allowed = stack().parameters[name].get("AllowedValues")
        assert allowed is None or value in [str(item) for item in allowed], name


def test_a_person_confirms_what_goes_to_prod_and_nothing_deploys_by_default() -> None:
    read = config()
    assert read["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
    assert "deploy" not in read["default"]
    for name in ("default", *ENVIRONMENTS):
        assert read[name]["validate"]["parameters"]["lint"] is True
