"""Searches through the local door, with a stand-in for training whose metrics follow from its hyperparameters."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from launcher.local.client import LocalSageMaker
from launcher.local.uris import to_path, to_uri
from tests.launcher.conftest import wait
from tests.launcher.searches import (
    LR,
    OPTIMIZER,
    AtEnd,
    Make,
    client_fixture,
    over_fixture,
    search_fixture,
    trials_of,
)

__all__ = ["client_fixture", "over_fixture", "search_fixture"]

MIXED = {"ContinuousParameterRanges": [LR], "CategoricalParameterRanges": [OPTIMIZER]}


def value_of(trial: dict[str, Any]) -> float:
    return float(trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def epochs_of(state: Path, trial: dict[str, Any]) -> int:
    """How many epochs a trial has run."""
    lines = (state / "training-jobs" / trial["TrainingJobName"] / "metrics.jsonl").read_text().splitlines()
    return sum(json.loads(line)["MetricName"] == "validation:loss" for line in lines)


def test_a_search_runs_its_trials_and_names_the_best(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    client.create_hyper_parameter_tuning_job(**search())
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TrainingJobStatusCounters"]["Completed"] == 3
    assert description["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    trials = trials_of(client)
    assert [trial["TrainingJobName"][:9] for trial in trials] == ["find-001-", "find-002-", "find-003-"]
    best = min(trials, key=value_of)
    assert description["BestTrainingJob"] == best
    assert value_of(best) == pytest.approx((float(best["TunedHyperParameters"]["lr"]) - 0.3) ** 2 + 0.5 / 3, abs=1e-5)
    assert "OverallBestTrainingJob" not in description


def test_a_trial_is_a_training_job_as_awss_tuner_makes_it(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path, tmp_path: Path
) -> None:
    given = {"CheckpointConfig": {"S3Uri": to_uri(tmp_path / "ckpt")}, "Environment": {"A": "b"}}
    tags = [{"Key": "project", "Value": "bees"}]
    client.create_hyper_parameter_tuning_job(**search(jobs=1, definition=given, top={"Tags": tags}))
    arn = over()["HyperParameterTuningJobArn"]
    (trial,) = trials_of(client)
    job = client.describe_training_job(TrainingJobName=trial["TrainingJobName"])
    assert job["TuningJobArn"] == arn
    assert job["HyperParameters"] == {
        "epochs": "3",
        "lr": trial["TunedHyperParameters"]["lr"],
        "_tuning_objective_metric": "validation:loss",
    }
    assert job["CheckpointConfig"]["S3Uri"] == to_uri(tmp_path / "ckpt" / trial["TrainingJobName"])
    model = to_path(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert model == tmp_path / "output" / trial["TrainingJobName"] / "output/model.tar.gz" and model.is_file()
    assert job["Environment"] == {"A": "b"}
    assert client.store.read("training-jobs", trial["TrainingJobName"], "request.json")["Tags"] == tags  # type: ignore[index]


def test_trials_at_once_share_the_cores_unless_the_request_says_otherwise(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    client.create_hyper_parameter_tuning_job(**search("shared", jobs=2, at_once=2))
    given = {"Environment": {"OMP_NUM_THREADS": "7"}}
    client.create_hyper_parameter_tuning_job(**search("given", jobs=2, at_once=2, definition=given))
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    for name, threads in (("shared", share), ("given", "7")):
        over(name)
        job = client.describe_training_job(TrainingJobName=trials_of(client, name)[0]["TrainingJobName"])
        assert job["Environment"]["OMP_NUM_THREADS"] == threads


def test_no_more_trials_run_at_once_than_the_request_allows(
    client: LocalSageMaker, search: Make, over: AtEnd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    client.create_hyper_parameter_tuning_job(**search(jobs=5, at_once=2, static={"gate": str(gate)}))
    first = wait(
        lambda: [t for t in trials_of(client) if t["TrainingJobStatus"] == "InProgress"][1:] and trials_of(client)
    )
    assert len(first) == 2
    gate.touch()
    assert over()["TrainingJobStatusCounters"]["Completed"] == 5


def test_all_training_jobs_of_a_state_folder_share_one_cache(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path
) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=2))
    over()
    for trial in trials_of(client):
        seen = state / "training-jobs" / trial["TrainingJobName"] / "ml/algo-1/output/data/seen.json"
        assert json.loads(seen.read_text())["cache"] == str((state / "cache").resolve())
    assert (state / "cache").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_a_seed_gives_the_same_values_again(strategy: str, client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    for name in ("one", "two"):
        client.create_hyper_parameter_tuning_job(**search(name, strategy=strategy, jobs=7, ranges=MIXED))
        assert over(name)["HyperParameterTuningJobStatus"] == "Completed"
    client.create_hyper_parameter_tuning_job(**search("other", strategy=strategy, jobs=2, ranges=MIXED, RandomSeed=8))
    over("other")
    one, two, other = (
        [each["TunedHyperParameters"] for each in trials_of(client, name)] for name in ("one", "two", "other")
    )
    assert one == two and len(one) == 7
    assert one[:2] != other
    assert len({each["lr"] for each in one}) == 7


def test_bayesian_trials_at_once_are_not_the_same(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    client.create_hyper_parameter_tuning_job(**search(strategy="Bayesian", jobs=10, at_once=3))
    assert over()["ObjectiveStatusCounters"]["Succeeded"] == 10
    rates = sorted(float(each["TunedHyperParameters"]["lr"]) for each in trials_of(client))
    assert all(after - before > 1e-6 for before, after in itertools.pairwise(rates))


def test_a_grid_covers_every_combination_once_with_no_number_of_jobs(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    batch = {"Name": "batch-size", "Values": ["8", "16", "32"]}
    grid = {"CategoricalParameterRanges": [OPTIMIZER, batch]}
    client.create_hyper_parameter_tuning_job(**search(strategy="Grid", jobs=None, at_once=2, ranges=grid))
    assert over()["TrainingJobStatusCounters"]["Completed"] == 6
    tried = [tuple(sorted(each["TunedHyperParameters"].items())) for each in trials_of(client)]
    wanted = itertools.product(("8", "16", "32"), ("adam", "sgd"))
    assert sorted(tried) == sorted((("batch-size", size), ("optimizer", name)) for size, name in wanted)


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_values_are_not_trained_twice_and_a_space_that_is_used_up_ends_the_search(
    strategy: str, client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    small = {
        "CategoricalParameterRanges": [OPTIMIZER],
        "IntegerParameterRanges": [{"Name": "batch-size", "MinValue": "1", "MaxValue": "4"}],
    }
    client.create_hyper_parameter_tuning_job(**search(strategy=strategy, jobs=20, ranges=small))
    assert over()["HyperParameterTuningJobStatus"] == "Completed"
    tried = {tuple(sorted(each["TunedHyperParameters"].items())) for each in trials_of(client)}
    assert len(trials_of(client)) == len(tried) == 8


def test_hyperband_ends_trials_early_and_still_runs_some_in_full(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path
) -> None:
    config = {"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}}
    static = {"epochs": "9", "pause": "0.2"}
    client.create_hyper_parameter_tuning_job(**search(strategy="Hyperband", jobs=8, at_once=2, static=static, **config))
    description = over()
    trials = trials_of(client)
    epochs = [epochs_of(state, each) for each in trials]
    assert sum(epochs) < 8 * 9 and max(epochs) == 9
    assert description["TrainingJobStatusCounters"]["Stopped"] > 0
    # A trial that was ended early has an objective: its last.
    assert description["ObjectiveStatusCounters"]["Succeeded"] == 8
    best = min(trials, key=lambda each: (float(each["TunedHyperParameters"]["lr"]) - 0.3) ** 2)
    assert epochs_of(state, best) >= max(epochs) // 3


def test_early_stopping_ends_a_trial_that_is_worse_than_the_median_of_those_before(
    client: LocalSageMaker, search: Make, over: AtEnd, state: Path
) -> None:
    static = {"epochs": "6", "pause": "0.2"}
    client.create_hyper_parameter_tuning_job(**search(jobs=6, static=static, TrainingJobEarlyStoppingType="Auto"))
    over()
    trials = trials_of(client)
    stopped = [each for each in trials if each["TrainingJobStatus"] == "Stopped"]
    kept = [each for each in trials if each["TrainingJobStatus"] == "Completed"]
    assert trials[0] in kept and stopped
    assert all(each["ObjectiveStatus"] == "Succeeded" and epochs_of(state, each) < 6 for each in stopped)
    # With curves of one shape the rule is one of the goals: nobody who beats all before is stopped.
    goals = [(float(each["TunedHyperParameters"]["lr"]) - 0.3) ** 2 for each in trials]
    leaders = [each for number, each in enumerate(trials) if goals[number] == min(goals[: number + 1])]
    assert all(each in kept for each in leaders)


def test_a_failed_trial_is_counted_and_explained_and_the_search_goes_on(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    modes = {"CategoricalParameterRanges": [{"Name": "mode", "Values": ["fail", "silent", "fine"]}]}
    client.create_hyper_parameter_tuning_job(**search(strategy="Grid", jobs=None, ranges=modes))
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert description["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 0, "Failed": 2}
    by_mode = {each["TunedHyperParameters"]["mode"]: each for each in trials_of(client)}
    assert "The learning rate is too high" in by_mode["fail"]["FailureReason"]
    assert by_mode["silent"]["TrainingJobStatus"] == "Completed"
    assert by_mode["silent"]["ObjectiveStatus"] == "Failed"
    assert description["BestTrainingJob"]["TunedHyperParameters"]["mode"] == "fine"


def test_a_search_whose_trials_all_failed_is_failed_with_their_reason(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    client.create_hyper_parameter_tuning_job(**search(static={"mode": "fail"}))
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Failed"
    assert description["FailureReason"] == (
        "None of the 3 training jobs gave an objective; each time: "
        "AlgorithmError: The learning rate is too high; lower --lr, exit code: 1"
    )
    assert "BestTrainingJob" not in description


def test_a_search_ends_with_its_first_trial_that_cannot_have_its_weights_and_goes_on_when_they_are_there(
    client: LocalSageMaker, search: Make, over: AtEnd, tmp_path: Path
) -> None:
    weights = tmp_path / "mine.pth"
    client.create_hyper_parameter_tuning_job(**search(static={"lacks": str(weights)}))
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Failed"
    assert description["FailureReason"].startswith(
        "The only training job gave no objective: AlgorithmError: There are no weights; the three ways are"
    )
    assert "no other trial could have the weights; once they are there, `launch.py" in description["FailureReason"]
    assert len(trials_of(client)) == 1
    weights.touch()
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    assert over()["HyperParameterTuningJobStatus"] == "Completed" and len(trials_of(client)) == 3


def test_a_search_whose_objective_never_comes_says_so(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    client.create_hyper_parameter_tuning_job(**search(static={"mode": "silent"}))
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Failed"
    assert "no value of validation:loss was found in the log" in description["FailureReason"]


def test_a_stopped_search_stops_what_runs_and_starts_no_more(
    client: LocalSageMaker, search: Make, over: AtEnd, tmp_path: Path
) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=9, at_once=2, static={"gate": str(tmp_path / "gate")}))
    wait(lambda: len(trials_of(client)) == 2)
    with pytest.raises(ClientError, match="stop it first"):
        client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    status = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    assert status["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Stopped"
    assert description["TrainingJobStatusCounters"]["Stopped"] == len(trials_of(client)) == 2
    with pytest.raises(ClientError, match="ended already"):
        client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")


def test_a_stopped_search_goes_on_when_it_is_resumed(
    client: LocalSageMaker, search: Make, over: AtEnd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    client.create_hyper_parameter_tuning_job(**search(jobs=4, static={"gate": str(gate)}))
    wait(lambda: trials_of(client))
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    over()
    gate.touch()
    client.resume_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TrainingJobStatusCounters"] == {
        "Completed": 3, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 1,
    }  # fmt: skip


def test_reaching_the_target_completes_the_search(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    # Every trial's loss is below 1.
    config = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 1.0}}
    client.create_hyper_parameter_tuning_job(**search(jobs=9, **config))
    assert over()["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials_of(client)) == 1


def test_not_improving_completes_the_search(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    config = {"TuningJobCompletionCriteria": {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}}
    # The batch size changes nothing here: only the first trial improves.
    sizes = {"IntegerParameterRanges": [{"Name": "batch-size", "MinValue": "1", "MaxValue": "100"}]}
    client.create_hyper_parameter_tuning_job(**search(jobs=50, ranges=sizes, **config))
    description = over()
    assert description["HyperParameterTuningJobStatus"] == "Completed"
    assert description["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3
    assert len(trials_of(client)) == 4


def test_convergence_completes_the_search_when_it_is_asked_to(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    config = {"TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}}
    sizes = {"IntegerParameterRanges": [{"Name": "batch-size", "MinValue": "1", "MaxValue": "100"}]}
    client.create_hyper_parameter_tuning_job(**search(jobs=50, at_once=2, ranges=sizes, **config))
    details = over()["TuningJobCompletionDetails"]
    assert details["ConvergenceDetectedTime"] and len(trials_of(client)) in (11, 12)


def test_a_deleted_search_leaves_its_training_jobs_and_its_name(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=2))
    over()
    names = [each["TrainingJobName"] for each in trials_of(client)]
    client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    with pytest.raises(ClientError) as missing:
        client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFound"
    assert all(client.describe_training_job(TrainingJobName=name) for name in names)
    # Another search of that name does not count them.
    client.create_hyper_parameter_tuning_job(**search(jobs=1))
    assert over()["TrainingJobStatusCounters"]["Completed"] == 1


def test_deleting_a_trials_training_job_takes_nothing_from_the_count(
    client: LocalSageMaker, search: Make, over: AtEnd
) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=2))
    before = over()
    trials = trials_of(client)
    client.delete_training_job(TrainingJobName=trials[0]["TrainingJobName"])
    after = over()
    assert after["TrainingJobStatusCounters"] == before["TrainingJobStatusCounters"]
    assert trials_of(client) == trials


def test_training_jobs_are_listed_with_or_without_trials(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=2))
    over()
    assert len(client.list_training_jobs()["TrainingJobSummaries"]) == 2
    assert client.list_training_jobs(with_trials=False)["TrainingJobSummaries"] == []


def test_trials_are_listed_by_their_objective_in_pages(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    modes = {
        "ContinuousParameterRanges": [LR],
        "CategoricalParameterRanges": [{"Name": "mode", "Values": ["", "fail"]}],
    }
    client.create_hyper_parameter_tuning_job(**search(jobs=6, ranges=modes))
    over()
    good = [each for each in trials_of(client) if each["ObjectiveStatus"] == "Succeeded"]
    assert 1 < len(good) < 6
    listed: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="find", SortBy="FinalObjectiveMetricValue", SortOrder="Descending",
            MaxResults=2, **token,
        )  # fmt: skip
        listed += answer["TrainingJobSummaries"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert listed == sorted(good, key=value_of, reverse=True)
    failed = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="find", StatusEquals="Failed"
    )
    assert len(failed["TrainingJobSummaries"]) == 6 - len(good)


def test_searches_are_listed(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    assert client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    for name in ("ants", "bees"):
        client.create_hyper_parameter_tuning_job(**search(name, jobs=1))
        over(name)
    answer = client.list_hyper_parameter_tuning_jobs(NameContains="bee")
    (row,) = answer["HyperParameterTuningJobSummaries"]
    assert row["HyperParameterTuningJobName"] == "bees" and row["Strategy"] == "Random"


def test_the_same_name_twice_and_a_request_botocore_refuses(client: LocalSageMaker, search: Make, over: AtEnd) -> None:
    client.create_hyper_parameter_tuning_job(**search(jobs=1))
    with pytest.raises(ClientError) as taken:
        client.create_hyper_parameter_tuning_job(**search())
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ParamValidationError):
        client.create_hyper_parameter_tuning_job(HyperParameterTuningJobName="x")
    over()
