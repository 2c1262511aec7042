"""Running a training job or an endpoint before a person's eyes; `train`, `deploy` and `demo` share it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from container.common.durations import span
from launcher.cli.console import on_terminal, print_json, public, say, stderr, suggest
from launcher.cli.watching import follow, let_go
from launcher.errors import INTERRUPTED
from launcher.kept import save_config
from launcher.opening import DoorWords
from launcher.verbs import endpoints, rules, training

if TYPE_CHECKING:
    from launcher.config import RunConfig
    from launcher.doors import Door


def place_words(where: DoorWords, door: Door | None = None, name: str = "") -> str:
    """The options that lead back to the same place: none when it is the usual one.

    What ``door`` has as ``name`` in AWS, while this machine has something of that name too, is led to by its region.
    """
    if door and door.kind == "aws" and where.known_here(name):
        where = replace(where, region=door.region)
    words = f" --state {shlex.quote(str(where.state))}" if where.state != Path(".sagemaker") else ""
    words += f" --region {where.region}" if where.region else ""
    return words + (f" --profile {where.profile}" if where.profile else "")


def engine_words(door: Door, where: DoorWords) -> str:
    """The option that starts something behind the same door, by the engine that was insisted on."""
    insisted = f" {where.local}" if where.local in ("docker", "process") else ""
    return f" --local{insisted}" if door.kind == "local" else ""


def run_training(door: Door, config: RunConfig, where: DoorWords, *, wait: bool, as_json: bool) -> None:
    """Start a job, follow it to its end, print what came of it; raises JobFailed or JobStopped."""
    assert config.training is not None
    name = training.start(door, config.training)
    save_config(config, where.state)
    back = place_words(where, door, name)
    if not wait:
        print_json(public(training.describe(door, name))) if as_json else click.echo(name)
        suggest(f"launch.py logs {name} -f{back}", f"launch.py status {name}{back}")
        return
    try:
        description = follow(training.watch(door, name))
    except KeyboardInterrupt:
        let_go(name, back)
        raise click.exceptions.Exit(INTERRUPTED) from None
    training.conclude(description)
    report_training(door, description, as_json=as_json, back=back)
    suggest(
        f"launch.py report {name} --open{back}",
        f"launch.py deploy --job {name}{engine_words(door, where)}{back}",
    )


def report_training(door: Door, description: training.Description, *, as_json: bool, back: str = "") -> None:
    """A completed job: its metrics, its model, and what its rules found; ``back`` as place_words() has it."""
    if as_json:
        print_json(public(description))
        return
    for metric, value in training.metrics(description).items():
        if metric.startswith(("validation:", "test:")):
            click.echo(f"{metric} {value:g}")
    click.echo(f"model {description['ModelArtifacts']['S3ModelArtifacts']}")
    say(f"Completed in {span(description.get('TrainingTimeInSeconds', 0))}.")
    if door.kind == "aws":
        say_billed([description])
    watched = rules.summary(rules.states(door, description), description["TrainingJobName"] + back)
    if watched:
        say(watched)


def say_price(where: DoorWords, estimate: Callable[..., str], asked: object) -> None:
    """What AWS would be paid for what is only shown, in the region that is set; nothing is asked for that."""
    from launcher.aws.prices import REGION
    from launcher.aws.session import find_region

    if not where.local:
        say(estimate(asked, region=find_region(where.region, where.profile) or REGION))


def say_billed(descriptions: list[training.Description]) -> None:
    """What AWS was paid for, as far as it says so."""
    from launcher.verbs import cost

    said = cost.billed(descriptions)
    if said:
        say(said)


def run_endpoint(door: Door, config: RunConfig, where: DoorWords, *, wait: bool, as_json: bool) -> None:
    """Make or update an endpoint and wait until it answers; raises JobFailed when it does not come up."""
    endpoint = config.endpoint
    assert endpoint is not None
    name = endpoints.start(door, endpoint)
    save_config(config, where.state)
    back = place_words(where, door, name)
    if not wait:
        print_json(public(endpoints.describe(door, name))) if as_json else click.echo(name)
        suggest(f"launch.py status {name}{back}")
        return
    try:
        await_endpoint(door, name)
    except KeyboardInterrupt:
        let_go(name, back, kind="endpoint")
        if endpoint.hosting.scaling:
            say("Its autoscaling is not set up; deploy it again with --endpoint to have it.")
        raise click.exceptions.Exit(INTERRUPTED) from None
    description = endpoints.finish(door, endpoint)
    if as_json:
        print_json(public(description))
    else:
        click.echo(name)
    suggest(f"launch.py predict {name}{back} PICTURE.jpg", f"launch.py delete {name}{back}")


def await_endpoint(door: Door, name: str) -> None:
    """Show an endpoint coming up."""
    if not on_terminal():
        for status, message in endpoints.watch(door, name):
            say(f"{status}: {message}" if message else status)
        return
    with stderr().status("Creating") as spinner:
        for status, message in endpoints.watch(door, name):
            spinner.update(f"{status}: {message}" if message else status)
    say(f"{endpoints.describe(door, name)['EndpointStatus']}: {name}")
