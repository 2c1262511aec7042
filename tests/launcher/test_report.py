"""The page that tells of a search."""

from __future__ import annotations

import io
import math
import random
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from container.common.charts import plots
from container.common.charts.scales import Category, Linear, Logarithmic, ReverseLogarithmic, around
from container.common.charts.svg import element, shortened
from launcher.cli.root import root
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound, UnusableData
from launcher.report.importance import FEWEST, importances
from launcher.report.search import page
from launcher.report.trials import read
from launcher.verbs import report
from tests.pages import Reader

BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(minutes=30)
Answer = dict[str, Any]

CONTINUOUS = [
    {"Name": "lr", "MinValue": "0.0001", "MaxValue": "0.1", "ScalingType": "Logarithmic"},
    {"Name": "momentum", "MinValue": "0.5", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
    {"Name": "dropout", "MinValue": "0", "MaxValue": "0.5", "ScalingType": "Auto"},
]
INTEGER = [{"Name": "batch-size", "MinValue": "8", "MaxValue": "256", "ScalingType": "Linear"}]
CATEGORICAL = [{"Name": "optimizer", "Values": ["adamw", "sgd"]}, {"Name": "head", "Values": ["", "512,64"]}]


def search(status: str = "Completed", *, goal: str = "Maximize", **changes: Any) -> Answer:
    """describe_hyper_parameter_tuning_job's answer."""
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": goal, "MetricName": "validation:accuracy"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
        "ParameterRanges": {
            "ContinuousParameterRanges": CONTINUOUS,
            "IntegerParameterRanges": INTEGER,
            "CategoricalParameterRanges": CATEGORICAL,
        },
        "TrainingJobEarlyStoppingType": "Auto",
        **changes,
    }
    answer: Answer = {
        "HyperParameterTuningJobName": "bees",
        "HyperParameterTuningJobStatus": status,
        "CreationTime": BEGAN,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"epochs": "7", "_tuning_objective_metric": "validation:accuracy"},
            "Environment": {"TOKEN": "hunter2"},
        },
    }
    return (
        answer if status == "InProgress" else {**answer, "HyperParameterTuningEndTime": BEGAN + timedelta(seconds=185)}
    )


def trial(number: int, objective: float | None, status: str = "Completed", **values: str) -> Answer:
    """A summary of a trial that took a minute, a minute after the one before."""
    begun = BEGAN + timedelta(minutes=number - 1)
    standard = {"lr": "0.01", "momentum": "0.9", "dropout": "0.1", "batch-size": "32", "optimizer": "sgd", "head": ""}
    summary: Answer = {
        "TrainingJobName": f"bees-{number:03d}-0123abcd",
        "CreationTime": begun,
        "TrainingStartTime": begun,
        "TrainingEndTime": begun + timedelta(seconds=55),
        "TrainingJobStatus": status,
        "ObjectiveStatus": "Failed" if objective is None else "Succeeded",
        "TunedHyperParameters": {**standard, **values},
    }
    if objective is not None:
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "MetricName": "validation:accuracy",
            "Value": objective,
        }
    return summary


def failed(number: int, reason: str) -> Answer:
    return {**trial(number, None, "Failed"), "FailureReason": reason}


def read_page(found: Answer, trials: list[Answer], jobs: dict[str, Answer] | None = None, **options: Any) -> Reader:
    return Reader(page(found, trials, jobs, now=NOW, **options))


THREE = [trial(1, 0.9, lr="0.001"), trial(2, 0.95, lr="0.0123456789"), failed(3, "The loss is no number; lower lr.")]


def test_the_verdict_has_the_best_values_and_what_became_of_the_trials() -> None:
    jobs = {each["TrainingJobName"]: {"BillableTimeInSeconds": 60} for each in THREE}
    seen = read_page(search(), THREE, jobs, place=" --state here")
    assert "0.95 Best validation:accuracy (higher is better), by trial 2" in seen.text
    assert "lr 0.012346 momentum 0.9" in seen.text and "head (empty)" in seen.text
    assert "Trials 3 Completed 2 Early stopped 0 Failed 1 Total time 3 min 5 s" in seen.text
    assert "Training time 2 min 45 s Billable time 3 min 0 s" in seen.text
    assert "launch.py train --from-tuning bees --state here" in seen.words
    assert "launch.py deploy --from-tuning bees --state here" in seen.words


def test_the_least_is_the_best_when_the_objective_is_minimized() -> None:
    seen = read_page(search(goal="Minimize"), THREE)
    assert "0.9 Best validation:accuracy (lower is better), by trial 1" in seen.text


def test_the_trial_that_sagemaker_calls_best_is_best_among_equals() -> None:
    equal = [trial(1, 0.9), trial(2, 0.9)]
    assert read(search(), equal, {}, now=NOW).best.number == 1  # type: ignore[union-attr]
    named = {**search(), "BestTrainingJob": equal[1]}
    assert read(named, equal, {}, now=NOW).best.number == 2  # type: ignore[union-attr]


def test_the_table_has_every_trial_with_its_values_status_duration_and_reason() -> None:
    head, *rows = read_page(search(), THREE).rows
    assert head[:5] == ["#", "validation:accuracy", "Status", "Duration", "lr"]
    assert head[-2:] == ["Failure reason", "Training job"]
    assert rows[0][:5] == ["1", "0.9", "completed", "55 s", "0.001"]
    assert rows[1][1] == "0.95 ★"
    assert rows[2][1:3] == ["–", "failed"]
    assert rows[2][-2:] == ["The loss is no number; lower lr.", "bees-003-0123abcd"]


def test_a_chart_for_each_hyperparameter_and_every_trial_in_it() -> None:
    seen = read_page(search(), THREE)
    # Two of progress, each wide and narrow, and one of each of the six hyperparameters.
    charts_drawn = 2 * 2 + 6
    # The legends show a mark of a kind as well.
    assert seen.classes("dot") == charts_drawn * 2 + 2 + 1
    assert seen.classes("cross") == charts_drawn * 1 + 2
    assert seen.classes("strand") == 2 * 3 + 2


def test_the_page_needs_nothing_from_anywhere() -> None:
    text = page(search(), THREE, now=NOW)
    seen = Reader(text)
    assert (
        "http://" not in text
        and "https://" not in text
        and "//" not in re.sub(r"<script>.*</script>", "", text, flags=re.S)
    )
    fetched = [(tag, attrs[name]) for tag, attrs in seen.elements for name in ("src", "href") if name in attrs]
    assert fetched == [("link", "data:,")]
    assert "url(" not in text and "@import" not in text
    (policy,) = [attrs["content"] for _, attrs in seen.elements if attrs.get("http-equiv")]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_words_of_others_stay_words() -> None:
    hostile = '<script>alert("1")</script><img src=x onerror=alert(1)>'
    bad = failed(2, f"It said {hostile}")
    bad["TrainingJobName"] = hostile
    bad["TunedHyperParameters"] = {**bad["TunedHyperParameters"], "optimizer": hostile, hostile: hostile}
    named = {**search(), "HyperParameterTuningJobName": hostile}
    named["TrainingJobDefinition"] = {"StaticHyperParameters": {hostile: hostile}}
    named["HyperParameterTuningJobConfig"]["ParameterRanges"]["CategoricalParameterRanges"] = [
        {"Name": "optimizer", "Values": ["sgd", hostile]}
    ]
    seen = read_page(named, [trial(1, 0.9), bad, trial(3, 0.8)], place=hostile)
    tags = [tag for tag, _ in seen.elements]
    assert tags.count("script") == 1 and "img" not in tags
    assert not any(name.startswith("on") for _, attrs in seen.elements for name in attrs)
    assert f"It said {hostile}" in seen.text


def test_the_environment_of_the_trials_is_not_shown() -> None:
    text = page(search(), THREE, {THREE[0]["TrainingJobName"]: {"Environment": {"TOKEN": "hunter2"}}}, now=NOW)
    assert "hunter2" not in text and "TOKEN" not in text and "_tuning_objective_metric" not in text


def test_a_search_without_any_objective_says_so_and_draws_nothing() -> None:
    reason = "No picture could be read."
    seen = read_page(search(), [failed(1, "Odd."), failed(2, reason), failed(3, reason)])
    assert "No trial has given an objective (validation:accuracy)" in seen.text
    assert f"3 of 3 failed, most often because: {reason}" in seen.text
    assert not seen.classes("mark") and "--from-tuning" not in seen.text
    assert f"Importance needs at least {FEWEST} trials with an objective; so far there are 0." in seen.text


def test_a_completed_trial_without_a_usable_objective_is_not_the_best() -> None:
    trials = [trial(1, None), trial(2, math.nan), trial(3, 0.5)]
    seen = read_page(search(), trials)
    assert "0.5 Best validation:accuracy (higher is better), by trial 3" in seen.text
    assert [row[1] for row in seen.rows[1:]] == ["–", "–", "0.5 ★"]


def test_a_search_that_still_runs_says_so() -> None:
    running = {**trial(2, None, "InProgress"), "ObjectiveStatus": "Pending"}
    del running["TrainingEndTime"]
    seen = read_page(search("InProgress"), [trial(1, 0.9), running])
    assert "This search is still running: 1 of at most 3 trials have ended." in seen.text
    assert "Best validation:accuracy (higher is better) so far, by trial 1" in seen.text
    assert "Running 1 Total time 30 min 0 s" in seen.text
    empty = read_page(search("InProgress"), [])
    assert "No trial has yet given an objective" in empty.text and "No trial has been started." in empty.text


def test_one_trial_is_enough_for_a_page() -> None:
    seen = read_page(search(), [trial(1, 0.9)])
    assert "0.9 Best validation:accuracy" in seen.text and seen.classes("so-far") and not seen.classes("strand")


def test_a_better_trial_of_a_parent_is_named() -> None:
    parent = {**trial(4, 0.99), "TrainingJobName": "ants-004-0123abcd"}
    said = "Before this search, ants-004-0123abcd gave 0.99."
    assert said in read_page({**search(), "OverallBestTrainingJob": parent}, THREE).text
    assert "Before this search" not in read_page({**search(), "OverallBestTrainingJob": THREE[1]}, THREE).text


def test_words_on_an_axis_of_many_values_do_not_overlap() -> None:
    axes = [plots.Axis(label="x", scale=Category([f"word {n}" for n in range(30)]))] * 2
    ticks = re.findall(r'y="([0-9.]+)" class="tick over"', plots.parallel(axes, []))
    heights = sorted(float(y) for y in ticks)
    assert len(ticks) > 20 and all(
        below - above >= 12.9 for above, below in zip(heights[::2], heights[2::2], strict=False)
    )
    level = [float(x) for x in re.findall(r'x="([0-9.]+)" y="46" class="tick', plots.parallel_level(axes, []))]
    assert 2 < len(level) < 30 and all(b - a > 30 for a, b in pairwise(level))


def test_a_failed_search_gives_its_reason() -> None:
    assert "The search failed. No role." in read_page({**search("Failed"), "FailureReason": "No role."}, []).text


@pytest.mark.parametrize(
    ("found", "stopped", "state"),
    [
        (search(), 3, "early stopped"),
        (search(TrainingJobEarlyStoppingType="Off"), 3, "stopped"),
        (search(TrainingJobEarlyStoppingType="Off", Strategy="Hyperband"), 3, "early stopped"),
        # Stopped with the search, or before the search was.
        (search("Stopped"), 3, "stopped"),
        (search("Stopped"), 2, "early stopped"),
        # The search ended before its last trial: it had enough, and stopped what ran.
        (search(ResourceLimits={"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 1}), 3, "stopped"),
    ],
)
def test_early_stopped_is_told_from_stopped(found: Answer, stopped: int, state: str) -> None:
    trials = [trial(number, 0.5, "Stopped" if number == stopped else "Completed") for number in (1, 2, 3)]
    assert [each.state for each in read(found, trials, {}, now=NOW).trials if each.number == stopped] == [state]


def test_a_trial_out_of_time_was_not_stopped_early() -> None:
    trials = [trial(number, 0.5, "Stopped") for number in (1, 2, 3)]
    jobs = {trials[0]["TrainingJobName"]: {"SecondaryStatus": "MaxRuntimeExceeded"}}
    states = [each.state for each in read(search(), trials, jobs, now=NOW).trials]
    assert states == ["out of time", "early stopped", "early stopped"]


def test_trials_are_numbered_by_their_creation_where_names_tell_nothing() -> None:
    trials = [{**trial(number, 0.5), "TrainingJobName": name} for number, name in ((2, "a"), (1, "b"))]
    assert [(each.number, each.name) for each in read(search(), trials, {}, now=NOW).trials] == [(1, "b"), (2, "a")]


def test_values_that_the_python_sdk_has_quoted_are_read() -> None:
    (found,) = read(search(), [trial(1, 0.5, optimizer='"sgd"')], {}, now=NOW).trials
    assert found.values["optimizer"] == "sgd"


def test_ranges_are_read_from_several_definitions_and_guessed_from_values() -> None:
    found = search()
    ranges = found["HyperParameterTuningJobConfig"].pop("ParameterRanges")
    goal = found["HyperParameterTuningJobConfig"].pop("HyperParameterTuningJobObjective")
    del found["TrainingJobDefinition"]
    ranges["CategoricalParameterRanges"] = []
    found["TrainingJobDefinitions"] = [{"HyperParameterRanges": ranges, "TuningObjective": goal}]
    read_back = read(found, THREE, {}, now=NOW)
    assert read_back.metric == "validation:accuracy"
    assert {each.name: type(each.scale) for each in read_back.parameters} == {
        "lr": Logarithmic, "momentum": ReverseLogarithmic, "dropout": Linear, "batch-size": Linear,
        "optimizer": Category, "head": Category,
    }  # fmt: skip


def many(objective: Callable[[dict[str, str]], float], count: int = 40) -> list[Answer]:
    draw = random.Random(3)
    trials = []
    for number in range(1, count + 1):
        values = {
            "lr": repr(10 ** draw.uniform(-4, -1)),
            "momentum": repr(1 - 10 ** draw.uniform(-3, -0.31)),
            "dropout": repr(draw.uniform(0, 0.5)),
            "batch-size": str(draw.randint(8, 256)),
            "optimizer": draw.choice(["adamw", "sgd"]),
            "head": draw.choice(["", "512,64"]),
        }
        trials.append(trial(number, objective(values), **values))
    return trials


def test_importance_finds_the_hyperparameter_that_matters() -> None:
    # By decades: on a plain scale nine tenths of the range would lie in the last one, and all be bad.
    found = read(search(), many(lambda v: -((math.log10(float(v["lr"])) + 3) ** 2)), {}, now=NOW)
    shares = importances(found.parameters, found.trials)
    assert not isinstance(shares, str)
    assert next(iter(shares)) == "lr" and shares["lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_finds_a_word_that_matters() -> None:
    found = read(search(), many(lambda v: 0.9 if v["optimizer"] == "sgd" else 0.5), {}, now=NOW)
    shares = importances(found.parameters, found.trials)
    assert not isinstance(shares, str) and shares["optimizer"] > 0.9


def test_importance_is_not_made_up() -> None:
    few = read(search(), many(lambda v: float(v["lr"]), FEWEST - 1), {}, now=NOW)
    assert f"so far there are {FEWEST - 1}." in str(importances(few.parameters, few.trials))
    same = read(search(), many(lambda _: 0.5), {}, now=NOW)
    assert "the same objective" in str(importances(same.parameters, same.trials))


def test_a_hundred_trials_of_six_hyperparameters_make_a_page_of_moderate_size() -> None:
    text = page(search(), many(lambda v: float(v["dropout"]), 100), now=NOW)
    assert Reader(text).classes("best") and len(text) < 600_000


@pytest.mark.parametrize(
    ("scale", "labels", "middle"),
    [
        (Linear(0, 10), ["0", "2", "4", "6", "8", "10"], 5),
        (Linear(1, 3, whole=True), ["1", "2", "3"], 2),
        (Logarithmic(0.0001, 0.1), ["0.0001", "0.001", "0.01", "0.1"], 10**-2.5),
        (Logarithmic(16, 64), ["20", "50"], 32),
        (ReverseLogarithmic(0.9, 0.999), ["0.9", "0.99", "0.999"], 0.99),
        (Category(("a", "", "b")), ["a", "(empty)", "b"], ""),
    ],
)
def test_a_scale_places_its_values_and_names_them(scale: Any, labels: list[str], middle: float | str) -> None:
    ticks = scale.ticks()
    assert [tick.label for tick in ticks] == labels
    assert all(-1e-9 <= tick.at <= 1 + 1e-9 for tick in ticks)
    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)
    assert scale.place(middle) == pytest.approx(0.5)
    assert scale.place("of another kind") is None


def test_a_scale_of_a_single_value_has_a_place_for_it() -> None:
    for scale in (Linear(3, 3), Logarithmic(3, 3), ReverseLogarithmic(0.5, 0.5), around([0.0]), around([7.0, 7.0])):
        values = (3.0, 0.5, 0.0, 7.0)
        assert any(scale.place(value) == pytest.approx(0.5) for value in values) and scale.ticks()


def test_a_loss_that_exploded_does_not_flatten_the_others() -> None:
    assert isinstance(around([0.1, 0.2, 1e6]), Logarithmic)
    assert isinstance(around([0.1, 0.2]), Linear)


def test_the_best_so_far_never_gets_worse() -> None:
    points = [plots.Point(x=x, y=y, mark="dot", title="") for x, y in enumerate((1.0, 3.0, 2.0, 4.0), start=1)]
    axis = plots.Axis(label="trial", scale=Linear(1, 4)), plots.Axis(label="score", scale=Linear(0, 5))
    drawn = plots.scatter(points, *axis, steps=True)
    (line,) = re.findall(r'd="M([^"]*)" class="so-far"', drawn)
    heights = [float(corner.split()[1]) for corner in line.split("L")]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 3, "up is less in a picture"


def test_elements_escape_what_they_are_given() -> None:
    assert (
        element("text", "a<b", x=1.26, class_="n", title='"') == '<text x="1.3" class="n" title="&quot;">a&lt;b</text>'
    )
    assert shortened("abcdefgh", 20, per_character=5) == "abc…"


@dataclass
class FakeSageMaker:
    """The calls a report makes, with two trials a page."""

    trials: list[Answer]
    gone: str = ""
    status: str = "Completed"

    def describe_hyper_parameter_tuning_job(self, *, HyperParameterTuningJobName: str) -> Answer:
        if HyperParameterTuningJobName != "bees":
            raise missing("DescribeHyperParameterTuningJob")
        return search()

    def list_training_jobs_for_hyper_parameter_tuning_job(self, *, NextToken: str = "0", **asked: Any) -> Answer:
        first = int(NextToken)
        rest = {"NextToken": str(first + 2)} if first + 2 < len(self.trials) else {}
        return {"TrainingJobSummaries": self.trials[first : first + 2], **rest}

    def list_hyper_parameter_tuning_jobs(self, **asked: Any) -> Answer:
        return {"HyperParameterTuningJobSummaries": [{"HyperParameterTuningJobName": "bees"}]}

    def describe_training_job(self, *, TrainingJobName: str) -> Answer:
        known = {each["TrainingJobName"] for each in self.trials} | {"lonely"}
        if TrainingJobName == self.gone or TrainingJobName not in known:
            raise missing("DescribeTrainingJob")
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobStatus": self.status,
            "BillableTimeInSeconds": 40,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        }

    def list_training_jobs(self, **asked: Any) -> Answer:
        return {"TrainingJobSummaries": [{"TrainingJobName": "lonely"}]}


def missing(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found."}}, operation)


@pytest.fixture
def aws(door: Door) -> Door:
    fake: Any = FakeSageMaker(THREE, gone=THREE[0]["TrainingJobName"])
    return replace(door, kind="aws", sagemaker=fake)


def test_all_pages_of_trials_are_gathered_and_a_deleted_job_is_no_hindrance(aws: Door, tmp_path: Path) -> None:
    gathered = report.gather(aws, search())
    assert [each["TrainingJobName"] for each in gathered.trials] == [each["TrainingJobName"] for each in THREE]
    assert set(gathered.jobs) == {each["TrainingJobName"] for each in THREE[1:]}
    written = report.write(gathered, tmp_path / "page.html")
    assert "Billable time 1 min 20 s" in Reader(written.read_text(encoding="utf-8")).text


def test_what_is_not_there_is_told_with_the_nearest_name(aws: Door, tmp_path: Path) -> None:
    for name, said in (
        ("bee", r"There is no search or training job 'bee'\. Did you mean 'bees'\?"),
        ("lonly", r"There is no search or training job 'lonly'\. Did you mean 'lonely'\?"),
        ("zzz", r"There is no search or training job 'zzz'\. `launch\.py status` lists"),
    ):
        with pytest.raises(NotFound, match=said):
            report.save(aws, name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def packed(files: dict[str, bytes]) -> bytes:
    """An output.tar.gz."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def with_output(door: Door, archive: bytes | None) -> Door:
    def read(uri: str) -> io.BytesIO:
        assert uri == "s3://bucket/out/lonely/output/output.tar.gz"
        if archive is None:
            raise NotFound(f"There is nothing at {uri}.")
        return io.BytesIO(archive)

    return replace(door, read=read)


def test_a_training_jobs_page_is_taken_out_of_its_output(aws: Door, tmp_path: Path) -> None:
    for name in ("report.html", "./report.html"):
        archive = packed({"metrics.json": b"{}", "debug/report.html": b"not this one", name: b"<p>page"})
        saved = report.save(with_output(aws, archive), "lonely", tmp_path / "page.html")
        assert saved.read_bytes() == b"<p>page"


def test_no_more_of_an_output_is_read_than_the_page_takes(aws: Door, tmp_path: Path) -> None:
    tensors = random.Random(0).randbytes(3_000_000)
    archive = packed({"report.html": b"<p>page", "debug/tensors": tensors})
    cut = archive[: len(archive) // 2]
    assert report.save(with_output(aws, cut), "lonely", tmp_path / "page.html").read_bytes() == b"<p>page"


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (None, r"lonely \(Completed\) has left no report in s3://.*; `launch\.py logs lonely` tells what it did\."),
        (packed({"metrics.json": b"{}"}), "has left no report in"),
        (b"no archive at all", "is not a readable tar.gz"),
        (packed({"report.html": random.Random(0).randbytes(50_000)})[:20_000], "is not a readable tar.gz"),
    ],
)
def test_a_training_job_without_a_page_is_told(aws: Door, tmp_path: Path, archive: bytes | None, said: str) -> None:
    with pytest.raises((NotFound, UnusableData), match=said):
        report.save(with_output(aws, archive), "lonely", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_training_job_that_runs_has_no_page_yet(aws: Door, tmp_path: Path) -> None:
    fake: Any = aws.sagemaker
    fake.status = "InProgress"
    with pytest.raises(ConfigError, match=r"lonely is InProgress and leaves its report at its end; `launch\.py"):
        report.save(aws, "lonely", tmp_path / "page.html")


def test_a_local_jobs_page_is_written_by_the_verb(
    create: Callable[..., str], ended: Callable[[str], Answer], state: Path, tmp_path: Path
) -> None:
    ended(create("job"))
    output = tmp_path / "page.html"
    words = ["report", "job", "--local", "--state", str(state), "--output", str(output)]
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 0 and done.stdout.strip() == str(output)
    assert output.read_text() == "<p>The page of a job.</p>"


def test_the_verb_writes_nothing_for_a_search_that_is_not_there(state: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    words = ["report", "nobody", "--local", "--state", str(state), "--output", str(output)]
    ended = CliRunner().invoke(root, words)
    assert ended.exit_code == 3 and "There is no search or training job 'nobody'" in ended.stderr
    assert not output.exists()
