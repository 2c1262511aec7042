"""Running a batch transform job before a person's eyes, and what came of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from launcher.cli.console import print_json, public, say, suggest
from launcher.cli.failures import translated
from launcher.cli.running import place_words
from launcher.cli.watching import follow, let_go
from launcher.errors import INTERRUPTED
from launcher.kept import save_config
from launcher.verbs import answers, cost, named, training, transforms, tuning

if TYPE_CHECKING:
    from launcher.config import RunConfig
    from launcher.doors import Door
    from launcher.opening import DoorWords
    from launcher.verbs.selection import NothingLeft


def run_transform(
    door: Door, config: RunConfig, where: DoorWords, *, wait: bool, as_json: bool, score: bool = False
) -> None:
    """Start a job, follow it to its end, print what came of it; raises JobFailed or JobStopped."""
    assert config.transform is not None
    name = transforms.start(door, config.transform, say=say)
    save_config(config, where.state)
    back = place_words(where, door, name)
    if not wait:
        print_json(public(transforms.describe(door, name))) if as_json else click.echo(name)
        suggest(f"launch.py logs {name} -f{_meant(door, name)}{back}", f"launch.py status {name}{back}")
        return
    watch_transform(door, name, where, as_json=as_json, score=score)


def watch_transform(door: Door, name: str, where: DoorWords, *, as_json: bool, score: bool = False) -> None:
    """Follow a job to its end and print what came of it, however it ended; raises JobFailed or JobStopped."""
    back = place_words(where, door, name)
    try:
        description = follow(transforms.watch(door, name))
    except KeyboardInterrupt:
        let_go(name, back, which=_meant(door, name))
        raise click.exceptions.Exit(INTERRUPTED) from None
    report_transform(door, description, as_json=as_json, score=score)
    transforms.conclude(description)
    suggest(f"launch.py delete {name}{back}")


def _meant(door: Door, name: str) -> str:
    """The option that tells the transform job from another job of its name; nothing where there is none.

    AWS is not asked: its answer would keep who has pressed Ctrl-C waiting.
    """
    if door.kind == "aws":
        return ""
    others = (training.describe, tuning.describe)
    return " --transform" if any(named.exists(partial(look, door, name)) for look in others) else ""


def report_standing(door: Door, nothing: NothingLeft, *, as_json: bool, score: bool) -> None:
    """That there is nothing left to do, and what answers lie there."""
    say(str(nothing))
    found = answers.standing(door, nothing.transform, nothing.keys, score=score)
    _print(found, {}, as_json=as_json)


def report_transform(door: Door, description: transforms.Description, *, as_json: bool, score: bool) -> None:
    """How many, how long, how well, and where; of a job that has not completed, as far as that can be told."""
    try:
        found = answers.result(door, description, score=score)
    except Exception as exc:
        fault = translated(exc)
        if fault is None or description["TransformJobStatus"] == "Completed":
            raise
        # Why it ended is what a person must hear of, and comes next.
        say(f"What it has answered cannot be told: {fault}")
        if as_json:
            print_json(public(description))
        return
    _print(found, description, as_json=as_json)
    if door.kind == "aws" and (said := cost.of_transformed(description, found.seconds)):
        say(said)


def _print(found: answers.Transformed, description: transforms.Description, *, as_json: bool) -> None:
    if as_json:
        print_json({**public(description), "Result": found.document()})
    else:
        for name, value in found.rows():
            click.echo(f"{name:<9} {value}")
    if found.unscored:
        say(found.unscored)
