"""Which objects a batch transform job is to take: the pictures under a prefix, and of these what has no answer yet."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from launcher.config.transform import Transform
from launcher.errors import ConfigError, NotFound
from launcher.verbs.prediction import is_picture

SUFFIX = ".out"
Write = Callable[[str, Path], None]
_MB = 1024 * 1024


@dataclass(frozen=True)
class Selection:
    """Keys below the prefix: those to take, in order, and why the others are not taken."""

    keys: tuple[str, ...]
    # Empty files, files that are no pictures by their names, and pictures that have their answers.
    empty: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    # The largest that is taken, and its bytes.
    largest: tuple[str, int] = ("", 0)

    @property
    def whole(self) -> bool:
        """Whether everything under the prefix is taken, so that the prefix alone says what is."""
        return not (self.empty or self.others or self.answered)


def select(objects: Iterable[tuple[str, int]], answers: Collection[str] = ()) -> Selection:
    """Look over the objects under a prefix, keys and bytes; ``answers`` are keys under the output."""
    there = set(answers)
    keys, empty, others, answered = [], [], [], []
    largest = ("", 0)
    for key, size in objects:
        if not is_picture(PurePosixPath(key)):
            others.append(key)
        elif size == 0:
            empty.append(key)
        elif f"{key}{SUFFIX}" in there:
            answered.append(key)
        else:
            keys.append(key)
            largest = max(largest, (key, size), key=lambda each: each[1])
    return Selection(tuple(keys), tuple(empty), tuple(others), tuple(answered), largest)


def check(selection: Selection, transform: Transform) -> None:
    """Refuse what would fail after it has cost something. Raises NotFound and ConfigError."""
    if not selection.keys and selection.answered:
        raise ConfigError(f"All {len(selection.answered)} pictures have their answers at {transform.output} already.")
    if not selection.keys:
        others = f" ({len(selection.others)} files are none by their names)" if selection.others else ""
        raise NotFound(f"There is no picture at {transform.input}{others}; give a folder that holds some.")
    key, size = selection.largest
    if size > transform.payload * _MB:
        raise ConfigError(
            f"{key} has {size / _MB:.1f} MB, and --max-payload is {transform.payload}; raise it (up to 100, with a "
            "smaller --max-concurrent), or take the picture away."
        )


def listed(transform: Transform, selection: Selection, write: Write | None) -> Transform:
    """The job with a manifest of what is selected as its input, written beside its answers by a door's ``write``.

    The job is as it was, and nothing is written, where all under the prefix is selected.
    """
    if selection.whole:
        return transform
    place = f"{transform.output}/{transform.name}.manifest"
    if write:
        with tempfile.NamedTemporaryFile("w", suffix=".manifest", encoding="utf-8") as file:
            json.dump([{"prefix": transform.input}, *selection.keys], file, ensure_ascii=False)
            file.flush()
            write(place, Path(file.name))
    return transform.model_copy(update={"input": place, "listed": True})
