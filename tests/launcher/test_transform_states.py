"""What a batch transform job goes through in an account, and what the command line makes of it: words and status."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from click.testing import CliRunner

from launcher import requests
from launcher.aws.ledger import Ledger
from launcher.cli.failures import translated
from launcher.cli.root import root
from launcher.cli.transforming import run_transform
from launcher.config.run import RunConfig
from launcher.config.transform import Transform
from launcher.doors import Listed
from launcher.opening import DoorWords
from launcher.verbs import answers, clearing, listing, origin, transforms
from launcher.verbs.selection import select
from tests.launcher.stubbed import Account, all_asked
from tests.launcher.test_aws import BATCH_ARN, NOW
from tests.launcher.test_transform_request import WORDS

TOKENS = itertools.count()
MODEL_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model/batch"
BATCH = Transform(**{**WORDS, "name": "batch", "model_name": "batch"})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


@pytest.fixture
def account(ledger: Ledger) -> Iterator[Account]:
    yield from all_asked(Account(ledger))


def run(account: Account, state: Path, *, score: bool = False) -> tuple[int, str]:
    """Run the job to its end, as the command line does: its exit status, and what it says of a fault."""
    where = DoorWords(state=state)
    config = RunConfig(door="aws", transform=BATCH)
    try:
        run_transform(replace(account.door, interval=0.0), config, where, wait=True, as_json=False, score=score)
    except Exception as exc:
        fault = translated(exc)
        if fault is None:
            raise
        return fault.status, str(fault)
    return 0, ""


def begun(account: Account) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN}, requests.create_transform_model(BATCH))
    account.sagemaker.add_response("create_transform_job", {"TransformJobArn": BATCH_ARN},
                                   requests.create_transform_job(BATCH))  # fmt: skip
    account.s3.add_response("put_object", {})


def described(status: str, **more: Any) -> dict[str, Any]:
    asked = requests.create_transform_job(BATCH)
    kept = {key: value for key, value in asked.items() if key != "Tags"}
    return {**kept, "TransformJobArn": BATCH_ARN, "TransformJobStatus": status, "CreationTime": NOW, **more}


def look(account: Account, status: str, *lines: str, **more: Any) -> None:
    """One look at the job, and at its log."""
    account.sagemaker.add_response("describe_transform_job", described(status, **more))
    token = {"nextForwardToken": f"f/{next(TOKENS)}"}
    events = [{"timestamp": 1, "message": line, "ingestionTime": 1} for line in lines]
    streams = {"logStreams": [{"logStreamName": "batch/i-1-2/data-log"}]}
    asked = {"logGroupName": "/aws/sagemaker/TransformJobs", "logStreamNamePrefix": "batch/"}
    account.logs.add_response("describe_log_streams", streams, asked)
    account.logs.add_response("get_log_events", {"events": events, **token})
    account.logs.add_response("get_log_events", {"events": [], **token})


def objects(account: Account, bucket: str, prefix: str, *keys: str) -> None:
    found = [{"Key": prefix + key, "Size": 9, "LastModified": NOW} for key in keys]
    account.s3.add_response("list_objects_v2", {"Contents": found, "IsTruncated": False},
                            {"Bucket": bucket, "Prefix": prefix})  # fmt: skip


def ended(account: Account, *answered: str) -> None:
    # Somebody else's answers lie in the input too.
    objects(account, "b", "pictures/", "ant/1.jpg", "bee/1.jpg", "others/ant/1.jpg.out")
    objects(account, "b", "answers/", *answered)


def tagged(account: Account, *jobs: str) -> None:
    """The model of the job's name is looked at, and was made for these jobs by its tags."""
    made = {"ModelName": "batch", "ModelArn": MODEL_ARN, "CreationTime": NOW, "ExecutionRoleArn": BATCH.role}
    account.sagemaker.add_response("describe_model", made, {"ModelName": "batch"})
    tags = [{"Key": "transform", "Value": job} for job in jobs]
    account.sagemaker.add_response("list_tags", {"Tags": tags}, {"ResourceArn": MODEL_ARN})


TIMES = {"TransformStartTime": NOW, "TransformEndTime": NOW + timedelta(minutes=6)}


def test_a_job_that_completes_tells_how_many_how_long_where_and_what_it_cost(
    account: Account, ledger: Ledger, tmp_path: Path, capsys: Any
) -> None:
    begun(account)
    look(account, "InProgress")
    look(account, "InProgress", "listening on port 8080")
    look(account, "Completed", **TIMES)
    ended(account, "ant/1.jpg.out", "bee/1.jpg.out")
    assert run(account, tmp_path) == (0, "")
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "job       batch Completed", "pictures  2 of 2",
        "took      360.0 s with the server's start, 0.0 pictures a second", "answers   s3://b/answers",
    ]  # fmt: skip
    assert "Ran for 6 min 0 s on 1 × ml.m5.large, about $0.01" in said.err
    assert said.err.index("InProgress") < said.err.index("listening") < said.err.index("Completed")
    assert [(each.kind, each.name, each.transform) for each in ledger.there()] == [
        ("model", "batch", "batch"), ("transform job", "batch", ""),
    ]  # fmt: skip
    assert (tmp_path / "configs" / "transform-jobs" / "batch.json").is_file()


def test_a_job_fails_with_5_its_reason_its_log_and_what_it_answered(
    account: Account, tmp_path: Path, capsys: Any
) -> None:
    begun(account)
    look(account, "InProgress", "b/pictures/bee/1.jpg: Bad HTTP status received from algorithm: 400")
    look(account, "Failed", FailureReason="ClientError: See job logs for more information", **TIMES)
    ended(account, "ant/1.jpg.out")
    status, said = run(account, tmp_path)
    assert status == 5 and said.startswith("Transform job batch failed. ClientError: See job logs")
    printed = capsys.readouterr()
    assert "bee/1.jpg: Bad HTTP status" in printed.err and "pictures  1 of 2" in printed.out


def test_a_failed_job_tells_why_also_where_its_answers_cannot_be_listed(
    account: Account, tmp_path: Path, capsys: Any
) -> None:
    begun(account)
    look(account, "Failed", FailureReason="ClientError: See job logs for more information", **TIMES)
    account.s3.add_client_error("list_objects_v2", "AccessDenied", "no")
    status, said = run(account, tmp_path)
    assert status == 5 and said.startswith("Transform job batch failed. ClientError: See job logs")
    assert "What it has answered cannot be told: ListObjectsV2 was refused" in capsys.readouterr().err


def test_a_stopped_job_ends_with_6_and_says_how_to_go_on(account: Account, tmp_path: Path) -> None:
    begun(account)
    look(account, "Stopping")
    look(account, "Stopped")
    ended(account)
    status, said = run(account, tmp_path)
    assert status == 6 and "--output s3://b/answers --resume goes on" in said


def test_throttled_looks_are_asked_again_and_a_known_reason_has_its_remedy(account: Account, tmp_path: Path) -> None:
    begun(account)
    account.sagemaker.add_client_error("describe_transform_job", "ThrottlingException", "Rate exceeded")
    account.sagemaker.add_client_error("describe_transform_job", "ThrottlingException", "Rate exceeded")
    reason = "CapacityError: Unable to provision requested ML compute capacity."
    look(account, "Failed", FailureReason=reason)
    ended(account)
    status, said = run(account, tmp_path)
    assert status == 5 and "try later, or choose another --instance-type" in said
    assert account.waited[:2] == [1.0, 2.0]


def test_a_refused_job_takes_its_model_back(account: Account, ledger: Ledger, tmp_path: Path) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN})
    account.sagemaker.add_client_error("create_transform_job", "ResourceLimitExceeded", "The limit is 0 Instances")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "batch"})
    status, said = run(account, tmp_path)
    assert status == 8 and "ask for a higher quota" in said
    assert ledger.there() == []


def test_a_job_that_failed_midway_keeps_its_model_for_it_may_run(
    account: Account, ledger: Ledger, tmp_path: Path
) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN})
    account.sagemaker.add_client_error("create_transform_job", "InternalFailure", "try again", http_status_code=500)
    with pytest.raises(ClientError) as refused:
        transforms.start(account.door, BATCH)
    assert "What was made for it stays" in refused.value.__notes__[0]
    assert [each.kind for each in ledger.there()] == ["model", "transform job"]


def test_a_model_that_cannot_be_taken_back_is_told_beside_the_refusal(account: Account, ledger: Ledger) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN})
    account.sagemaker.add_client_error("create_transform_job", "ResourceLimitExceeded", "The limit is 0 Instances")
    account.sagemaker.add_client_error("delete_model", "AccessDeniedException", "not authorized")
    with pytest.raises(ClientError, match="The limit is 0 Instances") as refused:
        transforms.start(account.door, BATCH)
    assert "model batch stays" in refused.value.__notes__[0]
    assert [each.kind for each in ledger.there()] == ["model"]


def test_the_answers_are_scored_by_the_models_own_classes(account: Account, tmp_path: Path, capsys: Any) -> None:
    from launcher.local.packing import pack

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"classes": ["ant", "bee"]}))
    pack([folder], tmp_path / "model.tar.gz")
    begun(account)
    look(account, "Completed", **TIMES)
    ended(account, "ant/1.jpg.out", "bee/1.jpg.out")
    container = requests.create_transform_model(BATCH)
    assert container is not None
    made = {"ModelName": "batch", "ModelArn": MODEL_ARN, "CreationTime": NOW, "ExecutionRoleArn": BATCH.role}
    account.sagemaker.add_response(
        "describe_model", {**made, "PrimaryContainer": container["PrimaryContainer"]}, {"ModelName": "batch"}
    )
    best = {"label": "bee", "index": 1, "probability": 0.9}
    payload = json.dumps({"predictions": [best]}).encode()
    for data in ((tmp_path / "model.tar.gz").read_bytes(), payload, payload):
        account.s3.add_response("get_object", {"Body": StreamingBody(BytesIO(data), len(data))})  # type: ignore[arg-type]
    assert run(account, tmp_path / "state", score=True) == (0, "")
    assert "right     1 of 2 (50.0%)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "why"),
    [("", "has its data in its image"), ("AccessDenied", "AccessDenied"), ("damaged", "is not a readable tar.gz")],
)
def test_a_score_that_cannot_be_told_does_not_hide_what_a_completed_job_has_answered(
    account: Account, tmp_path: Path, capsys: Any, data: str, why: str
) -> None:
    begun(account)
    look(account, "Completed", **TIMES)
    ended(account, "ant/1.jpg.out", "bee/1.jpg.out")
    container = {"Image": BATCH.image, **({"ModelDataUrl": BATCH.model_data} if data else {})}
    made = {"ModelName": "batch", "ModelArn": MODEL_ARN, "CreationTime": NOW, "ExecutionRoleArn": BATCH.role}
    account.sagemaker.add_response("describe_model", {**made, "PrimaryContainer": container})
    if data == "damaged":
        body = StreamingBody(BytesIO(b"no archive"), 10)  # type: ignore[arg-type]
        account.s3.add_response("get_object", {"Body": body})
    elif data:
        account.s3.add_client_error("get_object", data, "no")
    assert run(account, tmp_path, score=True) == (0, "")
    said = capsys.readouterr()
    assert "pictures  2 of 2" in said.out and "right" not in said.out
    assert "the model's classes cannot be told" in said.err and why in said.err


def test_answers_that_are_not_json_are_counted_and_not_read(account: Account) -> None:
    ended(account, "ant/1.jpg.out")
    output = {"S3OutputPath": BATCH.output, "Accept": "text/csv"}
    found = answers.result(account.door, described("Completed", TransformOutput=output), score=True)
    assert (found.answered, found.tally) == (1, None) and "are text/csv, and only JSON is compared" in found.unscored


def test_answers_are_found_under_the_prefixs_own_path_too(account: Account) -> None:
    ended(account, "ant/1.jpg.out", "pictures/bee/1.jpg.out")
    assert answers.result(account.door, described("Completed")).answered == 2
    there = [Listed(key, 9) for key in ("ant/1.jpg", "bee/1.jpg", "bee/2.jpg")]
    chosen = select(there, ["ant/1.jpg.out", "pictures/bee/1.jpg.out"], BATCH.input)
    assert chosen.answered == ("ant/1.jpg", "bee/1.jpg") and chosen.keys == ("bee/2.jpg",)


def test_ctrl_c_lets_go_and_says_how_to_come_back(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupted(*_: Any) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    begun(account)
    monkeypatch.setattr(transforms, "watch", interrupted)
    with pytest.raises(click.exceptions.Exit) as left:
        run(account, tmp_path)
    said = capsys.readouterr().err
    assert left.value.exit_code == 130 and "the job batch goes on" in said and f"stop batch --state {tmp_path}" in said


def test_stop_and_delete_leave_nothing_recorded(account: Account, ledger: Ledger, tmp_path: Path) -> None:
    begun(account)
    transforms.start(account.door, BATCH)
    account.sagemaker.add_response("describe_transform_job", described("InProgress"))
    account.sagemaker.add_response("stop_transform_job", {}, {"TransformJobName": "batch"})
    account.sagemaker.add_response("describe_transform_job", described("Stopping"))
    assert transforms.stop(account.door, "batch") == "Stopping"
    account.sagemaker.add_response("describe_transform_job", described("Stopped"))
    plan = clearing.plan(listing.recorded(account.door, ledger.there()).rows)
    assert [row["kind"] for row in plan.going] == ["transform job"], "its model goes with it"
    account.sagemaker.add_response("describe_transform_job", described("Stopped"))
    tagged(account, "batch")
    account.sagemaker.add_response("delete_model", {}, {"ModelName": "batch"})
    ((_, outcome),) = clearing.clear(account.door, plan, ledger)
    assert outcome.gone == "transform job batch, model batch" and ledger.there() == []


@pytest.mark.parametrize("jobs", [(), ("another",)])
def test_a_model_that_has_the_jobs_name_alone_is_not_deleted_with_it(
    account: Account, ledger: Ledger, jobs: tuple[str, ...]
) -> None:
    account.sagemaker.add_response("describe_transform_job", described("Stopped"))
    tagged(account, *jobs)
    assert transforms.delete(account.door, "batch") == ["transform job batch"]


def test_who_deletes_a_job_is_asked_about_its_model_too_and_told_that_aws_keeps_the_job(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DoorWords, "open_for", lambda *_: account.door)
    account.missing("describe_endpoint")
    account.missing("describe_hyper_parameter_tuning_job")
    for _ in range(2):
        account.sagemaker.add_response("describe_transform_job", described("Stopped"))
    tagged(account, "batch")
    done = CliRunner().invoke(root, ["delete", "batch", "--state", str(tmp_path)])
    assert "Forget the transform job batch (Stopped), which AWS keeps with its log, and delete its model batch?" in (
        done.stderr
    )


def test_who_may_not_see_transform_jobs_lists_and_deletes_all_else(
    account: Account, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DoorWords, "open", lambda *_args, **_words: account.door)
    monkeypatch.setattr(DoorWords, "open_for", lambda *_: account.door)
    ledger.note("created", "transform job", "batch", "eu-west-1")
    ledger.note("created", "model", "batch", "eu-west-1", transform="batch")

    def launch(*words: str) -> str:
        return CliRunner().invoke(root, [*words, "--state", str(tmp_path)]).stderr

    account.sagemaker.add_client_error("describe_transform_job", "AccessDeniedException")
    assert launch("status", "--aws").count(transforms.UNSEEN) == 1

    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", {"HyperParameterTuningJobSummaries": []})
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": []})
    account.sagemaker.add_client_error("list_transform_jobs", "AccessDeniedException")
    assert launch("status", "--account").count(transforms.UNSEEN) == 1

    search, job, endpoint = "describe_hyper_parameter_tuning_job", "describe_training_job", "describe_endpoint"
    looks: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        ("status", (endpoint, search, job), ()), ("stop", (job, search), (endpoint,)),
        ("logs", (job, search), (endpoint,)), ("delete", (endpoint, search), (job,)),
    ]  # fmt: skip
    for verb, before, after in looks:
        for operation in before:
            account.missing(operation)
        account.sagemaker.add_client_error("describe_transform_job", "AccessDeniedException")
        for operation in after:
            account.missing(operation)
        said = launch(verb, "batch")
        assert said.count(transforms.UNSEEN) == 1 and "There is no search" in said
    assert [each.kind for each in ledger.there()] == ["transform job", "model"]


def test_a_job_whose_note_cannot_be_written_is_followed_all_the_same(
    account: Account, tmp_path: Path, capsys: Any
) -> None:
    account.sagemaker.add_response("create_model", {"ModelArn": MODEL_ARN})
    account.sagemaker.add_response("create_transform_job", {"TransformJobArn": BATCH_ARN})
    account.s3.add_client_error("put_object", "AccessDenied", "no")
    look(account, "Completed", **TIMES)
    ended(account, "ant/1.jpg.out")
    assert run(account, tmp_path) == (0, "")
    said = capsys.readouterr()
    assert "--resume will not know: " in said.err and "need s3:PutObject there" in said.err
    assert "pictures  1 of 2" in said.out and (tmp_path / "configs/transform-jobs/batch.json").is_file()


@pytest.mark.parametrize(
    ("model", "prefix", "fault"),
    [("s3://b/m.tar.gz", "m.tar.gz", ""), ("s3://b/m", "m/", "were written before the model at s3://b/m was")],
)
def test_a_model_in_s3_that_is_newer_than_the_note_is_another(
    account: Account, model: str, prefix: str, fault: str
) -> None:
    # Of the archive, what lies beside it is newer alone.
    times = {"": NOW, ".md5": NOW + timedelta(days=1)}
    found = [{"Key": prefix + key, "Size": 9, "LastModified": when} for key, when in times.items()]
    account.s3.add_response("list_objects_v2", {"Contents": found, "IsTruncated": False},
                            {"Bucket": "b", "Prefix": prefix})  # fmt: skip
    mine = origin.Origin(model, "application/json")
    noted = origin.Noted(mine, NOW.timestamp())
    assert origin.fault(account.door, noted, mine) == fault
    account.s3.add_client_error("list_objects_v2", "AccessDenied", "no")
    assert "which cannot be looked at" in origin.fault(account.door, noted, mine)
