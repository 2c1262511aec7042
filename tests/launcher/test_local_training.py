"""Training jobs of the local door: every state they can end in, and what is left afterwards."""

from __future__ import annotations

import errno
import json
import os
import signal
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator
from click.testing import CliRunner

from launcher.cli.root import root
from launcher.config.run import Training
from launcher.doors import Door
from launcher.local.supervisor import sentence
from launcher.local.uris import to_uri
from launcher.requests import create_training_job
from launcher.verbs.logs import LogFollower
from tests.launcher.conftest import processes_under, wait, with_settings

Create = Callable[..., str]
AtEnd = Callable[[str], dict[str, Any]]
Said = Callable[[str, str], bool]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_job_completes_and_leaves_its_model_metrics_and_outputs(create: Create, ended: AtEnd, tmp_path: Path) -> None:
    description = ended(create("job"))
    assert description["TrainingJobStatus"] == description["SecondaryStatus"] == "Completed"
    moves = [move["Status"] for move in description["SecondaryStatusTransitions"]]
    assert moves == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    metrics = {each["MetricName"]: each["Value"] for each in description["FinalMetricDataList"]}
    assert metrics["validation:loss"] == 0.5 and metrics["test:accuracy"] == 0.95
    assert description["ModelArtifacts"]["S3ModelArtifacts"] == to_uri(tmp_path / "output/job/output/model.tar.gz")
    with tarfile.open(tmp_path / "output/job/output/model.tar.gz") as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert manifest["hyperparameters"] == {"lr": "0.01"}
    with tarfile.open(tmp_path / "output/job/output/output.tar.gz") as tar:
        assert "metrics.json" in tar.getnames()


def test_every_value_of_a_metric_is_kept_for_those_who_plot(create: Create, ended: AtEnd, state: Path) -> None:
    ended(create("job"))
    points = [json.loads(line) for line in (state / "training-jobs/job/metrics.jsonl").read_text().splitlines()]
    assert [p["Value"] for p in points if p["MetricName"] == "validation:loss"] == [1.0, 0.5]


def test_a_failed_job_gives_the_reason_it_wrote(create: Create, ended: AtEnd) -> None:
    description = ended(create("job", "fail"))
    assert description["TrainingJobStatus"] == "Failed"
    assert description["FailureReason"] == ("AlgorithmError: The learning rate is too high; lower --lr, exit code: 1")
    assert description["ModelArtifacts"]["S3ModelArtifacts"] == ""


def test_a_failed_job_calls_the_files_by_the_names_they_were_given_by(
    create: Create, ended: AtEnd, images: Path, state: Path
) -> None:
    reason = ended(create("job", "blame"))["FailureReason"]
    other = state / "training-jobs/job/ml/algo-1/input/data/trainer"
    assert reason == f"AlgorithmError: {images.resolve() / 'a/1.jpg'} is no picture, {other} is none, exit code: 1"


def test_a_crashed_job_gives_the_last_line_of_its_log(create: Create, ended: AtEnd) -> None:
    reason = ended(create("job", "abort"))["FailureReason"]
    assert reason == "AlgorithmError: the training printed last: Segmentation fault, sort of, exit code: 3"


def test_a_killed_job_says_so_and_how_to_go_on(create: Create, ended: AtEnd, tmp_path: Path) -> None:
    checkpoints = to_uri(tmp_path / "c")
    reason = ended(create("job", "crash", checkpoints=checkpoints))["FailureReason"]
    assert "killed (signal 9), perhaps for want of memory" in reason
    assert f"train again with --checkpoints {checkpoints} to go on" in reason
    assert reason.endswith("exit code: 137") and "container" not in reason and "epoch=" not in reason


def test_a_logs_last_line_needs_no_end(door: Door, create: Create, ended: AtEnd) -> None:
    follower = LogFollower.of_job(door.logs, create("job", "crash"))
    seen = follower.lines()
    ended("job")
    seen += follower.lines()
    assert seen[-2:] == ["Segmentation fault, sort of", "and no end of line"]
    assert not follower.lines()


def test_a_line_that_is_still_being_written_is_shown_whole_later(door: Door, state: Path) -> None:
    log = state / "training-jobs" / "job" / "logs" / "algo-1.log"
    log.parent.mkdir(parents=True)
    record = log.parents[1] / "record.json"
    record.write_text(json.dumps({"TrainingJobStatus": "InProgress"}))
    follower = LogFollower.of_job(door.logs, "job")
    log.write_text("one\nhal")
    assert follower.lines() == ["one"]
    log.write_text("one\nhalf")
    record.write_text(json.dumps({"TrainingJobStatus": "Completed"}))
    assert follower.lines() == ["half"]


def test_a_stopped_job_is_given_time_for_its_checkpoint(
    door: Door, create: Create, ended: AtEnd, said: Said, tmp_path: Path
) -> None:
    checkpoints = tmp_path / "checkpoints"
    name = create("job", "wait", checkpoints=to_uri(checkpoints))
    wait(lambda: said(name, "waiting"))
    door.sagemaker.stop_training_job(TrainingJobName=name)
    assert door.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    description = ended(name)
    assert description["SecondaryStatus"] == "Stopped"
    assert "Stopping" in [move["Status"] for move in description["SecondaryStatusTransitions"]]
    assert (checkpoints / "last").read_text() == "terminated"


def test_a_job_that_ignores_the_stop_is_killed_with_all_it_started(
    door: Door, create: Create, ended: AtEnd, said: Said, state: Path
) -> None:
    name = create("job", "stubborn", environment={"FAKE_MODE": "stubborn", "FAKE_CHILD": "1"})
    wait(lambda: said(name, "waiting"))
    door.sagemaker.stop_training_job(TrainingJobName=name)
    assert ended(name)["TrainingJobStatus"] == "Stopped"
    wait(lambda: not processes_under(state))


def test_a_job_ends_with_its_maximum_runtime(create: Create, ended: AtEnd) -> None:
    description = ended(create("job", "wait", max_runtime=1))
    assert (description["TrainingJobStatus"], description["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert description["BillableTimeInSeconds"] >= 1


def test_the_same_checkpoint_folder_is_seen_by_the_next_job(
    door: Door, create: Create, ended: AtEnd, said: Said, tmp_path: Path, state: Path
) -> None:
    checkpoints = to_uri(tmp_path / "checkpoints")
    first = create("first", "wait", checkpoints=checkpoints)
    wait(lambda: said(first, "waiting"))
    door.sagemaker.stop_training_job(TrainingJobName=first)
    ended(first)
    ended(create("second", checkpoints=checkpoints))
    assert (state / "training-jobs/second/ml/algo-1/checkpoints/last").read_text() == "terminated"


def test_a_job_whose_supervisor_was_killed_is_failed_and_leaves_no_process(
    door: Door, create: Create, said: Said, state: Path
) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    supervisor = json.loads((state / "training-jobs/job/supervisor.json").read_text())
    os.kill(supervisor["pid"], signal.SIGKILL)
    description = wait(
        lambda: (d := door.sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "Failed" and d
    )
    assert "supervisor" in description["FailureReason"] and "--checkpoints" in description["FailureReason"]
    wait(lambda: not processes_under(state))


def test_a_supervisor_told_to_end_stops_its_job_first(
    door: Door, create: Create, said: Said, ended: AtEnd, state: Path
) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    os.kill(json.loads((state / "training-jobs/job/supervisor.json").read_text())["pid"], signal.SIGTERM)
    assert ended(name)["TrainingJobStatus"] == "Stopped"
    assert said(name, "terminated")


def test_checkpoints_that_are_a_file_are_one_sentence(create: Create, ended: AtEnd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reason = ended(create("job", checkpoints=to_uri(tmp_path / "file")))["FailureReason"]
    assert reason == f"Checkpoints are to go into {tmp_path}/file, which is a file; give --checkpoints a folder."


def test_any_fault_of_the_file_system_is_one_sentence(tmp_path: Path) -> None:
    error = NotADirectoryError(errno.ENOTDIR, "Not a directory", "/data/x")
    assert sentence(error, tmp_path) == "Not a directory: /data/x; put that right and start again."
    assert sentence(RuntimeError("odd"), tmp_path).startswith("Internal error of the local door, RuntimeError: odd")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/model.tar.gz.partial")
    assert sentence(error, tmp_path) == (
        "The disk is full under /data/model.tar.gz.partial; make room and start again."
    )


def test_a_pid_given_to_another_process_is_not_taken_for_the_supervisor(
    door: Door, create: Create, said: Said, state: Path
) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    noted = state / "training-jobs/job/supervisor.json"
    os.kill(json.loads(noted.read_text())["pid"], signal.SIGKILL)
    noted.write_text(json.dumps({"pid": os.getpid(), "started": "1"}))
    assert door.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Failed"


def test_a_job_whose_folder_was_taken_away_ends(create: Create, said: Said, state: Path) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    (state / "training-jobs/job").rename(state / "elsewhere")
    wait(lambda: not processes_under(state))


def test_a_missing_channel_is_one_sentence(create: Create, ended: AtEnd, tmp_path: Path) -> None:
    reason = ended(create("job", channels={"train": to_uri(tmp_path / "nowhere")}))["FailureReason"]
    assert reason == f"Channel 'train' reads {tmp_path / 'nowhere'}, which does not exist; give a folder that does."


def test_a_command_that_is_not_there_is_one_sentence(
    door: Door, state: Path, training: Callable[..., Training], ended: AtEnd
) -> None:
    client = with_settings(door, state, commands={"train": ("/nowhere/train",)})
    client.create_training_job(**create_training_job(training("job")))
    assert "cannot be started" in ended("job")["FailureReason"]


def test_a_single_file_is_put_into_its_channels_folder(create: Create, ended: AtEnd, tmp_path: Path, images: Path,
                                                       state: Path) -> None:  # fmt: skip
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"w")
    ended(create("job", channels={"train": to_uri(images), "weights": to_uri(weights)}))
    assert (state / "training-jobs/job/ml/algo-1/input/data/weights/w.pth").read_bytes() == b"w"


def test_the_configuration_files_are_those_sagemaker_writes(create: Create, ended: AtEnd, state: Path) -> None:
    ended(create("job"))
    config = state / "training-jobs/job/ml/algo-1/input/config"
    resources = json.loads((config / "resourceconfig.json").read_text())
    assert resources["current_host"] == "algo-1" and resources["hosts"] == ["algo-1"]
    assert json.loads((config / "hyperparameters.json").read_text()) == {"lr": "0.01"}
    channel = json.loads((config / "inputdataconfig.json").read_text())["train"]
    assert channel == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert not (config / "debughookconfig.json").exists()


def test_paths_a_process_is_told_lie_in_its_own_folder(
    door: Door, training: Callable[..., Training], ended: AtEnd, state: Path, tmp_path: Path
) -> None:
    request = create_training_job(training("job", checkpoints=to_uri(tmp_path / "checkpoints")))
    hook = {"S3OutputPath": to_uri(tmp_path / "debug"), "HookParameters": {"save_interval": "5"}}
    request["DebugHookConfig"] = hook
    door.sagemaker.create_training_job(**request)
    assert ended("job")["TrainingJobStatus"] == "Completed"
    place = state / "training-jobs/job/ml/algo-1"
    told = json.loads((place / "input/config/debughookconfig.json").read_text())
    assert told == {"LocalPath": str(place / "output/tensors"), **hook}
    told = json.loads((place / "input/config/checkpointconfig.json").read_text())
    assert told["LocalPath"] == str(place / "checkpoints")


def test_credentials_and_the_callers_python_do_not_reach_the_job(
    door: Door, state: Path, training: Callable[..., Training], ended: AtEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("VIRTUAL_ENV", "/mine")
    show = "import os; print('saw', sorted(n for n in os.environ if n.startswith(('AWS', 'VIRTUAL', 'FAKE'))))"
    client = with_settings(door, state, commands={"train": (sys.executable, "-c", show)})
    client.create_training_job(**create_training_job(training("job")))
    ended("job")
    assert "saw ['FAKE_MODE']" in (state / "training-jobs/job/logs/algo-1.log").read_text()


def test_a_name_is_taken_once_though_two_shells_ask_at_once(door: Door, training: Callable[..., Training],
                                                            ended: AtEnd) -> None:  # fmt: skip
    outcomes: list[str] = []

    def ask() -> None:
        try:
            door.sagemaker.create_training_job(**create_training_job(training("job")))
            outcomes.append("created")
        except ClientError as exc:
            outcomes.append(exc.response["Error"]["Code"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ResourceInUse"] * 3 + ["created"]
    assert ended("job")["TrainingJobStatus"] == "Completed"


def test_lists_are_filtered_sorted_and_paged(door: Door, create: Create, ended: AtEnd) -> None:
    for name in ("a-1", "a-2", "b-1"):
        ended(create(name))
    first = door.sagemaker.list_training_jobs(NameContains="a-", MaxResults=1, SortBy="Name", SortOrder="Ascending")
    assert [row["TrainingJobName"] for row in first["TrainingJobSummaries"]] == ["a-1"]
    second = door.sagemaker.list_training_jobs(
        NameContains="a-", MaxResults=1, SortBy="Name", SortOrder="Ascending", NextToken=first["NextToken"]
    )
    assert [row["TrainingJobName"] for row in second["TrainingJobSummaries"]] == ["a-2"]
    assert "NextToken" not in second
    assert door.sagemaker.list_training_jobs(StatusEquals="Failed")["TrainingJobSummaries"] == []
    # AWS's default, for training jobs alone.
    assert [row["TrainingJobName"] for row in door.sagemaker.list_training_jobs()["TrainingJobSummaries"]] == [
        "a-1", "a-2", "b-1",
    ]  # fmt: skip


def test_a_running_job_is_not_deleted_and_an_ended_one_is(
    door: Door, create: Create, ended: AtEnd, said: Said, state: Path, tmp_path: Path
) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    with pytest.raises(ClientError) as refused:
        door.sagemaker.delete_training_job(TrainingJobName=name)
    assert code_of(refused) == "ResourceInUse"
    door.sagemaker.stop_training_job(TrainingJobName=name)
    ended(name)
    door.sagemaker.delete_training_job(TrainingJobName=name)
    assert not (state / "training-jobs/job").exists()


@pytest.mark.parametrize(("place", "stays"), [("output/job/checkpoints", False), ("elsewhere", True)])
def test_a_deleted_jobs_own_checkpoints_go_with_it(
    door: Door, create: Create, ended: AtEnd, tmp_path: Path, place: str, stays: bool
) -> None:
    ended(create("job", checkpoints=to_uri(tmp_path / place)))
    (tmp_path / place / "checkpoint.pt").write_bytes(b"weights")
    door.sagemaker.delete_training_job(TrainingJobName="job")
    assert (tmp_path / place).exists() is stays
    assert (tmp_path / "output/job/output/model.tar.gz").is_file()


def test_checkpoints_that_another_job_is_at_stay(create: Create, ended: AtEnd, tmp_path: Path, state: Path) -> None:
    place = tmp_path / "output/job/checkpoints"
    for name in ("job", "next"):
        ended(create(name, checkpoints=to_uri(place)))
    (place / "checkpoint.pt").write_bytes(b"weights")
    said = [CliRunner().invoke(root, ["delete", name, "--yes", "--local", "--state", str(state)]).stderr
            for name in ("job", "next")]  # fmt: skip
    assert f"Its checkpoints stay at {place}, where another job is." in said[0]
    assert (place / "checkpoint.pt").is_file(), "of the other one they lie elsewhere than beside its output"
    assert "Its checkpoints" not in said[1]


def test_that_a_jobs_checkpoints_go_with_it_is_said(create: Create, ended: AtEnd, tmp_path: Path, state: Path) -> None:
    place = tmp_path / "output/job/checkpoints"
    ended(create("job", checkpoints=to_uri(place)))
    (place / "checkpoint.pt").write_bytes(b"weights")
    words = ["delete", "job", "--local", "--state", str(state)]
    assert "with its log, checkpoints and working files?" in CliRunner().invoke(root, words).output
    assert "Its checkpoints are gone with it." in CliRunner().invoke(root, [*words, "--yes"]).stderr
    assert not place.exists()


def test_an_unknown_job_is_a_validation_exception(door: Door) -> None:
    for call in (door.sagemaker.describe_training_job, door.sagemaker.stop_training_job):
        with pytest.raises(ClientError, match="not found") as refused:
            call(TrainingJobName="nobody")
        assert code_of(refused) == "ValidationException"


def test_requests_are_checked_as_boto3_and_sagemaker_check_them(door: Door, training: Callable[..., Training]) -> None:
    good = create_training_job(training("job"))
    with pytest.raises(ParamValidationError, match="Missing required parameter"):
        door.sagemaker.create_training_job(TrainingJobName="job")
    with pytest.raises(ParamValidationError, match="Unknown parameter"):
        door.sagemaker.create_training_job(**good, Colour="red")
    for change in (
        {"TrainingJobName": "no_underscores"},
        {"TrainingJobName": "../escape"},
        {"AlgorithmSpecification": {"TrainingInputMode": "File"}},
        {"OutputDataConfig": {"S3OutputPath": "s3://bucket/x"}},
    ):
        with pytest.raises(ClientError) as refused:
            door.sagemaker.create_training_job(**{**good, **change})
        assert code_of(refused) == "ValidationException"


def test_answers_have_the_shape_that_botocore_describes(door: Door, create: Create, ended: AtEnd) -> None:
    ended(create("job"))
    model = botocore.session.get_session().get_service_model("sagemaker")
    for operation, answer in (
        ("DescribeTrainingJob", door.sagemaker.describe_training_job(TrainingJobName="job")),
        ("ListTrainingJobs", door.sagemaker.list_training_jobs()),
    ):
        answer.pop("ResponseMetadata")
        shape = model.operation_model(operation).output_shape
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), report.generate_report()
