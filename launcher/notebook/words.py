"""From keywords to the words that the command line gathers: its options by name, and hyperparameters for the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.config.presets import text_of
from launcher.config.tuning_words import TuneWords
from launcher.config.words import TrainWords, checked

if TYPE_CHECKING:
    from launcher.notebook.shown import Data

_TRAINING = {each.name for each in fields(TrainWords)}
_TUNING = set(TuneWords.model_fields) - {"training"}


def train_words(data: Data | str | Path | None, words: Mapping[str, Any]) -> TrainWords:
    """The flags of `train`; what is none of them is a hyperparameter, which the schema judges."""
    given = {name: value for name, value in words.items() if name in _TRAINING}
    values = {name: text_of(value) for name, value in words.items() if name not in _TRAINING}
    if "channels" in given:
        given["channels"] = {name: str(place) for name, place in given["channels"].items()}
    hyperparameters = {**values, **given.pop("hyperparameters", {})}
    folder = None if data is None else os.fspath(data)
    return TrainWords(data=folder, hyperparameters=hyperparameters, **given)


def tune_words(data: Data | str | Path | None, words: Mapping[str, Any]) -> TuneWords:
    """The flags of `tune`; a range may be a list of values. Raises ConfigError."""
    given = {name: value for name, value in words.items() if name in _TUNING}
    ranges = {name: text_of(value) for name, value in given.pop("ranges", {}).items()}
    shared = {name: value for name, value in words.items() if name not in _TUNING}
    return checked(TuneWords, training=train_words(data, shared), ranges=ranges, **given)
