"""Which tensors the default rules need, and how often: what our hook saves when SageMaker has not said.

A frozen backbone's job trains the head alone on kept features; the same list serves it and a whole network,
for the head has all of it but activations. What is small is saved whole, weights and gradients as reductions,
and of each weight the same few thousand elements, which suffices to see whether it changes, and by how much.
Of evaluation only its result is saved (loss, labels, predictions), once a round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from container.train.rules import facts
from container.train.rules.weight_tensors import SAMPLE

# The first steps are where an initialization or a learning rate goes wrong.
FIRST_STEPS = 10

# Rules need that many losses in an epoch, and no more of anything in a training.
LOSSES_AN_EPOCH, MOST_LIGHT, MOST_HEAVY = 4, 200, 40

# Closer together, weights differ too little to say whether they train.
LEAST_BETWEEN_WEIGHTS = 5

# Activations are looked at on that many rows of a batch, so many places along a map's side, and in that many layers.
ROWS, SIDE, LAYERS = 16, 8, 8

# Elements of a weight, and rows of the head's outputs.
SAMPLED, OUTPUT_ROWS = 1024, 64

# In the tensors' folder: written so often while training makes steps, whether they are saved or not, so that nobody
# takes a long way to the next saved one, or through an evaluation, for a standstill.
ALIVE, SECONDS_BETWEEN_SIGNS = "alive", 60.0

# An interval that only step 0 is a multiple of.
ONCE = 2**31 - 1


@dataclass(frozen=True)
class Need:
    """A collection: the names of its tensors, how often it is saved while training, and in what form."""

    name: str
    regexes: tuple[str, ...]
    interval: int
    first_steps: int = 0
    reductions: tuple[str, ...] = ()


def intervals(total: int, an_epoch: int, most: int) -> tuple[int, int]:
    """Steps between saves of what is small, and of weights and gradients, in a training of ``total`` steps.

    ``most`` is debug-save-interval: weights and gradients are not saved more rarely, unless that made too many.
    """
    light = max(1, min(an_epoch // LOSSES_AN_EPOCH, max(FIRST_STEPS, total // MOST_LIGHT)))
    heavy = max(total // MOST_HEAVY, min(most, max(LEAST_BETWEEN_WEIGHTS, total // FIRST_STEPS)))
    return light, heavy


def needs(light: int, heavy: int, *, whole: bool) -> tuple[Need, ...]:
    """The collections; with ``whole``, weights, gradients and biases themselves in place of reductions."""
    small = partial(Need, interval=light, first_steps=FIRST_STEPS)
    large = partial(Need, interval=heavy)
    # One each, for a large network has hundreds of them: 0 where all are, and no number where one is none.
    reduced: tuple[str, ...] = () if whole else ("abs_mean",)
    return (
        small("losses", ("[Ll]oss_(?!input).*output",)),
        small("head_outputs", ("^head_outputs$",)),
        small("relu_activity", ("relu_activity$",)),
        small("relu_inputs", ("relu_input_variance$",)),
        small("activation_inputs", ("(?:tanh|sigmoid)_input_0$",)),
        large("gradients", ("^gradient/",), reductions=reduced),
        large("weights", (rf"^(?!gradient|{SAMPLE}).*weight$",), reductions=reduced),
        large("biases", (rf"^(?!gradient|{SAMPLE}).*bias$",), reductions=reduced),
        large("samples", (f"^{SAMPLE}",)),
        Need("data", tuple(f"^{name}$" for name in facts.NAMES), interval=ONCE),
    )
