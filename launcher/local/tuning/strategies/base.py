"""The small interface of a strategy, and Optuna made quiet and repeatable.

A strategy keeps nothing between two calls: it is shown all trials each time, and draws from (seed, number of the
trial, attempt). A search that is resumed goes on as an undisturbed one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from launcher.local.tuning.space import Space, Values
from launcher.local.tuning.trials import Trial

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study


class Strategy(Protocol):
    """Says what to try."""

    def suggest(self, number: int, trials: Sequence[Trial]) -> Values | None:
        """Values for trial ``number``, given the trials so far; None when nothing is left to try."""


def seed_of(seed: int, number: int, attempt: int = 0) -> int:
    """A seed of its own for each draw (32 bits)."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number} {attempt}".encode()).digest()[:4], "big")


def new_study(sampler: BaseSampler, *, maximize: bool = False, pruner: BasePruner | None = None) -> Study:
    """An empty study in memory. Its name is fixed: Optuna draws Hyperband's brackets from it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name="search", direction="maximize" if maximize else "minimize", sampler=sampler, pruner=pruner
    )


def draw(space: Space, seed: int) -> Values:
    """One point of the space, at random on each range's scale."""
    from optuna.samplers import RandomSampler

    return space.texts(new_study(RandomSampler(seed=seed)).ask(space.distributions()).params)
