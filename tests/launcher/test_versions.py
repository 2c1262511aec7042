"""An endpoint's next version, made as it is made now but for what is asked: requests compared with its own."""

from __future__ import annotations

from typing import Any

import pytest

from launcher import requests
from launcher.config import endpoint_config
from launcher.config.presets import Preset
from launcher.config.run import Endpoint
from launcher.config.words import DeployWords, Place
from launcher.errors import ConfigError
from launcher.verbs import versions
from tests.launcher.test_aws import NOW, Account, endpoint_described
from tests.launcher.test_aws_endpoints import CONFIG_ARN, MODEL_ARN
from tests.launcher.test_endpoint_request import INTENTS, MOMENT, bees

NOTHING: dict[str, Any] = {
    "image": None, "role": None, "instance_type": None, "instance_count": None, "startup_timeout": None,
    "environment": {},
}  # fmt: skip


def expect(account: Account, endpoint: Endpoint, *, instances: int, tags: bool = True) -> None:
    """What AWS answers of an endpoint that was made by the requests of ``endpoint``."""
    count = {} if endpoint.hosting.serverless else {"DesiredInstanceCount": instances}
    variants = [{"VariantName": each.name, **count} for each in endpoint.served]
    serving = endpoint_described("InService", ProductionVariants=variants)
    account.sagemaker.add_response("describe_endpoint", serving)
    asked = requests.create_endpoint_config(endpoint)
    made = {"EndpointConfigArn": CONFIG_ARN + "bees", "CreationTime": NOW}
    account.sagemaker.add_response(
        "describe_endpoint_config", without_tags(asked) | made, {"EndpointConfigName": "bees"}
    )
    if len(variants) == 1:
        (model,) = requests.create_models(endpoint)
        described = without_tags(model) | MODEL_ARN | {"CreationTime": NOW}
        account.sagemaker.add_response("describe_model", described, {"ModelName": model["ModelName"]})
    if tags:
        account.sagemaker.add_response("list_tags", {"Tags": asked["Tags"]}, {"ResourceArn": CONFIG_ARN + "bees"})
        account.sagemaker.add_response("describe_endpoint", serving)


def without_tags(request: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != "Tags"}


def next_version(
    account: Account, words: dict[str, Any] | None = None, hosting: dict[str, Any] | None = None
) -> Endpoint:
    served = versions.serving(account.door, "bees")
    found, asked = served.beneath({**NOTHING, **(words or {})}, hosting or {})
    now = versions.standing(account.door, "bees")
    deploy = DeployWords(name="bees", model_data=served.model_data, hosting=asked, now=now, **found)
    config = endpoint_config(deploy, Preset(), Place(door="aws"), now=MOMENT)
    assert config.endpoint is not None
    return config.endpoint


@pytest.mark.parametrize("hosting", INTENTS.values(), ids=INTENTS)
def test_the_next_version_is_made_as_the_one_before(account: Account, hosting: dict[str, Any]) -> None:
    before = bees(hosting, startup_timeout=900)
    expect(account, before, instances=3)
    found = next_version(account)
    kept = {} if before.hosting.serverless else {"instance_count": 3, "keeps_count": True}
    wanted = before.model_copy(update={"revision": found.revision, "before": ("AllTraffic",), **kept})
    assert requests.create_models(found) == requests.create_models(wanted)
    assert requests.create_endpoint_config(found) == requests.create_endpoint_config(wanted)
    assert requests.update_endpoint(found) == requests.update_endpoint(wanted)


def test_what_is_asked_for_is_other_than_before(account: Account) -> None:
    expect(account, bees({"tags": {"team": "hands", "cost": "low"}}), instances=1)
    found = next_version(account, {"instance_type": "ml.c5.large", "environment": {"A": "b"}},
                         {"tags": {"cost": "high"}, "canary": 10})  # fmt: skip
    assert (found.instance_type, found.hosting.canary) == ("ml.c5.large", 10)
    assert found.environment == {"SERVE_MODE": "latency", "A": "b"}
    assert found.hosting.tags == {"team": "hands", "cost": "high"}


def test_an_endpoint_of_instances_may_not_become_a_serverless_one(account: Account) -> None:
    expect(account, bees({}), instances=2)
    with pytest.raises(ConfigError, match="no endpoint on instances to a serverless one"):
        next_version(account, hosting={"serverless": "2048:5"})


@pytest.mark.parametrize(
    "changes",
    [
        {"multi_model": True, "model_data": "s3://b/models"},
        {"variants": ({"name": "a", "model_data": "s3://b/1.tar.gz"}, {"name": "b", "model_data": "s3://b/2.tar.gz"})},
    ],
    ids=["many models", "variants"],
)
def test_an_endpoint_of_several_models_is_refused(account: Account, changes: dict[str, Any]) -> None:
    expect(account, bees({}, **changes), instances=1, tags=False)
    with pytest.raises(ConfigError, match="does not serve one model of its own"):
        versions.serving(account.door, "bees")
