"""launch.py doctor"""

from __future__ import annotations

from pathlib import Path

import click

from launcher.cli.options import Verb, json_option, role_option
from launcher.opening import STATE_VARIABLE


@click.command(cls=Verb)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker",
              help="Folder of the local jobs and endpoints.")  # fmt: skip
@click.option("--aws", is_flag=True, help="Look over the AWS account too: credentials, role, bucket, images, quotas.")
@click.option("--region", help="AWS region; with it, as with the following, --aws is meant.")
@click.option("--profile", help="AWS profile.")
@role_option
@click.option("--bucket", help="S3 bucket of data and outputs.  [default: the SDK's, sagemaker-REGION-ACCOUNT]")
@click.option("--instance-type", "instance_types", multiple=True,
              help="Instance type whose quotas are looked at; repeatable.")  # fmt: skip
@json_option
def command(
    *,
    state: Path,
    aws: bool,
    region: str | None,
    profile: str | None,
    role: str | None,
    bucket: str | None,
    instance_types: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check what this machine has; each line is ok, or says what to do. Calls nothing outside it but with --aws."""
    import os

    from launcher.cli.console import as_called, print_json
    from launcher.local.settings import Settings
    from launcher.verbs.doctor import credentials, examine

    findings = examine(Settings(), state, os.environ)
    if aws or region or profile or role or bucket or instance_types:
        from launcher.verbs.account import Wanted, examine_account

        wanted = Wanted(
            state=state, region=region, profile=profile, role=role, bucket=bucket, instance_types=instance_types
        )
        findings += examine_account(wanted, os.environ)
    else:
        findings.append(credentials())
    if as_json:
        print_json([finding.document() for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else f"{finding.weight}  "
            click.echo(as_called(f"{mark}{finding.subject}: {finding.message}"))
    if any(not finding.ok and finding.weight == "BAD" for finding in findings):
        raise click.exceptions.Exit(1)
