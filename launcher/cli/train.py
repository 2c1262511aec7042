"""launch.py train"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from container.common.hyperparameters import Description as Hyperparameter
from container.common.hyperparameters import describe
from launcher.cli.options import DoorWords, Verb, door_options, json_option, pairs

_PREFIX = "hyperparameter:"


class TrainCommand(Verb):
    """Shows the hyperparameters in sections of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            group = _GROUPS.get(param.name or "")
            (groups.setdefault(group, []) if group else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        for group, records in groups.items():
            with formatter.section(f"Hyperparameters: {group}"):
                formatter.write_dl(records)


def _parameter_name(name: str) -> str:
    return "hp_" + name.replace("-", "_")


_GROUPS = {_parameter_name(each.name): each.group for each in describe()}


def _hyperparameter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option a hyperparameter, from the schema."""
    for each in reversed(describe()):
        function = click.option(
            f"--{each.name}", _parameter_name(each.name), metavar="VALUE", help=_help(each), default=None
        )(function)
    return function


def _help(each: Hyperparameter) -> str:
    return f"{each.help}  [{each.values}; default: {each.default or 'empty'}]"


@click.command(cls=TrainCommand)
@click.option("--preset", help="A recipe by name (launcher/presets), or the path of a YAML file. Flags win over it.")
@click.option("--data", help="Folder (s3:// in AWS) of class folders, or with train/ validation/ test/ in it.")
@click.option("--channel", "channels", multiple=True, callback=pairs, metavar="NAME=PLACE",
              help="One more input channel, such as weights=FILE; repeatable.")  # fmt: skip
@click.option("--name", help="The job's name.  [default: the preset's and the time]")
@click.option("--output", help="Where model.tar.gz goes.  [default with --local: output/ in --state]")
@click.option("--checkpoints", help="Where checkpoints live; give an earlier job's to go on from its last.")
@click.option("--image", help="The training image.  [default with --local: byoc-train, built when missing]")
@click.option("--role", help="ARN of the IAM role SageMaker assumes; needed in AWS.")
@click.option("--instance-type", help="AWS instance type, such as ml.g5.xlarge.")
@click.option("--instances", "instance_count", type=click.IntRange(1), help="How many instances.  [default: 1]")
@click.option("--volume-gb", type=click.IntRange(1), help="Disk of each instance in AWS.  [default: 30]")
@click.option("--max-runtime", type=click.IntRange(1), help="Seconds after which the job is stopped.  [default: 86400]")
@click.option("--env", "environment", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="An environment variable of the job; repeatable.")  # fmt: skip
@click.option("-p", "parameters", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="A hyperparameter, as an alternative to its own option; repeatable.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Start the job and return at once.")
@click.option("--dry-run", is_flag=True, help="Print the request as JSON and start nothing.")
@json_option
@door_options(starts=True)
@_hyperparameter_options
def command(where: DoorWords, preset: str | None, dry_run: bool, no_wait: bool, as_json: bool, **words: Any) -> None:
    """Fine-tune a classifier: one training job, in AWS or with --local on this machine.

    \b
      launch.py train --local --preset demo --data demo-data
      launch.py train --local --data photos --model mobilenet_v2 --epochs 5
      launch.py train --local --data photos --weights channel --channel weights=mobilenet_v2.pth
    """
    from launcher.cli.console import print_json, say
    from launcher.config import load_preset, training_config
    from launcher.config.presets import Preset
    from launcher.config.words import Place, TrainWords
    from launcher.requests import create_training_job

    where.remark(instance_type=words["instance_type"], volume_gb=words["volume_gb"])
    flags = {name.removeprefix("hp_").replace("_", "-"): words.pop(name) for name in list(words) if name in _GROUPS}
    given = {name: value for name, value in flags.items() if value is not None}
    config = training_config(
        TrainWords(hyperparameters={**given, **words.pop("parameters")}, **words),
        load_preset(preset) if preset else Preset(),
        Place(door="local" if where.local else "aws", state=where.state, gpu=where.gpu),
    )
    assert config.training is not None
    request = create_training_job(config.training)
    if dry_run:
        print_json(request)
        return
    door = where.open(starts=True)
    from launcher.cli.running import run_training

    shown = ", ".join(f"{name}={value}" for name, value in config.training.hyperparameters.items())
    say(f"Training job {config.training.name}: {shown or 'the default hyperparameters'}")
    for name, uri in config.training.channels.items():
        say(f"  channel {name}: {uri}")
    run_training(door, config, where, wait=not no_wait, as_json=as_json)
