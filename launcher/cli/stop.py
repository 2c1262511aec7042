"""launch.py stop"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from launcher.cli.options import Verb, door_options
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.doors import Door


@click.command(cls=Verb)
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Ask, and return at once.")
@click.option("--transform", "only_transform", is_flag=True,
              help="The transform job of that name, where another job has it too.")  # fmt: skip
@door_options()
def command(where: DoorWords, name: str, *, no_wait: bool, only_transform: bool) -> None:
    """Stop the search or the job NAME; a training job writes a last checkpoint first."""
    from launcher.cli.console import suggest
    from launcher.cli.running import place_words

    door = where.open_for(name)
    stop = _stop_transform if only_transform else _meant(door, name)
    stop(door, name, no_wait=no_wait)
    suggest(f"launch.py status {name}{place_words(where)}")


def _meant(door: Door, name: str) -> Callable[..., None]:
    """What stops the one that is meant: of several of a name, the first that has not ended. Raises NotFound."""
    from launcher.cli.console import say
    from launcher.errors import LauncherError, NotFound
    from launcher.sagemaker import TRAINING_ENDED, TRANSFORM_ENDED, TUNING_ENDED
    from launcher.verbs import endpoints, training, transforms, tuning

    ended: Callable[..., None] | None = None
    with suppress(NotFound):
        if training.describe(door, name)["TrainingJobStatus"] not in TRAINING_ENDED:
            return _stop_training
        ended = _stop_training
    with suppress(NotFound):
        status = tuning.describe(door, name)["HyperParameterTuningJobStatus"]
        if status not in TUNING_ENDED or tuning.running(door, name):
            return _stop_search
        ended = _stop_search
    transform = transforms.status(door, name, say=say)
    if transform and transform not in TRANSFORM_ENDED:
        if ended:
            say(f"What else is called {name} has ended; the transform job is stopped.")
        return _stop_transform
    if ended:
        return ended
    if endpoints.exists(door, name):
        raise LauncherError(f"'{name}' is an endpoint, which ends by `launch.py delete {name}`.")
    if transform:
        return _stop_transform
    raise NotFound(f"There is no search or job '{name}'; `launch.py status` lists what there is.")


def _stop_training(door: Door, name: str, *, no_wait: bool) -> None:
    from launcher.cli.console import say
    from launcher.sagemaker import TRAINING_ENDED
    from launcher.verbs import training

    status = training.stop(door, name)
    if status in TRAINING_ENDED:
        say(f"Training job {name} had ended already.")
    elif not no_wait:
        for event in training.watch(door, name, follow=False):
            if isinstance(event, training.Ended):
                status = str(event.description["TrainingJobStatus"])
    click.echo(f"{name} {status}")


def _stop_transform(door: Door, name: str, *, no_wait: bool) -> None:
    from launcher.cli.console import say
    from launcher.sagemaker import TRANSFORM_ENDED
    from launcher.verbs import transforms
    from launcher.verbs.training import Ended

    status = transforms.stop(door, name)
    if status in TRANSFORM_ENDED:
        say(f"Transform job {name} had ended already.")
    elif not no_wait:
        for event in transforms.watch(door, name, follow=False):
            if isinstance(event, Ended):
                status = str(event.description["TransformJobStatus"])
    click.echo(f"{name} {status}")


def _stop_search(door: Door, name: str, *, no_wait: bool) -> None:
    from launcher.cli.console import say
    from launcher.sagemaker import TUNING_ENDED
    from launcher.verbs import tuning

    status = tuning.stop(door, name)
    left = tuning.running(door, name) if status in TUNING_ENDED else []
    if left:
        _stop_trials(door, name, left, no_wait=no_wait)
    elif status in TUNING_ENDED:
        say(f"Search {name} had ended already.")
    elif not no_wait:
        for look in tuning.watch(door, name):
            status = look.description["HyperParameterTuningJobStatus"]
    click.echo(f"{name} {status}")


def _stop_trials(door: Door, search: str, names: list[str], *, no_wait: bool) -> None:
    """Stop what a search that nobody looks after any more has left running."""
    from launcher.cli.console import say
    from launcher.verbs import training

    say(f"Search {search} has ended, and {len(names)} of its trials run still; they are stopped.")
    for name in names:
        training.stop(door, name)
    for name in () if no_wait else names:
        for event in training.watch(door, name, follow=False):
            if isinstance(event, training.Ended):
                say(f"  {name} {event.description['TrainingJobStatus']}")
