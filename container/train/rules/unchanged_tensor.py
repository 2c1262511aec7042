"""UnchangedTensor: a tensor is the same (numpy.allclose) at so many saved steps in a row.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". AWS demands
collections or expressions; without, we look at the losses and at the weights that train.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from container.train.rules.findings import Finding
from container.train.rules.losses import COLLECTION as LOSSES
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step
from container.train.rules.weight_tensors import weights

# A loss this small stays the same because everything is learnt.
LEARNT = 1e-4


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them."""

    collection_names: tuple[str, ...] = ()
    tensor_regex: tuple[str, ...] = ()
    num_steps: int = 3
    rtol: float = 1e-05
    atol: float = 1e-08
    equal_nan: bool = False


def unchanged(values: Iterable[Array], *, rtol: float, atol: float, equal_nan: bool) -> bool:
    """Whether each is close to the next, as numpy.allclose means it."""
    return all(
        one.shape == other.shape and np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=equal_nan)
        for one, other in pairwise(values)
    )


class UnchangedTensor(TensorRule[Parameters]):
    """Tensors at steps of training; in evaluation weights do not change, and must not."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._last: dict[str, deque[Array]] = defaultdict(lambda: deque(maxlen=max(2, self.parameters.num_steps)))

    def examine(self, step: Step) -> Iterator[Finding]:
        if not step.trains:
            return
        p = self.parameters
        for name, value in self._tensors(step):
            last = self._last[name]
            last.append(value)
            if len(last) == last.maxlen and unchanged(last, rtol=p.rtol, atol=p.atol, equal_nan=p.equal_nan):
                yield finding(
                    step,
                    name,
                    f"{name} has been the same at {len(last)} saved steps: it does not train; look whether the "
                    "optimizer holds it, whether lr is 0, and whether a gradient reaches it.",
                    steps=len(last),
                    rtol=p.rtol,
                    atol=p.atol,
                )

    def _tensors(self, step: Step) -> Iterator[tuple[str, Array]]:
        p = self.parameters
        if p.collection_names or p.tensor_regex:
            named = ((name, step.value(name)) for name in step.matching(p.tensor_regex, p.collection_names))
            yield from ((name, value) for name, value in named if value is not None)
            return
        yield from weights(step)
        for name in step.matching(collections=[LOSSES]):
            value = step.value(name)
            if value is not None and value.size == 1 and float(value.reshape(-1)[0]) > LEARNT:
                yield name, value
