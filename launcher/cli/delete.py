"""launch.py delete"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from launcher.cli.options import Verb, door_options
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.doors import Door
    from launcher.verbs.clearing import Plan

# Where what was asked for of a kind is kept.
_CONFIGS: dict[str, Literal["training-jobs", "tuning-jobs", "transform-jobs", "endpoints"]] = {
    "training job": "training-jobs", "tuning job": "tuning-jobs", "transform job": "transform-jobs",
    "endpoint": "endpoints",
}  # fmt: skip

_STAYS = {
    "aws": "What they wrote to S3 stays (models, checkpoints, captured requests), their logs in CloudWatch, and the "
           "images in ECR.",
    "local": "Models and other outputs of theirs stay where they were written, in {state}/output unless told another "
             "place.",
}  # fmt: skip


@click.command(cls=Verb)
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that is on this machine (with --local), or all that was "
              "started in AWS from here (with --aws); what trains still stays.")  # fmt: skip
@click.option("--aws", is_flag=True, help="With --all: in AWS.")
@click.option(
    "--job", "only_job", is_flag=True,
    help="The training job of that name, where an endpoint, a search or a transform job has it too.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before deleting a job, a search with its trials, or all.")
@door_options()
def command(*, where: DoorWords, name: str | None, everything: bool, aws: bool, only_job: bool, yes: bool) -> None:
    """Delete the endpoint NAME with what `deploy` made for it, or an ended search or job of that name."""
    from launcher.cli.console import say
    from launcher.errors import NotFound
    from launcher.kept import forget_config
    from launcher.verbs import endpoints, transforms, tuning

    if everything == (name is not None):
        raise click.UsageError("Give either a NAME or --all.")
    if name is None:
        _delete_all(where, aws=aws or where.names_aws, yes=yes)
        return
    door = where.open_for(name)
    if not only_job:
        try:
            deletion = endpoints.delete(door, name)
        except NotFound:
            deletion = None
        if deletion:
            forget_config("endpoints", name, where.state)
            click.echo("deleted " + ", ".join(deletion.gone))
            if deletion.kept:
                say(f"Kept {', '.join(deletion.kept)}: not made by `launch.py deploy` for this endpoint alone.")
            return
        if tuning.exists(door, name):
            _delete_search(where, door, name, yes=yes)
            return
        if transforms.exists(door, name, say=say):
            _delete_transform(where, door, name, yes=yes)
            return
    _delete_job(where, name, yes=yes)


def _delete_all(where: DoorWords, *, aws: bool, yes: bool) -> None:
    from launcher.aws.ledger import Ledger
    from launcher.cli.console import say
    from launcher.errors import AwsError
    from launcher.kept import forget_config
    from launcher.verbs import clearing, listing

    if aws == bool(where.local):
        raise click.UsageError("--all needs to know where: give either --local or --aws.")
    door, ledger = where.open(), Ledger(where.state)
    # The trials of a search go with it.
    limit = 1_000_000
    found = (
        listing.recorded(door, ledger.there(door.region), limit=limit) if aws else listing.everything(door, limit=limit)
    )
    plan = clearing.plan(found.rows)
    if found.unseen:
        say(found.unseen)
    place = f"in {door.region}" if aws else "on this machine"
    _tell(plan, place, yes=yes)
    faults = 0
    for row, each in clearing.clear(door, plan, ledger):
        if each.gone:
            if row["kind"] in _CONFIGS:
                forget_config(_CONFIGS[row["kind"]], row["name"], where.state)
            click.echo(f"deleted {each.gone}")
        if each.kept:
            say(f"Kept {each.kept}: not made by `launch.py deploy` for this endpoint alone.")
        if each.fault:
            faults += 1
            say(f"Not deleted: {each.fault}")
    if plan.going:
        say(_STAYS["aws" if aws else "local"].format(state=where.state))
    if faults:
        raise AwsError(f"{faults} of {len(plan.going)} could not be deleted; the lines above say why.")


def _tell(plan: Plan, place: str, *, yes: bool) -> None:
    """What stays, what goes and what is forgotten; asked about unless ``yes``."""
    from launcher.cli.console import confirm, say

    for row in plan.running:
        say(f"{row['kind'].capitalize()} {row['name']} is {row['status']} and stays; `launch.py stop {row['name']}` "
            "ends it.")  # fmt: skip
    for row in plan.gone:
        say(f"{row['kind'].capitalize()} {row['name']} is gone, or another account's than these credentials, and will "
            "be forgotten here.")  # fmt: skip
    if not plan.going:
        say(f"Nothing to delete {place}.")
    if yes or not (plan.going or plan.gone):
        return
    for row in plan.going:
        parts = ", with its configurations and models" if row["kind"] == "endpoint" else ""
        say(f"  {row['kind']} {row['name']} ({row['status']}){parts}")
    forgotten = f", and forget the {len(plan.gone)} that are gone" if plan.gone else ""
    these = "this" if len(plan.going) == 1 else f"these {len(plan.going)}"
    confirm(f"Delete {these} {place}{forgotten}?")


def _delete_search(where: DoorWords, door: Door, name: str, *, yes: bool) -> None:
    from launcher.cli.console import confirm, say
    from launcher.errors import LauncherError
    from launcher.kept import forget_config
    from launcher.sagemaker import TUNING_ENDED
    from launcher.verbs import tuning

    description = tuning.describe(door, name)
    status = description["HyperParameterTuningJobStatus"]
    if status not in TUNING_ENDED:
        raise LauncherError(f"Search {name} is {status}; stop it first with `launch.py stop {name}`.")
    count = len(tuning.deletable(door, name))
    if not yes:
        confirm(
            f"Delete the search {name} ({status}) and its {tuning.counted(count)} with their logs and working files?"
        )
    gone = tuning.delete(door, name)
    forget_config("tuning-jobs", name, where.state)
    click.echo(f"deleted tuning job {name} and its {tuning.counted(len(gone))}")
    say(f"The trials' models stay under {description['TrainingJobDefinition']['OutputDataConfig']['S3OutputPath']}")


def _delete_transform(where: DoorWords, door: Door, name: str, *, yes: bool) -> None:
    from launcher.cli.console import confirm, say
    from launcher.errors import LauncherError
    from launcher.kept import forget_config
    from launcher.sagemaker import TRANSFORM_ENDED
    from launcher.verbs import transforms

    description = transforms.describe(door, name)
    status = description["TransformJobStatus"]
    if status not in TRANSFORM_ENDED:
        raise LauncherError(f"Transform job {name} is {status}; stop it first with `launch.py stop {name}`.")
    if not yes:
        model = transforms.own_model(door, description)
        if door.kind == "local":
            parts = f"its model {model}, its log" if model else "its log"
            confirm(f"Delete the transform job {name} ({status}) with {parts} and working files?")
        else:
            parts = f", and delete its model {model}" if model else ""
            confirm(f"Forget the transform job {name} ({status}), which AWS keeps with its log{parts}?")
    gone = transforms.delete(door, name)
    forget_config("transform-jobs", name, where.state)
    click.echo(f"deleted {', '.join(gone)}")
    say(f"Its answers stay at {description['TransformOutput']['S3OutputPath']}")


def _delete_job(where: DoorWords, name: str, *, yes: bool) -> None:
    from launcher.cli.console import confirm, say
    from launcher.errors import LauncherError, NotFound
    from launcher.kept import forget_config
    from launcher.local.layout import own_checkpoints
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
    checkpoints = own_checkpoints(description) if door.kind == "local" else None
    kept = checkpoints if checkpoints and _holds_any(checkpoints) else None
    if not yes:
        parts = "its log, checkpoints" if kept else "its log"
        confirm(f"Delete the training job {name} ({status}) with {parts} and working files?")
    door.sagemaker.delete_training_job(TrainingJobName=name)
    forget_config("training-jobs", name, where.state)
    click.echo(f"deleted training job {name}")
    model = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if model:
        say(f"Its model stays at {model}")
    if kept:
        say(f"Its checkpoints {f'stay at {kept}, where another job is' if _holds_any(kept) else 'are gone with it'}.")


def _holds_any(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
