"""Ranges: which values a search may give a hyperparameter, as AWS's ParameterRanges say it.

    read_range("lr", "0.001:0.1:Logarithmic")    # Continuous: lr is a number
    read_range("epochs", "3:5")                  # Integer: epochs is a whole one
    read_range("batch-size", "16,32,64")         # Categorical; "512,64;256;" where the values have commas

The kind follows from the hyperparameter schema, and every value is one that the schema allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

from container.common import hyperparameters
from container.common.errors import HyperparameterError
from container.common.names import did_you_mean
from launcher.config.frozen import Frozen
from launcher.errors import ConfigError

Scaling = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]
SCALINGS: tuple[Scaling, ...] = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
MOST_VALUES = 30  # of a categorical range, in AWS

# A hyperparameter of several numbers, such as dropout, is given one for all of them.
_KINDS: dict[str, Literal["Integer", "Continuous"]] = {
    "int": "Integer",
    "tuple[int, ...]": "Integer",
    "float": "Continuous",
    "tuple[float, ...]": "Continuous",
}
_TYPES = {f.name.replace("_", "-"): str(f.type) for f in fields(hyperparameters.Hyperparameters)}
_BOUNDS = re.compile(r"([^:,;]+):([^:,;]+)(?::([A-Za-z]+))?")


class Numbers(Frozen):
    """All numbers between two, bounds included; bounds are strings, as SageMaker takes them."""

    name: str
    kind: Literal["Integer", "Continuous"]
    minimum: str
    maximum: str
    scaling: Scaling = "Auto"

    def __str__(self) -> str:
        scaling = "" if self.scaling == "Auto" else f" {self.scaling}"
        return f"{self.name} {self.minimum} to {self.maximum}{scaling}"


class Choices(Frozen):
    """One of the listed values."""

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        shown = " | ".join(value or '""' for value in self.values)
        return f"{self.name} {shown}"


Range = Numbers | Choices


def read_range(name: str, text: str) -> Range:
    """A range as a flag writes it: MIN:MAX[:SCALE], or values with commas or semicolons. Raises ConfigError."""
    name = schema_name(name)
    bounds = _BOUNDS.fullmatch(text.strip())
    if bounds:
        return _numbers(name, bounds[1].strip(), bounds[2].strip(), bounds[3] or "Auto")
    if ":" in text:
        raise ConfigError(
            f"The range of '{name}' cannot be read from '{text}'; write MIN:MAX, MIN:MAX:SCALE or the values with "
            "commas between."
        )
    return _choices(name, [value.strip() for value in text.split(";" if ";" in text else ",")])


def preset_range(name: str, value: Any) -> Range:
    """A range as a preset writes it: {min: …, max: …, scale: …} or a list of values. Raises ConfigError."""
    name = schema_name(name)
    if isinstance(value, Mapping):
        unknown = [str(key) for key in value if key not in ("min", "max", "scale")]
        if unknown or "min" not in value or "max" not in value:
            wrong = f"'{unknown[0]}' is unknown" if unknown else "min or max is missing"
            raise ConfigError(f"The range of '{name}' cannot be used: {wrong}; write {{min: …, max: …, scale: …}}.")
        return _numbers(name, _text(value["min"]), _text(value["max"]), str(value.get("scale", "Auto")))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _choices(name, [_text(each) for each in value])
    return read_range(name, _text(value))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def schema_name(name: str) -> str:
    """The hyperparameter's name as the schema writes it. Raises ConfigError for one that it does not know."""
    found = name.replace("_", "-")
    if found in hyperparameters.NAMES:
        return found
    try:
        hyperparameters.parse({name: ""})
    except HyperparameterError as exc:
        raise ConfigError(f"A range is given for what cannot be tuned: {exc}") from exc
    raise ConfigError(f"A range is given for '{name}', which SageMaker itself sets; tune one of our own.")


def _numbers(name: str, low: str, high: str, scale: str) -> Numbers:
    kind = _KINDS.get(_TYPES[name])
    if kind is None:
        raise ConfigError(f"'{name}' is no number and has no range from {low} to {high}; list its values with commas.")
    minimum, maximum = (_bound(name, bound, kind) for bound in (low, high))
    scaling = _scaling(name, scale)
    least, most = float(minimum), float(maximum)
    if least > most:
        raise ConfigError(f"The range of '{name}' begins at {minimum}, above its end at {maximum}; swap the two.")
    if least == most:
        raise ConfigError(f"The range of '{name}' holds {minimum} alone; fix it with --{name} {minimum} instead.")
    if scaling == "Logarithmic" and least <= 0:
        raise ConfigError(
            f"The range of '{name}' begins at {minimum}, which has no logarithm; begin above 0, or choose Linear."
        )
    if scaling == "ReverseLogarithmic" and not (least >= 0 and most < 1):
        raise ConfigError(
            f"The range of '{name}' is {minimum} to {maximum}, and ReverseLogarithmic is for 0 <= x < 1; choose Linear."
        )
    return Numbers(name=name, kind=kind, minimum=minimum, maximum=maximum, scaling=scaling)


def _bound(name: str, text: str, kind: str) -> str:
    _allowed(name, text)
    try:
        number = float(text)
    except ValueError as exc:
        raise ConfigError(f"The range of '{name}' has '{text}' for a bound; a number is expected.") from exc
    return str(int(number)) if kind == "Integer" else repr(number)


def _scaling(name: str, word: str) -> Scaling:
    """A scale by its name or the beginning of it, such as log, in any case."""
    found = [scaling for scaling in SCALINGS if scaling.lower().startswith(word.lower())]
    if len(found) != 1:
        raise ConfigError(f"The range of '{name}' has no scale '{word}'.{did_you_mean(word, SCALINGS)}")
    return found[0]


def _choices(name: str, values: Sequence[str]) -> Choices:
    for value in values:
        _allowed(name, value)
    if len(set(values)) < len(values):
        twice = next(value for value in values if list(values).count(value) > 1)
        raise ConfigError(f"The range of '{name}' lists '{twice}' twice; list each value once.")
    if len(values) < 2:
        only = values[0] if values else ""
        raise ConfigError(f"The range of '{name}' holds '{only}' alone; fix it with --{name} instead, or list more.")
    if len(values) > MOST_VALUES:
        raise ConfigError(f"The range of '{name}' lists {len(values)} values, and AWS takes {MOST_VALUES} at most.")
    return Choices(name=name, values=tuple(values))


def _allowed(name: str, value: str) -> None:
    try:
        hyperparameters.parse({name: value})
    except HyperparameterError as exc:
        raise ConfigError(f"The range of '{name}' cannot be used: {exc}") from exc
