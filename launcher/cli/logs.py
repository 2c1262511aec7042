"""launch.py logs"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launcher.cli.options import Verb, door_options
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.doors import Door


@click.command(cls=Verb)
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on until its end, with a bar or a table on a terminal.")
@click.option("--endpoint", "only_endpoint", is_flag=True, help="The endpoint of that name, where a job has it too.")
@click.option("--transform", "only_transform", is_flag=True,
              help="The transform job of that name, where another job has it too.")  # fmt: skip
@door_options()
def command(*, where: DoorWords, name: str, follow: bool, only_endpoint: bool, only_transform: bool) -> None:
    """Show the log of the job or endpoint NAME, or the trials of the search NAME."""
    from launcher.cli.console import say
    from launcher.errors import INTERRUPTED, NotFound
    from launcher.verbs import training, transforms, tuning
    from launcher.verbs.logs import LogFollower

    if only_endpoint and only_transform:
        raise click.UsageError("Give either --endpoint or --transform.")
    door = where.open_for(name)
    if only_transform:
        transforms.describe(door, name)
        _transform_log(where, door, name, follow=follow)
        return
    is_job = not only_endpoint
    if is_job:
        try:
            training.describe(door, name)
        except NotFound:
            is_job = False
    if not is_job and not only_endpoint and tuning.exists(door, name):
        _trials(where, door, name, follow=follow)
        return
    if not is_job and not only_endpoint and transforms.exists(door, name, say=say):
        _transform_log(where, door, name, follow=follow)
        return
    if not is_job:
        _endpoint_log(where, name, follow=follow)
        return
    if not follow:
        for line in LogFollower.of_job(door.logs, name).lines():
            click.echo(line)
        return
    from launcher.cli.running import place_words, report_training
    from launcher.cli.watching import follow as follow_job
    from launcher.cli.watching import let_go

    try:
        description = follow_job(training.watch(door, name))
    except KeyboardInterrupt:
        let_go(name, place_words(where))
        raise click.exceptions.Exit(INTERRUPTED) from None
    report_training(door, training.conclude(description), as_json=False, back=place_words(where))


def _trials(where: DoorWords, door: Door, name: str, *, follow: bool) -> None:
    """A search has no log of its own: what its trials came to, and which of their logs to read."""
    from launcher.cli.console import suggest
    from launcher.cli.running import place_words
    from launcher.cli.searching import watch_tuning
    from launcher.cli.trials import PlainView
    from launcher.verbs import tuning

    if follow:
        watch_tuning(door, name, where, as_json=False)
        return
    look = tuning.Observer(door, name).look()
    PlainView(click.echo).look(look)
    telling = [trial for trial in look.trials if not trial.ended or trial.best or trial.status == "Failed"]
    suggest(*(f"launch.py logs {trial.name}{place_words(where)}" for trial in (telling or look.trials)[-3:]))


def _transform_log(where: DoorWords, door: Door, name: str, *, follow: bool) -> None:
    from launcher.cli.transforming import watch_transform
    from launcher.verbs.logs import LogFollower

    if follow:
        watch_transform(door, name, where, as_json=False)
        return
    for line in LogFollower.of_transform(door.logs, name).lines():
        click.echo(line)


def _endpoint_log(where: DoorWords, name: str, *, follow: bool) -> None:
    import time

    from launcher.errors import NotFound
    from launcher.verbs import endpoints
    from launcher.verbs.logs import LogFollower

    door = where.open_for(name)
    try:
        endpoints.describe(door, name)
    except NotFound as exc:
        raise NotFound(
            f"There is no search, job or endpoint '{name}'; `launch.py status` lists what there is."
        ) from exc
    follower = LogFollower.of_endpoint(door.logs, name)
    while True:
        try:
            status = endpoints.describe(door, name)["EndpointStatus"]
        except NotFound:
            return
        for line in follower.lines():
            click.echo(line)
        if not follow or status == "Failed":
            return
        time.sleep(door.interval)
