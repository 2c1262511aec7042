"""Following a job or an endpoint: a live bar on a terminal, plain lines elsewhere, Ctrl-C lets go."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from container.common.metrics import Progress, parse_line, parse_progress
from launcher.cli.console import on_terminal, say, stderr
from launcher.verbs.training import Description, Ended, Event, Logged, Moved

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

# Off a terminal, a progress line so often at most.
PLAIN_SECONDS = 10.0

# The time left is reckoned from the speed over so long.
_SPEED_SECONDS = 90.0

# What stays in the log and off the screen: SageMaker's toolkit's own doings, and rules without a finding, which are
# counted at the end.
_CHATTER = re.compile(r"sagemaker-training-toolkit INFO|^\[rules\] \w+ NoIssuesFound$")


class View(Protocol):
    """Shows events."""

    def moved(self, status: str, message: str) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def epoch(self, line: str, values: dict[str, float]) -> None: ...
    def line(self, line: str) -> None: ...
    def close(self) -> None: ...


class PlainView:
    """Lines, for files and pipes."""

    def __init__(self, write: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._last = -PLAIN_SECONDS
        self._stage = ""

    def moved(self, status: str, message: str) -> None:
        """A state."""
        self._write(f"{status}: {message}" if message else status)

    def progress(self, progress: Progress) -> None:
        """Now and then, and at each new stage."""
        now = self._clock()
        if now - self._last >= PLAIN_SECONDS or progress.stage != self._stage:
            self._last, self._stage = now, progress.stage
            self._write(f"  {summary(progress)}")

    def epoch(self, line: str, values: dict[str, float]) -> None:
        """A metrics line as it stands."""
        self._write(f"  {line}")

    def line(self, line: str) -> None:
        """A log line."""
        self._write(f"  {line}")

    def close(self) -> None:
        """Nothing is held."""


class LiveView:
    """One bar that is redrawn, with states, epochs and log lines running above it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar: Bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=stderr(),
            transient=True,
            speed_estimate_period=_SPEED_SECONDS,
        )
        self._task = self._bar.add_task("starting", total=None, note="")
        self._stages: dict[tuple[str, int], TaskID] = {}
        self._bar.start()

    def moved(self, status: str, message: str) -> None:
        """A state."""
        self._print(f"[bold]{status}[/bold]: {_escaped(message)}" if message else status)
        self._bar.update(self._task, description=status.lower(), note="")

    def progress(self, progress: Progress) -> None:
        """The bar."""
        stage = (progress.stage, progress.rounds)
        done, total = overall(progress)
        # A stage is a task of its own, so that the time left is measured from its own speed. It is kept while
        # another shows: training goes on after each epoch's evaluation, whose time its own estimate includes.
        task = self._stages.get(stage)
        if task is None:
            task = self._stages[stage] = self._bar.add_task(progress.stage, total=total, completed=int(done), note="")
        if task != self._task:
            self._bar.update(self._task, visible=False)
            self._bar.update(task, visible=True)
            self._task = task
        name = progress.stage + (f" {progress.round}/{progress.rounds}" if progress.rounds else "")
        self._bar.update(self._task, completed=done, total=total, description=name, note=notes(progress))

    def epoch(self, line: str, values: dict[str, float]) -> None:
        """A metrics line."""
        self._print(f"  [cyan]{_escaped(line)}[/cyan]")

    def line(self, line: str) -> None:
        """A log line."""
        self._print(f"  [dim]{_escaped(line)}[/dim]")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _print(self, text: str) -> None:
        self._bar.console.print(text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def overall(progress: Progress) -> tuple[float, float]:
    """Done and total over all rounds, so that the time left is that of the stage and not of the epoch."""
    rounds = max(progress.rounds, 1)
    return progress.done + max(progress.round - 1, 0) * progress.total, progress.total * rounds


def notes(progress: Progress) -> str:
    """Speed, loss and accuracy, as far as they are known."""
    parts = [f"{progress.rate:.0f} images/s"] if progress.rate else []
    parts += [f"loss {progress.loss:.3f}"] if progress.loss is not None else []
    parts += [f"accuracy {progress.accuracy:.3f}"] if progress.accuracy is not None else []
    return " ".join(parts)


def summary(progress: Progress) -> str:
    """One line for a log."""
    where = f" {progress.round}/{progress.rounds}" if progress.rounds else ""
    return f"{progress.stage}{where}: {progress.done} of {progress.total} images  {notes(progress)}".rstrip()


def open_view() -> View:
    """The view that suits where standard error goes."""
    return LiveView() if on_terminal() else PlainView()


def follow(events: Iterable[Event], view: View | None = None) -> Description:
    """Show a training job's events until its end; its description then. Ctrl-C passes through."""
    shown = view or open_view()
    try:
        for event in events:
            if isinstance(event, Ended):
                return event.description
            show(event, shown)
    finally:
        shown.close()
    raise AssertionError("watch() ends with Ended")


def show(event: Event, view: View) -> None:
    """Show one event."""
    if isinstance(event, Moved):
        view.moved(event.status, event.message)
    elif isinstance(event, Logged):
        progress = parse_progress(event.line)
        values = {} if progress else parse_line(event.line)
        if progress:
            view.progress(progress)
        elif values:
            view.epoch(event.line, values)
        elif event.line.strip() and not _CHATTER.search(event.line):
            view.line(event.line)


def let_go(name: str, where: str, *, kind: str = "job", which: str = "", local: bool = False) -> None:
    """What to say when a person stops watching: the work goes on. ``which`` is the option that tells the job from
    others of its name.
    """
    hints = [
        (f"logs {name} -f{which}{where}", "comes back to it"),
        (f"status {name}{where}", "says where it is"),
        (f"{'delete' if kind == 'endpoint' else 'stop'} {name}{which}{where}", "ends it"),
    ]
    if kind == "search" and local:
        hints.append((f"tune --resume {name}{where}", "goes on with it then"))
    width = max(len(words) for words, _ in hints)
    lines = [f"  launch.py {words:<{width}}   {what}" for words, what in hints]
    say("\n".join([f"\nNo longer watching; the {kind} {name} goes on.", *lines]))
