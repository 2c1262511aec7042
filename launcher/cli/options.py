"""Options that several verbs share, and the words about a door that they gather."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from container.common.names import did_you_mean
from launcher.opening import ENGINES, STATE_VARIABLE, DoorWords

EXPLANATIONS = ("gradcam", "occlusion")
# Options whose value may be left out; the first is what is then meant.
_OPTIONAL_VALUES = {"--local": ENGINES, "--explain": EXPLANATIONS}

F = TypeVar("F", bound=Callable[..., Any])


class Verb(click.Command):
    """A command with --debug, and with options whose value may be left out (`--local`, `--explain`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, callback=_debug, help="Show tracebacks.")
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = any(isinstance(each, click.Argument) for each in self.params)
        return super().parse_args(ctx, explicit_values(args, words=words))


def _debug(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from launcher.cli.failures import show_tracebacks

        show_tracebacks()


def explicit_values(args: Sequence[str], *, words: bool = True) -> list[str]:
    """`--local` without an engine becomes `--local=auto`, so that the next word is not taken for one.

    ``words`` says whether the verb takes words beside its options; where it takes none, the next one was meant for a
    value. Raises click.UsageError then, for one that is no value.
    """
    shown: list[str] = []
    for index, word in enumerate(args):
        if word == "--":
            return [*shown, *args[index:]]
        known = _OPTIONAL_VALUES.get(word, ())
        following = args[index + 1] if index + 1 < len(args) else "-"
        bare = bool(known) and following not in known
        if bare and not words and not following.startswith("-"):
            raise click.UsageError(f"{word} cannot be '{following}'.{did_you_mean(following, known)}")
        shown.append(f"{word}={known[0]}" if bare else word)
    return shown


class Word(click.Choice[str]):
    """One of SageMaker's words, in any case and shown in its own; a mistyped one is told its nearest."""

    def __init__(self, *words: str) -> None:
        super().__init__(words, case_sensitive=False)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"'{value}' is not known.{did_you_mean(str(value), self.choices)}"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.choices)}]"


def remark(where: DoorWords, **given: Any) -> None:
    """Refuse or tell of words that count behind the other door only, or are none that AWS is known to have.

    ``given`` are options by name.

    Raises ConfigError.
    """
    from launcher.cli.console import say
    from launcher.errors import ConfigError

    if where.gpu and not where.local:
        raise ConfigError("--gpu is for --local; in AWS choose a GPU by --instance-type, such as ml.g5.xlarge.")
    if where.local:
        words = {**given, "region": where.region, "profile": where.profile}
        idle = [f"--{name.replace('_', '-')}" for name, value in words.items() if value is not None]
        if idle:
            say(f"Only AWS heeds {', '.join(idle)}; this is run on this machine.")
        return
    from launcher.aws.known import region_remark, type_remark

    region = where.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    for remarked in (
        type_remark(given["instance_type"]) if given.get("instance_type") else "",
        region_remark(region) if region else "",
    ):
        if remarked:
            say(remarked)


def door_options(*, starts: bool = False) -> Callable[[F], F]:
    """--local, --state, --region, --profile (and --gpu where something is started), gathered into ``where``."""
    options = [
        click.option(
            "--local", type=click.Choice(ENGINES), metavar="[docker|process]",
            help="On this machine: with Docker when an engine answers, with processes otherwise; a word insists."
            if starts else "Look on this machine (the default when the name is known here).",
        ),
        click.option(
            "--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker",
            show_default=True, help=f"Folder of the local jobs and endpoints (or {STATE_VARIABLE}).",
        ),
        click.option("--region", help="AWS region."),
        click.option("--profile", help="AWS profile."),
    ]  # fmt: skip
    if starts:
        options.append(click.option("--gpu", is_flag=True, help="With --local: give the work this machine's GPUs."))

    def decorate(function: F) -> F:
        from functools import update_wrapper

        def wrapped(*args: Any, local: str | None, state: Path, region: str | None, profile: str | None,
                    gpu: bool = False, **rest: Any) -> Any:  # fmt: skip
            where = DoorWords(local=local, state=state, region=region, profile=profile, gpu=gpu)
            return function(*args, where=where, **rest)

        update_wrapper(wrapped, function)
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


def pairs(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE words as a dict."""
    found: dict[str, str] = {}
    for word in values:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{word}' is not of the form NAME=VALUE.", param=param)
        found[name] = value
    return found


def in_folder(_ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """A file to write, whose folder must be there."""
    if value is not None and not value.parent.is_dir():
        raise click.BadParameter(f"{value} lies in no folder that is there; make {value.parent} first.", param=param)
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

role_option = click.option(
    "--role", help="ARN of the IAM role SageMaker assumes.  [default in AWS: SAGEMAKER_ROLE, or a notebook's own]"
)


def image_option(work: str, local: str) -> Callable[[F], F]:
    """--image, for the image of ``work`` that is ``local`` here."""
    return click.option(
        "--image",
        help=f"The {work} image.  [default: the one build_and_push.sh pushed last; with --local: {local}, built when "
        "missing]",
    )
