"""launch.py delete"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launcher.cli.options import DoorWords, Verb, door_options

if TYPE_CHECKING:
    from launcher.doors import Door


@click.command(cls=Verb)
@click.argument("name")
@click.option(
    "--job", "only_job", is_flag=True, help="The training job of that name, where an endpoint or a search has it too."
)
@click.option("--yes", is_flag=True, help="Do not ask before deleting a job's folder, or a search's and its trials'.")
@door_options()
def command(where: DoorWords, name: str, only_job: bool, yes: bool) -> None:
    """Delete the endpoint NAME with what `deploy` made for it, or an ended search or training job of that name."""
    from launcher.cli.console import say
    from launcher.cli.running import forget_config
    from launcher.errors import NotFound
    from launcher.verbs import endpoints, tuning

    door = where.open_for(name)
    if not only_job:
        try:
            deletion = endpoints.delete(door, name)
        except NotFound:
            deletion = None
        if deletion:
            forget_config("endpoints", name, where)
            click.echo("deleted " + ", ".join(deletion.gone))
            if deletion.kept:
                say(f"Kept {', '.join(deletion.kept)}: not made by `launch.py deploy` for this endpoint alone.")
            return
        if tuning.exists(door, name):
            _delete_search(where, door, name, yes=yes)
            return
    _delete_job(where, name, yes=yes)


def _delete_search(where: DoorWords, door: Door, name: str, *, yes: bool) -> None:
    from launcher.cli.console import confirm, say
    from launcher.cli.running import forget_config
    from launcher.errors import LauncherError
    from launcher.sagemaker import TUNING_ENDED
    from launcher.verbs import tuning

    description = tuning.describe(door, name)
    status = description["HyperParameterTuningJobStatus"]
    if status not in TUNING_ENDED:
        raise LauncherError(f"Search {name} is {status}; stop it first with `launch.py stop {name}`.")
    count = len(tuning.deletable(door, name))
    if not yes:
        confirm(f"Delete the search {name} ({status}) and its {count} trials with their logs and working files?")
    gone = tuning.delete(door, name)
    forget_config("tuning-jobs", name, where)
    click.echo(f"deleted tuning job {name} and its {len(gone)} trials")
    say(f"The trials' models stay under {description['TrainingJobDefinition']['OutputDataConfig']['S3OutputPath']}")


def _delete_job(where: DoorWords, name: str, *, yes: bool) -> None:
    from launcher.cli.console import confirm, say
    from launcher.cli.running import forget_config
    from launcher.errors import LauncherError, NotFound
    from launcher.sagemaker import TRAINING_ENDED
    from launcher.verbs import training

    door = where.open_for(name)
    try:
        description = training.describe(door, name)
    except NotFound as exc:
        raise NotFound(
            f"There is no search, job or endpoint '{name}'; `launch.py status` lists what there is."
        ) from exc
    status = description["TrainingJobStatus"]
    if status not in TRAINING_ENDED:
        raise LauncherError(f"Training job {name} is {status}; stop it first with `launch.py stop {name}`.")
    if not yes:
        confirm(f"Delete the training job {name} ({status}) with its log and working files?")
    door.sagemaker.delete_training_job(TrainingJobName=name)
    forget_config("training-jobs", name, where)
    click.echo(f"deleted training job {name}")
    model = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if model:
        say(f"Its model stays at {model}")
