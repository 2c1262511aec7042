"""Warm start: what up to five earlier searches of this machine have found.

It is read once, when the search is created, and kept in its folder (``known.json``), so that a parent may be deleted
and a resumed search knows the same. IdenticalDataAndAlgorithm takes the objectives as they are; with TransferLearning
only their order and spread count (``strategies.bayesian``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from launcher.local.store import Document
from launcher.local.tuning.space import Space, Values
from launcher.local.tuning.trials import Objective, Trial, summary

MOST_PARENTS = 5


@dataclass(frozen=True, kw_only=True)
class Known:
    """One trial of a parent: its values for the present ranges, and its objective."""

    parent: str
    identical: bool
    values: Values
    objective: float


@dataclass(frozen=True, kw_only=True)
class Parent:
    """An earlier search."""

    name: str
    request: Document
    trials: Sequence[Trial]

    @property
    def config(self) -> Document:
        """HyperParameterTuningJobConfig."""
        return dict(self.request["HyperParameterTuningJobConfig"])

    @property
    def static(self) -> Mapping[str, str]:
        """The hyperparameters that all its trials had."""
        return dict(self.request["TrainingJobDefinition"].get("StaticHyperParameters", {}))

    @property
    def hyperparameters(self) -> set[str]:
        """Names of all its hyperparameters, tuned or not."""
        return {*self.static, *(each.name for each in Space.of(self.config).ranges)}


def names(request: Mapping[str, Any]) -> list[str]:
    """The parents that a request names."""
    given = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
    return [each.get("HyperParameterTuningJobName", "") for each in given]


def objection(request: Mapping[str, Any], parent: Parent) -> str | None:
    """``parent``, and why the request cannot start from it; None where it can. AWS's own conditions."""
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    if Objective.of(parent.config) != Objective.of(config):
        return f"{parent.name}, which goes by another objective; a warm start needs the same metric and type."
    mine = {*definition.get("StaticHyperParameters", {}), *(each.name for each in Space.of(config).ranges)}
    unknown = sorted({each.name for each in Space.of(config).ranges} - parent.hyperparameters)
    if unknown:
        return f"{parent.name}, which has no hyperparameter {', '.join(unknown)}; tune what it tuned or set."
    if request["WarmStartConfig"]["WarmStartType"] != "IdenticalDataAndAlgorithm":
        return None
    theirs = parent.request["TrainingJobDefinition"]
    if definition.get("InputDataConfig") != theirs.get("InputDataConfig"):
        return f"{parent.name}, which trained on other data; use TransferLearning."
    if definition["AlgorithmSpecification"].get("TrainingImage") != theirs["AlgorithmSpecification"].get(
        "TrainingImage"
    ):
        return f"{parent.name}, which trained with another image; use TransferLearning."
    if mine != parent.hyperparameters:
        other = ", ".join(sorted(mine ^ parent.hyperparameters))
        return f"{parent.name}, which has not the same hyperparameters ({other}); use TransferLearning."
    return None


def document(request: Mapping[str, Any], parents: Sequence[Parent]) -> Document:
    """``known.json``: what the parents found, and the best of it as describe tells it."""
    config = request["HyperParameterTuningJobConfig"]
    objective = Objective.of(config)
    identical = request.get("WarmStartConfig", {}).get("WarmStartType") == "IdenticalDataAndAlgorithm"
    wanted = [each.name for each in Space.of(config).ranges]
    known = [
        Known(
            parent=parent.name,
            identical=identical,
            values={name: {**parent.static, **trial.values}[name] for name in wanted},
            objective=trial.objective,
        )
        for parent in parents
        for trial in parent.trials
        if trial.objective is not None
    ]
    found: Document = {"Known": [asdict(each) for each in known]}
    best = objective.best([trial for parent in parents for trial in parent.trials])
    if identical and best is not None:
        parent = next(parent for parent in parents if best in parent.trials)
        found["Best"] = summary(best, parent.name, objective)
    return found


def known_of(found: Mapping[str, Any] | None) -> list[Known]:
    """The parents' trials, from ``known.json``."""
    return [Known(**each) for each in (found or {}).get("Known", [])]
