"""From a folder of pictures to an endpoint and back to nothing: every verb as a person calls it, in moto's account."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from click.testing import CliRunner, Result

from launcher.aws.ledger import Ledger
from launcher.cli.root import root
from launcher.local.packing import pack
from tests.account import ACCOUNT, REGION, account

Launch = Callable[..., Result]
WORDS = ("--role", f"arn:aws:iam::{ACCOUNT}:role/sage", "--image", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/byoc:1")
DATA = ("--data", "s3://pictures/dogs", "--output", "s3://pictures/out")
MACHINE = ("--instance-type", "ml.g5.xlarge")


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    """Run a command line in an account that has a bucket and nothing else."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "BYOC_STATE"):
        monkeypatch.delenv(name, raising=False)
    with account() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # Moto's accounts are the process's, and another test's may have been here.
        urlopen(Request(variables["AWS_ENDPOINT_URL"] + "/moto-api/reset", method="POST")).close()
        boto3.client("s3", region_name=REGION).create_bucket(  # type: ignore[call-overload]
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        monkeypatch.setenv("BYOC_STATE", str(tmp_path / "state"))
        yield lambda *words: CliRunner().invoke(root, list(words))


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def statuses(launch: Launch) -> list[tuple[str, str, str]]:
    rows = json.loads(launch("status", "--aws", "--json").stdout)
    return [(row["kind"], row["name"], row["status"]) for row in rows]


def test_from_a_folder_to_an_endpoint_and_back_to_nothing(launch: Launch, tmp_path: Path) -> None:
    picture = tmp_path / "dogs" / "pug" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a pug")

    missing = launch("train", *DATA, *WORDS, *MACHINE, "--name", "dogs")
    assert missing.exit_code == 3 and "data push FOLDER s3://pictures/dogs" in missing.output

    assert "s3://pictures/dogs/" in good(launch("data", "push", str(tmp_path / "dogs"), "s3://pictures/dogs"))
    said = good(launch("train", *DATA, *WORDS, *MACHINE, "--name", "dogs", "--spot", "--tag", "team=hands"))
    assert "Input mode File: the data are 5e-09 GB" in said
    assert "Cost: at most $33.79, 1 × ml.g5.xlarge for 24 h 0 min" in said
    assert "model s3://pictures/out/dogs/output/model.tar.gz" in said
    job = boto3.client("sagemaker", region_name=REGION).describe_training_job(TrainingJobName="dogs")
    assert job["EnableManagedSpotTraining"] and job["StoppingCondition"]["MaxWaitTimeInSeconds"] == 2 * 86_400
    assert job["CheckpointConfig"]["S3Uri"] == "s3://pictures/out/dogs/checkpoints"

    said = good(launch("deploy", "--job", "dogs", "--name", "pugs", *WORDS, "--instance-type", "ml.m5.large"))
    assert "Cost: $2.76 a day until it is deleted" in said and "eu-west-1 has prices of its own" in said
    assert statuses(launch) == [("endpoint", "pugs", "InService"), ("training job", "dogs", "Completed")]
    assert f"There is more in {REGION}" in good(launch("status"))
    told = good(launch("status", "pugs"))
    assert "version  pugs\n" in told and "variant  AllTraffic: 1 instance, weight 1\n" in told

    assert launch("delete", "--all").exit_code == 2
    assert "say so with --yes" in launch("delete", "--all", "--aws").output
    cleared = launch("delete", "--all", "--aws", "--yes")
    assert "deleted endpoint pugs, endpoint configuration pugs, model pugs" in cleared.output
    client = boto3.client("sagemaker", region_name=REGION)
    assert not client.list_endpoints()["Endpoints"] and not client.list_models()["Models"]
    assert not client.list_endpoint_configs()["EndpointConfigs"]
    # Moto deletes no training job; that it refused is said, and the job is still known.
    assert cleared.exit_code == 8 and "Not deleted: training job dogs" in cleared.output
    assert statuses(launch) == [("training job", "dogs", "Completed")]


def test_a_folder_is_pushed_and_asked_about_without_an_endpoint(launch: Launch, tmp_path: Path) -> None:
    for name in ("pug/1.jpg", "pug/2.jpg", "husky/1.jpg"):
        (tmp_path / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / name).write_bytes(b"a dog")
    (tmp_path / "test" / "labels.csv").write_text("no picture")
    words = ("transform", "s3://pictures/model.tar.gz", str(tmp_path / "test"), "--output", "s3://pictures/answers",
             "--instance-type", "ml.m5.xlarge", *WORDS)  # fmt: skip
    client, s3 = boto3.client("sagemaker", region_name=REGION), boto3.client("s3", region_name=REGION)

    dry = json.loads(launch(*words, "--name", "dogs", "--dry-run").stdout)["create_transform_job"]
    place = dry["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    said = good(launch(*words, "--name", "dogs", "--kms-key", "k", "--tag", "team=hands"))
    assert "Cost: $0.23 an hour until the last picture is answered" in said
    assert f"3 pictures to send to {place}" in said and "pictures  0 of 3" in said
    job = client.describe_transform_job(TransformJobName="dogs")
    assert job["TransformInput"] == dry["TransformInput"]
    assert job["TransformInput"]["DataSource"]["S3DataSource"] == {"S3DataType": "S3Prefix", "S3Uri": place}
    assert job["TransformOutput"]["KmsKeyId"] == job["TransformResources"]["VolumeKmsKeyId"] == "k"
    assert statuses(launch) == [("transform job", "dogs", "Completed")]

    # What has its answer, and what lies there and is not of the folder, is left out by a manifest.
    s3.put_object(Bucket="pictures", Key="answers/pug/1.jpg.out", Body=b"{}")
    s3.put_object(Bucket="pictures", Key=f"{place.removeprefix('s3://pictures/')}old.jpg", Body=b"x")
    said = good(launch(*words, "--name", "rest", "--resume", "--kms-key", "k"))
    assert "Left out, answered already: 1 (pug/1.jpg)." in said and "2 are there already" in said
    manifest = json.loads(s3.get_object(Bucket="pictures", Key="answers/rest.manifest")["Body"].read())
    assert manifest == [{"prefix": place}, "husky/1.jpg", "pug/2.jpg"]
    assert s3.head_object(Bucket="pictures", Key="answers/rest.manifest")["SSEKMSKeyId"] == "k"
    source = client.describe_transform_job(TransformJobName="rest")["TransformInput"]["DataSource"]["S3DataSource"]
    assert source == {"S3DataType": "ManifestFile", "S3Uri": "s3://pictures/answers/rest.manifest"}

    assert "deleted transform job rest, model rest" in good(launch("delete", "rest", "--yes"))
    assert "deleted transform job dogs, model dogs" in good(launch("delete", "--all", "--aws", "--yes"))
    assert statuses(launch) == [] and not client.list_models()["Models"]


def test_an_updated_script_is_put_beside_the_jobs_model_and_served(launch: Launch, tmp_path: Path) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_object(Bucket="pictures", Key="dogs/1.jpg", Body=b"x")
    good(launch("train", *DATA, *WORDS, *MACHINE, "--name", "dogs"))
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    for name in ("model/manifest.json", "model/code/old.py", "mine/inference.py"):
        (tmp_path / name).write_text("{}\n")
    pack([tmp_path / "model"], tmp_path / "model.tar.gz")
    s3.upload_file(str(tmp_path / "model.tar.gz"), "pictures", "out/dogs/output/model.tar.gz")
    code, machine = ("--code", str(tmp_path / "mine")), ("--instance-type", "ml.m5.large")

    dry = json.loads(launch("deploy", "--job", "dogs", "--name", "pugs", *WORDS, *machine, *code, "--dry-run").stdout)
    assert keys(s3) == ["out/dogs/output/model.tar.gz"]
    said = good(launch("deploy", "--job", "dogs", "--name", "pugs", *WORDS, *machine, *code))
    served, original = keys(s3)
    assert original == "out/dogs/output/model.tar.gz" and f"is now at s3://pictures/{served}." in said
    client = boto3.client("sagemaker", region_name=REGION)
    container = client.describe_model(ModelName="pugs")["PrimaryContainer"]
    assert container["ModelDataUrl"] == f"s3://pictures/{served}"
    assert dry["create_model"]["PrimaryContainer"]["ModelDataUrl"] == f"s3://pictures/{served}"
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket="pictures", Key=served)["Body"].read())) as tar:
        assert [each.name for each in tar if each.isfile()] == ["manifest.json", "code/inference.py"]

    again = launch("deploy", "--endpoint", "pugs", *code, "--dry-run")
    assert f"is at s3://pictures/{served}." in good(again) and keys(s3) == [served, original]
    asked = json.loads(again.stdout)
    assert asked["create_model"]["PrimaryContainer"] == container
    assert asked["update_endpoint"]["EndpointName"] == "pugs"
    (variant,) = asked["create_endpoint_config"]["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 1)
    good(launch("delete", "pugs", "--yes"))


def keys(s3: Any) -> list[str]:
    """What lies in the job's output."""
    return [each["Key"] for each in s3.list_objects_v2(Bucket="pictures", Prefix="out/")["Contents"]]


def test_what_another_account_may_have_is_not_forgotten_without_a_word(launch: Launch) -> None:
    boto3.client("s3", region_name=REGION).put_object(Bucket="pictures", Key="dogs/1.jpg", Body=b"x")
    words = (*DATA, *WORDS, *MACHINE, "--name", "theirs")
    good(launch("train", *words))
    state = Path(os.environ["BYOC_STATE"])
    assert (state / "configs" / "training-jobs" / "theirs.json").exists()
    ledger = Ledger(state)
    ledger.note("created", "endpoint", "lost", REGION)
    asked = launch("delete", "--all", "--aws")
    assert "Endpoint lost is gone, or another account's" in asked.output and asked.exit_code == 2
    assert "forget the 1 that are gone" in asked.output
    assert [each.name for each in ledger.there()] == ["theirs", "lost"]
    assert "Endpoint lost is gone" in launch("delete", "--all", "--aws", "--yes").output
    assert [each.name for each in ledger.there()] == ["theirs"]


def test_what_was_started_in_another_region_is_found_there(launch: Launch) -> None:
    boto3.client("s3", region_name=REGION).put_object(Bucket="pictures", Key="dogs/1.jpg", Body=b"x")
    good(launch("train", *DATA, *WORDS, *MACHINE, "--name", "far", "--region", "us-west-2", "--isolated"))
    assert "training job far: Completed" in good(launch("status", "far"))
    assert "There is more in us-west-2; --aws --region us-west-2 shows it." in good(launch("status", "--aws"))


def test_what_only_aws_heeds_is_told_here_and_an_update_is_refused(launch: Launch, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
    dry = launch("train", "--local", "--data", str(tmp_path / "photos"), "--spot", "--kms-key", "k", "--tag", "a=b",
                 "--input-mode", "fastfile", "--dry-run")  # fmt: skip
    assert "Only AWS heeds --kms-key, --tag, --spot, --input-mode; this is run on this machine." in dry.output
    assert "EnableManagedSpotTraining" not in dry.output
    refused = launch("deploy", "--local", "--model", str(tmp_path / "photos"), "--endpoint", "bees")
    hasty = launch("deploy", "--model", "s3://b/m.tar.gz", "--canary", "10")
    assert hasty.exit_code == 2 and "add --endpoint NAME" in hasty.output
    assert refused.exit_code == 2 and "--endpoint, --variant and --multi-model are AWS's" in refused.output
