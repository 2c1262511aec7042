"""Rules beside whole jobs: on by default, off in a tuning job's trainings, told live, and able to end a job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.common.errors import ContainerError, HyperparameterError
from container.common.hyperparameters import parse
from container.network import Head
from container.train import hook
from container.train.console import Console
from container.train.hook import DebugHook, NoWatcher
from container.train.rules import board
from container.train.rules.live import LiveRules
from tests.train import dogs
from tests.train.jobs import Jobs, losses
from tests.train.places import configure

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def rules_of(jobs: Jobs, name: str = "job") -> dict[str, dict[str, Any]]:
    return {one["RuleConfigurationName"]: one for one in board.read(jobs.paths(name).output / "rules.json")}


def relu_on_the_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published fault: the head's outputs pass a ReLU."""
    plain = Head.forward
    monkeypatch.setattr(Head, "forward", lambda self, features: nn.functional.relu(plain(self, features)))


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_rules_watch_a_job_and_do_not_change_it(jobs: Jobs, freeze: str) -> None:
    plain = jobs.run("plain", freeze=freeze)
    watched = jobs.run("watched", freeze=freeze, rules="default")
    assert losses(watched) == losses(plain)
    found = rules_of(jobs, "watched")
    assert {one["RuleEvaluationStatus"] for one in found.values()} <= {"NoIssuesFound", "IssuesFound"}, found
    for rule in ("ExplodingTensor", "ClassImbalance", "UnchangedTensor", "AllZero", "StalledTrainingRule"):
        assert found[rule]["RuleEvaluationStatus"] == "NoIssuesFound", found[rule]
    assert jobs.metrics("watched")["stopped_by"] is None


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_our_hook_saves_what_the_rules_need(jobs: Jobs, freeze: str) -> None:
    jobs.run(freeze=freeze, rules="default", head="8")
    from smdebug.trials import create_trial

    trial = create_trial(str(jobs.paths().output / "debug"))
    wanted = ["losses", "head_outputs", "relu_activity", "relu_inputs", "gradients", "weights", "samples", "data"]
    for collection in wanted:
        assert trial.tensor_names(collection=collection), collection
    assert {"labels", "predictions", "CrossEntropyLoss_output_0"} <= set(trial.tensor_names(step=trial.steps()[-1]))
    assert set(trial.tensor_names(collection="data")) == {"class_counts", "class_weights", "image_means", "image_stds"}


def test_a_relu_on_the_logits_ends_the_job_when_asked(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    relu_on_the_logits(monkeypatch)
    log = jobs.run(freeze="backbone", rules="default", stop_on_rules="DeadRelu", epochs="10000", exported=False)
    (line,) = [line for line in log.splitlines() if line.startswith("stopped by rule")]
    assert "DeadRelu" in line and "a ReLU stands on the logits" in line
    metrics = jobs.metrics()
    assert metrics["stopped_by"] == line
    assert len(metrics["history"]) < 10000 and metrics["best_epoch"] >= 1
    assert rules_of(jobs)["DeadRelu"]["RuleEvaluationStatus"] == "IssuesFound"


def test_133_breeds_with_a_relu_on_their_logits_are_told_of_the_first_step_and_stopped(tmp_path: Path) -> None:
    outcome = dogs.train(tmp_path)
    assert outcome.finding["step"] == 0, "not a step was needed to see it"
    assert "a ReLU stands on the logits" in outcome.finding["advice"]
    assert outcome.metrics["stopped_by"].startswith("stopped by rule DeadRelu: ")
    assert 1 <= outcome.epochs < dogs.ENDLESS


class Told:
    """A watcher that has a reason to stop from its ``count``-th question on."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None

    def reason_to_stop(self) -> str | None:
        self._left -= 1
        return "stopped by rule Overfit: too much." if self._left <= 0 else None


@pytest.mark.parametrize(("question", "epochs"), [(1, 1), (9, 1), (10, 2)])
def test_a_stopped_job_keeps_its_best_epoch(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, question: int, epochs: int
) -> None:
    monkeypatch.setattr(hook, "watcher", lambda *_: Told(question))
    jobs.run(stop_on_rules="all", epochs="5")
    metrics = jobs.metrics()
    assert metrics["stopped_by"] == "stopped by rule Overfit: too much."
    # Four questions in the first epoch of five steps, then five; one cut short counts only where it is all there is.
    assert len(metrics["history"]) == epochs
    stopped = jobs.networks["job"]
    assert jobs.run(stop_on_rules="all", epochs="5"), "a job that goes on from a stopped one is done"
    assert all(torch.equal(value, stopped[name]) for name, value in jobs.networks["job"].items())


def test_nobody_is_asked_where_no_rule_may_stop(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "watcher", lambda *_: Told(1))
    jobs.run(epochs="1")
    assert jobs.metrics()["stopped_by"] is None


@pytest.mark.parametrize(
    ("given", "raw", "kind"),
    [
        ({}, {}, DebugHook),
        ({}, {"_tuning_objective_metric": "validation:loss"}, NoWatcher),
        ({"stop-on-rules": "all"}, {"_tuning_objective_metric": "validation:loss"}, DebugHook),
        ({"rules": "none"}, {}, NoWatcher),
        ({"compile": "true"}, {}, NoWatcher),
    ],
)
def test_rules_watch_every_job_but_a_tuning_jobs(
    jobs: Jobs, given: dict[str, str], raw: dict[str, str], kind: type
) -> None:
    paths = jobs.paths()
    configure(paths.base, "hyperparameters", {**given, **raw})
    assert type(hook.watcher(paths, parse(given), Console(silent=True))) is kind


@pytest.mark.parametrize(
    "given", [{"rules": "none", "stop-on-rules": "all"}, {"rules": "default", "stop-on-rules": "Confusion"}]
)
def test_a_rule_that_is_not_evaluated_cannot_stop(jobs: Jobs, given: dict[str, str]) -> None:
    with pytest.raises(HyperparameterError, match="add it to rules"):
        hook.watcher(jobs.paths(), parse(given), Console(silent=True))


def test_sagemakers_tensors_are_looked_at_too(jobs: Jobs, tmp_path: Path) -> None:
    config = {
        "LocalPath": str(tmp_path / "tensors"),
        "HookParameters": {"save_interval": "1"},
        "CollectionConfigurations": [{"CollectionName": "losses"}, {"CollectionName": "gradients"}],
    }
    configure(jobs.paths().base, "debughookconfig", config)
    jobs.run(freeze="backbone", rules="VanishingGradient,Overfit")
    assert set(rules_of(jobs)) == {"VanishingGradient", "Overfit"}
    assert {one["RuleEvaluationStatus"] for one in rules_of(jobs).values()} <= {"NoIssuesFound", "IssuesFound"}


def test_rules_end_under_sagemaker_where_smdebug_does_not_say_so(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_JOB_NAME", "job")
    log = jobs.run(freeze="backbone", epochs="1", rules="AllZero")
    assert not (jobs.paths().output / "debug" / "training_job_end.ts").exists()
    assert rules_of(jobs)["AllZero"]["RuleEvaluationStatus"] == "NoIssuesFound" and "warning" not in log


def test_a_hook_that_fails_harms_nothing(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    from container.train.rules.recorder import Recorder

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    plain = jobs.run("plain", freeze="backbone")
    monkeypatch.setattr(Recorder, "_write_for_tensor", full)
    watched = jobs.run("watched", freeze="backbone", rules="default")
    assert losses(watched) == losses(plain)
    assert "warning: no more tensors were saved after a fault of the debugger hook (OSError: " in watched


def test_a_job_that_fails_before_its_first_step_starts_no_rules(tmp_path: Path) -> None:
    rules = LiveRules(tmp_path / "debug", tmp_path / "rules.json", "AllZero")
    rules.end()
    assert rules.finish(60.0) is None
    assert not (tmp_path / "rules.json").exists(), "nobody has evaluated anything"


def test_a_training_that_fails_leaves_what_its_rules_found(jobs: Jobs) -> None:
    with pytest.raises(ContainerError, match=r"nan|NaN|finite"):
        jobs.run(rules="default", optimizer="sgd", lr="1e30")
    found = rules_of(jobs)
    assert "InProgress" not in {one["RuleEvaluationStatus"] for one in found.values()}
    assert found["ExplodingTensor"]["RuleEvaluationStatus"] == "IssuesFound"


def test_rules_that_cannot_start_harm_nothing(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    log = jobs.run(freeze="backbone", rules="default", epochs="1")
    assert "warning: the rules cannot be evaluated" in log and "training goes on without" in log
    assert losses(log)
