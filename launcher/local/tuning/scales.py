"""Scales of hyperparameter ranges, and the strings in which SageMaker sends their values.

Optuna knows linear and logarithmic scales. A reversed one is a logarithmic scale of 1 - x: most of its points lie
close below 1, which suits momenta. Auto is documented by AWS as "the best scale for the hyperparameter"; here it
is logarithmic for a range above 0 that spans at least two decades, and linear for any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Kind = Literal["integer", "continuous", "categorical"]

LINEAR, LOGARITHMIC, REVERSE = "Linear", "Logarithmic", "ReverseLogarithmic"
_AUTO_LOGARITHMIC = 100


def scale_of(scaling: str, low: float, high: float) -> str:
    """The scale that ``scaling`` means for a range."""
    if scaling != "Auto":
        return scaling
    return LOGARITHMIC if low > 0 and high / low >= _AUTO_LOGARITHMIC else LINEAR


@dataclass(frozen=True, kw_only=True)
class Range:
    """One hyperparameter's range. Between here and Optuna a value has the unit of its scale."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    scale: str = LINEAR
    choices: tuple[str, ...] = ()

    def distribution(self) -> BaseDistribution:
        """As Optuna's."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "categorical":
            return CategoricalDistribution(self.choices)
        log = self.scale in (LOGARITHMIC, REVERSE)
        if self.kind == "integer":
            return IntDistribution(int(self.low), int(self.high), log=log)
        if self.scale == REVERSE:
            return FloatDistribution(1 - self.high, 1 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=log)

    def text(self, value: Any) -> str:
        """A value of Optuna's as the string that the training job gets."""
        if self.kind == "categorical":
            return str(value)
        if self.kind == "integer":
            return str(int(value))
        number = 1 - float(value) if self.scale == REVERSE else float(value)
        return repr(min(max(number, self.low), self.high))

    def value(self, text: str) -> Any:
        """The string back as a value of Optuna's, or None when it is not in the range."""
        if self.kind == "categorical":
            return text if text in self.choices else None
        try:
            number = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            return None
        if not self.low <= number <= self.high:
            return None
        if self.scale == REVERSE and self.kind == "continuous":
            return min(max(1 - number, 1 - self.high), 1 - self.low)
        return number

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuous range."""
        if self.kind == "continuous":
            return None if self.high > self.low else 1
        return len(set(self.choices)) if self.kind == "categorical" else int(self.high) - int(self.low) + 1

    @property
    def lowest(self) -> str:
        """The lowest or first value."""
        return repr(self.low) if self.size is None else self.texts()[0]

    def texts(self) -> list[str]:
        """Every value of a range that is not continuous."""
        if self.kind == "categorical":
            return list(dict.fromkeys(self.choices))
        if self.kind == "continuous":
            return [repr(self.low)]
        return [str(number) for number in range(int(self.low), int(self.high) + 1)]
