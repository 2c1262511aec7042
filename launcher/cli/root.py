"""The group of verbs. `--help` imports none of them: their names and one line each stand here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from launcher.cli.groups import Group

VERBS: dict[str, str] = {
    "demo": "Train, deploy and ask a small classifier on this machine, end to end.",
    "data": "Draw a set of pictures, or turn one into train, validation and test splits.",
    "train": "Fine-tune a classifier: one training job.",
    "tune": "Search for the best hyperparameters: many trials, each a training job.",
    "deploy": "Put a trained model behind an endpoint.",
    "predict": "Ask an endpoint about pictures.",
    "transform": "Ask a model about a folder of pictures at once, without an endpoint: one batch job.",
    "status": "Show all searches, jobs and endpoints, or one of them.",
    "logs": "Show a job's or an endpoint's log, or a search's trials; -f follows it.",
    "report": "Write a page on a training job or a search: what came of it, and why.",
    "rules": "Evaluate the open debugger rules over the tensors of a training.",
    "stop": "Stop a training job, whose last checkpoint is kept, a search, or a batch transform job.",
    "delete": "Delete an endpoint, an ended job, or an ended search with its trials.",
    "doctor": "Check what this machine has, or an AWS account, and say what to do about what is lacking.",
    "iam": "Print the IAM policies that SageMaker's role and whoever runs launch.py need.",
}


class LazyGroup(Group):
    """Finds a verb's command in launcher/cli/VERB.py."""

    noun = "verb"

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"launcher.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        from launcher.cli.failures import guarded

        return guarded(super().main, args, *rest, **extra)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 done; 2 wrong words; 3 no such thing; 4 no engine; 5 failed; 6 stopped; "
    "7 the endpoint refused; 8 refused by AWS or the local door; 9 unusable data; 130 interrupted (a job goes on).",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option("0.1.0", prog_name="launch.py")
def root(debug: bool) -> None:
    """Fine-tune and serve image classifiers in your own containers, in AWS or, with --local, on this machine.

    Data goes to standard output, progress to standard error. `launch.py VERB --help` tells more.
    """
    if debug:
        from launcher.cli.failures import show_tracebacks

        show_tracebacks()
