"""A search killed at any moment: nothing is lost, and nothing is counted twice."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from launcher.local.client import LocalSageMaker
from tests.launcher.conftest import processes_under, wait
from tests.launcher.searches import AtEnd, Make, client_fixture, over_fixture, search_fixture, trials_of

__all__ = ["client_fixture", "over_fixture", "search_fixture"]


def kill_supervisor(folder: Path) -> None:
    os.kill(json.loads((folder / "supervisor.json").read_text())["pid"], signal.SIGKILL)


def values_of(client: LocalSageMaker, name: str = "find") -> list[tuple[str, str]]:
    return [(each["TrainingJobName"], each["TunedHyperParameters"]["lr"]) for each in trials_of(client, name)]


def test_a_killed_search_says_how_to_go_on_and_goes_on(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path, tmp_path: Path
) -> None:
    client.create_hyper_parameter_tuning_job(**search("calm", jobs=6))
    over("calm")
    gate = tmp_path / "gate"
    client.create_hyper_parameter_tuning_job(**search(jobs=6, at_once=2, static={"gate": str(gate)}))
    before = wait(lambda: values_of(client) if len(values_of(client)) == 2 else None)
    with pytest.raises(ClientError, match="only a failed or stopped one"):
        client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    kill_supervisor(state / "tuning-jobs/find")
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Failed"
    assert "`launch.py tune --resume find`" in description["FailureReason"]
    # Its trials have supervisors of their own.
    assert description["TrainingJobStatusCounters"]["InProgress"] == 2
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    again = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    assert again["HyperParameterTuningJobStatus"] == "InProgress" and "FailureReason" not in again
    gate.touch()
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TrainingJobStatusCounters"]["Completed"] == 6
    trials = values_of(client)
    assert trials[:2] == before
    # As an undisturbed search of this seed.
    assert [lr for _, lr in trials] == [lr for _, lr in values_of(client, "calm")]
    # Each trial trained once.
    logs = [(state / "training-jobs" / name / "logs/algo-1.log").read_text() for name, _ in trials]
    assert [log.count("epoch=1 ") for log in logs] == [1] * 6


def test_trials_killed_with_their_search_start_again_under_their_own_names(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    client.create_hyper_parameter_tuning_job(**search(jobs=3, at_once=2, static={"gate": str(gate)}))
    before = wait(lambda: values_of(client) if len(values_of(client)) == 2 else None)
    places = [state / "training-jobs" / name for name, _ in before]
    wait(lambda: all((place / "handles.json").exists() for place in places))
    for place in (state / "tuning-jobs/find", *places):
        kill_supervisor(place)
    assert over()["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    gate.touch()
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TrainingJobStatusCounters"]["Completed"] == 3
    assert values_of(client)[:2] == before
    wait(lambda: not processes_under(state))


def test_a_trial_that_was_made_and_never_started_is_started_after_the_resume(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path
) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=2))
    over()
    name = trials_of(client)[1]["TrainingJobName"]
    # As the disk is when the search was killed between the folder's making and the start, a while ago.
    folder = state / "training-jobs" / name
    for path in ("supervisor.json", "metrics.jsonl", "handles.json"):
        (folder / path).unlink()
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "TrainingJobStatus": "InProgress", "CreationTime": 1.0}))
    ledger = state / "tuning-jobs/find/trials.json"
    ledger.write_text(json.dumps({"Trials": json.loads(ledger.read_text())["Trials"][:1]}))
    record = json.loads((ledger.parent / "record.json").read_text())
    (ledger.parent / "record.json").write_text(json.dumps({**record, "HyperParameterTuningJobStatus": "InProgress"}))
    assert over()["HyperParameterTuningJobStatus"] == "Failed"
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    assert over()["TrainingJobStatusCounters"]["Completed"] == 2
    assert [each["TrainingJobName"] for each in trials_of(client)][1] == name


def test_hyperband_decides_the_same_after_a_resume(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path
) -> None:
    config = {"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}}
    request = search(strategy="Hyperband", jobs=6, static={"epochs": "9", "pause": "0.1"}, **config)
    client.create_hyper_parameter_tuning_job(**request)
    wait(lambda: len(trials_of(client)) >= 3)
    kill_supervisor(state / "tuning-jobs/find")
    assert over()["HyperParameterTuningJobStatus"] == "Failed"
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    description = over()
    counters = description["TrainingJobStatusCounters"]
    assert counters["Completed"] + counters["Stopped"] == 6 and counters["Stopped"] > 0
