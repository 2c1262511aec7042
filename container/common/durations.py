"""Durations as people say them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


# A time is shown in the largest unit of which there are at least two.
_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def unit(longest: float) -> tuple[str, float]:
    """The unit that an axis of so many seconds is drawn in, and how many seconds it has."""
    return next((each for each in _UNITS if longest >= 2 * each[1]), _UNITS[-1])
