"""The space a search looks in: all its ranges together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher.local.tuning.scales import Range, scale_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# What a trial is given, as SageMaker writes it.
Values = dict[str, str]

_ATTEMPTS = 30


@dataclass(frozen=True)
class Space:
    """The ranges of a search."""

    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Space:
        """From HyperParameterTuningJobConfig."""
        given = config.get("ParameterRanges", {})
        return cls(
            (
                *(_numeric(each, "integer") for each in given.get("IntegerParameterRanges", [])),
                *(_numeric(each, "continuous") for each in given.get("ContinuousParameterRanges", [])),
                *(
                    Range(name=each["Name"], kind="categorical", choices=tuple(each["Values"]))
                    for each in given.get("CategoricalParameterRanges", [])
                ),
            )
        )

    def distributions(self) -> dict[str, BaseDistribution]:
        """As Optuna's."""
        return {each.name: each.distribution() for each in self.ranges}

    def texts(self, params: Mapping[str, Any]) -> Values:
        """Optuna's values as SageMaker's strings."""
        return {each.name: each.text(params[each.name]) for each in self.ranges}

    def params(self, values: Mapping[str, str]) -> dict[str, Any] | None:
        """SageMaker's strings as Optuna's values; None when one is missing or out of its range."""
        found = {each.name: each.value(values.get(each.name, "")) for each in self.ranges}
        return None if None in found.values() else found

    @property
    def size(self) -> int | None:
        """How many combinations there are; None when a range is continuous."""
        sizes = [each.size for each in self.ranges]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def combinations(self) -> Iterator[Values]:
        """Every combination of ranges that are not continuous."""
        names = [each.name for each in self.ranges]
        for combination in itertools.product(*(each.texts() for each in self.ranges)):
            yield dict(zip(names, combination, strict=True))

    def untried(self, tried: Iterable[Values], draw: Callable[[int], Values]) -> Values | None:
        """What ``draw(attempt)`` gives, drawn again while it was tried before; None when everything was.

        The same values trained twice tell nothing new.
        """
        before = [dict(each) for each in tried]
        for attempt in range(_ATTEMPTS):
            values = draw(attempt)
            if values not in before:
                return values
        if self.size is None:
            return values
        return next((each for each in self.combinations() if each not in before), None)


def _numeric(given: Mapping[str, Any], kind: Any) -> Range:
    low, high = float(given["MinValue"]), float(given["MaxValue"])
    scale = scale_of(given.get("ScalingType", "Auto"), low, high)
    return Range(name=given["Name"], kind=kind, low=low, high=high, scale=scale)
