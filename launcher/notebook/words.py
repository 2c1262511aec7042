"""From keywords to the words that the command line gathers: its options by name, and hyperparameters for the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container.common.hyperparameters import NAMES
from container.common.names import did_you_mean, nearest
from launcher.config.hosting import Hosting
from launcher.config.managed import Managed, Shielded
from launcher.config.presets import text_of
from launcher.config.transform_words import TransformWords
from launcher.config.tuning_words import TuneWords
from launcher.config.words import DeployWords, TrainWords, checked
from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.notebook.shown import Data
    from launcher.verbs.models import Found

# Options whose words have other names.
_OPTIONS = {
    "channel": "channels", "env": "environment", "instances": "instance_count", "max_concurrent": "concurrent",
    "max_payload": "payload", "range": "ranges", "tag": "tags", "variant": "variants",
}  # fmt: skip
# What the verbs themselves take, and may be mistyped too.
_PARAMETERS = {"name", "preset", "where"}
_MANAGED, _SHIELDED = set(Managed.model_fields), set(Shielded.model_fields)
# As launcher.config.hosting_words has them, which makes the field ``scaling`` of a word.
_HOSTING = {*Hosting.model_fields, "autoscale", "capture_to"} - {"scaling"}
_UPDATING = {"canary", "alarms"}
_TRAINING = {each.name for each in fields(TrainWords)}
_TUNING = set(TuneWords.model_fields) - {"training"}
_DEPLOYING = {each.name for each in fields(DeployWords)} - {"name", "model_data"}
_TRANSFORMING = {each.name for each in fields(TransformWords)} - {"input", "model_data", "model_name"}


def train_words(data: Data | str | Path | None, words: Mapping[str, Any]) -> TrainWords:
    """The flags of `train`; what is none of them is a hyperparameter, which the schema judges. Raises ConfigError."""
    given, rest = _sorted(words, _TRAINING, managed=_MANAGED)
    _refuse(rest, _TRAINING | _MANAGED, NAMES)
    values = {name: text_of(value) for name, value in rest.items()}
    if "channels" in given:
        given["channels"] = {name: str(place) for name, place in given["channels"].items()}
    hyperparameters = {**values, **given.pop("hyperparameters", {})}
    folder = None if data is None else os.fspath(data)
    return TrainWords(data=folder, hyperparameters=hyperparameters, **given)


def tune_words(data: Data | str | Path | None, words: Mapping[str, Any]) -> TuneWords:
    """The flags of `tune`; a range may be a list of values. Raises ConfigError."""
    given, shared = _sorted(words, _TUNING)
    _refuse(shared, _TUNING | _TRAINING | _MANAGED, NAMES)
    ranges = {name: text_of(value) for name, value in given.pop("ranges", {}).items()}
    return checked(TuneWords, training=train_words(data, shared), ranges=ranges, **given)


def deploy_words(name: str, model: str, words: Mapping[str, Any]) -> DeployWords:
    """The flags of `deploy`. Raises ConfigError."""
    given, rest = _sorted(words, _DEPLOYING, hosting=_HOSTING)
    _refuse(rest, _DEPLOYING | _HOSTING)
    if "now" not in given and not _UPDATING.isdisjoint(given.get("hosting", ())):
        raise ConfigError("canary and alarms are of an update, which `launch.py deploy --endpoint NAME` makes.")
    return DeployWords(name=name, model_data=model, **given)


def transform_words(pictures: str | Path, model: Found, words: Mapping[str, Any]) -> TransformWords:
    """The flags of `transform`. Raises ConfigError."""
    given, rest = _sorted(words, _TRANSFORMING, managed=_SHIELDED)
    _refuse(rest, _TRANSFORMING | _SHIELDED)
    return TransformWords(input=str(pictures), model_data=model.model_data, model_name=model.model_name, **given)


def _sorted(words: Mapping[str, Any], own: set[str], **within: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A verb's ``own`` words, those ``within`` one of them put there, and the rest."""
    known = own.union(*within.values())
    named = {_OPTIONS[name] if _OPTIONS.get(name) in known else name: value for name, value in words.items()}
    given = {name: value for name, value in named.items() if name in own}
    for word, names in within.items():
        # None and empty are what was not given.
        if found := {name: value for name, value in named.items() if name in names and value}:
            given[word] = {**given.get(word, {}), **found}
    return given, {name: value for name, value in named.items() if name not in known}


def _refuse(rest: Iterable[str], known: set[str], others: Iterable[str] = ()) -> None:
    """Raise ConfigError for what is no option; what looks more like one of the ``others`` is judged as such later."""
    options = {*_PARAMETERS, *known, *(option for option, word in _OPTIONS.items() if word in known)}
    for name in set(rest) - options:
        if not others or nearest(name, [*others, *options]) in options:
            raise ConfigError(f"There is no option '{name}'.{did_you_mean(name, options)}")
