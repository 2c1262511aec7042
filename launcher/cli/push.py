"""launch.py data push"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from launcher.cli.options import Verb
from launcher.opening import STATE_VARIABLE, WORKERS, DoorWords

_MB = 1_000_000
# Off a terminal, a line so often at most.
_TENTHS = 10


@click.command("push", cls=Verb, short_help="Upload a folder to S3, what is not there already.")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("destination", metavar="S3-URI")
@click.option("--kms-key", help="A KMS key that encrypts the objects, in place of the bucket's own settings.")
@click.option("--workers", type=click.IntRange(1, 64), default=WORKERS, show_default=True,
              help="Files sent at once.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), envvar=STATE_VARIABLE, default=".sagemaker",
              show_default=True, help="Folder where it is noted what was sent.")  # fmt: skip
@click.option("--region", help="AWS region.")
@click.option("--profile", help="AWS profile.")
def push(
    *,
    source: Path,
    destination: str,
    kms_key: str | None,
    workers: int,
    dry_run: bool,
    state: Path,
    region: str | None,
    profile: str | None,
) -> None:
    """Upload the folder SOURCE to s3://BUCKET/PREFIX: in parallel, and only what is not there already."""
    from launcher.aws.pushing import open_push
    from launcher.cli.console import say, suggest
    from launcher.errors import INTERRUPTED

    where = DoorWords(state=state, region=region, profile=profile)
    work = open_push(where, source, destination, workers=workers)
    plan = work.plan()
    say(f"{len(plan.send)} files to send, {plan.size / _MB:.1f} MB; {len(plan.same)} are there already.")
    if plan.others:
        say(f"{len(plan.others)} objects there are not in {source}, such as {plan.others[0]}; they stay, and a "
            "training on that prefix would read them.")  # fmt: skip
    if dry_run:
        for each in plan.send:
            click.echo(each.place)
        return
    try:
        with bar(plan.size) as sent:
            work.send(plan, key=kms_key, sent=sent)
    except KeyboardInterrupt:
        say("Interrupted; push again, and what has arrived is not sent twice.")
        raise click.exceptions.Exit(INTERRUPTED) from None
    click.echo(work.uri)
    suggest(f"launch.py train --data {shlex.quote(work.uri)} …")


@contextmanager
def bar(total: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, a line for each tenth elsewhere; told of bytes from any thread."""
    from launcher.cli.console import on_terminal, stderr

    if not on_terminal():
        yield _lines(total)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    with Progress(
        BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True),
        console=stderr(), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("sending", total=total)
        yield lambda count: bar.update(task, advance=count)


def _lines(total: int) -> Callable[[int], object]:
    from launcher.cli.console import say

    lock, done, told = threading.Lock(), 0, 0

    def sent(count: int) -> None:
        nonlocal done, told
        with lock:
            done += count
            tenth = done * _TENTHS // max(total, 1)
            if tenth > told:
                told = tenth
                say(f"  {done / _MB:.1f} of {total / _MB:.1f} MB")

    return sent
