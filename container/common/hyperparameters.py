"""Hyperparameters, read the same by the training container and the launcher; the schema is ``container.common.schema``.

SageMaker sends every hyperparameter as a string. ``parse`` turns them into one frozen object
and refuses what it does not know, naming the nearest known name:

    >>> parse({"lr": "0.01", "head": "256"}).head
    (256,)
    >>> parse({"learning-rate": "0.01"})
    Traceback (most recent call last):
    container.common.errors.HyperparameterError: Unknown hyperparameter 'learning-rate'. Did you mean 'lr'?

Names are written with hyphens; underscores are read as hyphens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from container.common.errors import HyperparameterError
from container.common.names import nearest
from container.common.schema import ATTRIBUTES, NAMES, Description, Hyperparameters, describe
from container.common.schema import text as as_text

__all__ = ["NAMES", "RESERVED", "Description", "Hyperparameters", "describe", "parse"]

# Set by SageMaker, its toolkit or its Python SDK, and not ours to judge.
RESERVED = ("sagemaker_", "_tuning_objective_metric", "_kfold", "_num_samples")


def parse(strings: Mapping[str, Any]) -> Hyperparameters:
    """Read hyperparameters as SageMaker sends them (or JSON-decoded, as its toolkit hands them on).

    Raises HyperparameterError for an unknown name or a value that cannot be used.
    """
    values: dict[str, Any] = {}
    for raw_name, raw in strings.items():
        if raw_name.startswith(RESERVED):
            continue
        name = raw_name.replace("_", "-")
        if name not in ATTRIBUTES:
            raise HyperparameterError(f"Unknown hyperparameter '{raw_name}'.{_suggestion(name)}")
        if ATTRIBUTES[name] in values:
            raise HyperparameterError(
                f"Hyperparameter '{name}' is given twice, with a hyphen and with an underscore; keep one."
            )
        values[ATTRIBUTES[name]] = _parse_value(name, raw)
    return Hyperparameters(**values)


# What others call ours, for the error's suggestion only.
_SYNONYMS = {
    "learning-rate": "lr",
    "epoch": "epochs",
    "batch": "batch-size",
    "train-batch-size": "batch-size",
    "arch": "model",
    "architecture": "model",
    "network": "model",
    "model-name": "model",
    "pretrained": "weights",
    "wd": "weight-decay",
    "opt": "optimizer",
    "scheduler": "schedule",
    "hidden": "head",
    "hidden-units": "head",
    "patience": "early-stopping-patience",
    "size": "image-size",
    "num-workers": "workers",
    "random-seed": "seed",
    "fp16": "amp",
    "bf16": "amp",
    "augmentation": "augment",
    "gray": "grayscale",
    "beta1": "momentum",
}


def _suggestion(name: str) -> str:
    # Others' names may be mistyped too.
    guess = nearest(name, [*NAMES, *_SYNONYMS])
    if guess is None:
        return f" All {len(NAMES)} are listed by `launch.py train --help`."
    return f" Did you mean '{_SYNONYMS.get(guess, guess)}'?"


def _parse_value(name: str, raw: Any) -> Any:
    spec = next(f for f in fields(Hyperparameters) if f.name == ATTRIBUTES[name])
    text = raw.strip() if isinstance(raw, str) else _decoded_text(raw)
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _unquoted(text)
    try:
        return spec.metadata["parse"](text)
    except (ValueError, OverflowError) as exc:
        why = str(exc) if "could not convert" not in str(exc) else "a number is expected"
        raise HyperparameterError(
            f"Hyperparameter '{name}' cannot be {text!r}: {why} (allowed: {spec.metadata['values']})."
        ) from exc


def _unquoted(text: str) -> str:
    """A JSON string, as the Python SDK encodes one: its quotes, and any escaped within, are taken off."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _decoded_text(raw: Any) -> str:
    if isinstance(raw, (list, tuple)):
        return ",".join(str(v) for v in raw)
    return "" if raw is None else as_text(raw)
