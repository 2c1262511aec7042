"""launch.py data"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from launcher.cli.groups import Group
from launcher.cli.options import Verb, json_option
from launcher.cli.push import push

if TYPE_CHECKING:
    from launcher.data import Prepared

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group)
def command() -> None:
    """Draw a set of pictures, turn one of any known layout into train, validation and test splits, or upload it."""


command.add_command(push)

_destination = click.argument("destination", type=click.Path(file_okay=False, path_type=Path))
_seed = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same files."
)


def _draws(size: int) -> Callable[[F], F]:
    """The argument and options that all drawn sets have."""

    def decorate(function: F) -> F:
        sized = click.option(
            "--size", type=click.IntRange(32, 1024), default=size, show_default=True, help="Side, in pixels."
        )
        return _destination(sized(_seed(function)))

    return decorate


@command.command("fingers", cls=Verb, short_help="Draw hands that show 0 to 5 fingers, as Kaggle's set.")
@click.option("--train", type=click.IntRange(12), default=2400, show_default=True, help="Training pictures.")
@click.option("--test", type=click.IntRange(12), default=600, show_default=True, help="Test pictures.")
@_draws(128)
def fingers(destination: Path, train: int, test: int, size: int, seed: int) -> None:
    """Draw hands that show 0 to 5 fingers, left and right: 12 classes, in the layout of Kaggle's set."""
    from launcher.data import generate_fingers

    def draw() -> None:
        generate_fingers(destination, train=train, test=test, seed=seed, size=size)

    _drawn(destination, f"{train} training and {test} test pictures", draw)


@command.command("bins", cls=Verb, short_help="Draw bins with items in them, as Amazon's Bin Image Dataset.")
@click.option("--count", type=click.IntRange(20), default=600, show_default=True, help="Bins.")
@_draws(224)
def bins(destination: Path, count: int, size: int, seed: int) -> None:
    """Draw bins of a warehouse with some items in each, in the layout of Amazon's Bin Image Dataset."""
    from launcher.data import generate_bins

    _drawn(destination, f"{count} bins", lambda: generate_bins(destination, count=count, seed=seed, size=size))


@command.command("dogs", cls=Verb, short_help="Draw dogs of up to 133 breeds, as Udacity's dogImages.")
@click.option("--classes", type=click.IntRange(2, 133), default=133, show_default=True, help="Breeds.")
@click.option("--train", type=click.IntRange(2), default=1064, show_default=True, help="Training pictures.")
@click.option("--valid", type=click.IntRange(2), default=266, show_default=True, help="Validation pictures.")
@click.option("--test", type=click.IntRange(2), default=266, show_default=True, help="Test pictures.")
@_draws(224)
def dogs(*, destination: Path, classes: int, train: int, valid: int, test: int, size: int, seed: int) -> None:
    """Draw dogs of up to 133 breeds, in the layout of Udacity's dogImages."""
    from launcher.data import generate_dogs
    from launcher.errors import ConfigError

    if min(train, valid, test) < classes:
        raise ConfigError(
            f"Each split needs a picture of each of the {classes} classes; raise --train, --valid and --test to "
            f"{classes} at least, or lower --classes."
        )

    def draw() -> None:
        generate_dogs(destination, classes=classes, train=train, valid=valid, test=test, seed=seed, size=size)

    _drawn(destination, f"{train} training, {valid} validation and {test} test pictures", draw)


def _drawn(destination: Path, what: str, draw: Callable[[], None]) -> None:
    from launcher.cli.console import say, suggest
    from launcher.data.layouts import LAYOUTS
    from launcher.data.whole import refuse_full

    refuse_full(destination)
    say(f"Drawing {what}")
    draw()
    click.echo(str(destination))
    shown = f"./{destination}" if str(destination) in LAYOUTS else destination
    suggest(f"launch.py data prepare {shlex.quote(str(shown))} {shlex.quote(f'{shown}-prepared')}")


@command.command("prepare", cls=Verb, short_help="Split any known layout into train, validation and test.")
@click.argument("words", nargs=-1, required=True, metavar="[bins|dogs|fingers|folder] SOURCE [DESTINATION]")
@click.option("--layout", help="The same as the first word.  [default: found by itself]")
@click.option("--validation-fraction", type=click.FloatRange(0.01, 0.5), default=0.2, show_default=True,
              help="Part of the training pictures to validate on, unless the source has such a split.")  # fmt: skip
@click.option("--test-fraction", type=click.FloatRange(0.0, 0.5), default=0.15, show_default=True,
              help="Part of the training pictures to test on, unless the source has such a split.")  # fmt: skip
@click.option("--validation-is-test", is_flag=True,
              help="Test on the source's validation pictures, and validate on some to train on.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the splits.")
@click.option("--list", "listed", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help='Bins: {"1": ["data/metadata/100313.json", …], …} chooses and names the classes.')  # fmt: skip
@click.option("--most", type=click.IntRange(2), help="Bins: the most items in one, without a list.  [default: 5]")
@click.option("--per-class", type=click.IntRange(1), metavar="N",
              help="Bins: so many of each number of items.  [default: all of a folder, 1000 of a bucket]")  # fmt: skip
@click.option("--download", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Bins: keep there what is fetched from a bucket, and fetch only what is not there yet.")  # fmt: skip
@json_option
def prepare(
    *,
    words: tuple[str, ...],
    layout: str | None,
    validation_fraction: float,
    test_fraction: float,
    validation_is_test: bool,
    seed: int,
    listed: Path | None,
    most: int | None,
    per_class: int | None,
    download: Path | None,
    as_json: bool,
) -> None:
    """Split SOURCE into DESTINATION/train, validation and test, with a page on what is in them.

    SOURCE is a folder, a zip archive of one, or s3://aft-vbi-pds for Amazon's bins, which needs no account. Without a
    DESTINATION it is SOURCE-prepared.

    \b
      launch.py data prepare photos
      launch.py data prepare fingers fingers.zip hands
      launch.py data prepare bins s3://aft-vbi-pds --list file_list.json
    """
    from launcher.cli.console import say, suggest
    from launcher.data import Choice
    from launcher.data import prepare as prepare_data
    from launcher.errors import ConfigError

    named, source, destination = _places(words)
    if named and layout and named != layout:
        raise ConfigError(f"The layout is said to be {named} and --layout {layout}; keep one of them.")
    if download and not source.startswith(_BUCKET):
        raise ConfigError(f"--download keeps what is fetched from a bucket, and {source} is none; leave it out.")
    choice = None
    if listed or most or per_class:
        choice = Choice(listed=listed, most=most or Choice.most, per_class=per_class, seed=seed)
    if source.startswith(_BUCKET):
        say(f"Fetching bins from {source}")
    prepared = prepare_data(
        source, destination, layout=named or layout or "auto", validation_fraction=validation_fraction,
        test_fraction=test_fraction, validation_is_test=validation_is_test, seed=seed, choice=choice, download=download,
    )  # fmt: skip
    report(prepared, as_json=as_json)
    recipe = f" --preset {_PRESETS[prepared.layout]}" if prepared.layout in _PRESETS else ""
    suggest(f"launch.py train --local{recipe} --data {shlex.quote(str(destination))}")


_BUCKET = "s3://"
# What a set of a known layout is trained by.
_PRESETS = {"bins": "bins", "dogs": "dogs-head", "fingers": "fingers"}


def _places(words: tuple[str, ...]) -> tuple[str | None, str, Path]:
    """The layout, where one is named, the source and the destination."""
    from launcher.data.layouts import LAYOUTS

    # A folder may be called "fingers": of two words the first is a layout when the second can only be a source.
    led = words[0] in LAYOUTS and (len(words) == 3 or (len(words) == 2 and _is_source(words[1])))
    if led and len(words) == 2 and words[0] != words[1] and _is_source(words[0]):
        raise click.UsageError(
            f"'{words[0]}' is a layout, and a folder here; write ./{words[0]} for the folder, or --layout {words[0]}."
        )
    layout, rest = (words[0], words[1:]) if led else (None, words)
    if len(rest) > 2:
        from container.common.names import did_you_mean

        raise click.UsageError(f"There is no layout '{words[0]}'.{did_you_mean(words[0], LAYOUTS)}")
    source = rest[0]
    if len(rest) == 2:
        return layout, source, Path(rest[1])
    place = Path(source.removeprefix(_BUCKET).rstrip("/"))
    # What comes out of a bucket goes into the folder one is in.
    stem = place.name if source.startswith(_BUCKET) else str(place.with_suffix("") if place.is_file() else place)
    return layout, source, Path(f"{stem}-prepared")


def _is_source(word: str) -> bool:
    """Whether a word can be no destination: a bucket, a file, an archive's name, or a folder that holds something."""
    place = Path(word)
    if word.startswith(_BUCKET) or place.suffix.lower() == ".zip":
        return True  # whether it is there or not
    return place.is_file() or (place.is_dir() and any(place.iterdir()))


def report(prepared: Prepared, *, as_json: bool = False) -> None:
    """Counts of each class in each split; what was left out, and why."""
    from launcher.cli.console import print_json, print_table, say

    if as_json:
        print_json(
            {
                "layout": prepared.layout,
                "counts": {
                    split: {_text(label): count for label, count in counts.items()}
                    for split, counts in prepared.counts.items()
                },
                "mean": prepared.mean,
                "std": prepared.std,
                "duplicates": [[_text(left_out), _text(kept)] for left_out, kept in prepared.duplicates],
                "bad": [[_text(file), _text(why)] for file, why in prepared.bad],
                "warnings": [_text(each) for each in prepared.warnings],
                "page": str(prepared.page),
            }
        )
        return
    splits = list(prepared.counts)
    classes = sorted({label for counts in prepared.counts.values() for label in counts})
    rows = [(_text(label), *(str(prepared.counts[split].get(label, 0)) for split in splits)) for label in classes]
    totals = ("all", *(str(sum(prepared.counts[split].values())) for split in splits))
    print_table(("class", *splits), [*rows, totals])
    for warning in prepared.warnings:
        say(_text(warning))
    for file, why in prepared.bad[:10]:
        say(f"Left out {_text(file)}: {_text(why)}")
    if len(prepared.bad) > 10:
        say(f"… and {len(prepared.bad) - 10} more that cannot be used")
    if prepared.duplicates:
        say(f"Left out {len(prepared.duplicates)} copies of pictures that are there already")
    say(f"Wrote {prepared.page}, a page to look at the pictures")


def _text(words: object) -> str:
    """What can be printed: a name on a disk may be no text in any encoding."""
    return str(words).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
