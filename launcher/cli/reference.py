"""docs/cli.md, generated from `--help`; a test checks that the file and the command line agree.

python -m launcher.cli.reference > docs/cli.md
"""

from __future__ import annotations

import sys

import click

from launcher.cli.root import VERBS, root

_WIDTH = 110
_HELP = ["-h", "--help"]
_INTRODUCTION = """\
# Command line

Generated from `--help` by `make docs`; do not edit.

Data goes to standard output, progress to standard error. Exit status: 0 done · 1 anything else that a person can
put right · 2 wrong words · 3 no such job, endpoint, preset or picture · 4 no engine, environment, image or disk ·
5 a job or an endpoint failed · 6 a job was stopped or ran out of time · 7 the endpoint refused a request ·
8 refused by AWS or the local door · 9 pictures or a model cannot be used · 130 interrupted (a job goes on).

Variables: `BYOC_STATE` (folder of the local jobs and endpoints), `BYOC_DOCKER` (the container engine's client, such
as `sudo docker`), `BYOC_DEBUG` (tracebacks), `NO_COLOR`, `SAGEMAKER_ROLE` (the role that SageMaker assumes), AWS's own
(`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …); for developers `BYOC_TRAIN_COMMAND` and
`BYOC_SERVE_COMMAND` (a command line to run in place of an environment's own).
"""


def reference() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, _section("launch.py", root, None)]
    for verb in VERBS:
        context = click.Context(root, info_name="launch.py", help_option_names=_HELP)
        command = root.get_command(context, verb)
        assert command is not None
        parts.append(_section(f"launch.py {verb}", command, context))
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                parts.append(_section(f"launch.py {verb} {name}", inner, click.Context(command, context, verb)))
    return "\n".join(parts)


def _section(title: str, command: click.Command, parent: click.Context | None) -> str:
    context = click.Context(
        command,
        info_name=title.rpartition(" ")[2],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=_HELP,
    )
    return f"## {title}\n\n```\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
