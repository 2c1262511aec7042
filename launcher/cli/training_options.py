"""The options of one training, which `train` and `tune` share, and how they read in `--help`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from container.common.hyperparameters import Description as Hyperparameter
from container.common.hyperparameters import describe
from launcher.cli.aws_options import managed_words, training_aws_options
from launcher.cli.options import F, Verb, image_option, pairs, role_option

if TYPE_CHECKING:
    from launcher.config.words import TrainWords


def _parameter_name(name: str) -> str:
    return "hp_" + name.replace("-", "_")


_GROUPS = {_parameter_name(each.name): each.group for each in describe()}

# The flags that launcher.config.words.TrainWords holds by the same names.
_WORDS = ("name", "data", "channels", "output", "checkpoints", "image", "role", "instance_type", "instance_count",
          "volume_gb", "max_runtime", "environment", "aws_debugger", "tensorboard_output")  # fmt: skip


class TrainingVerb(Verb):
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


def hyperparameter_options(*, hidden: bool = False) -> Callable[[F], F]:
    """An option a hyperparameter, from the schema."""

    def decorate(function: F) -> F:
        for each in reversed(describe()):
            function = click.option(
                f"--{each.name}", _parameter_name(each.name), metavar="VALUE", help=_help(each), default=None,
                hidden=hidden,
            )(function)  # fmt: skip
        return function

    return decorate


def _help(each: Hyperparameter) -> str:
    return f"{each.help}  [{each.values}; default: {each.default or 'empty'}]"


def training_options(function: F) -> F:
    """Recipe, data, places, machines, and hyperparameters by -p."""
    options = [
        click.option("--preset",
                     help="A recipe by name (launcher/presets), or the path of a YAML file. Flags win over it."),
        click.option("--data", help="Folder (s3:// in AWS) of class folders, or with train/ validation/ test/ in it."),
        click.option("--channel", "channels", multiple=True, callback=pairs, metavar="NAME=PLACE",
                     help="One more input channel, such as weights=FILE; repeatable."),
        click.option("--name", help="The job's name.  [default: the preset's and the time]"),
        click.option("--output", help="Where model.tar.gz goes.  [default with --local: output/ in --state]"),
        click.option("--checkpoints", help="Where checkpoints live; give an earlier job's to go on from its last."),
        image_option("training", "byoc-train"),
        role_option,
        click.option("--instance-type", help="AWS instance type, such as ml.g5.xlarge."),
        click.option("--instances", "instance_count", type=click.IntRange(1),
                     help="How many instances.  [default: 1]"),
        click.option("--volume-gb", type=click.IntRange(1), help="Disk of each instance in AWS.  [default: 30]"),
        click.option("--max-runtime", type=click.IntRange(1),
                     help="Seconds after which the job is stopped.  [default: 86400]"),
        click.option("--env", "environment", multiple=True, callback=pairs, metavar="NAME=VALUE",
                     help="An environment variable of the job; repeatable."),
        click.option("--aws-debugger", is_flag=True, help="Have AWS's Debugger evaluate the rules and profile the job; "
                     "its fields are sent to accounts that still have it. The local door honours them with our own."),
        click.option("--tensorboard-output", is_flag=False, flag_value="", metavar="[PLACE]",
                     help="Write TensorBoard's events, to JOB/tensorboard-output under this place while it trains.  "
                     "[without a place: --output]"),
        click.option("-p", "parameters", multiple=True, callback=pairs, metavar="NAME=VALUE",
                     help="A hyperparameter, as an alternative to its own option; repeatable."),
    ]  # fmt: skip
    function = training_aws_options(function)
    for option in reversed(options):
        function = option(function)
    return function


def training_words(words: dict[str, Any]) -> TrainWords:
    """The TrainWords of a verb's ``words``, which are taken out of them."""
    from launcher.config.words import TrainWords

    flags = {name.removeprefix("hp_").replace("_", "-"): words.pop(name) for name in list(words) if name in _GROUPS}
    given = {name: value for name, value in flags.items() if value is not None}
    return TrainWords(
        hyperparameters={**given, **words.pop("parameters")},
        managed=managed_words(words),
        **{name: words.pop(name) for name in _WORDS},
    )
