"""What batch transform asks: requests that SageMaker takes, and those that AWS's own SDK's Transformer sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from launcher import requests
from launcher.config.presets import Preset
from launcher.config.transform import Transform, sizes
from launcher.config.transform_words import TransformWords, transform_config
from launcher.config.words import Place
from launcher.errors import ConfigError
from tests.launcher import sdk
from tests.launcher.test_requests import check

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's imports warn of much

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/abc"
WORDS: dict[str, Any] = {
    "name": "sorted", "model_name": "sorted", "model_data": "s3://b/o/job/output/model.tar.gz", "image": "1.dkr/x",
    "role": "arn:aws:iam::123456789012:role/sage", "instance_type": "ml.m5.large", "input": "s3://b/pictures/",
    "output": "s3://b/answers",
}  # fmt: skip
NETWORK = {"isolated": True, "subnets": ("subnet-1",), "security_groups": ("sg-1",)}
INTENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tags": {"managed": {"tags": {"preset": "fingers", "team": "hands"}}},
    "key": {"managed": {"kms_key": KEY}},
    "key on disks of its own": {"managed": {"kms_key": KEY}, "instance_type": "ml.g5.xlarge"},
    "isolated in a VPC": {"managed": NETWORK},
    "sizes": {"instance_count": 3, "concurrent": 10, "payload": 6, "strategy": "SingleRecord"},
    "client": {"timeout": 60, "retries": 1},
    "a manifest": {"input": "s3://b/list.manifest", "listed": True},
    "variables": {"environment": {"SERVE_MODE": "latency"}, "accept": "text/csv", "content_type": "image/jpeg"},
    "a model that is there": {"model_name": "bees", "model_data": "", "image": "", "role": ""},
}


def job(**changes: Any) -> Transform:
    return Transform(**{**WORDS, **changes})


@pytest.fixture(scope="module")
def caught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sdk.Catcher, Any]]:
    """The SDK's session for all cases, which takes it a second to make, on one catcher."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        sdk.quiet(monkeypatch, tmp_path_factory.mktemp("sdk"))
        catcher = sdk.Catcher()
        yield catcher, sdk.session(catcher)


def theirs(transform: Transform, session: Any) -> None:
    """Have the SDK send its requests for the same job."""
    from sagemaker.model import Model
    from sagemaker.transformer import Transformer

    managed = transform.managed
    key, tags = managed.kms_key, requests.create_transform_job(transform)["Tags"]
    on_disk = None if transform.instance_type.startswith("ml.g5.") else key
    machines: dict[str, Any] = {
        "instance_count": transform.instance_count, "instance_type": transform.instance_type,
        "strategy": transform.strategy, "output_path": transform.output, "accept": transform.accept,
        "max_concurrent_transforms": transform.concurrent, "max_payload": transform.payload, "tags": tags,
        "env": dict(transform.environment) or None, "output_kms_key": key, "volume_kms_key": on_disk,
    }  # fmt: skip
    if transform.model_data:
        network: Any = {"Subnets": list(managed.subnets), "SecurityGroupIds": list(managed.security_groups)}
        made = requests.create_transform_model(transform)
        assert made is not None
        model = Model(
            image_uri=transform.image, model_data=transform.model_data, role=transform.role, name=transform.model_name,
            sagemaker_session=session, vpc_config=network if managed.subnets else None,
            enable_network_isolation=managed.isolated,
        )  # fmt: skip
        model.create(instance_type=transform.instance_type, tags=made["Tags"])
    transformer = Transformer(transform.model_name, sagemaker_session=session, **machines)
    client = {"InvocationsTimeoutInSeconds": transform.timeout, "InvocationsMaxRetries": transform.retries}
    transformer.transform(
        transform.input, data_type="ManifestFile" if transform.listed else "S3Prefix", job_name=transform.name,
        content_type=transform.content_type, wait=False, model_client_config=client if transform.timeout else None,
    )  # fmt: skip


def without_nothing(request: Any) -> Any:
    """The SDK says also of what is not asked for that nothing is: no variables, no processing."""
    if not isinstance(request, dict):
        return request
    return {key: without_nothing(value) for key, value in request.items() if value != {}}


@pytest.mark.parametrize("intent", INTENTS.values(), ids=INTENTS)
def test_the_requests_are_those_that_awss_own_sdk_sends(
    intent: dict[str, Any], caught: tuple[sdk.Catcher, Any]
) -> None:
    transform, (catcher, session) = job(**intent), caught
    catcher.caught.clear()
    theirs(transform, session)
    sent = catcher.caught
    model, request = requests.create_transform_model(transform), requests.create_transform_job(transform)
    assert model == without_nothing(sent.get("create_model"))
    assert request == without_nothing(sent["create_transform_job"])
    check("CreateTransformJob", request)
    if model:
        check("CreateModel", model)


def test_the_jobs_own_model_is_tagged_with_its_name() -> None:
    model = requests.create_transform_model(job())
    assert model is not None and {"Key": "transform", "Value": "sorted"} in model["Tags"]
    assert requests.create_transform_model(job(model_name="bees", model_data="")) is None


@pytest.mark.parametrize(
    ("given", "found"),
    [((None, None), (4, 25)), ((None, 100), (1, 100)), ((16, None), (16, 6)), ((100, None), (100, 1)),
     ((2, 50), (2, 50)), ((None, 6), (4, 6))],
)  # fmt: skip
def test_what_is_not_said_of_requests_at_once_and_their_size_fits_what_is(
    given: tuple[int | None, int | None], found: tuple[int, int]
) -> None:
    assert tuple(sizes(*given).values()) == found
    assert job(**sizes(*given)).concurrent == found[0]


def configured(where: str = "aws", **words: Any) -> Transform:
    given = {key: WORDS[key] for key in ("input", "model_data", "output", "image", "role", "instance_type")} | words
    found = transform_config(TransformWords(**given), Preset(), Place(door=where), now=MOMENT).transform  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_job_is_named_after_the_moment_and_its_model_after_it() -> None:
    made = configured()
    assert made.name == made.model_name == "transform-20260102-030405-678"
    assert configured(model_data=None, model_name="bees").model_name == "bees"


def test_a_folder_is_pushed_beside_the_output_unless_told_where(tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    (tmp_path / "other" / folder.name).mkdir(parents=True)
    folder.mkdir()
    place = configured(input=str(folder)).input
    assert re.fullmatch(r"s3://b/transform-input/my-pictures-[0-9a-f]{8}/", place)
    assert configured(input=f"{folder}/.").input == place, "the same folder goes to the same place"
    assert configured(input=str(tmp_path / "other" / folder.name)).input != place, "another of its name does not"
    assert configured(input=str(folder), push_to="s3://c/d").input == "s3://c/d/"
    local = configured("local", input=str(folder), output=None, model_data=str(folder), instance_count=4)
    assert local.input == f"file://{tmp_path}/my%20pictures/" and local.instance_type == "local"
    assert local.output.endswith("/.sagemaker/output/transform-20260102-030405-678") and local.instance_count == 1


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"concurrent": 10, "payload": 20}, "more than the 100 MB that SageMaker has under way at once"),
        ({"output": None}, "--output is missing"),
        ({"input": "nowhere"}, "There is no folder nowhere"),
        ({"input": __file__}, "is a file, and transform takes a folder"),
        ({"environment": {f"V{n}": "1" for n in range(17)}}, "takes 16 variables"),
        ({"model_data": None, "model_name": "bees", "managed": {"isolated": True}}, "bees is there already"),
        ({"model_data": None, "model_name": "bees", "name": "bees"}, "no job's own; choose another --name"),
        ({"model_data": "model.tar.gz"}, "AWS reads s3:// addresses"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(words: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        configured(**words)
