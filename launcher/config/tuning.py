"""Tuning: a search for the best hyperparameters, checked before anything starts."""

from __future__ import annotations

import re
from math import prod
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from container.common import hyperparameters, metrics
from container.common.names import did_you_mean
from launcher.config.frozen import Frozen
from launcher.config.ranges import Choices, Numbers, Range
from launcher.config.training import Training

Strategy = Literal["Bayesian", "Random", "Grid", "Hyperband"]
Goal = Literal["Minimize", "Maximize"]
EarlyStopping = Literal["Off", "Auto"]
WarmStartType = Literal["IdenticalDataAndAlgorithm", "TransferLearning"]

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
GOALS: tuple[Goal, ...] = get_args(Goal)
EARLY_STOPPING: tuple[EarlyStopping, ...] = get_args(EarlyStopping)
WARM_START_TYPES: tuple[WarmStartType, ...] = get_args(WarmStartType)

# SageMaker's own limits. Trials are named after their search, which is why its name is short.
_LONGEST_NAME = 32
_NAME = rf"[a-zA-Z0-9](-*[a-zA-Z0-9]){{0,{_LONGEST_NAME - 1}}}"
_MOST_PARENTS = 5
_MOST_RANGES = 30


class Tuning(Frozen):
    """One hyperparameter tuning job: what all trials share, what they differ in, and when it ends."""

    training: Training
    ranges: tuple[Range, ...]
    strategy: Strategy = "Bayesian"
    objective: str = "validation:loss"
    goal: Goal = "Minimize"
    jobs: Annotated[int, Field(ge=1)] | None = None
    parallel: Annotated[int, Field(ge=1)] = 1
    max_search_runtime: Annotated[int, Field(ge=120, le=15_768_000)] | None = None
    early_stopping: EarlyStopping = "Off"
    warm_start: tuple[str, ...] = ()
    warm_start_type: WarmStartType = "IdenticalDataAndAlgorithm"
    target: float | None = None
    patience_jobs: Annotated[int, Field(ge=3)] | None = None
    until_converged: bool = False
    random_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    # What its recipe has a training watched by, and a trial not: no part of the request, for `train --from-tuning`.
    watching: dict[str, str] = Field(default_factory=dict)
    min_resource: Annotated[int, Field(ge=1)] | None = None
    max_resource: Annotated[int, Field(ge=1)] | None = None

    @property
    def name(self) -> str:
        """The search's name."""
        return self.training.name

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_names()
        self._check_objective()
        self._check_ranges()
        self._check_strategy()
        if self.jobs is not None and self.parallel > self.jobs:
            raise ValueError(f"--parallel {self.parallel} is more than --jobs {self.jobs}; lower it")
        return self

    def _check_names(self) -> None:
        for what, name in (("name", self.name), *(("warm-start", parent) for parent in self.warm_start)):
            if not re.fullmatch(_NAME, name):
                raise ValueError(
                    f"{what}: '{name}' cannot name a search; that is up to {_LONGEST_NAME} letters, digits and single "
                    "hyphens, the first a letter or digit"
                )
        if len(self.warm_start) > _MOST_PARENTS:
            raise ValueError(f"a search starts from {_MOST_PARENTS} earlier ones at most, not {len(self.warm_start)}")
        if len(set(self.warm_start)) < len(self.warm_start) or self.name in self.warm_start:
            raise ValueError("each --warm-start names another search, and none twice")

    def _check_objective(self) -> None:
        if self.objective not in metrics.METRICS:
            known = did_you_mean(self.objective, OBJECTIVES).strip().rstrip(".")
            raise ValueError(f"no metric '{self.objective}' is printed by training. {known}")
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"{self.objective} is no objective: the test split is kept for the end, and an epoch's number is no "
                f"measure; choose one of {', '.join(OBJECTIVES)}"
            )
        if self.objective in metrics.ORDERED_METRICS and not self._ordered:
            raise ValueError(
                f"{self.objective} is printed for classes that are numbers alone; add --ordered-classes true"
            )

    @property
    def _ordered(self) -> bool:
        return bool(hyperparameters.parse(self.training.hyperparameters).ordered_classes)

    def _check_ranges(self) -> None:
        if not self.ranges:
            raise ValueError("there is nothing to tune; add --range NAME=MIN:MAX or --range NAME=A,B,C")
        if len(self.ranges) > _MOST_RANGES:
            raise ValueError(f"{len(self.ranges)} hyperparameters are tuned, and AWS takes {_MOST_RANGES} at most")
        fixed = sorted({each.name for each in self.ranges} & set(self.training.hyperparameters))
        if fixed:
            raise ValueError(
                f"'{fixed[0]}' is both tuned and fixed to {self.training.hyperparameters[fixed[0]]}; keep --range or "
                f"--{fixed[0]}"
            )

    def _check_strategy(self) -> None:
        if self.strategy == "Grid":
            self._check_grid()
        elif self.jobs is None:
            raise ValueError("--jobs is missing: how many trials?")
        if self.strategy == "Hyperband":
            if self.early_stopping == "Auto":
                raise ValueError("Hyperband stops trials itself; leave --early-stopping Off")
            if self.max_resource is None:
                raise ValueError("Hyperband needs --max-resource, the epochs of its longest trials")
            if self.min_resource is not None and self.min_resource > self.max_resource:
                raise ValueError(f"--min-resource {self.min_resource} is above --max-resource {self.max_resource}")
        elif self.min_resource is not None or self.max_resource is not None:
            raise ValueError(f"--min-resource and --max-resource are Hyperband's; {self.strategy} has none")

    def _check_grid(self) -> None:
        for each in self.ranges:
            if isinstance(each, Numbers):
                raise ValueError(
                    f"Grid tries listed values, and '{each.name}' is a range; list them, as in "
                    f"--range {each.name}={each.minimum},{each.maximum}, or choose another --strategy"
                )
        combinations = prod(len(each.values) for each in self.ranges if isinstance(each, Choices))
        if self.jobs is not None and self.jobs != combinations:
            raise ValueError(f"Grid tries all {combinations} combinations; leave out --jobs {self.jobs}")


# The test split is touched once, at the end: whoever tunes on it has no test any more.
OBJECTIVES: tuple[str, ...] = tuple(
    name for name in metrics.METRICS if name not in (*metrics.TEST_METRICS, metrics.BEST_EPOCH, "epoch")
)


def natural_goal(objective: str) -> Goal:
    """Losses and errors go down, everything else that training prints goes up."""
    return "Minimize" if objective.endswith(("loss", "mae", "rmse")) else "Maximize"
