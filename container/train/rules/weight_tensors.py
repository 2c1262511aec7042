"""Weights as saved: whole, or a fixed sample of their elements; what UnchangedTensor and WeightUpdateRatio compare."""

from __future__ import annotations

from collections.abc import Iterator

from container.train.rules.steps import Array, Step

# Our hook saves reductions of a weight, and under this prefix the same few thousand elements each time.
SAMPLE = "sample/"


def weights(step: Step) -> Iterator[tuple[str, Array]]:
    """(name, elements) of every weight that trains and was saved at ``step``."""
    sampled = {name.removeprefix(SAMPLE) for name in step.names if name.startswith(SAMPLE)}
    for name in sorted(sampled | set(step.matching(collections=["weights"]))):
        if name.startswith(SAMPLE) or not step.has_gradient(name):
            continue
        values = step.value(SAMPLE + name if name in sampled else name)
        if values is not None and values.size:
            yield name, values
