"""What a person sees: sentences on standard error, tables on standard output, a bar on a terminal."""

from __future__ import annotations

import json
import re
import shlex
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.cli.hiding import without_secrets

if TYPE_CHECKING:
    from rich.console import Console

# What commands begin with in all texts.
PROGRAM = "launch.py"


@cache
def stderr() -> Console:
    """Where progress goes; rich heeds NO_COLOR and TERM itself."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A sentence of progress."""
    click.echo(as_called(text), err=True)


def as_called(text: str) -> str:
    """``text`` with the commands in it as a person can paste them: `.venv/bin/python launch.py status` and the like."""
    from launcher.cli.root import VERBS

    caller = shlex.join(_called(tuple(sys.argv), tuple(sys.orig_argv)))
    return re.sub(rf"(?<![\w./-]){PROGRAM}(?= (?:{'|'.join(VERBS)})\b)", lambda _: caller, text)


def _called(argv: tuple[str, ...], whole: tuple[str, ...]) -> tuple[str, ...]:
    """The words before the verb; the program's name alone when it was not started as a file of that name."""
    if Path(argv[0]).name != PROGRAM or argv[0] not in whole:
        return (PROGRAM,)
    return whole[: whole.index(argv[0]) + 1]


def suggest(*commands: str) -> None:
    """The next commands."""
    say("Next: " + "\n      ".join(commands))


def print_json(document: Any) -> None:
    """JSON on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def confirm(question: str) -> None:
    """Ask, and go on after a yes only. Raises click.Abort, and ConfigError where nobody can be asked."""
    if not sys.stdin.isatty():
        from launcher.errors import ConfigError

        raise ConfigError(f"{question} Nobody can answer here, for this is no terminal; say so with --yes.")
    click.confirm(question, abort=True, err=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, plain text in aligned columns; it reads as well in a file."""
    widths = [max(_cells(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, *rows]:
        line = "  ".join(cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _cells(text: str) -> int:
    """The cells of a terminal that ``text`` takes: Chinese, Japanese and Korean characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def public(description: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without boto3's metadata, and without the secrets in its environment."""
    return dict(without_secrets({key: value for key, value in description.items() if key != "ResponseMetadata"}))


def on_terminal() -> bool:
    """Whether standard error is a terminal that can redraw a line."""
    return sys.stderr.isatty() and stderr().is_terminal and not stderr().is_dumb_terminal
