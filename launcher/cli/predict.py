"""launch.py predict"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.cli.options import EXPLANATIONS, DoorWords, Verb, door_options, json_option

if TYPE_CHECKING:
    from launcher.verbs.prediction import Answer


@click.command(cls=Verb)
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Labels shown for each picture.")
@click.option("--content-type", help="What the files are.  [default: by suffix]")
@click.option("--accept", default="application/json", show_default=True,
              help="application/jsonlines, text/csv and application/x-npy are printed as they come.")  # fmt: skip
@click.option("--explain", type=click.Choice(EXPLANATIONS), metavar="[gradcam|occlusion]",
              help="Write FILE.explain.png, a heat map of what decided.")  # fmt: skip
@click.option("--explain-to", type=click.Path(file_okay=False, path_type=Path), default=".", help="Its folder.")
@json_option
@door_options()
def command(
    *,
    where: DoorWords,
    name: str,
    files: tuple[Path, ...],
    top_k: int,
    content_type: str | None,
    accept: str,
    explain: str | None,
    explain_to: Path,
    as_json: bool,
) -> None:
    """Ask the endpoint NAME about pictures: FILES, or folders of them.

    \b
      launch.py predict bees bee.jpg
      launch.py predict bees photos/ --json
    """
    from launcher.verbs import prediction

    chosen = prediction.files_of(files)
    door = where.open_for(name)
    answers = prediction.predict(
        door, name, chosen, content_type=content_type, accept=accept, top_k=top_k, explain=explain
    )
    shown: list[Answer] = []
    try:
        for answer in answers:
            if answer.content_type != "application/json":
                sys.stdout.buffer.write(answer.payload)
                continue
            shown.append(answer)
            if explain:
                _write_explanations(answer, explain_to)
    finally:
        # A picture that is refused does not take with it what was said of those before it.
        sys.stdout.flush()
        if shown:
            _print(shown, as_json=as_json)


def _print(answers: list[Answer], *, as_json: bool) -> None:
    from launcher.cli.console import print_json, print_table

    if as_json:
        print_json([{"file": str(answer.file), **each} for answer in answers for each in answer.predictions])
        return
    rows = []
    for answer in answers:
        for each in answer.predictions:
            others = [f"{other['label']} {other['probability']:.4f}" for other in each.get("top_k", [])[1:]]
            rows.append((str(answer.file), str(each["label"]), f"{each['probability']:.4f}", ", ".join(others)))
    print_table(("file", "label", "probability", "then"), rows)


def _write_explanations(answer: Answer, folder: Path) -> None:
    from launcher.cli.console import say
    from launcher.verbs.prediction import explanation_png

    folder.mkdir(parents=True, exist_ok=True)
    for index, each in enumerate(answer.predictions):
        png = explanation_png(each)
        if png is None:
            continue
        number = f".{index}" if len(answer.predictions) > 1 else ""
        place = folder / f"{answer.file.name}{number}.explain.png"
        place.write_bytes(png)
        each["explanation"] = str(place)
        say(f"Wrote {place}")
