"""What a job or an endpoint goes through in an account, and what the command line makes of it: words and status."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, EndpointConnectionError

from launcher import requests
from launcher.aws.patience import Patient
from launcher.cli import watching
from launcher.cli.failures import translated
from launcher.cli.running import place_words, run_endpoint, run_training
from launcher.cli.watching import PlainView
from launcher.config.run import RunConfig
from launcher.opening import DoorWords
from launcher.verbs import training
from tests.launcher.test_aws import (
    BEES,
    ENDPOINT_ARN,
    JOB_ARN,
    Account,
    described,
    endpoint_described,
    in_aws,
)

TOKENS = itertools.count()
CHECKPOINTS = {"CheckpointConfig": {"S3Uri": "s3://b/o/job/checkpoints"}}


def run(account: Account, state: Path, part: Any) -> tuple[int, str]:
    """Run a job or an endpoint to its end, as the command line does: its exit status, and what it says of a fault."""
    where = DoorWords(local=None, state=state, region=None, profile=None)
    door = replace(account.door, interval=0.0)
    try:
        if part is BEES:
            run_endpoint(door, RunConfig(door="aws", endpoint=part), where, wait=True, as_json=False)
        else:
            run_training(door, RunConfig(door="aws", training=part), where, wait=True, as_json=False)
    except Exception as exc:
        fault = translated(exc)
        if fault is None:
            raise
        return fault.status, str(fault)
    return 0, ""


def begun(account: Account) -> None:
    account.sagemaker.add_response("create_training_job", {"TrainingJobArn": JOB_ARN},
                                   requests.create_training_job(in_aws()))  # fmt: skip


def look(account: Account, status: str, secondary: str, message: str, *lines: str, **more: Any) -> None:
    """One look at the job, and at its log."""
    account.sagemaker.add_response("describe_training_job", described(status, secondary, message, **more))
    logged(account, *lines)
    if status == "Completed":
        logged(account)  # what its rules said is looked for


def logged(account: Account, *lines: str) -> None:
    """The log's next lines, until its token stays the same."""
    token = {"nextForwardToken": f"f/{next(TOKENS)}"}
    events = [{"timestamp": 1, "message": line, "ingestionTime": 1} for line in lines]
    account.logs.add_response("describe_log_streams", {"logStreams": [{"logStreamName": "job/algo-1-1"}]})
    account.logs.add_response("get_log_events", {"events": events, **token})
    account.logs.add_response("get_log_events", {"events": [], **token})


def test_a_job_that_is_queued_runs_and_completes(account: Account, tmp_path: Path, capsys: Any) -> None:
    begun(account)
    look(account, "InProgress", "Pending", "Waiting for capacity")
    look(account, "InProgress", "Starting", "Launching")
    look(account, "InProgress", "Training", "Training", "epoch=1 validation:loss=0.5")
    metric = {"MetricName": "validation:loss", "Value": 0.5}
    look(account, "Completed", "Completed", "Done", TrainingTimeInSeconds=90, FinalMetricDataList=[metric])
    assert run(account, tmp_path, in_aws()) == (0, "")
    said = capsys.readouterr()
    assert said.out.splitlines() == ["validation:loss 0.5", "model s3://b/model.tar.gz"]
    order = [
        "Pending: Waiting",
        "Starting: Launching",
        "Training: Training",
        "epoch=1",
        "Completed: Done",
        "Completed in",
    ]
    places = [said.err.index(each) for each in order]
    assert places == sorted(places)


def test_hints_lead_to_aws_by_its_region_where_the_name_is_known_here(
    account: Account, tmp_path: Path, capsys: Any
) -> None:
    assert "--region" not in place_words(DoorWords(state=tmp_path), account.door, "job")
    (tmp_path / "training-jobs" / "job").mkdir(parents=True)
    begun(account)
    look(account, "Completed", "Completed", "Done")
    assert run(account, tmp_path, in_aws()) == (0, "")
    assert f"report job --open --state {tmp_path} --region eu-west-1" in capsys.readouterr().err
    assert "--region" not in place_words(DoorWords(state=tmp_path)), "what is found by its name is here"


def test_a_failed_job_ends_with_5_and_its_reason(account: Account, tmp_path: Path) -> None:
    begun(account)
    reason = "AlgorithmError: The training images are missing; add --data. exit code: 1"
    look(account, "Failed", "Failed", "Training job failed", FailureReason=reason)
    assert run(account, tmp_path, in_aws()) == (5, f"Training job job failed. {reason}")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity. Please retry.", "try later, or choose"),
        ("ClientError: CannotStartContainerError. exec format error", "push one for linux/amd64"),
        ("ClientError: Unsupported image media type application/vnd.oci.image.index.v1+json.", "no plain manifest"),
        ("ClientError: Access denied for registry: not authorized to perform ecr:BatchGetImage", "launch.py iam"),
        ("ClientError: Data download failed:No S3 objects found under S3 URL", "launch.py data push"),
        ("ResourceLimitExceeded: The account-level service limit is 0 Instances", "higher quota"),
    ],
)
def test_a_failure_that_is_known_comes_with_its_remedy(
    account: Account, tmp_path: Path, reason: str, remedy: str
) -> None:
    begun(account)
    look(account, "Failed", "Failed", "Training job failed", FailureReason=reason)
    status, said = run(account, tmp_path, in_aws())
    assert status == 5
    assert said.startswith(f"Training job job failed. {reason.rstrip('.')}; ") and remedy in said


def test_a_stopped_job_ends_with_6_and_says_how_to_go_on(account: Account, tmp_path: Path) -> None:
    begun(account)
    look(account, "Stopping", "Stopping", "Stopping")
    look(account, "Stopped", "Stopped", "Stopped", **CHECKPOINTS)
    status, said = run(account, tmp_path, in_aws())
    assert status == 6
    assert said.endswith("on request; to go on, train again with --checkpoints s3://b/o/job/checkpoints")


def test_a_spot_job_is_interrupted_and_goes_on_to_its_end(account: Account, tmp_path: Path, capsys: Any) -> None:
    begun(account)
    look(account, "InProgress", "Training", "Training", "epoch=1 validation:loss=0.5")
    look(account, "InProgress", "Interrupted", "Spot capacity was reclaimed")
    look(account, "InProgress", "Starting", "Launching again")
    look(account, "InProgress", "Training", "Training again", "epoch=2 validation:loss=0.4")
    look(account, "Completed", "Completed", "Done", TrainingTimeInSeconds=200, BillableTimeInSeconds=60)
    assert run(account, tmp_path, in_aws()) == (0, "")
    said = capsys.readouterr().err
    assert said.index("Interrupted: Spot") < said.index("Launching again") < said.index("epoch=2")
    assert said.count("epoch=1 ") == 1


def test_spot_instances_that_never_came_end_with_6(account: Account, tmp_path: Path) -> None:
    begun(account)
    look(account, "InProgress", "Starting", "Waiting for spot capacity")
    look(account, "Stopped", "MaxWaitTimeExceeded", "x", **CHECKPOINTS)
    status, said = run(account, tmp_path, in_aws())
    assert status == 6 and "not to be had within its --max-wait; to go on" in said


def test_a_quota_refuses_with_8_and_what_to_ask_for(account: Account, tmp_path: Path) -> None:
    account.sagemaker.add_client_error("create_training_job", "ResourceLimitExceeded", "limit 'ml.m5.xlarge' is 0.")
    status, said = run(account, tmp_path, in_aws())
    assert status == 8 and said.endswith("ask for a higher quota, or choose another --instance-type.")


def test_throttling_is_waited_out_longer_each_time_and_nothing_is_shown_twice(
    account: Account, tmp_path: Path, capsys: Any
) -> None:
    begun(account)
    look(account, "InProgress", "Training", "Training", "epoch=1 validation:loss=0.5")
    for _ in range(3):
        account.sagemaker.add_client_error("describe_training_job", "ThrottlingException", "Rate exceeded")
    account.sagemaker.add_response("describe_training_job", described("Completed", "Completed", "Done"))
    account.logs.add_client_error("describe_log_streams", "ThrottlingException", "Rate exceeded")
    logged(account, "epoch=2 validation:loss=0.4")
    logged(account)
    assert run(account, tmp_path, in_aws()) == (0, "")
    assert account.waited == [1.0, 2.0, 4.0, 1.0]
    said = capsys.readouterr().err
    assert said.count("epoch=1 ") == said.count("epoch=2 ") == 1


def test_throttling_without_end_is_told_at_last(account: Account) -> None:
    for _ in range(13):
        account.sagemaker.add_client_error("describe_training_job", "ThrottlingException", "Rate exceeded")
    with pytest.raises(ClientError, match="Rate exceeded"):
        training.describe(account.door, "job")
    assert sum(account.waited) == 1 + 2 + 4 + 8 + 16 + 32 + 6 * 60


class Flaky:
    """A client whose network comes and goes."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def describe_endpoint(self, **_request: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    create_endpoint = describe_endpoint


@pytest.mark.parametrize("kind", [EndpointConnectionError, ConnectionClosedError])
def test_a_connection_is_waited_for_once_there_was_one(kind: type[BotoCoreError]) -> None:
    lost = kind(endpoint_url="https://x")
    waited: list[float] = []
    client = Patient(Flaky("first", lost, lost, "again"), waited.append)
    assert [client.describe_endpoint(), client.describe_endpoint()] == ["first", "again"]
    assert waited == [1.0, 2.0]
    with pytest.raises(kind):
        Patient(Flaky(lost), waited.append).describe_endpoint()


def test_what_makes_something_is_not_asked_for_twice() -> None:
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "CreateEndpoint")
    with pytest.raises(ClientError):
        Patient(Flaky(throttled), lambda _: None).create_endpoint()


def made(account: Account) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:eu-west-1:1:model/bees"})
    arn = "arn:aws:sagemaker:eu-west-1:1:endpoint-config/bees"
    account.sagemaker.add_response("create_endpoint_config", {"EndpointConfigArn": arn})
    account.sagemaker.add_response("create_endpoint", {"EndpointArn": ENDPOINT_ARN})


def test_an_endpoint_that_fails_ends_with_5_its_reason_and_its_logs_end(account: Account, tmp_path: Path) -> None:
    made(account)
    account.sagemaker.add_response("describe_endpoint", endpoint_described("Creating"))
    reason = "The primary container for production variant AllTraffic did not pass the ping health check."
    for _ in range(2):
        account.sagemaker.add_response("describe_endpoint", endpoint_described("Failed", FailureReason=reason))
    logged(account, "serve: no manifest.json in /opt/ml/model")
    status, said = run(account, tmp_path, BEES)
    assert status == 5
    assert "ping health check; the server did not come up" in said
    assert said.endswith("\n  serve: no manifest.json in /opt/ml/model")


def test_progress_lines_are_told_from_others_however_they_come() -> None:
    said: list[str] = []
    events: list[training.Event] = [training.Logged("hello"), training.Ended(described("Completed", "Completed", "x"))]
    assert watching.follow(events, PlainView(said.append))["TrainingJobStatus"] == "Completed"
    assert said == ["  hello"]
