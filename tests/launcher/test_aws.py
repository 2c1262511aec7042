"""The same verbs through boto3, answered by botocore's Stubber, which checks requests and answers."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import ANY

from launcher import requests
from launcher.aws import open_aws
from launcher.config.run import Endpoint, Training
from launcher.errors import AwsError, JobFailed, JobStopped, NotFound, PredictionError
from launcher.verbs import endpoints, listing, prediction, training
from tests.launcher.stubbed import Account

NOW = datetime(2026, 1, 2, tzinfo=UTC)
JOB_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job"
SEARCH_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:hyper-parameter-tuning-job/s"
BATCH_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/batch"
ENDPOINT_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/bees"
ROLE = "arn:aws:iam::123456789012:role/sage"
NO_SEARCHES: dict[str, Any] = {"HyperParameterTuningJobSummaries": []}
NO_BATCHES: dict[str, Any] = {"TransformJobSummaries": []}


def described(status: str, secondary: str, *messages: str, **more: Any) -> dict[str, Any]:
    transitions = [{"Status": secondary, "StartTime": NOW, "StatusMessage": message} for message in messages]
    return {
        "TrainingJobName": "job",
        "TrainingJobArn": JOB_ARN,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "CreationTime": NOW,
        "SecondaryStatusTransitions": transitions,
        **more,
    }


def endpoint_described(status: str, **more: Any) -> dict[str, Any]:
    return {
        "EndpointName": "bees",
        "EndpointArn": ENDPOINT_ARN,
        "EndpointConfigName": "bees",
        "EndpointStatus": status,
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
        **more,
    }


def log_answers(account: Account, *chunks: list[str]) -> None:
    """One look at the log a chunk; each look reads until the token stays the same."""
    for token, chunk in enumerate(chunks):
        account.logs.add_response("describe_log_streams", {"logStreams": [{"logStreamName": "job/algo-1-1"}]})
        events = [{"timestamp": 1, "message": line, "ingestionTime": 1} for line in chunk]
        account.logs.add_response("get_log_events", {"events": events, "nextForwardToken": f"f/{token + 1}"})
        account.logs.add_response("get_log_events", {"events": [], "nextForwardToken": f"f/{token + 1}"})


def in_aws(name: str = "job") -> Training:
    return Training(
        name=name, image="1.dkr/x", role=ROLE, hyperparameters={}, channels={"train": "s3://b/t"}, output="s3://b/o",
        instance_type="ml.m5.xlarge",
    )  # fmt: skip


BEES = Endpoint(name="bees", image="1.dkr/x", role=ROLE, model_data="s3://b/model.tar.gz", instance_type="ml.m5.large")


def test_a_job_is_started_with_the_very_request_that_dry_run_prints(account: Account) -> None:
    request = requests.create_training_job(in_aws())
    account.sagemaker.add_response("create_training_job", {"TrainingJobArn": JOB_ARN}, request)
    assert training.start(account.door, in_aws()) == "job"


def test_a_job_is_watched_until_it_is_done(account: Account) -> None:
    waited: list[float] = []
    account.sagemaker.add_response("describe_training_job", described("InProgress", "Starting", "Launching"))
    account.logs.add_client_error("describe_log_streams", "ResourceNotFoundException")
    account.sagemaker.add_response("describe_training_job", described("InProgress", "Training", "Training"))
    account.sagemaker.add_response("describe_training_job", described("Completed", "Completed", "Done"))
    log_answers(account, ["epoch=1 validation:loss=0.5"], ["test:loss=0.4"])
    events = list(training.watch(account.door, "job", sleep=waited.append))
    assert [e.line for e in events if isinstance(e, training.Logged)] == [
        "epoch=1 validation:loss=0.5",
        "test:loss=0.4",
    ]
    assert [e.message for e in events if isinstance(e, training.Moved)] == ["Launching", "Training", "Done"]
    assert isinstance(events[-1], training.Ended) and training.conclude(events[-1].description)
    assert waited == [7.0, 7.0]


def test_a_failed_job_gives_its_reason(account: Account) -> None:
    account.sagemaker.add_response(
        "describe_training_job", described("Failed", "Failed", "x", FailureReason="CapacityError: none left")
    )
    with pytest.raises(JobFailed, match="CapacityError: none left"):
        training.conclude(training.describe(account.door, "job"))


def test_a_job_out_of_time_says_how_to_go_on() -> None:
    checkpoints = {"S3Uri": "s3://b/c"}
    with pytest.raises(JobStopped, match="--max-runtime; to go on, train again with --checkpoints s3://b/c"):
        training.conclude(described("Stopped", "MaxRuntimeExceeded", "x", CheckpointConfig=checkpoints))


def test_a_job_without_a_model_says_what_helps() -> None:
    with pytest.raises(JobFailed, match=r"no model yet; wait for it \(`launch\.py logs job -f`\)"):
        training.artifact(described("InProgress", "Training", "x"))
    checkpoints = {"S3Uri": "s3://b/c"}
    with pytest.raises(JobFailed, match=r"is Stopped .* no model; to go on, train again with --checkpoints s3://b/c"):
        training.artifact(described("Stopped", "Stopped", "x", CheckpointConfig=checkpoints,
                                    ModelArtifacts={"S3ModelArtifacts": ""}))  # fmt: skip


def test_a_job_is_stopped_once(account: Account) -> None:
    account.sagemaker.add_response("describe_training_job", described("InProgress", "Training", "x"))
    account.sagemaker.add_response("stop_training_job", {}, {"TrainingJobName": "job"})
    account.sagemaker.add_response("describe_training_job", described("Stopping", "Stopping", "x"))
    assert training.stop(account.door, "job") == "Stopping"
    account.sagemaker.add_response("describe_training_job", described("Completed", "Completed", "x"))
    assert training.stop(account.door, "job") == "Completed"


def test_an_unknown_job_is_not_found(account: Account) -> None:
    account.missing("describe_training_job", "Requested resource not found.")
    with pytest.raises(NotFound, match=r"launch\.py status"):
        training.describe(account.door, "job")


def test_another_refusal_is_passed_on(account: Account) -> None:
    account.sagemaker.add_client_error("describe_training_job", "AccessDeniedException", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        training.describe(account.door, "job")


def test_an_endpoint_is_made_in_three_steps_and_watched(account: Account) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:eu-west-1:1:model/bees"},
                                   requests.create_models(BEES)[0])  # fmt: skip
    account.sagemaker.add_response(
        "create_endpoint_config",
        {"EndpointConfigArn": "arn:aws:sagemaker:eu-west-1:1:endpoint-config/bees"},
        requests.create_endpoint_config(BEES),
    )
    account.sagemaker.add_response("create_endpoint", {"EndpointArn": ENDPOINT_ARN}, requests.create_endpoint(BEES))
    for status in ("Creating", "Creating", "InService", "InService"):
        account.sagemaker.add_response("describe_endpoint", endpoint_described(status))
    endpoints.deploy(account.door, BEES)
    told = list(endpoints.watch(account.door, "bees", sleep=lambda _: None))
    assert told == [("Creating", ""), ("InService", "")]
    endpoints.conclude(account.door, "bees")


def test_what_was_made_is_taken_back_when_a_step_is_refused(account: Account) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:eu-west-1:1:model/bees"})
    account.sagemaker.add_client_error("create_endpoint_config", "ResourceLimitExceeded", "quota of ml.m5.large is 0")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "bees"})
    with pytest.raises(ClientError, match="quota"):
        endpoints.deploy(account.door, BEES)


def test_a_failed_endpoint_shows_its_reason_and_the_end_of_its_log(account: Account) -> None:
    account.sagemaker.add_response("describe_endpoint", endpoint_described("Failed", FailureReason="no ping"))
    log_answers(account, ["serve: no manifest.json"])
    with pytest.raises(JobFailed, match=r"no ping\n  serve: no manifest\.json"):
        endpoints.conclude(account.door, "bees")


def config_described(name: str, *models: str) -> dict[str, Any]:
    return {
        "EndpointConfigName": name,
        "EndpointConfigArn": f"arn:aws:sagemaker:eu-west-1:1:endpoint-config/{name}",
        "ProductionVariants": [{"VariantName": f"v-{model}", "ModelName": model} for model in models],
        "CreationTime": NOW,
    }


def test_deleting_takes_the_endpoint_and_what_was_made_for_it(account: Account) -> None:
    account.sagemaker.add_response("describe_endpoint", endpoint_described("InService"))
    account.sagemaker.add_response("list_endpoint_configs", {"EndpointConfigs": []},
                                   {"NameContains": "bees", "MaxResults": 100})  # fmt: skip
    account.sagemaker.add_response("list_models", {"Models": []})
    account.sagemaker.add_response("describe_endpoint_config", config_described("bees", "bees", "shared"))
    account.sagemaker.add_response("delete_endpoint", {}, {"EndpointName": "bees"})
    account.sagemaker.add_response("delete_endpoint_config", {}, {"EndpointConfigName": "bees"})
    account.missing("delete_model")
    account.sagemaker.add_response("describe_endpoint", endpoint_described("Deleting"))
    account.missing("describe_endpoint")
    deletion = endpoints.delete(account.door, "bees", sleep=lambda _: None)
    assert deletion.gone == ["endpoint bees", "endpoint configuration bees"]
    assert deletion.kept == ["model shared"]


def test_a_configuration_of_another_name_is_kept_with_its_models(account: Account) -> None:
    described = endpoint_described("InService") | {"EndpointConfigName": "shared"}
    account.sagemaker.add_response("describe_endpoint", described)
    account.sagemaker.add_response("list_endpoint_configs", {"EndpointConfigs": []})
    account.sagemaker.add_response("list_models", {"Models": []})
    account.sagemaker.add_response("describe_endpoint_config", config_described("shared", "bees"))
    account.sagemaker.add_response("delete_endpoint", {}, {"EndpointName": "bees"})
    account.missing("describe_endpoint")
    deletion = endpoints.delete(account.door, "bees", sleep=lambda _: None)
    assert deletion.gone == ["endpoint bees"]
    assert deletion.kept == ["endpoint configuration shared", "model bees"]


def test_predictions_come_from_invoke_endpoint(account: Account, tmp_path: Path) -> None:
    picture = tmp_path / "bee.jpg"
    picture.write_bytes(b"jpeg")
    payload = json.dumps({"predictions": [{"label": "bee", "index": 1, "probability": 0.9}]}).encode()
    account.runtime.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(payload), len(payload)), "ContentType": "application/json"},  # type: ignore[arg-type]
        {"EndpointName": "bees", "Body": ANY, "ContentType": "image/jpeg", "Accept": "application/json",
         "CustomAttributes": "top_k=2"},
    )  # fmt: skip
    (answer,) = prediction.predict(account.door, "bees", [picture], top_k=2)
    assert answer.predictions[0]["label"] == "bee"


@pytest.mark.parametrize(
    "said", [b'{"predictions": [[0.1, 0.9]]}', b'{"predictions": [{"class": "bee"}]}', b'{"bee": 1}', b"bee"]
)
def test_an_answer_of_a_models_own_form_is_left_as_it_is(account: Account, tmp_path: Path, said: bytes) -> None:
    picture = tmp_path / "bee.jpg"
    picture.write_bytes(b"jpeg")
    account.runtime.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(said), len(said)), "ContentType": "application/json"},  # type: ignore[arg-type]
    )
    (answer,) = prediction.predict(account.door, "bees", [picture])
    assert (answer.payload, answer.predictions) == (said, [])


def test_one_of_several_models_is_asked_for_by_its_name(account: Account, tmp_path: Path) -> None:
    picture = tmp_path / "bee.jpg"
    picture.write_bytes(b"jpeg")
    payload = b'{"predictions": []}'
    account.runtime.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(payload), len(payload)), "ContentType": "application/json"},  # type: ignore[arg-type]
        {"EndpointName": "bees", "Body": ANY, "ContentType": "image/jpeg", "Accept": "application/json",
         "TargetModel": "a.tar.gz", "TargetVariant": "new"},
    )  # fmt: skip
    target = {"TargetModel": "a.tar.gz", "TargetVariant": "new"}
    assert list(prediction.predict(account.door, "bees", [picture], target=target))


def test_a_folders_pictures_are_all_that_the_endpoint_takes(tmp_path: Path) -> None:
    for name in ("a.GIF", "b.jpg", "deep/c.tiff", "d.npy", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.name for p in prediction.files_of([tmp_path])] == ["a.GIF", "b.jpg", "c.tiff"]


def test_the_containers_refusal_is_told_in_its_own_words(account: Account, tmp_path: Path) -> None:
    picture = tmp_path / "bee.jpg"
    picture.write_bytes(b"")
    said = {"error": {"code": "BadInput", "message": "The image is empty."}}
    account.runtime.add_client_error(
        "invoke_endpoint", "ModelError", "Received client error (400)", 424,
        modeled_fields={"OriginalStatusCode": 400, "OriginalMessage": json.dumps(said)},
    )  # fmt: skip
    with pytest.raises(PredictionError, match=r"bee\.jpg: the endpoint answered 400: The image is empty\."):
        list(prediction.predict(account.door, "bees", [picture]))


def test_status_lists_endpoints_and_jobs_over_several_pages(account: Account) -> None:
    summary = {"EndpointName": "bees", "EndpointArn": ENDPOINT_ARN, "CreationTime": NOW, "LastModifiedTime": NOW,
               "EndpointStatus": "InService"}  # fmt: skip
    job = {"TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Completed",
           "TrainingEndTime": NOW + timedelta(minutes=2)}  # fmt: skip
    account.sagemaker.add_response("list_endpoints", {"Endpoints": [summary]})
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", NO_SEARCHES)
    account.sagemaker.add_response(
        "list_training_jobs", {"TrainingJobSummaries": [{"TrainingJobName": "a", **job}], "NextToken": "more"}
    )
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": [{"TrainingJobName": "b", **job}]})
    batch = {"TransformJobName": "c", "TransformJobArn": BATCH_ARN, "CreationTime": NOW, "TransformJobStatus": "Failed",
             "TransformEndTime": NOW + timedelta(minutes=3)}  # fmt: skip
    account.sagemaker.add_response("list_transform_jobs", {"TransformJobSummaries": [batch]})
    found = listing.everything(account.door)
    rows = found.rows
    assert not found.more
    assert [(row["name"], row["status"]) for row in rows] == [
        ("bees", "InService"), ("a", "Completed"), ("b", "Completed"), ("c", "Failed"),
    ]  # fmt: skip
    assert (rows[1]["seconds"], rows[3]["seconds"]) == (120, 180)


def test_what_status_leaves_out_is_known(account: Account) -> None:
    jobs = [{"TrainingJobName": f"j{i}", "TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Stopped",
             "LastModifiedTime": NOW} for i in range(130)]  # fmt: skip
    asked = {"SortBy": "CreationTime", "SortOrder": "Descending"}
    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", NO_SEARCHES)
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": jobs[:100], "NextToken": "a"},
                                   {**asked, "MaxResults": 100})  # fmt: skip
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": jobs[100:], "NextToken": "b"},
                                   {**asked, "MaxResults": 100, "NextToken": "a"})  # fmt: skip
    account.sagemaker.add_response("list_transform_jobs", NO_BATCHES)
    found = listing.everything(account.door, limit=130)
    assert len(found.rows) == 130 and found.more


def test_many_trials_of_a_search_cost_no_more_than_their_pages(account: Account) -> None:
    search = {"HyperParameterTuningJobName": "s", "HyperParameterTuningJobArn": SEARCH_ARN, "CreationTime": NOW,
              "HyperParameterTuningJobStatus": "Completed", "Strategy": "Random", "ObjectiveStatusCounters": {},
              "TrainingJobStatusCounters": {}}  # fmt: skip
    names = ["a", *(f"s-{i:03d}-{i:08x}" for i in range(1, 200)), "b", "c"]
    jobs = [{"TrainingJobName": name, "TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Stopped",
             "LastModifiedTime": NOW} for name in names]  # fmt: skip
    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", {"HyperParameterTuningJobSummaries": [search]})
    for start in (0, 100, 200):
        more = {"NextToken": str(start + 100)} if start < 200 else {}
        page = {"TrainingJobSummaries": jobs[start : start + 100], **more}
        account.sagemaker.add_response("list_training_jobs", page)
    account.sagemaker.add_response("list_transform_jobs", NO_BATCHES)
    found = listing.everything(account.door, limit=2)
    assert [row["name"] for row in found.rows] == ["s", "a", "b"] and found.more


def test_a_job_that_failed_before_it_trained_grows_no_older(account: Account) -> None:
    job = {"TrainingJobName": "a", "TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Failed",
           "LastModifiedTime": NOW + timedelta(seconds=9)}  # fmt: skip
    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", NO_SEARCHES)
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": [job]})
    account.sagemaker.add_response("list_transform_jobs", NO_BATCHES)
    assert listing.everything(account.door).rows[0]["seconds"] == 9


def test_a_running_jobs_model_is_not_served_though_its_place_is_known() -> None:
    with pytest.raises(JobFailed, match="is InProgress and has left no model"):
        training.artifact(described("InProgress", "Training", "x"))


def test_missing_region_profile_and_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(AwsError, match="add --region"):
        open_aws()
    with pytest.raises(AwsError, match="aws configure"):
        open_aws(region="eu-west-1")
    with pytest.raises(AwsError, match="nobody"):
        open_aws(profile="nobody")


def test_an_output_is_read_from_s3(account: Account) -> None:
    place = {"Bucket": "bucket", "Key": "out/job/output/output.tar.gz"}
    body = StreamingBody(io.BytesIO(b"archive"), 7)
    account.s3.add_response("get_object", {"Body": body}, place)
    with account.door.read("s3://bucket/out/job/output/output.tar.gz") as found:
        assert found.read() == b"archive"
    account.s3.add_client_error("get_object", "NoSuchKey", "The specified key does not exist.")
    with pytest.raises(NotFound, match="There is nothing at s3://bucket/none"):
        account.door.read("s3://bucket/none")
    account.s3.add_client_error("get_object", "AccessDenied", "Access Denied")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.door.read("s3://bucket/secret")
