"""Drawings as inline SVG: elements whose attributes and text are escaped as they are made."""

from __future__ import annotations

from html import escape


class Svg(str):
    """Markup that is safe as it stands; Jinja and `element` leave it alone."""

    def __html__(self) -> str:
        return self


def element(tag: str, *children: str, **attributes: str | float | None) -> Svg:
    """`element("text", "a < b", class_="tick", x=1.25)`; an attribute of None is left out.

    An underscore in an attribute's name stands for a hyphen, one at its end for nothing (`class_`).
    """
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_word(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(child if isinstance(child, Svg) else escape(child) for child in children)
    return Svg(f"<{tag}{words}>{inner}</{tag}>")


def _word(value: str | float) -> str:
    # A tenth of a pixel is as fine as anybody sees.
    return escape(value) if isinstance(value, str) else f"{round(value, 1):g}"


def path(points: list[tuple[float, float]]) -> str:
    """The `d` of straight lines through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def shortened(text: str, pixels: float, *, per_character: float = 6.6) -> str:
    """Text cut with an ellipsis to about so many pixels."""
    room = max(2, int(pixels / per_character))
    return text if len(text) <= room else text[: room - 1] + "…"
