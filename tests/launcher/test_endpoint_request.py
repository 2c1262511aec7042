"""What an endpoint may ask of AWS: requests that the services take, and those that AWS's own SDK sends."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from launcher import requests
from launcher.config import Endpoint, endpoint_config
from launcher.config.hosting import Hosting, Variant
from launcher.config.presets import Preset
from launcher.config.words import DeployWords, Place
from launcher.errors import ConfigError
from tests.launcher import sdk
from tests.launcher.test_requests import check

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's imports warn of much

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
NETWORK = {"subnets": ("subnet-1", "subnet-2"), "security_groups": ("sg-1",)}
CAPTURE = {"percent": 20, "destination": "s3://b/data-capture"}
INTENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tags": {"tags": {"preset": "fingers", "team": "hands"}},
    "serverless": {"serverless": {"memory": 2048, "concurrency": 5}},
    "captured": {"capture": CAPTURE},
    "isolated in a VPC": {"isolated": True, **NETWORK},
    "key": {"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/abc"},
}
WORDS: dict[str, Any] = {
    "name": "bees", "model_data": "s3://b/o/job/output/model.tar.gz", "image": "1.dkr/x",
    "role": "arn:aws:iam::123456789012:role/sage", "instance_type": "ml.m5.large",
}  # fmt: skip


def bees(hosting: dict[str, Any], **changes: Any) -> Endpoint:
    fields = {"environment": {"SERVE_MODE": "latency"}, **WORDS, **changes}
    return Endpoint(hosting=Hosting(**hosting), **fields)


def theirs(endpoint: Endpoint, catcher: sdk.Catcher) -> dict[str, dict[str, Any]]:
    """The requests that the SDK sends for the same endpoint."""
    from sagemaker.model import Model
    from sagemaker.model_monitor import DataCaptureConfig
    from sagemaker.serverless import ServerlessInferenceConfig

    hosting, session = endpoint.hosting, sdk.session(catcher)
    network = {"Subnets": list(hosting.subnets), "SecurityGroupIds": list(hosting.security_groups)}
    model = Model(
        image_uri=endpoint.image, model_data=endpoint.model_data, role=endpoint.role, name=endpoint.made_as,
        env=dict(endpoint.environment), sagemaker_session=session,
        vpc_config=network if hosting.subnets else None, enable_network_isolation=hosting.isolated,
    )  # fmt: skip
    serverless = hosting.serverless and ServerlessInferenceConfig(
        memory_size_in_mb=hosting.serverless.memory, max_concurrency=hosting.serverless.concurrency
    )
    capture = hosting.capture and DataCaptureConfig(
        enable_capture=True, sampling_percentage=hosting.capture.percent,
        destination_s3_uri=hosting.capture.destination, sagemaker_session=session,
    )  # fmt: skip
    machines = {
        "initial_instance_count": endpoint.instance_count,
        "instance_type": endpoint.instance_type,
        "container_startup_health_check_timeout": endpoint.startup_timeout,
    }
    model.deploy(
        **({} if serverless else machines), endpoint_name=endpoint.name, wait=False, kms_key=hosting.kms_key,
        serverless_inference_config=serverless or None, data_capture_config=capture or None,
        tags=requests.create_endpoint(endpoint)["Tags"],
    )  # fmt: skip
    return catcher.caught


def without_extras(request: dict[str, Any]) -> dict[str, Any]:
    """The SDK says also the defaults of what content types are taken for JSON or CSV, and that nothing is signed."""
    capture = request.get("DataCaptureConfig", {})
    extras = ("CaptureContentTypeHeader",)
    shown = {**request, "DataCaptureConfig": {k: v for k, v in capture.items() if k not in extras}}
    return {key: value for key, value in shown.items() if value not in ({}, None, False)}


@pytest.mark.parametrize("hosting", INTENTS.values(), ids=INTENTS)
def test_the_requests_are_those_that_awss_own_sdk_sends(
    hosting: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sdk.quiet(monkeypatch, tmp_path)
    endpoint = bees(hosting)
    sent = theirs(endpoint, sdk.Catcher())
    (model,) = requests.create_models(endpoint)
    assert model == without_extras(sent["create_model"])
    assert requests.create_endpoint_config(endpoint) == without_extras(sent["create_endpoint_config"])
    assert requests.create_endpoint(endpoint) == without_extras(sent["create_endpoint"])


@pytest.mark.parametrize("hosting", INTENTS.values(), ids=INTENTS)
@pytest.mark.parametrize("model_data", ["s3://b/model.tar.gz", "s3://b/unpacked"])
def test_the_requests_are_ones_that_sagemaker_takes(hosting: dict[str, Any], model_data: str) -> None:
    endpoint = bees(hosting, model_data=model_data, revision="bees-20260102-030405-678")
    for model in requests.create_models(endpoint):
        check("CreateModel", model)
    check("CreateEndpointConfig", requests.create_endpoint_config(endpoint))
    check("CreateEndpoint", requests.create_endpoint(endpoint))
    check("UpdateEndpoint", requests.update_endpoint(endpoint))


def test_a_prefix_of_many_models_is_asked_for_as_awss_own_sdk_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sagemaker.multidatamodel import MultiDataModel

    sdk.quiet(monkeypatch, tmp_path)
    catcher, many = sdk.Catcher(), bees({}, model_data="s3://b/models", multi_model=True)
    theirs = MultiDataModel(
        name=many.name, model_data_prefix="s3://b/models/", image_uri=many.image, role=many.role,
        env=dict(many.environment), sagemaker_session=sdk.session(catcher),
    )  # fmt: skip
    theirs.deploy(
        initial_instance_count=1, instance_type=many.instance_type, endpoint_name=many.name, wait=False,
        container_startup_health_check_timeout=many.startup_timeout, tags=requests.create_endpoint(many)["Tags"],
    )  # fmt: skip
    (model,) = requests.create_models(many)
    check("CreateModel", model)
    assert model == catcher.caught["create_model"]
    config = requests.create_endpoint_config(many)
    (ours,), (variant,) = config["ProductionVariants"], catcher.caught["create_endpoint_config"]["ProductionVariants"]
    # The SDK does not pass the time-out on.
    assert ours.pop("ContainerStartupHealthCheckTimeoutInSeconds") == many.startup_timeout
    assert config == catcher.caught["create_endpoint_config"] and ours == variant
    assert requests.create_endpoint(many) == catcher.caught["create_endpoint"]


def test_variants_share_an_endpoint_by_their_weights() -> None:
    shares = (Variant(name="old", model_data="s3://b/1.tar.gz", weight=9), Variant(name="new", model_data="s3://b/2/"))
    endpoint = bees({}, variants=shares)
    models = requests.create_models(endpoint)
    assert [model["ModelName"] for model in models] == ["bees-old", "bees-new"]
    assert models[0]["PrimaryContainer"]["ModelDataUrl"] == "s3://b/1.tar.gz"
    config = requests.create_endpoint_config(endpoint)
    check("CreateEndpointConfig", config)
    keys = ("VariantName", "ModelName", "InitialVariantWeight")
    found = [tuple(each[key] for key in keys) for each in config["ProductionVariants"]]
    assert found == [("old", "bees-old", 9.0), ("new", "bees-new", 1.0)]


def test_an_update_moves_to_a_fleet_beside_the_old_one_and_back_at_an_alarm() -> None:
    asked = requests.update_endpoint(bees({"canary": 10, "alarms": ("errors", "slow")}, revision="bees-2"))
    check("UpdateEndpoint", asked)
    assert asked["EndpointName"] == "bees" and asked["EndpointConfigName"] == "bees-2"
    routing = asked["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY" and routing["CanarySize"] == {"Type": "CAPACITY_PERCENT", "Value": 10}
    alarms = asked["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert [each["AlarmName"] for each in alarms] == ["errors", "slow"]


SHARES = {"a": "s3://b/1.tar.gz", "b": "s3://b/2.tar.gz"}


def test_guardrails_are_for_what_aws_does_not_exclude() -> None:
    both = configured(variants=SHARES, hosting={"canary": 10}, now={"b": 1, "a": 1})
    assert "CanarySize" in str(requests.update_endpoint(both))
    for words in ({"variants": SHARES}, {"instance_type": "ml.inf1.xlarge"},
                  {"instance_type": None, "hosting": {"serverless": "2048:5"}}):  # fmt: skip
        assert "DeploymentConfig" not in requests.update_endpoint(configured(now={"AllTraffic": 0}, **words))


@pytest.mark.parametrize(
    ("words", "counts", "retained"),
    [
        ({"now": {"AllTraffic": 4}}, [4], True),
        ({"now": {"AllTraffic": 4}, "instance_count": 2}, [2], False),
        ({"now": {"AllTraffic": 0}}, [1], False),  # serverless until now
        ({"now": {"AllTraffic": 4}, "variants": SHARES}, [4, 4], False),
        ({"now": {"a": 2, "old": 3}, "variants": SHARES}, [3, 3], True),
        ({"now": {"AllTraffic": 0}, "hosting": {"serverless": "2048:5"}, "instance_type": None}, [None], False),
    ],
)
def test_an_update_keeps_the_instances_there_are_unless_others_are_asked_for(
    words: dict[str, Any], counts: list[int | None], retained: bool
) -> None:
    endpoint = configured(**words)
    asked = requests.update_endpoint(endpoint)
    check("UpdateEndpoint", asked)
    variants = requests.create_endpoint_config(endpoint)["ProductionVariants"]
    assert [each.get("InitialInstanceCount") for each in variants] == counts
    weights = {"ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}]}
    kept = {key: value for key, value in asked.items() if "Retain" in key}
    assert kept == ({"RetainAllVariantProperties": True, **weights} if retained else {})


def test_scaling_is_asked_of_application_auto_scaling_in_words_it_takes() -> None:
    endpoint = bees({"scaling": {"minimum": 1, "maximum": 4, "target": 250}})
    (target,), (policy,) = requests.register_scalable_targets(endpoint), requests.put_scaling_policies(endpoint)
    model = botocore.session.get_session().get_service_model("application-autoscaling")
    for operation, asked in (("RegisterScalableTarget", target), ("PutScalingPolicy", policy)):
        report = ParamValidator().validate(asked, model.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
    assert target["ResourceId"] == policy["ResourceId"] == "endpoint/bees/variant/AllTraffic"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 250
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric in model.shape_for("MetricType").enum and metric == "SageMakerVariantInvocationsPerInstance"


def configured(**words: Any) -> Endpoint:
    found = endpoint_config(DeployWords(**{**WORDS, **words}), Preset(), Place(door="aws"), now=MOMENT).endpoint
    assert found is not None
    return found


def test_the_words_of_deploy_become_what_is_asked() -> None:
    hosting = configured(hosting={"autoscale": "1:4:250", "capture": 20, "canary": 10}).hosting
    assert hosting.scaling is not None and hosting.scaling.model_dump() == {"minimum": 1, "maximum": 4, "target": 250}
    assert hosting.capture is not None and hosting.capture.destination == "s3://b/data-capture"
    serverless = configured(hosting={"serverless": "2048:5"}, instance_type=None)
    assert serverless.hosting.serverless is not None and serverless.hosting.serverless.memory == 2048
    shares = configured(model_data="", variants={"a": "s3://b/m.tar.gz:0.9", "b": "s3://b/m:2"}).variants
    assert [(each.model_data, each.weight) for each in shares] == [("s3://b/m.tar.gz", 0.9), ("s3://b/m", 2.0)]


def test_a_version_has_a_name_of_its_own_that_tells_whose_it_is() -> None:
    assert configured(now={}).made_as == "bees-20260102-030405-678"
    assert configured().made_as == "bees"


def test_no_name_is_longer_than_aws_takes() -> None:
    long = configured(name="b" * 63, now={}, variants={"one-and-the-same": "s3://b/1.tar.gz", "one": "s3://b/2.tar.gz"})
    models = requests.create_models(long)
    for model in models:
        check("CreateModel", model)
    check("CreateEndpointConfig", requests.create_endpoint_config(long))
    assert len({model["ModelName"] for model in models}) == 2
    with pytest.raises(ConfigError, match="a name is up to 63"):
        configured(name="b-" * 32 + "b")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"hosting": {"serverless": "2000:5"}}, "1024, 2048"),
        ({"hosting": {"serverless": "2048"}}, "not of the form MEMORY:CONCURRENCY"),
        ({"hosting": {"serverless": "2048:5", "autoscale": "1:2"}}, "serverless endpoints have no --autoscale"),
        ({"hosting": {"serverless": "2048:5", "alarms": ("a",)}}, "serverless endpoints have no --rollback-alarm"),
        ({"hosting": {"serverless": "2048:5"}}, "leave out --instance-type"),
        ({"hosting": {"serverless": "2048:5"}, "now": {"AllTraffic": 1}}, "no endpoint on instances to a serverless"),
        ({"instance_type": "ml.inf1.xlarge", "hosting": {"canary": 9}}, "on Inf1 .* leave out --canary"),
        ({"now": {"AllTraffic": 1}, "variants": {"a": "s3://m"}, "hosting": {"canary": 9}}, "AllTraffic and were"),
        ({"hosting": {"serverless": "2048:5", "isolated": True}}, "leave out --subnets and --isolated"),
        ({"hosting": {"autoscale": "4:1"}}, "swap them"),
        ({"hosting": {"autoscale": "few"}}, "not of the form MIN:MAX"),
        ({"hosting": {"capture_to": "s3://b/c"}}, "add --capture PERCENT"),
        ({"hosting": {"capture": 5, "capture_to": "there"}}, "--capture-to s3://"),
        ({"variants": {"a": "model.tar.gz"}}, "not of the form NAME=s3://MODEL"),
        ({"variants": {"a_b": "s3://m"}}, "--variant a_b: a name is"),
        ({"multi_model": True, "hosting": {"serverless": "2048:5"}}, "leave out --variant and --serverless"),
        ({"variants": {"a": "s3://m", "b": "s3://n"}, "hosting": {"serverless": "2048:5"}}, "has one model"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_made(words: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        configured(**words)
