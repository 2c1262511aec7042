"""What pages draw: scales, marks and their elements."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from container.common.charts import plots
from container.common.charts.scales import Category, Linear, Logarithmic, ReverseLogarithmic, around
from container.common.charts.svg import element, shortened


def test_words_on_an_axis_of_many_values_do_not_overlap() -> None:
    axes = [plots.Axis(label="x", scale=Category([f"word {n}" for n in range(30)]))] * 2
    ticks = re.findall(r'y="([0-9.]+)" class="tick over"', plots.parallel(axes, []))
    heights = sorted(float(y) for y in ticks)
    assert len(ticks) > 20 and all(
        below - above >= 12.9 for above, below in zip(heights[::2], heights[2::2], strict=False)
    )
    level = [float(x) for x in re.findall(r'x="([0-9.]+)" y="46" class="tick', plots.parallel_level(axes, []))]
    assert 2 < len(level) < 30 and all(b - a > 30 for a, b in pairwise(level))


@pytest.mark.parametrize(
    ("scale", "labels", "middle"),
    [
        (Linear(0, 10), ["0", "2", "4", "6", "8", "10"], 5),
        (Linear(1, 3, whole=True), ["1", "2", "3"], 2),
        (Logarithmic(0.0001, 0.1), ["0.0001", "0.001", "0.01", "0.1"], 10**-2.5),
        (Logarithmic(16, 64), ["20", "50"], 32),
        (ReverseLogarithmic(0.9, 0.999), ["0.9", "0.99", "0.999"], 0.99),
        (Category(("a", "", "b")), ["a", "(empty)", "b"], ""),
    ],
)
def test_a_scale_places_its_values_and_names_them(scale: Any, labels: list[str], middle: float | str) -> None:
    ticks = scale.ticks()
    assert [tick.label for tick in ticks] == labels
    assert all(-1e-9 <= tick.at <= 1 + 1e-9 for tick in ticks)
    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)
    assert scale.place(middle) == pytest.approx(0.5)
    assert scale.place("of another kind") is None


def test_a_scale_of_a_single_value_has_a_place_for_it() -> None:
    for scale in (Linear(3, 3), Logarithmic(3, 3), ReverseLogarithmic(0.5, 0.5), around([0.0]), around([7.0, 7.0])):
        values = (3.0, 0.5, 0.0, 7.0)
        assert any(scale.place(value) == pytest.approx(0.5) for value in values) and scale.ticks()


def test_a_loss_that_exploded_does_not_flatten_the_others() -> None:
    assert isinstance(around([0.1, 0.2, 1e6]), Logarithmic)
    assert isinstance(around([0.1, 0.2]), Linear)


def test_the_best_so_far_never_gets_worse() -> None:
    points = [plots.Point(x=x, y=y, mark="dot", title="") for x, y in enumerate((1.0, 3.0, 2.0, 4.0), start=1)]
    axis = plots.Axis(label="trial", scale=Linear(1, 4)), plots.Axis(label="score", scale=Linear(0, 5))
    drawn = plots.scatter(points, *axis, steps=True)
    (line,) = re.findall(r'd="M([^"]*)" class="so-far"', drawn)
    heights = [float(corner.split()[1]) for corner in line.split("L")]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 3, "up is less in a picture"


def test_elements_escape_what_they_are_given() -> None:
    assert (
        element("text", "a<b", x=1.26, class_="n", title='"') == '<text x="1.3" class="n" title="&quot;">a&lt;b</text>'
    )
    assert shortened("abcdefgh", 20, per_character=5) == "abc…"
