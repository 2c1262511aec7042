"""Endpoints in an account: updated beside the old fleet, scaled, taken back, and taken away with all that is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from click.testing import CliRunner

from launcher import notebook, requests
from launcher.cli.root import root
from launcher.config.hosting import Hosting, Scaling, Variant
from launcher.config.run import Endpoint
from launcher.errors import JobFailed
from launcher.opening import DoorWords
from launcher.verbs import endpoints, scaling
from tests.launcher.stubbed import all_asked
from tests.launcher.test_aws import BEES, ENDPOINT_ARN, NOW, Account, config_described, endpoint_described, log_answers

REVISION = "bees-20260102-030405-678"
NEXT = BEES.model_copy(update={"revision": REVISION, "hosting": Hosting(scaling=Scaling(minimum=1, maximum=4))})
CONFIG_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/"
MODEL_ARN = {"ModelArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/bees"}


# The variant that BEES is served by.
SAME = ("AllTraffic", BEES.instance_type)


class Scaled(Account):
    """An account with Application Auto Scaling."""

    def __init__(self) -> None:
        super().__init__()
        client: Any = boto3.client("application-autoscaling", region_name="eu-west-1", aws_access_key_id="x",
                                   aws_secret_access_key="y")  # fmt: skip
        self.scaling = self.stubs["application-autoscaling"] = Stubber(client)
        self.scaling.activate()
        self.door = replace(self.door, autoscaling=client)


@pytest.fixture
def account() -> Iterator[Scaled]:
    yield from all_asked(Scaled())


def expect_revision(account: Scaled, endpoint: Endpoint = NEXT, *, serving: tuple[str, str] = SAME) -> None:
    """``serving`` is the variant that serves before, and its instance type."""
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    described = config_described("bees", "bees")
    described["ProductionVariants"][0] |= dict(zip(("VariantName", "InstanceType"), serving, strict=True))
    account.sagemaker.add_response("describe_endpoint_config", described)
    if serving != SAME:
        expect_targets(account, serving[0])
    if not endpoint.hosting.scaling:
        return
    for model in requests.create_models(endpoint):
        account.sagemaker.add_response("create_model", MODEL_ARN, model)
    account.sagemaker.add_response(
        "create_endpoint_config",
        {"EndpointConfigArn": CONFIG_ARN + REVISION},
        requests.create_endpoint_config(endpoint),
    )


def expect_targets(account: Scaled, variant: str) -> None:
    """The one variant is looked for, and scaled."""
    target = requests.scalable_target("bees", variant)
    asked = {"ServiceNamespace": "sagemaker", "ResourceIds": [target["ResourceId"]]}
    found = {**target, "MinCapacity": 1, "MaxCapacity": 4, "RoleARN": "r", "CreationTime": NOW}
    account.scaling.add_response("describe_scalable_targets", {"ScalableTargets": [found]}, asked)


def test_an_update_makes_the_next_version_and_moves_to_it(account: Scaled) -> None:
    expect_revision(account)
    account.sagemaker.add_response("update_endpoint", {"EndpointArn": ENDPOINT_ARN}, requests.update_endpoint(NEXT))
    endpoints.update(account.door, NEXT)
    new = {"EndpointConfigName": REVISION}
    for described in (endpoint_described("Updating"), *[endpoint_described("InService", **new)] * 2):
        account.sagemaker.add_response("describe_endpoint", {**described, **new})
    told = [status for status, _ in endpoints.watch(account.door, "bees", sleep=lambda _: None)]
    assert told == ["Updating", "InService"]
    endpoints.conclude(account.door, "bees", config=REVISION)


def test_an_update_that_was_rolled_back_has_failed_though_the_endpoint_answers(account: Scaled) -> None:
    for status in ("Updating", "RollingBack", "InService"):
        account.sagemaker.add_response("describe_endpoint", endpoint_described(status))
    told = [status for status, _ in endpoints.watch(account.door, "bees", sleep=lambda _: None)]
    assert told == ["Updating", "RollingBack", "InService"]
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService", FailureReason="no ping"))
    log_answers(account, ["serve: no manifest.json"])
    with pytest.raises(
        JobFailed, match=rf"was not updated. It was taken back from {REVISION} to bees, .* no ping\n  serve"
    ):
        endpoints.conclude(account.door, "bees", config=REVISION)


def test_a_rollback_that_failed_is_an_end_too(account: Scaled) -> None:
    account.sagemaker.add_response("describe_endpoint", endpoint_described("UpdateRollbackFailed"))
    assert [status for status, _ in endpoints.watch(account.door, "bees")] == ["UpdateRollbackFailed"]
    account.sagemaker.add_response("describe_endpoint", endpoint_described("UpdateRollbackFailed", FailureReason="x"))
    log_answers(account, [])
    with pytest.raises(JobFailed, match=r"is UpdateRollbackFailed\. x"):
        endpoints.conclude(account.door, "bees", config=REVISION)


def test_a_refused_update_leaves_the_endpoint_and_nothing_of_the_new_version(account: Scaled) -> None:
    expect_revision(account)
    account.sagemaker.add_client_error("update_endpoint", "ResourceLimitExceeded", "quota of ml.m5.large is 1")
    account.sagemaker.add_response("delete_endpoint_config", {}, {"EndpointConfigName": REVISION})
    account.sagemaker.add_response("delete_model", {}, {"ModelName": REVISION})
    with pytest.raises(ClientError, match="quota"):
        endpoints.update(account.door, NEXT)


@pytest.mark.parametrize("serving", [("AllTraffic", "ml.c5.large"), ("old", BEES.instance_type)])
def test_scaling_is_taken_off_for_another_type_or_name_and_only_where_it_is_set_up_again(
    account: Scaled, serving: tuple[str, str]
) -> None:
    expect_revision(account, serving=serving)
    account.scaling.add_response("deregister_scalable_target", {}, requests.scalable_target("bees", serving[0]))
    account.sagemaker.add_response("update_endpoint", {"EndpointArn": ENDPOINT_ARN}, requests.update_endpoint(NEXT))
    endpoints.update(account.door, NEXT)
    plain = NEXT.model_copy(update={"hosting": Hosting()})
    expect_revision(account, plain, serving=serving)
    with pytest.raises(JobFailed, match=rf"is scaled by {serving[0]}, .*add --autoscale MIN:MAX"):
        endpoints.update(account.door, plain)


@pytest.mark.parametrize("interrupted", ["deregister_scalable_target", "update_endpoint"])
def test_an_update_that_was_interrupted_tells_of_the_scaling_it_takes_off(
    account: Scaled, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    def silent(client: Any, operation: str, words: dict[str, Any]) -> Any:
        if xform_name(operation) == interrupted:
            raise EndpointConnectionError(endpoint_url="https://nowhere")
        return call(client, operation, words)

    expect_revision(account, serving=("old", BEES.instance_type))
    if interrupted == "update_endpoint":
        account.scaling.add_response("deregister_scalable_target", {})
    call = BaseClient._make_api_call
    monkeypatch.setattr(BaseClient, "_make_api_call", silent)
    with pytest.raises(EndpointConnectionError) as caught:
        endpoints.update(account.door, NEXT)
    assert "Its autoscaling may be off now; deploying with --autoscale" in caught.value.__notes__[0]


def test_what_an_update_that_failed_midway_may_stand_on_is_not_taken_from_it(account: Scaled) -> None:
    expect_revision(account)
    account.sagemaker.add_client_error("update_endpoint", "InternalFailure", "", http_status_code=500)
    with pytest.raises(ClientError) as caught:
        endpoints.update(account.door, NEXT)
    assert "`launch.py status --aws` shows it" in caught.value.__notes__[0]


def test_a_fault_in_taking_back_does_not_hide_the_refusal_and_what_stays_is_told(account: Scaled) -> None:
    expect_revision(account)
    account.sagemaker.add_client_error("update_endpoint", "ResourceLimitExceeded", "quota of ml.m5.large is 1")
    account.sagemaker.add_client_error("delete_endpoint_config", "ThrottlingException", "slow down")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": REVISION})
    with pytest.raises(ClientError, match="quota") as caught:
        endpoints.update(account.door, NEXT)
    (said,) = caught.value.__notes__
    assert f"could not all be taken back: endpoint configuration {REVISION} stays" in said and "slow down" in said


def test_an_endpoint_that_is_not_in_service_is_not_updated(account: Scaled) -> None:
    account.sagemaker.add_response("describe_endpoint", endpoint_described("Creating"))
    with pytest.raises(JobFailed, match=r"is Creating, and only one that is InService .*`launch\.py status bees`"):
        endpoints.update(account.door, NEXT)


def test_scaling_is_set_up_for_each_variant_and_only_when_asked(account: Scaled) -> None:
    shares = tuple(Variant(name=name, model_data=f"s3://b/{name}.tar.gz") for name in ("a", "b"))
    scaled = NEXT.model_copy(update={"variants": shares})
    for target in requests.register_scalable_targets(scaled):
        account.scaling.add_response("register_scalable_target", {}, target)
    for policy in requests.put_scaling_policies(scaled):
        account.scaling.add_response("put_scaling_policy", {"PolicyARN": "arn:x"}, policy)
    scaling.scale(account.door, scaled)
    scaling.scale(account.door, BEES)


def expect_tagged(account: Scaled, operation: str, word: str, owners: dict[str, str]) -> None:
    """Configurations or models by the endpoint that their tag names, and one that is not named after this one."""
    summaries = [
        {f"{word}Name": name, f"{word}Arn": MODEL_ARN["ModelArn"] + name, "CreationTime": NOW}
        for name in (*owners, "of-bees")
    ]
    account.sagemaker.add_response(operation, {f"{word}s": summaries}, {"NameContains": "bees", "MaxResults": 100})
    for name, owner in owners.items():
        tags = [{"Key": "project", "Value": "byoc-image-classifier"}, {"Key": "endpoint", "Value": owner}]
        account.sagemaker.add_response("list_tags", {"Tags": tags}, {"ResourceArn": MODEL_ARN["ModelArn"] + name})


def test_deleting_takes_all_versions_and_all_models_and_none_of_another_endpoint(account: Scaled) -> None:
    variants = [{"VariantName": "AllTraffic"}]
    serving = endpoint_described("InService", ProductionVariants=variants) | {"EndpointConfigName": REVISION}
    account.sagemaker.add_response("describe_endpoint", serving)
    first, anothers = "bees-20251231-000000-000", "bees-20260101-000000-000"
    expect_tagged(account, "list_endpoint_configs", "EndpointConfig", {first: "bees", anothers: "wasps",
                                                                       REVISION: "bees"})  # fmt: skip
    left = "bees-20260102-000000-000"  # whose configuration was never made
    expect_tagged(account, "list_models", "Model", {first: "bees", left: "bees", "bees": "wasps"})
    account.sagemaker.add_response("describe_endpoint_config", config_described(first, first))
    versions = config_described(REVISION, "shared")
    versions["ProductionVariants"].append({"VariantName": "new", "ModelName": f"{REVISION}-new"})
    account.sagemaker.add_response("describe_endpoint_config", versions)
    expect_targets(account, "AllTraffic")
    account.scaling.add_response("deregister_scalable_target", {}, requests.scalable_target("bees"))
    account.sagemaker.add_response("delete_endpoint", {}, {"EndpointName": "bees"})
    for config in (first, REVISION):
        account.sagemaker.add_response("delete_endpoint_config", {}, {"EndpointConfigName": config})
    for model in (first, left, f"{REVISION}-new"):
        account.sagemaker.add_response("delete_model", {}, {"ModelName": model})
    account.missing("describe_endpoint")
    deletion = endpoints.delete(account.door, "bees")
    assert deletion.kept == ["model shared"]
    assert f"model {left}" in deletion.gone


def test_who_may_not_look_at_scaling_may_delete_all_the_same(account: Scaled) -> None:
    variants = [{"VariantName": "AllTraffic"}]
    account.sagemaker.add_response("describe_endpoint", endpoint_described("Deleting", ProductionVariants=variants))
    expect_tagged(account, "list_endpoint_configs", "EndpointConfig", {})
    expect_tagged(account, "list_models", "Model", {})
    account.missing("describe_endpoint_config")
    account.scaling.add_client_error("describe_scalable_targets", "AccessDeniedException")
    account.missing("delete_endpoint_config")
    account.missing("describe_endpoint")
    deletion = endpoints.delete(account.door, "bees")
    assert deletion.gone == ["endpoint bees"]
    assert deletion.kept == ["any autoscaling, which these credentials may not see"]


@pytest.mark.parametrize("refused", ["list_models", "list_tags"])
def test_who_may_not_list_what_is_its_own_may_end_what_is_paid_for(account: Scaled, refused: str) -> None:
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    expect_tagged(account, "list_endpoint_configs", "EndpointConfig", {})
    if refused == "list_tags":
        summary = {"ModelName": "bees", "ModelArn": MODEL_ARN["ModelArn"], "CreationTime": NOW}
        account.sagemaker.add_response("list_models", {"Models": [summary]})
    account.sagemaker.add_client_error(refused, "AccessDeniedException")
    account.sagemaker.add_response("describe_endpoint_config", config_described("bees", "bees"))
    account.sagemaker.add_response("delete_endpoint", {}, {"EndpointName": "bees"})
    account.sagemaker.add_response("delete_endpoint_config", {}, {"EndpointConfigName": "bees"})
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "bees"})
    account.missing("describe_endpoint")
    deletion = endpoints.delete(account.door, "bees")
    assert deletion.gone == ["endpoint bees", "endpoint configuration bees", "model bees"]
    assert deletion.kept == ["any models of other versions, which these credentials may not list with their tags"]


WORDS = {"image": "i:1", "role": "arn:aws:iam::123456789012:role/r", "instance_type": "ml.m5.large"}


def from_a_notebook(account: Scaled, state: Path, monkeypatch: pytest.MonkeyPatch, *, looks: int) -> None:
    """Put a model behind a scaled endpoint, which is looked at so often."""
    monkeypatch.setattr(DoorWords, "open", lambda *_args, **_words: account.door)
    for operation, answer in (
        ("create_model", MODEL_ARN),
        ("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN + "bees"}),
        ("create_endpoint", {"EndpointArn": ENDPOINT_ARN}),
    ):
        account.sagemaker.add_response(operation, answer)
    for _ in range(looks):
        account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    where = notebook.in_aws(region="eu-west-1", state=state)
    notebook.deploy("s3://b/m.tar.gz", name="bees", where=where, hosting={"autoscale": "1:4"}, **WORDS)


def test_a_notebooks_endpoint_is_scaled_too(account: Scaled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = requests.scalable_target("bees")
    account.scaling.add_response("register_scalable_target", {}, {**target, "MinCapacity": 1, "MaxCapacity": 4})
    account.scaling.add_response("put_scaling_policy", {"PolicyARN": "p", "Alarms": []})
    from_a_notebook(account, tmp_path, monkeypatch, looks=2)


def test_who_stops_watching_a_notebooks_endpoint_is_told_that_it_is_paid_for(
    account: Scaled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(endpoints, "watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        from_a_notebook(account, tmp_path, monkeypatch, looks=0)
    said = capsys.readouterr().out
    assert "Endpoint bees goes on, and is paid for; delete(Endpoint('bees', in_aws(region='eu-west-1'" in said
    assert "Its autoscaling is not set up" in said


def test_scaling_that_nobody_would_wait_for_is_refused_before_its_cost_is_told(tmp_path: Path) -> None:
    words = [word for name, value in WORDS.items() for word in (f"--{name.replace('_', '-')}", value)]
    said = CliRunner().invoke(root, ["deploy", "--model", "s3://b/m.tar.gz", "--autoscale", "1:4", "--no-wait",
                                     "--state", str(tmp_path), "--region", "eu-west-1", *words])  # fmt: skip
    assert said.exit_code == 2 and "leave out --no-wait" in said.output and "Cost" not in said.output
