"""What to try next: Bayesian, Random, Grid and Hyperband, with Optuna inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launcher.local.tuning.space import Space
from launcher.local.tuning.strategies.base import Strategy
from launcher.local.tuning.strategies.bayesian import Bayesian
from launcher.local.tuning.strategies.grid import Grid
from launcher.local.tuning.strategies.random import Random
from launcher.local.tuning.trials import Objective
from launcher.local.tuning.warmstart import Known

__all__ = ["Strategy", "load"]


def load(config: Mapping[str, Any], seed: int, known: Sequence[Known] = ()) -> Strategy:
    """The strategy of HyperParameterTuningJobConfig; ``known`` is what earlier searches found."""
    space = Space.of(config)
    if config["Strategy"] == "Grid":
        return Grid(space, seed)
    if config["Strategy"] == "Bayesian":
        return Bayesian(space, seed, Objective.of(config), known)
    # Hyperband draws at random too, and saves by ending trials early (``launcher.local.tuning.hyperband``).
    return Random(space, seed)
