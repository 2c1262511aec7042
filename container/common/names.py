"""The words "did you mean" is made of: the nearest known name to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name in ``known`` most like ``word``, or None when nothing is as like it as ``cutoff`` (1 is equal)."""
    normal = {name.replace("_", "-").lower(): name for name in known}
    found = difflib.get_close_matches(word.replace("_", "-").lower(), list(normal), n=1, cutoff=cutoff)
    return normal[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to end an error with: " Did you mean 'lr'?", or the whole list when nothing is near."""
    names = sorted(known)
    guess = nearest(word, names)
    return f" Did you mean '{guess}'?" if guess else f" Known: {', '.join(names)}."
