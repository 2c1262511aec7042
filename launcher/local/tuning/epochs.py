"""How many epochs a trial has, when its hyperparameters say."""

from __future__ import annotations

from collections.abc import Mapping

# Where AWS looks for Hyperband's MaxResource.
NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


def epochs_of(hyperparameters: Mapping[str, str]) -> int | None:
    """The number of epochs, or None. Values may be JSON strings, as the Python SDK writes them."""
    for name in NAMES:
        text = hyperparameters.get(name, "").strip('"')
        if text.isdecimal():
            return int(text)
    return None
