"""Which layers of a network are looked at: some of many, and of modules that are called several times each call.

calls = Calls(relus)
calls.begin()       # a step
calls.name(relu)    # "net.layer1.0.relu", and "net.layer1.0.relu_1" at its second call; None where it is not looked at
calls.count(relu)   # it has been called
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

from container.train.rules.needs import LAYERS

Layer = TypeVar("Layer")


def spread(layers: Sequence[Layer]) -> Sequence[Layer]:
    """At most LAYERS of ``layers``, evenly chosen, the first and the last among them."""
    if len(layers) <= LAYERS:
        return layers
    return [layers[round(index * (len(layers) - 1) / (LAYERS - 1))] for index in range(LAYERS)]


class Calls:
    """Each call of each module in a step is a layer: torchvision's ResNet blocks call one ReLU two or three times.

    Which calls there are is seen at the first step, at which the modules' first calls alone are looked at.
    """

    def __init__(self, modules: Sequence[nn.Module] = ()) -> None:
        self._chosen = {(module, 0) for module in spread(modules)}
        # Those of the first step, in their order; None once it is over.
        self._first: list[tuple[nn.Module, int]] | None = []
        self._made: Counter[nn.Module] = Counter()

    def begin(self) -> None:
        """A step begins."""
        if self._first:
            self._chosen, self._first = set(spread(self._first)), None
        self._made.clear()

    def name(self, module: nn.Module) -> str | None:
        """What the call that ``module`` is at is called; None where it is not looked at."""
        call = self._made[module]
        if (module, call) not in self._chosen:
            return None
        return f"{module._module_name}_{call}" if call else str(module._module_name)

    def count(self, module: nn.Module) -> None:
        """The call that ``module`` is at is over."""
        if self._first is not None:
            self._first.append((module, self._made[module]))
        self._made[module] += 1
