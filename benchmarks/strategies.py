"""How soon each strategy of a search finds what random search finds, and how many epochs early stopping saves.

    python benchmarks/strategies.py [--data FOLDER --weights FILE] [--seeds 10] [--trials 20] [--epochs 27]

Two things are searched: Hartmann's function of six variables (its minimum is -3.32237; Surjanovic and Bingham's
library of test functions) with a learning curve of our making, and, with --data (train/ and validation/ in ImageFolder
layout, such as `launch.py data prepare` leaves), the head of a frozen MobileNetV2: four hyperparameters, the validation
loss of every epoch. The strategies and the stopping rules are those of the local door, asked one trial after another;
a trial's training is run once for its values and replayed for every rule that meets the same values.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from launcher.local.tuning import strategies  # noqa: E402
from launcher.local.tuning.search import stopper_of  # noqa: E402
from launcher.local.tuning.trials import Point, Trial  # noqa: E402

Values = dict[str, str]
# Values of a trial to its objective after each epoch.
Box = Callable[[Values], tuple[float, ...]]


def continuous(name: str, low: float, high: float, scale: str = "Linear") -> dict[str, str]:
    """A ContinuousParameterRange."""
    return {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": scale}


@dataclass(frozen=True)
class Problem:
    """Something to search in."""

    name: str
    ranges: dict[str, list[dict[str, Any]]]
    box: Box
    epochs: int

    def request(self, strategy: str, *, early: str = "Off") -> dict[str, Any]:
        """What a search's supervisor reads of CreateHyperParameterTuningJob."""
        return {
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": self.epochs}},
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:loss"},
                "ParameterRanges": self.ranges,
                "TrainingJobEarlyStoppingType": early,
            },
            "TrainingJobDefinition": {"StaticHyperParameters": {"epochs": str(self.epochs)}},
        }


@dataclass(frozen=True)
class Outcome:
    """What a search found: the best objective after each trial, and the epochs all trials took."""

    best: tuple[float, ...]
    epochs: int


def search(problem: Problem, strategy: str, seed: int, trials: int, *, early: str = "Off") -> Outcome:
    """One search, trial after trial, as the local door runs it."""
    request = problem.request(strategy, early=early)
    asked = strategies.load(request["HyperParameterTuningJobConfig"], seed)
    from launcher.local.tuning.trials import Objective

    stopper = stopper_of(request, Objective.of(request["HyperParameterTuningJobConfig"]))
    done: list[Trial] = []
    clock = itertools.count()
    spent = 0
    for number in range(1, trials + 1):
        values = asked.suggest(number, done)
        assert values is not None
        points: list[Point] = []
        status = "Completed"
        for value in problem.box(values):
            points.append(Point(value, float(next(clock))))
            running = _trial(number, values, points, "InProgress")
            if len(points) < problem.epochs and stopper.doomed([*done, running]):
                status = "Stopped"
                break
        spent += len(points)
        done.append(_trial(number, values, points, status))
    values_seen = [trial.objective for trial in done if trial.objective is not None]
    return Outcome(tuple(itertools.accumulate(values_seen, min)), spent)


def _trial(number: int, values: Values, points: list[Point], status: str) -> Trial:
    record = {"TrainingJobStatus": status, "CreationTime": float(number)}
    return Trial(number=number, name=f"t-{number:03d}", values=values, record=record, points=tuple(points))


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(epochs: int) -> Problem:
    """Hartmann's function, approached from above over the epochs: from value + 1.5 exponentially to the value."""

    def box(values: Values) -> tuple[float, ...]:
        x = np.array([float(values[f"x{i}"]) for i in range(6)])
        final = -float(_ALPHA @ np.exp(-(_A * (x - _P) ** 2).sum(axis=1)))
        return tuple(final + 1.5 * math.exp(-5 * epoch / epochs) for epoch in range(1, epochs + 1))

    ranges = {"ContinuousParameterRanges": [continuous(f"x{i}", 0, 1) for i in range(6)]}
    return Problem("Hartmann's function", ranges, box, epochs)


def head_of(data: Path, weights: Path, base: Path, epochs: int) -> Problem:
    """The head of a frozen MobileNetV2 on ``data``: each trial one job of container/train, its export left out."""
    import torch

    from container.common.hyperparameters import parse
    from container.train import job
    from container.train.console import Console
    from container.train.paths import Paths
    from container.train.stopping import StopSignal
    from container.train.world import World

    numbers = itertools.count()
    (base / "cache").mkdir()

    @functools.cache
    def train(key: tuple[tuple[str, str], ...]) -> tuple[float, ...]:
        paths = Paths(base / f"{next(numbers)}")
        paths.data.mkdir(parents=True)
        (paths.base / "cache").symlink_to(base / "cache")
        for split in ("train", "validation"):
            (paths.data / split).symlink_to((data / split).resolve())
        (paths.data / "weights").mkdir()
        (paths.data / "weights" / weights.name).symlink_to(weights.resolve())
        fixed = {
            "model": "mobilenet_v2",
            "weights": "channel",
            "image-size": "96",
            "resize": "squash",
            "grayscale": "true",
            "test-fraction": "0",
            "schedule": "none",
            "epochs": str(epochs),
            # As in a search: a training's rules are for trainings alone.
            "rules": "none",
            "profile-interval-ms": "0",
        }
        job.run(
            paths,
            parse(fixed | dict(key)),
            World(torch.device("cpu")),
            Console(stream=io.StringIO()),
            StopSignal(),
            exporter=lambda _network, manifest, *_rest, **_more: manifest,
        )
        history = json.loads((paths.output / "metrics.json").read_text())["history"]
        return tuple(each["validation:loss"] for each in history)

    ranges: dict[str, list[dict[str, Any]]] = {
        "ContinuousParameterRanges": [
            continuous("lr", 1e-5, 0.1, "Logarithmic"),
            continuous("weight-decay", 1e-5, 1.0, "Logarithmic"),
            continuous("dropout", 0, 0.8),
        ],
        "CategoricalParameterRanges": [{"Name": "batch-size", "Values": ["32", "64", "128", "256"]}],
    }
    return Problem("head of a frozen MobileNetV2", ranges, lambda values: train(tuple(sorted(values.items()))), epochs)


def spread(numbers: list[float], form: str = ".3g") -> str:
    """Median and range."""
    return f"{statistics.median(numbers):{form}} ({min(numbers):{form}} to {max(numbers):{form}})"


def compare(problem: Problem, seeds: int, trials: int) -> None:
    """Print the table of one problem."""
    plain = [search(problem, "Random", seed, trials) for seed in range(seeds)]
    bayes = [search(problem, "Bayesian", seed, trials) for seed in range(seeds)]
    reached = [
        next((i for i, value in enumerate(ours.best, 1) if value <= theirs.best[-1]), trials + 1)
        for ours, theirs in zip(bayes, plain, strict=True)
    ]
    print(f"\n{problem.name}: {trials} trials of {problem.epochs} epochs, {seeds} seeds, median (range)")
    print(f"{'':28}{'best objective':>30}{'epochs, part of all':>30}")
    print(f"{'Random':28}{spread([each.best[-1] for each in plain]):>30}{'1':>30}")
    print(f"{'Bayesian':28}{spread([each.best[-1] for each in bayes]):>30}{'1':>30}")
    full = trials * problem.epochs
    for label, strategy, early in (("Random, median rule", "Random", "Auto"), ("Hyperband", "Hyperband", "Off")):
        found = [search(problem, strategy, seed, trials, early=early) for seed in range(seeds)]
        parts = spread([each.epochs / full for each in found], ".2f")
        print(f"{label:28}{spread([each.best[-1] for each in found]):>30}{parts:>30}")
    print(f"Bayesian reaches Random's best after {spread([float(each) for each in reached], '.0f')} trials", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Strategies of a search")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=27)
    options = parser.parse_args()
    compare(hartmann(options.epochs), options.seeds, options.trials)
    if options.data and options.weights:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            compare(head_of(options.data, options.weights, Path(folder), options.epochs), options.seeds, options.trials)


if __name__ == "__main__":
    main()
