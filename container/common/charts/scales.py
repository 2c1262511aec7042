"""Scales: where between 0 and 1 a value stands on its axis, and which values are written there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Value = float | str

# How a value that is no characters at all is shown.
EMPTY = "(empty)"

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
# More powers of ten than this are thinned.
_POWERS = 6


@dataclass(frozen=True)
class Tick:
    """A value written on an axis; ``at`` is its place, 0 to 1."""

    at: float
    label: str


class Scale(Protocol):
    """An axis."""

    def place(self, value: Value) -> float | None:
        """0 at the low end, 1 at the high end; None for what has no place here."""

    def ticks(self) -> list[Tick]:
        """Values to write, from low to high."""


@dataclass(frozen=True)
class Linear:
    """Equal steps."""

    low: float
    high: float
    # Whole numbers only.
    whole: bool = False
    wanted: int = 5

    def place(self, value: Value) -> float | None:
        number = _number(value)
        if number is None:
            return None
        return (number - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def ticks(self) -> list[Tick]:
        values = _even(self.low, self.high, self.wanted, whole=self.whole)
        return [Tick(place, short(value)) for value in values if (place := self.place(value)) is not None]


@dataclass(frozen=True)
class Logarithmic:
    """Equal factors; both ends above 0."""

    low: float
    high: float
    whole: bool = False

    def place(self, value: Value) -> float | None:
        number = _number(value)
        if number is None or number <= 0:
            return None
        return math.log(number / self.low) / math.log(self.high / self.low) if self.high > self.low else 0.5

    def ticks(self) -> list[Tick]:
        return [Tick(place, short(value)) for value in self._values() if (place := self.place(value)) is not None]

    def _values(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        powers = [10.0**n for n in range(first, last + 1) if self._within(10.0**n)]
        if len(powers) > _POWERS:
            return powers[:: math.ceil(len(powers) / _POWERS)]
        if len(powers) > 2:
            return powers
        finer = [m * 10.0**n for n in range(first, last + 1) for m in (1, 2, 5) if self._within(m * 10.0**n)]
        return finer if len(finer) > 1 else _even(self.low, self.high, 3, whole=self.whole)

    def _within(self, value: float) -> bool:
        return self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)


@dataclass(frozen=True)
class ReverseLogarithmic:
    """Equal factors of the distance from 1, as suits 0.9, 0.99, 0.999; both ends from 0 to below 1."""

    low: float
    high: float

    @property
    def _mirror(self) -> Logarithmic:
        return Logarithmic(1 - self.high, 1 - self.low)

    def place(self, value: Value) -> float | None:
        number = _number(value)
        mirrored = self._mirror.place(1 - number) if number is not None else None
        return None if mirrored is None else 1 - mirrored

    def ticks(self) -> list[Tick]:
        return [Tick(1 - tick.at, short(1 - float(tick.label))) for tick in reversed(self._mirror.ticks())]


@dataclass(frozen=True)
class Category:
    """One place a word, evenly spread."""

    values: Sequence[str]

    def place(self, value: Value) -> float | None:
        return (self.values.index(str(value)) + 0.5) / len(self.values) if str(value) in self.values else None

    def ticks(self) -> list[Tick]:
        return [Tick((index + 0.5) / len(self.values), value or EMPTY) for index, value in enumerate(self.values)]


def around(values: Sequence[float]) -> Scale:
    """A scale that shows all of ``values`` with some air; logarithmic where they differ a hundredfold."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= 100:
        air = (high / low) ** 0.05
        return Logarithmic(low / air, high * air)
    distance = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return Linear(low - distance, high + distance)


def short(value: float) -> str:
    """A number as it stands on an axis: 0.003, 1e-05, 20000."""
    text = f"{value:.6g}"
    return "0" if text == "-0" else text


def _even(low: float, high: float, wanted: int, *, whole: bool) -> list[float]:
    """Round numbers at even steps."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(each * size for each in _STEPS if each * size >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _number(value: Value) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
