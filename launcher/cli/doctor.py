"""launch.py doctor"""

from __future__ import annotations

from pathlib import Path

import click

from launcher.cli.options import STATE_VARIABLE, Verb, json_option


@click.command(cls=Verb)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker",
              help="Folder of the local jobs and endpoints.")  # fmt: skip
@json_option
def command(state: Path, as_json: bool) -> None:
    """Check what this machine has; each line is ok, or says what to do. Calls nothing outside it."""
    import os

    from launcher.cli.console import print_json
    from launcher.local.settings import Settings
    from launcher.verbs.doctor import examine

    findings = examine(Settings(), state, os.environ)
    if as_json:
        print_json([finding.document() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else finding.weight + '  '}{finding.subject}: {finding.message}")
    if any(not finding.ok and finding.weight == "BAD" for finding in findings):
        raise click.exceptions.Exit(1)
