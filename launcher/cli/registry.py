"""What build_and_push.sh asks of the launcher: AWS's calls, and which Docker client can build.

python -m launcher.cli.registry COMMAND --help
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.cli.failures import guarded
from launcher.cli.options import F
from launcher.opening import STATE_VARIABLE

if TYPE_CHECKING:
    from boto3 import Session


def _account_options(function: F) -> F:
    for option in (click.option("--profile"), click.option("--region")):
        function = option(function)
    return function


def _open(region: str | None, profile: str | None) -> Session:
    from launcher.aws.session import open_session

    return open_session(region, profile)


@click.group()
def group() -> None:
    """The parts of build_and_push.sh that need Python."""


@group.command()
@_account_options
def host(region: str | None, profile: str | None) -> None:
    """Print the registry's name and its region: who is asked, and whether one may."""
    from launcher.aws.registry import Registry
    from launcher.aws.session import identify

    session = _open(region, profile)
    found = Registry.of(session, identify(session).account)
    click.echo(f"{found.host} {found.region}")


@group.command()
@click.option("--dry-run", is_flag=True)
def engine(dry_run: bool) -> None:
    """Print the words of a client that can build and push, one a line; in a dry run of one that need not answer."""
    import os

    from launcher.errors import EngineError
    from launcher.local.engines.choice import COMMAND_VARIABLE, answers, candidates
    from launcher.local.engines.images import builder
    from launcher.local.engines.proxies import building

    if dry_run:
        command = candidates(os.environ)[0] if os.environ.get(COMMAND_VARIABLE) else ("docker",)
        click.echo("\n".join(building(command)))
        return
    reasons = []
    for command in candidates(os.environ):
        refusal = answers(command)
        if refusal is None:
            click.echo("\n".join(building(builder(command))))
            return
        reasons.append(f"{command[0]}: {refusal}")
    raise EngineError(
        f"Images are built by a container engine, and none answers ({'; '.join(reasons) or 'none is installed'}); "
        f"start Docker, or name its client in {COMMAND_VARIABLE}."
    )


@group.command()
def proxies() -> None:
    """Print the names of the proxies' variables that are set, one a line."""
    import os

    from launcher.local.engines.proxies import proxies

    click.echo("\n".join(proxies(os.environ)))


@group.command()
def sources() -> None:
    """Print a digest of all that the images are made from."""
    import hashlib

    from launcher.local.engines.images import sources_digest
    from launcher.local.settings import CHECKOUT

    both = "".join(sources_digest(CHECKOUT, role) for role in ("train", "serve"))
    click.echo(hashlib.sha256(both.encode()).hexdigest()[:12])


@group.command()
@_account_options
@click.option("--dry-run", is_flag=True)
@click.argument("names", nargs=-1)
def ensure(region: str | None, profile: str | None, dry_run: bool, names: tuple[str, ...]) -> None:
    """Create the repositories NAMES, those that are not there."""
    from launcher.aws.registry import ensure_repository, repository_exists
    from launcher.cli.console import say

    ecr = _open(region, profile).client("ecr")
    for name in names:
        if dry_run:
            if not repository_exists(ecr, name):
                click.echo(f"would create the ECR repository {name}")
        elif ensure_repository(ecr, name):
            say(f"Created the ECR repository {name}.")


@group.command()
@_account_options
def password(region: str | None, profile: str | None) -> None:
    """Print a token to log in with, for --password-stdin."""
    from launcher.aws.registry import password as token

    click.echo(token(_open(region, profile).client("ecr")), nl=False)


@group.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("address")
def settings(folder: Path, address: str) -> None:
    """Fill FOLDER with settings of Docker's client that know no login, to log in to ADDRESS with."""
    import os

    from launcher.aws.login import private_settings

    private_settings(Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser(), folder, address)


@group.command()
@_account_options
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker")
@click.argument("kind")
@click.argument("repository")
@click.argument("tag")
@click.argument("address")
def record(
    *, region: str | None, profile: str | None, state: Path, kind: str, repository: str, tag: str, address: str
) -> None:
    """Look at what was pushed to ADDRESS, print it by its digest, and keep that for launch.py."""
    from launcher.aws import images, registry
    from launcher.aws.session import identify

    session = _open(region, profile)
    digest = registry.pushed_digest(address, repository, tag, registry.password(session.client("ecr")))
    found = registry.Registry.of(session, identify(session).account)
    uri = f"{found.host}/{repository}@{digest}"
    images.record(state, region=found.region, account=found.account, kind=kind, uri=uri)
    click.echo(f"{kind} {uri}")


def main() -> None:
    """Run a command; a fault is one sentence, as everywhere."""
    run: Callable[..., object] = group.main
    guarded(run, None, prog_name="registry")


if __name__ == "__main__":
    main()
