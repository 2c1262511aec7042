"""The head's outputs: a ReLU on them is the fault that once trained 133 classes to 1 % and nobody was told.

Ours, not AWS's: DeadRelu, AllZero and LossNotDecreasing look here to name it.
"""

from __future__ import annotations

import math

import numpy as np

from container.train.rules.steps import Array, Step

# The first input of a loss is what the network says; its second, the labels.
REGEX = r"[Ll]oss_input_0$"

# Exact zeros among logits come from a ReLU and from nothing else; a few might be chance.
SUSPICIOUS_ZEROS = 0.1


def head_outputs(step: Step) -> list[str]:
    """The tensors that hold the head's raw outputs (N, K)."""
    return step.matching([REGEX], ["head_outputs"])


def never_negative(outputs: Array) -> bool:
    """Whether no output is negative and a tenth or more are exactly zero."""
    return bool(outputs.size and outputs.min() >= 0 and np.mean(outputs == 0) >= SUSPICIOUS_ZEROS)


def rectified(outputs: Array) -> bool:
    """``never_negative``, with something positive: a head that begins at zero gives zeros too, once."""
    return never_negative(outputs) and bool(outputs.max() > 0)


def sentence(outputs: Array) -> str:
    """What to say of outputs behind a ReLU."""
    zeros = 100.0 * float(np.mean(outputs == 0))
    amount = "mostly" if zeros >= 50 else "often"
    return (
        f"The network's outputs are never negative and {amount} zero ({zeros:.0f} %): a ReLU stands on the logits; "
        "remove the activation after the last layer, since the loss takes raw logits."
    )


def guessing(loss: float, outputs: Array | None) -> int | None:
    """The number of classes K where ``loss`` is ln K to a hundredth, the cost of guessing; None where it is not."""
    if outputs is None or outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    classes = int(outputs.shape[1])
    return classes if abs(loss - math.log(classes)) <= 0.01 * math.log(classes) else None
