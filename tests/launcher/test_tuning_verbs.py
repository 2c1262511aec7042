"""Searches through boto3, answered by botocore's Stubber, which checks both sides; and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from launcher import requests
from launcher.config import Tuning, training_config
from launcher.config.ranges import read_range
from launcher.config.tuned import tuned_preset, tuned_words
from launcher.config.words import Place, TrainWords
from launcher.errors import ConfigError, JobFailed, JobStopped, LauncherError, NotFound
from launcher.verbs import listing, tuning
from tests.launcher.test_aws import NO_BATCHES, NOW, Account, in_aws
from tests.launcher.test_aws import described as job_described

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:hyper-parameter-tuning-job/s"
JOB_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/"
SEARCH = Tuning(
    training=in_aws("s").model_copy(update={"hyperparameters": {"model": "vgg16"}, "environment": {"A": "b"}}),
    ranges=(read_range("lr", "0.001:0.1"),), jobs=4,
)  # fmt: skip
REQUEST = requests.create_hyper_parameter_tuning_job(SEARCH)


def trial(number: int, status: str = "Completed", value: float | None = None, **more: Any) -> dict[str, Any]:
    name = f"s-{number:03d}-{number:08x}"
    final = {"FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "validation:loss", "Value": value}}
    return {
        "TrainingJobName": name,
        "TrainingJobArn": JOB_ARN + name,
        "CreationTime": NOW,
        "TrainingStartTime": NOW + timedelta(seconds=5),
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"lr": f"0.0{number}"},
        **({"TrainingEndTime": NOW + timedelta(seconds=47)} if status != "InProgress" else {}),
        **(final if value is not None else {}),
        **more,
    }


def described(status: str, best: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    definition = REQUEST["TrainingJobDefinition"]
    return {
        "HyperParameterTuningJobName": "s",
        "HyperParameterTuningJobArn": ARN,
        "HyperParameterTuningJobConfig": REQUEST["HyperParameterTuningJobConfig"],
        # AWS adds the objective to what all trials share.
        "TrainingJobDefinition": {
            **definition,
            "StaticHyperParameters": {
                **definition["StaticHyperParameters"], "_tuning_objective_metric": "validation:loss"
            },
        },
        "HyperParameterTuningJobStatus": status,
        "CreationTime": NOW,
        "TrainingJobStatusCounters": {"Completed": 1},
        "ObjectiveStatusCounters": {"Succeeded": 1},
        **({"BestTrainingJob": best} if best else {}),
        **more,
    }  # fmt: skip


def answer(account: Account, description: dict[str, Any], *pages: list[dict[str, Any]]) -> None:
    """One look's describe and list; the describes of trials are the test's own."""
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", description)
    asked = {"HyperParameterTuningJobName": "s", "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}
    for index, page in enumerate(pages):
        more = {"NextToken": f"p{index + 1}"} if index + 1 < len(pages) else {}
        token = {"NextToken": f"p{index}"} if index else {}
        account.sagemaker.add_response(
            "list_training_jobs_for_hyper_parameter_tuning_job", {"TrainingJobSummaries": page, **more},
            {**asked, **token},
        )  # fmt: skip


def say(account: Account, number: int, status: str, **metrics: float) -> None:
    """A trial's own description, with its metrics (loss, epoch)."""
    names = {"loss": "validation:loss", "epoch": "epoch"}
    data = [{"MetricName": names[key], "Value": value, "Timestamp": NOW} for key, value in metrics.items()]
    account.sagemaker.add_response(
        "describe_training_job", job_described(status, status, FinalMetricDataList=data) if status != "InProgress"
        else job_described(status, "Training", FinalMetricDataList=data),
        {"TrainingJobName": f"s-{number:03d}-{number:08x}"},
    )  # fmt: skip


def test_a_search_is_started_with_the_very_request_that_dry_run_prints(account: Account) -> None:
    account.sagemaker.add_response("create_hyper_parameter_tuning_job", {"HyperParameterTuningJobArn": ARN}, REQUEST)
    assert tuning.start(account.door, SEARCH) == "s"


def test_trials_are_listed_over_all_pages(account: Account) -> None:
    answer(account, described("InProgress"), [trial(1), trial(2)], [trial(3)])
    tuning.describe(account.door, "s")
    assert [each["TunedHyperParameters"]["lr"] for each in tuning.trials(account.door, "s")] == ["0.01", "0.02", "0.03"]


def test_a_search_is_watched_until_its_end_and_each_ended_trial_is_read_once(account: Account) -> None:
    waited: list[float] = []
    answer(account, described("InProgress"), [])
    answer(account, described("InProgress"), [trial(1, "InProgress")])
    say(account, 1, "InProgress", loss=0.75, epoch=2)
    first = trial(1, value=0.5)
    answer(account, described("InProgress", first), [first, trial(2, "InProgress")])
    say(account, 1, "Completed", loss=0.5, epoch=3)
    say(account, 2, "InProgress")
    failed = trial(2, "Failed", FailureReason="AlgorithmError: too high")
    answer(account, described("Completed", first), [first, failed])
    say(account, 2, "Failed")
    looks = list(tuning.watch(account.door, "s", sleep=waited.append))
    assert [look.ended for look in looks] == [False, False, False, True]
    assert waited == [7.0, 7.0, 7.0], "the door's interval"
    assert looks[0].trials == []
    running = looks[1].trials[0]
    assert (running.number, running.objective, running.epoch, running.ended) == (1, 0.75, 2, False)
    assert not running.best
    one, two = looks[3].trials
    assert (one.objective, one.epoch, one.best, one.seconds) == (0.5, 3, True, 42.0)
    assert (two.objective, two.status, two.reason) == (None, "Failed", "AlgorithmError: too high")


def test_a_running_trial_grows_older(account: Account) -> None:
    answer(account, described("InProgress"), [trial(1, "InProgress")])
    say(account, 1, "InProgress")
    observer = tuning.Observer(account.door, "s", clock=lambda: NOW + timedelta(seconds=35))
    assert observer.look().trials[0].seconds == 30.0


def test_a_trial_that_was_deleted_is_shown_all_the_same(account: Account) -> None:
    answer(account, described("Completed", trial(1, value=0.5)), [trial(1, value=0.5)])
    account.missing("describe_training_job", "Requested resource not found.")
    (only,) = tuning.Observer(account.door, "s").look().trials
    assert (only.objective, only.epoch) == (0.5, None)


def test_an_unknown_search_is_not_found(account: Account) -> None:
    account.sagemaker.add_client_error("describe_hyper_parameter_tuning_job", "ResourceNotFound", "No such.")
    with pytest.raises(NotFound, match="There is no search 's'"):
        tuning.describe(account.door, "s")
    account.missing("describe_hyper_parameter_tuning_job", "Requested resource not found.")
    assert not tuning.exists(account.door, "s")


def test_a_name_that_no_search_can_have_is_none_of_a_search(account: Account) -> None:
    said = (
        f"1 validation error detected: Value '{'x' * 40}' at 'hyperParameterTuningJobName' failed to satisfy constraint"
    )
    account.missing("describe_hyper_parameter_tuning_job", said)
    assert not tuning.exists(account.door, "s")


def test_another_refusal_is_passed_on(account: Account) -> None:
    account.sagemaker.add_client_error("describe_hyper_parameter_tuning_job", "AccessDeniedException", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        tuning.exists(account.door, "s")


def test_a_search_is_stopped_once(account: Account) -> None:
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", described("InProgress"))
    account.sagemaker.add_response("stop_hyper_parameter_tuning_job", {}, {"HyperParameterTuningJobName": "s"})
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", described("Stopping"))
    assert tuning.stop(account.door, "s") == "Stopping"
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", described("Completed"))
    assert tuning.stop(account.door, "s") == "Completed"


def test_a_search_in_aws_is_not_resumed(account: Account) -> None:
    with pytest.raises(ConfigError, match="--warm-start s"):
        tuning.resume(account.door, "s")


def test_what_a_search_came_to_is_a_sentence(account: Account) -> None:
    best = trial(1, value=0.5)
    assert tuning.conclude(account.door, described("Completed", best))["BestTrainingJob"] == best
    with pytest.raises(JobFailed, match=r"Search s failed\. AllFailed: none came through"):
        tuning.conclude(account.door, described("Failed", FailureReason="AllFailed: none came through"))
    with pytest.raises(JobStopped, match="--warm-start s …` begins another"):
        tuning.conclude(account.door, described("Stopped", best))
    with pytest.raises(JobStopped, match=r"`launch\.py tune --resume s` goes on with it"):
        tuning.conclude(replace(account.door, kind="local"), described("Stopped", best))
    with pytest.raises(JobFailed, match="Search s is Completed and has no best trial: none has given validation:loss"):
        tuning.conclude(account.door, described("Completed"))
    with pytest.raises(JobFailed, match="no best trial yet"):
        tuning.best(described("InProgress"))


def test_a_best_trial_without_a_model_says_what_helps(account: Account) -> None:
    local = replace(account.door, kind="local")
    best = trial(1, "Stopped", value=0.5)
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", described("Stopped", best))
    without = job_described("Stopped", "Stopped", ModelArtifacts={"S3ModelArtifacts": ""})
    account.sagemaker.add_response("describe_training_job", without)
    with pytest.raises(JobFailed, match=r"train --from-tuning s` trains .* `launch\.py tune --resume s` goes on"):
        tuning.artifact(local, "s")
    account.sagemaker.add_response("describe_hyper_parameter_tuning_job", described("Completed", trial(1, value=0.5)))
    account.sagemaker.add_response(
        "describe_training_job", job_described("Completed", "Completed", ModelArtifacts={"S3ModelArtifacts": "s3://m"})
    )
    assert tuning.artifact(account.door, "s") == "s3://m"


def test_nothing_of_a_search_is_deleted_while_a_trial_runs(account: Account) -> None:
    answer(account, described("Failed"), [trial(1), trial(2, "InProgress")])
    tuning.describe(account.door, "s")
    with pytest.raises(LauncherError, match=r"1 of its 2 trials running still.*`launch\.py stop s`"):
        tuning.delete(account.door, "s")


def test_deleting_a_search_deletes_its_trials_first(account: Account) -> None:
    answer(account, described("Completed"), [trial(1), trial(2)])
    tuning.describe(account.door, "s")
    account.sagemaker.add_response("delete_training_job", {}, {"TrainingJobName": trial(1)["TrainingJobName"]})
    account.missing("delete_training_job", "Requested resource not found.")
    account.sagemaker.add_response("delete_hyper_parameter_tuning_job", {}, {"HyperParameterTuningJobName": "s"})
    assert tuning.delete(account.door, "s") == [trial(1)["TrainingJobName"], trial(2)["TrainingJobName"]]


def list_all(account: Account) -> None:
    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    summary = {key: described("InProgress")[key] for key in (
        "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime",
        "ObjectiveStatusCounters")}  # fmt: skip
    counters = {"TrainingJobStatusCounters": {"Completed": 2, "InProgress": 1}, "Strategy": "Bayesian"}
    account.sagemaker.add_response(
        "list_hyper_parameter_tuning_jobs", {"HyperParameterTuningJobSummaries": [{**summary, **counters}]}
    )
    names = ["s-003-0000abcd", "other-001-0000abcd", "s-2", "s-002-0000abcd"]
    jobs = [
        {"TrainingJobName": name, "TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Completed"}
        for name in names
    ]
    account.sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": jobs})
    account.sagemaker.add_response("list_transform_jobs", NO_BATCHES)


def test_status_folds_a_searchs_trials_under_it_unless_asked(account: Account) -> None:
    list_all(account)
    rows = listing.everything(account.door).rows
    assert [row["name"] for row in rows] == ["s", "other-001-0000abcd", "s-2"], "jobs of no listed search are jobs"
    assert (rows[0]["kind"], rows[0]["trials"]) == ("tuning job", 3)
    list_all(account)
    assert len(listing.everything(account.door, trials=True).rows) == 5


def test_trials_that_are_folded_do_not_use_up_the_limit(account: Account) -> None:
    account.sagemaker.add_response("list_endpoints", {"Endpoints": []})
    summary = described("Completed") | {"Strategy": "Bayesian"}
    for key in ("HyperParameterTuningJobConfig", "TrainingJobDefinition"):
        del summary[key]
    account.sagemaker.add_response("list_hyper_parameter_tuning_jobs", {"HyperParameterTuningJobSummaries": [summary]})
    job = {"TrainingJobArn": JOB_ARN, "CreationTime": NOW, "TrainingJobStatus": "Completed"}
    trial_of_s = {"TrainingJobName": "s-001-0000abcd", **job}
    asked = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
    account.sagemaker.add_response(
        "list_training_jobs", {"TrainingJobSummaries": [trial_of_s], "NextToken": "a"}, asked
    )
    account.sagemaker.add_response(
        "list_training_jobs", {"TrainingJobSummaries": [{"TrainingJobName": "mine", **job}]},
        {**asked, "NextToken": "a"},
    )  # fmt: skip
    account.sagemaker.add_response("list_transform_jobs", NO_BATCHES)
    assert [row["name"] for row in listing.everything(account.door, limit=1).rows] == ["s", "mine"]


BEST = trial(1, value=0.5, TunedHyperParameters={"lr": "0.0123", "batch-size": '"64"'})


def train_again(**words: Any) -> Any:
    search = described("Completed", BEST)
    config = training_config(
        tuned_words(search, TrainWords(**words)), tuned_preset(search, BEST), Place(door="aws"),
        now=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    assert config.training is not None
    return config.training


def test_training_from_a_search_has_its_best_values_its_data_and_its_image() -> None:
    again = train_again()
    assert again.hyperparameters == {"model": "vgg16", "lr": "0.0123", "batch-size": '"64"'}
    assert again.name == "s-20260102-000000-000"
    shared = SEARCH.training
    for field in ("channels", "image", "role", "output", "instance_type", "volume_gb", "max_runtime", "environment"):
        assert getattr(again, field) == getattr(shared, field), field


def test_flags_win_over_what_a_search_found() -> None:
    again = train_again(
        hyperparameters={"lr": "0.5", "epochs": "20"}, image="2.dkr/y", output="s3://b/else",
        instance_type="ml.g5.xlarge", environment={"A": "c"}, name="mine",
    )  # fmt: skip
    assert again.hyperparameters["lr"] == "0.5" and again.hyperparameters["epochs"] == "20"
    assert (again.image, again.output, again.instance_type) == ("2.dkr/y", "s3://b/else", "ml.g5.xlarge")
    assert (again.environment, again.name) == ({"A": "c"}, "mine")


def test_other_images_replace_the_searchs_and_other_channels_stay() -> None:
    search = described("Completed", BEST)
    channels = search["TrainingJobDefinition"]["InputDataConfig"]
    search["TrainingJobDefinition"]["InputDataConfig"] = [
        *channels,
        {"ChannelName": "weights", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/w"}}},
    ]
    assert dict(tuned_words(search, TrainWords()).channels) == {"train": "s3://b/t", "weights": "s3://b/w"}
    assert dict(tuned_words(search, TrainWords(data="s3://b/new")).channels) == {"weights": "s3://b/w"}
    given = tuned_words(search, TrainWords(channels={"training": "s3://b/new"}))
    assert dict(given.channels) == {"weights": "s3://b/w", "training": "s3://b/new"}
