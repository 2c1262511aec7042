"""launch.py report"""

from __future__ import annotations

from pathlib import Path

import click

from launcher.cli.options import Verb, door_options, in_folder
from launcher.opening import DoorWords


@click.command(cls=Verb)
@click.argument("name")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", callback=in_folder,
              help="Where the page goes.  [default: NAME-report.html]")  # fmt: skip
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
@door_options()
def command(where: DoorWords, name: str, output: Path | None, show: bool) -> None:
    """Write a page on the training job or the search NAME.

    One HTML file that needs no network. Of a job: its result, its curves, what the rules found, its mistakes, where
    the time went; the job makes it at its end. Of a search: the best values, the trials, and what made the difference;
    while it runs, what is known by now.
    """
    from launcher.cli.console import say
    from launcher.cli.running import place_words
    from launcher.verbs import report

    place = (" --local process" if where.by_processes(name) else "") + place_words(where)
    path = report.save(where.open_for(name), name, output or Path(f"{name}-report.html"), place=place)
    click.echo(str(path))
    if show and click.launch(path.resolve().as_uri()) != 0:
        say(f"No browser could be opened; open {path} in one.")
