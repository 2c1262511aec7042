"""A search before a person's eyes: a table of trials that is redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from container.common.durations import span
from launcher.cli.console import on_terminal, say, stderr
from launcher.sagemaker import TRAINING_ENDED
from launcher.verbs.tuning import Look, Trial, objective_of

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_BEST = "★"
# What the table needs beside its rows: borders, header, title, and what said so much above it.
_FRAME = 6
# What a column takes beside its text.
_GAP = 3


class View(Protocol):
    """Shows a search."""

    def look(self, look: Look) -> None: ...
    def close(self) -> None: ...


def columns(look: Look) -> list[str]:
    """The table's header: number, each tuned hyperparameter, epoch, objective, status, duration."""
    return ["trial", *tuned(look), "epoch", objective_of(look.description), "status", "for"]


def tuned(look: Look) -> list[str]:
    """Names of the tuned hyperparameters, in the request's order."""
    ranges = look.description["HyperParameterTuningJobConfig"].get("ParameterRanges", {})
    return [each["Name"] for kind in ranges.values() for each in kind]


def row(trial: Trial, names: Sequence[str]) -> list[str]:
    """A trial's line of the table; the best one is starred."""
    return [
        f"{trial.number}{' ' + _BEST if trial.best else ''}",
        *(_short(trial.values.get(name, "")) for name in names),
        "" if trial.epoch is None else str(trial.epoch),
        "" if trial.objective is None else f"{trial.objective:.4g}",
        trial.status,
        span(trial.seconds),
    ]


def _short(value: str) -> str:
    """A value to four digits, since the search's have seventeen."""
    value = value.strip('"')
    try:
        return value if len(value) <= 6 else f"{float(value):.4g}"
    except ValueError:
        return value


def headline(look: Look) -> str:
    """One line on the whole search."""
    description = look.description
    config = description["HyperParameterTuningJobConfig"]
    goal = config["HyperParameterTuningJobObjective"]["Type"].lower()
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    ended = sum(trial.ended for trial in look.trials)
    running = len(look.trials) - ended
    parts = [
        f"{description['HyperParameterTuningJobName']}: {description['HyperParameterTuningJobStatus']}",
        f"{config['Strategy']}, {goal} {objective_of(description)}",
        f"{ended} of {most} trials ended" if most else f"{ended} trials ended",
    ]
    return ", ".join(parts + ([f"{running} running"] if running else []))


def fitting(trials: Sequence[Trial], most: int) -> list[Trial]:
    """As many trials as there is room for: the best and the newest, in their order."""
    if len(trials) <= most:
        return list(trials)
    best = [trial for trial in trials if trial.best]
    newest = [trial for trial in trials if not trial.best][-max(most - len(best), 1) :]
    return sorted([*best, *newest], key=lambda trial: trial.number)


class PlainView:
    """A line when a trial starts and one when it ends, for files and pipes; ``known`` is what was told before."""

    def __init__(self, write: Callable[[str], None] = say, *, known: Look | None = None) -> None:
        self._write = write
        self._status = {trial.name: trial.status for trial in known.trials} if known else {}

    def look(self, look: Look) -> None:
        """What is new since the last look."""
        for trial in look.trials:
            before = self._status.get(trial.name)
            if before is None or (before in TRAINING_ENDED and not trial.ended):
                again = "" if before is None else " again"
                self._write(f"  trial {trial.number} started{again}: {_values(trial)}")
            if trial.status != before and trial.ended:
                self._write(f"  trial {trial.number} {_ending(trial, objective_of(look.description))}")
            self._status[trial.name] = trial.status

    def close(self) -> None:
        """Nothing is held."""


def _values(trial: Trial) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in trial.values.items())


def _ending(trial: Trial, objective: str) -> str:
    found = f"{objective} {trial.objective:.4g}" if trial.objective is not None else f"no {objective}"
    epochs = f" after {trial.epoch} epoch{'s' * (trial.epoch != 1)}" if trial.epoch is not None else ""
    reason = f": {trial.reason}" if trial.reason else ""
    best = ", the best so far" if trial.best else ""
    return f"{trial.status} in {span(trial.seconds)}: {found}{epochs}{best}{reason}"


class LiveView:
    """The table, redrawn in its place; at the end it stays, with all of its rows.

    Of the trials that had failed in ``known``, the reasons were told before.
    """

    def __init__(self, *, known: Look | None = None) -> None:
        from rich.live import Live

        self._live: Live = Live(console=stderr(), auto_refresh=False, vertical_overflow="visible")
        self._live.start()
        self._last: Look | None = None
        self._told = {trial.name for trial in known.trials if trial.status == "Failed"} if known else set()

    def look(self, look: Look) -> None:
        """Draw it anew; a failed trial's reason is said above, once."""
        for trial in look.trials:
            if trial.status == "Failed" and trial.name not in self._told:
                self._told.add(trial.name)
                self._live.console.print(f"  trial {trial.number} failed: {trial.reason}", markup=False)
        self._last = look
        title = len(_title(look, 0, stderr().width))
        room = max(stderr().height - _FRAME - (title - 1), 3)
        self._live.update(_table(look, fitting(look.trials, room), stderr().width), refresh=True)

    def close(self) -> None:
        """Leave the whole table where it is."""
        if self._last is not None:
            self._live.update(_table(self._last, self._last.trials, stderr().width), refresh=True)
        self._live.stop()


def _table(look: Look, shown: Sequence[Trial], width: int) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = "\n".join(_title(look, len(look.trials) - len(shown), width))
    header, names = columns(look), tuned(look)
    rows = [row(trial, names) for trial in shown]
    kept = narrowed([header, *rows], width - 2)
    table = Table(box=box.SIMPLE, title=escape(title), title_justify="left", title_style="bold", pad_edge=False)
    for index in kept:
        table.add_column(escape(header[index]), justify="left" if header[index] == "status" else "right", no_wrap=True)
    styles = {"Failed": "red", "Stopped": "dim", "InProgress": "cyan"}
    for trial, cells in zip(shown, rows, strict=True):
        style = "bold green" if trial.best else styles.get(trial.status)
        table.add_row(*(escape(cells[index]) for index in kept), style=style)
    return table


def _title(look: Look, left_out: int, width: int) -> list[str]:
    """The headline in as many lines as ``width`` needs: rich would cut it off."""
    return textwrap.wrap(headline(look) + (f" ({left_out} not shown)" if left_out else ""), max(width - 2, 20))


def narrowed(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns that ``width`` has room for, as whole as they are.

    The duration makes way first, then the epoch, then the last of the tuned values and so on; a trial's number, its
    objective and its status stay.
    """
    widths = [max(len(cells[index]) for cells in rows) + _GAP for index in range(len(rows[0]))]
    kept = list(range(len(widths)))
    duration, epoch = kept[-1], kept[-4]
    for index in (duration, epoch, *reversed(kept[1:-4])):
        if sum(widths[each] for each in kept) - _GAP <= width:
            break
        kept.remove(index)
    return kept


def open_view(known: Look | None = None) -> View:
    """The view that suits where standard error goes; ``known`` is what was told before."""
    return LiveView(known=known) if on_terminal() else PlainView(known=known)


def follow(looks: Iterable[Look], view: View | None = None) -> Look:
    """Show a search until its end; the last look then. Ctrl-C passes through."""
    shown = view or open_view()
    last: Look | None = None
    try:
        for look in looks:
            last = look
            shown.look(look)
    finally:
        shown.close()
    assert last is not None, "watch() looks once at least"
    return last


def document(look: Look) -> dict[str, Any]:
    """A search for --json: its description, and its trials."""
    from dataclasses import asdict

    from launcher.cli.console import public

    return {**public(look.description), "Trials": [asdict(trial) for trial in look.trials]}
