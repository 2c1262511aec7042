"""ExplodingTensor: a tensor holds values that are infinite or not a number.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step

# Each is non-finite as soon as one element is; whichever was saved will do.
_TELLING = (("mean", False), ("mean", True), ("max", False), ("min", False), ("l2", False), ("variance", False))


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; with neither collections nor expressions, every tensor is looked at."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()
    only_nan: bool = False


def exploded(values: Array, *, only_nan: bool) -> bool:
    """Whether one of ``values`` is NaN, or infinite unless ``only_nan``."""
    if values.dtype.kind not in "fc":
        return False
    return bool(np.isnan(values).any() if only_nan else not np.isfinite(values).all())


class ExplodingTensor(TensorRule[Parameters]):
    """Every tensor, or those asked for; by their reductions where only these were saved."""

    Parameters = Parameters

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        chosen = bool(p.collection_names or p.tensor_regex)
        names = step.matching(p.tensor_regex, p.collection_names) if chosen else step.names
        for name in names:
            values = step.value(name)
            if values is None:
                saved = (step.reduction(name, kind, absolute=absolute) for kind, absolute in _TELLING)
                values = np.array([number for number in saved if number is not None])
            if exploded(values, only_nan=p.only_nan):
                bad = values[~np.isfinite(values)]
                word = "NaN" if np.isnan(bad).any() else "inf"
                yield finding(
                    step,
                    name,
                    f"{name} holds {word}: training has blown up; lower lr, add warmup-epochs, or look for a division "
                    "by zero or a logarithm of zero.",
                    found=word,
                    share_percent=100.0 * len(bad) / max(values.size, 1),
                )
