"""launch.py data"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.cli.options import Verb, json_option

if TYPE_CHECKING:
    from launcher.data import Prepared


@click.group()
def command() -> None:
    """Make the demo pictures, or turn a folder into train, validation and test splits."""


@command.command("fingers", cls=Verb)
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path))
@click.option("--train", type=click.IntRange(12), default=2400, show_default=True, help="Training pictures.")
@click.option("--test", type=click.IntRange(12), default=600, show_default=True, help="Test pictures.")
@click.option("--size", type=click.IntRange(32, 1024), default=128, show_default=True, help="Side, in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same files.")
def fingers(destination: Path, train: int, test: int, size: int, seed: int) -> None:
    """Draw hands that show 0 to 5 fingers, left and right: 12 classes, in the layout of Kaggle's set."""
    from launcher.cli.console import say, suggest
    from launcher.data import generate_fingers
    from launcher.errors import ConfigError

    if destination.exists() and any(destination.iterdir()):
        raise ConfigError(f"{destination} is not empty; give another folder, or remove it first.")
    say(f"Drawing {train} training and {test} test pictures")
    generate_fingers(destination, train=train, test=test, seed=seed, size=size)
    click.echo(str(destination))
    place = shlex.quote(str(destination))
    prepared = shlex.quote(f"{destination}-prepared")
    suggest(f"launch.py data prepare {place} {prepared}")


@command.command("prepare", cls=Verb)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path))
@click.option("--layout", default="auto", show_default=True, help="auto, folder (class folders) or fingers (Kaggle).")
@click.option("--validation-fraction", type=click.FloatRange(0.01, 0.5), default=0.2, show_default=True,
              help="Part of the training pictures to validate on, unless the source has such a split.")  # fmt: skip
@click.option("--test-fraction", type=click.FloatRange(0.0, 0.5), default=0.15, show_default=True,
              help="Part of the training pictures to test on, unless the source has such a split.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the splits.")
@json_option
def prepare(
    *,
    source: Path,
    destination: Path,
    layout: str,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    as_json: bool,
) -> None:
    """Split SOURCE into DESTINATION/train, validation and test, with tables of what is in them."""
    from launcher.cli.console import suggest
    from launcher.data import prepare as prepare_folder

    prepared = prepare_folder(
        source, destination, layout=layout, validation_fraction=validation_fraction, test_fraction=test_fraction,
        seed=seed,
    )  # fmt: skip
    report(prepared, as_json=as_json)
    suggest(f"launch.py train --local --data {shlex.quote(str(destination))}")


def report(prepared: Prepared, *, as_json: bool = False) -> None:
    """Counts of each class in each split; what was left out, and why."""
    from launcher.cli.console import print_json, print_table, say

    if as_json:
        print_json(
            {
                "counts": prepared.counts,
                "mean": prepared.mean,
                "std": prepared.std,
                "duplicates": [[str(left_out), str(kept)] for left_out, kept in prepared.duplicates],
                "bad": [[str(file), why] for file, why in prepared.bad],
            }
        )
        return
    splits = list(prepared.counts)
    classes = sorted({label for counts in prepared.counts.values() for label in counts})
    rows = [(label, *(str(prepared.counts[split].get(label, 0)) for split in splits)) for label in classes]
    totals = ("all", *(str(sum(prepared.counts[split].values())) for split in splits))
    print_table(("class", *splits), [*rows, totals])
    for file, why in prepared.bad[:10]:
        say(f"Left out {file}: {why}")
    if len(prepared.bad) > 10:
        say(f"… and {len(prepared.bad) - 10} more that cannot be read")
    if prepared.duplicates:
        say(f"Left out {len(prepared.duplicates)} copies of pictures that are there already")
