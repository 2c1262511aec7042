"""Plots as PNG, for front ends that show no pages: a job's curves, a search's trials."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from launcher.verbs.tuning import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Epoch = Mapping[str, float]

# Inches, and dots an inch.
_SIZE, _DENSITY = (4.2, 3.0), 110
_CURVES = ("loss", "accuracy")


@dataclass(frozen=True)
class Plot:
    """A picture that a notebook shows."""

    png: bytes = field(repr=False)

    def _repr_png_(self) -> bytes:
        return self.png


def curves(epochs: Sequence[Epoch]) -> Plot:
    """Loss and accuracy of training and validation, epoch by epoch."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(len(_CURVES))
    for axes, quantity in zip(figure.axes, _CURVES, strict=True):
        for split in ("train", "validation"):
            points = [(each["epoch"], each[name]) for each in epochs if (name := f"{split}:{quantity}") in each]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=split)
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.lines:
            axes.legend()
    return _drawn(figure)


def trials(found: Sequence[Trial], metric: str) -> Plot:
    """The objective against each tuned hyperparameter; the best trial is ringed."""
    measured = [trial for trial in found if trial.objective is not None]
    names = list(dict.fromkeys(name for trial in measured for name in trial.values))
    figure = _figure(max(1, len(names)))
    for axes, name in zip(figure.axes, names, strict=False):
        shown = [trial for trial in measured if name in trial.values]
        values, numbers = _values([trial.values[name] for trial in shown])
        objectives = [float(trial.objective or 0.0) for trial in shown]
        axes.scatter(values, objectives)
        for value, objective, trial in zip(values, objectives, shown, strict=True):
            if trial.best:
                axes.scatter([value], [objective], s=160, facecolors="none", edgecolors="C1")
        if numbers and min(numbers) > 0 and max(numbers) / min(numbers) > 10:
            axes.set_xscale("log")
        axes.set(xlabel=name, ylabel=metric)
    return _drawn(figure)


def _values(words: Sequence[str]) -> tuple[list[Any], list[float]]:
    """Numbers where all are, else the words themselves."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return [word.strip('"') for word in words], []
    return numbers, numbers


def _figure(count: int) -> Figure:
    # Not pyplot, which keeps every figure and asks for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0] * count, _SIZE[1]), dpi=_DENSITY, layout="constrained")
    figure.subplots(1, count)
    return figure


def _drawn(figure: Figure) -> Plot:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return Plot(data.getvalue())
