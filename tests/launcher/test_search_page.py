"""The page that tells of a search."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from container.common.charts.scales import Category, Linear, Logarithmic, ReverseLogarithmic
from launcher.report.importance import FEWEST, importances
from launcher.report.search import page
from launcher.report.trials import read
from tests.launcher.answers import NOW, THREE, Answer, failed, search, trial
from tests.pages import Reader


def read_page(found: Answer, trials: list[Answer], jobs: dict[str, Answer] | None = None, **options: Any) -> Reader:
    return Reader(page(found, trials, jobs, now=NOW, **options))


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
