"""What a training may ask of AWS: requests that SageMaker takes, and the very ones that AWS's own SDK sends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from container.common.metrics import metric_definitions
from launcher import requests
from launcher.aws.objects import Objects
from launcher.config import RunConfig, Training, Tuning, training_config, tuning_config
from launcher.config.instances import has_local_disks, key_remark
from launcher.config.managed import Managed
from launcher.config.presets import Preset
from launcher.config.ranges import read_range
from launcher.config.tuning_words import TuneWords
from launcher.config.words import Place, TrainWords
from launcher.errors import ConfigError, NotFound
from launcher.verbs.settling import settled
from launcher.verbs.sizing import input_mode
from tests.launcher import sdk
from tests.launcher.test_aws import NOW
from tests.launcher.test_requests import MODEL, check, in_aws

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's imports warn of much

NETWORK = {"subnets": ("subnet-1", "subnet-2"), "security_groups": ("sg-1",)}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/abc"
INTENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "spot": {"managed": {"spot": True}},
    "patient spot": {"managed": {"spot": True, "max_wait": 7200}},
    "isolated": {"managed": {"isolated": True}},
    "in a VPC": {"managed": NETWORK},
    "two instances": {"instance_count": 2, "managed": {"encrypt_traffic": True}},
    "keys": {"instance_type": "ml.m5.xlarge", "managed": {"kms_key": KEY}},
    "warm": {"managed": {"keep_alive": 1800}},
    "streamed": {"managed": {"input_mode": "FastFile"}},
    "tags": {"managed": {"tags": {"preset": "fingers", "team": "hands"}}},
    "no checkpoints": {"checkpoints": None, "environment": {}},
    "all": {
        "instance_count": 2,
        "instance_type": "ml.m5.xlarge",
        "managed": {"spot": True, "isolated": True, "encrypt_traffic": True, "kms_key": KEY, "input_mode": "FastFile",
                    "tags": {"team": "hands"}, **NETWORK},
    },
}  # fmt: skip
WORDS: dict[str, Any] = {
    "data": "s3://b/t", "output": "s3://b/o", "image": "1.dkr/x", "instance_type": "ml.m5.xlarge",
    "role": "arn:aws:iam::123456789012:role/sage",
}  # fmt: skip


def intent(changes: dict[str, Any]) -> Training:
    return in_aws(**{**changes, "managed": Managed(**changes.get("managed", {}))})


def theirs(training: Training, catcher: sdk.Catcher) -> dict[str, Any]:
    """The request that the SDK sends for the same job."""
    from sagemaker.inputs import TrainingInput

    managed = training.managed
    estimator = sdk.estimator(
        training, catcher,
        metric_definitions=metric_definitions(), tags=requests.training.tags(managed), input_mode=managed.input_mode,
        use_spot_instances=managed.spot, max_wait=training.max_wait if managed.spot else None,
        enable_network_isolation=managed.isolated, subnets=list(managed.subnets) or None,
        security_group_ids=list(managed.security_groups) or None, volume_kms_key=managed.kms_key,
        output_kms_key=managed.kms_key, encrypt_inter_container_traffic=managed.encrypt_traffic,
        keep_alive_period_in_seconds=managed.keep_alive, debugger_hook_config=False, disable_profiler=True,
    )  # fmt: skip
    channels = {name: TrainingInput(uri, input_mode=managed.input_mode) for name, uri in training.channels.items()}
    estimator.fit(channels, job_name=training.name, wait=False)
    return catcher.caught["create_training_job"]


def without_extras(request: dict[str, Any]) -> dict[str, Any]:
    """The SDK says also that it wants no profiler."""
    return {key: value for key, value in request.items() if key != "ProfilerConfig"}


@pytest.mark.parametrize("changes", INTENTS.values(), ids=INTENTS)
def test_the_request_is_the_one_that_awss_own_sdk_sends(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sdk.quiet(monkeypatch, tmp_path)
    training = intent(changes)
    assert requests.create_training_job(training) == without_extras(theirs(training, sdk.Catcher()))


@pytest.mark.parametrize("changes", INTENTS.values(), ids=INTENTS)
def test_the_request_is_one_that_sagemaker_takes(changes: dict[str, Any]) -> None:
    check("CreateTrainingJob", requests.create_training_job(intent(changes)))


@pytest.mark.parametrize("changes", INTENTS.values(), ids=INTENTS)
def test_a_search_asks_the_same_for_its_trials(changes: dict[str, Any]) -> None:
    changes = {**changes, "managed": {**changes.get("managed", {}), "keep_alive": None}}
    search = Tuning(training=intent(changes), ranges=(read_range("epochs", "3:5"),), jobs=4)
    request = requests.create_hyper_parameter_tuning_job(search)
    check("CreateHyperParameterTuningJob", request)
    definition, job = request["TrainingJobDefinition"], requests.create_training_job(search.training)
    assert definition["HyperParameterTuningResourceConfig"] == job["ResourceConfig"]
    shared = set(job) - {"TrainingJobName", "HyperParameters", "ResourceConfig", "Tags"}
    assert {key: definition[key] for key in shared} == {key: job[key] for key in shared}
    assert request["Tags"] == job["Tags"]


def test_a_key_is_not_asked_for_of_disks_that_take_none() -> None:
    training = in_aws(instance_type="ml.g4dn.xlarge", managed=Managed(kms_key=KEY))
    request = requests.create_training_job(training)
    assert "VolumeKmsKeyId" not in request["ResourceConfig"] and request["OutputDataConfig"]["KmsKeyId"] == KEY
    assert "disks of ml.g4dn.xlarge are its own" in key_remark(KEY, "ml.g4dn.xlarge")
    assert not key_remark(KEY, "ml.m5.xlarge") and not key_remark(None, "ml.g4dn.xlarge")


@pytest.mark.parametrize(("volume_gb", "kind", "told"), [
    (500, "ml.g4dn.xlarge", True), (30, "ml.g4dn.xlarge", False), (500, "ml.m5.xlarge", False),
])  # fmt: skip
def test_a_volume_that_is_not_attached_is_told(volume_gb: int, kind: str, told: bool) -> None:
    said: list[str] = []
    config = RunConfig(door="aws", training=in_aws(instance_type=kind, volume_gb=volume_gb))
    settled(SimpleNamespace(region="eu-west-1"), config, {"input_mode": "File"}, say=said.append)  # type: ignore[arg-type]
    assert any("--volume-gb 500 does not change" in each for each in said) is told


def test_disks_are_known_to_be_local_by_the_types_name_as_awss_own_sdk_does() -> None:
    from sagemaker.utils import instance_supports_kms

    types = {*MODEL.shape_for("TrainingInstanceType").enum, *MODEL.shape_for("ProductionVariantInstanceType").enum}
    theirs = {each for each in types if not instance_supports_kms(each)}
    ours = {each for each in types if has_local_disks(each)}
    assert ours >= theirs
    # Of families that the SDK has not heard of; all have NVMe disks in EC2's table.
    assert {each.split(".")[1] for each in ours - theirs} == {"g7", "g7e", "p6-b200", "p6-b300", "p6e-gb200", "trn2"}


def test_the_weights_file_is_copied_though_the_pictures_are_streamed() -> None:
    training = in_aws(channels={"train": "s3://b/t", "weights": "s3://b/w"}, managed=Managed(input_mode="FastFile"))
    modes = {
        each["ChannelName"]: each["InputMode"] for each in requests.create_training_job(training)["InputDataConfig"]
    }
    assert modes == {"train": "FastFile", "weights": "File"}


@pytest.mark.parametrize(
    ("managed", "fault"),
    [
        ({"subnets": ("a",)}, "add --security-groups"),
        ({"security_groups": ("a",)}, "add --subnets"),
        ({"max_wait": 9}, "add --spot"),
        ({"spot": True, "max_wait": 600}, "--max-wait 600 is below --max-runtime 86400"),
        ({"spot": True, "keep_alive": 9}, "leave out --keep-alive or --spot"),
        ({"tags": {"aws:x": "y"}}, "begins with aws:"),
        ({"tags": {"x": "y" * 257}}, "too long"),
        ({"tags": {f"t{n}": "" for n in range(48)}}, "AWS takes 50"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_starts(managed: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        training_config(TrainWords(**WORDS, managed=managed), Preset(), Place(door="aws"))


def test_tags_carry_the_project_and_the_preset_and_ones_own() -> None:
    config = training_config(TrainWords(**WORDS, managed={"tags": {"a": "b"}}), Preset(name="dogs"), Place(door="aws"))
    assert config.training is not None
    assert {tag["Key"]: tag["Value"] for tag in requests.create_training_job(config.training)["Tags"]} == {
        "project": "byoc-image-classifier", "preset": "dogs", "a": "b",
    }  # fmt: skip


def test_spot_trials_keep_checkpoints_to_go_on_from_and_no_warm_pool() -> None:
    def search(**managed: Any) -> Training:
        words = TuneWords(training=TrainWords(**WORDS, managed=managed), ranges={"lr": "0.1:0.2"})
        tuning = tuning_config(words, Preset(), Place(door="aws")).tuning
        assert tuning is not None
        return tuning.training

    assert search().checkpoints is None
    assert str(search(spot=True).checkpoints).startswith("s3://b/o/tune-")
    with pytest.raises(ConfigError, match="leave out --keep-alive"):
        search(keep_alive=60)


def sized(training: Training, *sizes: int | str) -> tuple[str, str]:
    """The mode for channels of these sizes in bytes, or of these errors."""
    told = iter(sizes)

    def measure(_uri: str, _enough: int) -> int:
        size = next(told)
        if isinstance(size, str):
            raise ClientError({"Error": {"Code": size, "Message": "x"}}, "ListObjectsV2")
        return size

    door: Any = SimpleNamespace(measure=measure)
    return input_mode(door, training)


def test_data_are_copied_while_they_are_small_and_streamed_when_large_for_the_disk() -> None:
    assert sized(in_aws(), 5_000_000, 1_000_000) == ("File", "the data are 0.006 GB")
    assert sized(in_aws(), 10**10, 8 * 10**9) == ("FastFile", "the data are 18 GB or more, for disks of 30 GB")
    assert sized(in_aws(volume_gb=500), 10**10, 8 * 10**9)[0] == "File"
    assert sized(in_aws(volume_gb=500), 6 * 10**10)[0] == "FastFile"
    mode, why = sized(in_aws(), "AccessDenied")
    assert mode == "File" and "s3://b/train is unknown (AccessDenied)" in why


def test_channels_that_hold_nothing_are_refused_before_a_machine_is_paid_for() -> None:
    for sizes in ((1, 0), (1, "NoSuchBucket")):
        with pytest.raises(NotFound, match=r"nothing at s3://b/val; upload .*`launch\.py data push FOLDER s3://b/val`"):
            sized(in_aws(), *sizes)


def test_what_lies_under_a_prefix_is_counted_as_far_as_is_asked() -> None:
    client: Any = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        first, second = ({"Key": f"dogs/{size}", "Size": size, "LastModified": NOW} for size in (3, 4))
        page = {"Contents": [first], "IsTruncated": True, "NextContinuationToken": "n"}
        stub.add_response("list_objects_v2", page, {"Bucket": "b", "Prefix": "dogs"})
        stub.add_response("list_objects_v2", {"Contents": [second]}, None)
        assert Objects(lambda: client).measure("s3://b/dogs", 100) == 7
        stub.add_response("list_objects_v2", page, None)
        assert Objects(lambda: client).measure("s3://b/dogs", 2) == 3
        stub.assert_no_pending_responses()
