"""launch.py predict"""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.cli.options import EXPLANATIONS, Verb, door_options, in_folder, json_option
from launcher.opening import DoorWords

if TYPE_CHECKING:
    from launcher.verbs.prediction import Answer
    from launcher.verbs.scoring import Scored


@click.command(cls=Verb)
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Labels shown for each picture.")
@click.option("--content-type", help="What the files are.  [default: by suffix]")
@click.option("--accept", default="application/json", show_default=True,
              help="application/jsonlines, text/csv and application/x-npy are printed as they come.")  # fmt: skip
@click.option("--target-model", metavar="FILE", help="AWS: of a multi-model endpoint, the model.tar.gz to ask.")
@click.option("--variant", metavar="NAME", help="AWS: of several variants, the one to ask.")
@click.option("--explain", type=click.Choice(EXPLANATIONS), metavar="[gradcam|occlusion]",
              help="Write FILE.explain.png, a heat map of what decided.")  # fmt: skip
@click.option("--explain-to", type=click.Path(file_okay=False, path_type=Path), default=".", help="Its folder.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", callback=in_folder,
              help="Write a contact sheet of the pictures with their labels: .html, or .png and the like.")  # fmt: skip
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
    target_model: str | None,
    variant: str | None,
    explain: str | None,
    explain_to: Path,
    sheet: Path | None,
    as_json: bool,
) -> None:
    """Ask the endpoint NAME about pictures: FILES, or folders of them.

    A folder of class folders, such as a test split, also says what is right: true labels stand beside the predicted
    ones, and the share that was recognized is told.

    \b
      launch.py predict bees bee.jpg
      launch.py predict bees photos-prepared/test --sheet test.html
      launch.py predict bees photos/ --json
    """
    from launcher.cli.console import say
    from launcher.errors import PredictionError
    from launcher.report import sheet as sheets
    from launcher.verbs import prediction
    from launcher.verbs.scoring import scored

    if sheet:
        sheets.check(sheet)
    chosen = prediction.files_of(files)
    door = where.open_for(name)
    # The first picture is asked about with all labels, which tells what folders may be called after.
    most = prediction.ALL_LABELS if accept == prediction.JSON else top_k
    target = {key: word for key, word in (("TargetModel", target_model), ("TargetVariant", variant)) if word}
    refused: list[prediction.PictureRefused] = []
    about = partial(
        prediction.predict, door, name, content_type=content_type, accept=accept, explain=explain, target=target,
        on_refused=refused.append if len(chosen) > 1 else None,
    )  # fmt: skip
    answers = chain(about(chosen[:1], top_k=most), about(chosen[1:], top_k=top_k))
    labels: set[str] = set()
    shown: list[Answer] = []
    explained: set[Path] = set()
    try:
        for answer in answers:
            if not answer.predictions:
                sys.stdout.buffer.write(answer.payload)
                continue
            for each in answer.predictions:
                labels.update(str(best["label"]) for best in each.get("top_k", [each]))
                each["top_k"] = each.get("top_k", [each])[:top_k]
            shown.append(answer)
            if explain:
                _write_explanations(answer, explain_to, explained)
    finally:
        # A picture that is refused does not take with it what was said of those before it.
        sys.stdout.flush()
        if shown:
            rows = [scored(answer.file, answer.predictions, labels) for answer in shown]
            _print(shown, rows, as_json=as_json)
            if sheet:
                say(f"Wrote {sheets.write(list(chain.from_iterable(rows)), sheet, endpoint=name)}")
    for fault in refused:
        say(str(fault))
    if refused:
        raise PredictionError(f"{len(refused)} of {len(chosen)} pictures were refused; the lines above say why.")


def _print(answers: list[Answer], scored_: list[list[Scored]], *, as_json: bool) -> None:
    from launcher.cli.console import print_json, print_table, say
    from launcher.verbs.scoring import Tally

    rows = list(chain.from_iterable(scored_))
    predictions = [each for answer in answers for each in answer.predictions]
    tally = Tally.of(rows)
    if as_json:
        print_json(
            [
                {"file": str(row.file), **({} if row.true is None else {"true": row.true}), **each}
                for row, each in zip(rows, predictions, strict=True)
            ]
        )
    else:
        truth = tally.known > 0
        lines = [
            (
                str(row.file),
                *((row.true or "",) if truth else ()),
                row.predicted,
                f"{row.probability:.4f}",
                ", ".join(f"{label} {probability:.4f}" for label, probability in row.others),
            )
            for row in rows
        ]
        print_table(("file", *(("true",) if truth else ()), "label", "probability", "then"), lines)
    if tally.accuracy is not None:
        say(f"{tally.right} of {tally.known} pictures whose class is known were recognized ({tally.accuracy:.1%}).")


def _write_explanations(answer: Answer, folder: Path, written: set[Path]) -> None:
    """A file a picture, beside those ``written`` before: class folders hold pictures of the same names."""
    from launcher.cli.console import say
    from launcher.verbs.prediction import explanation_png

    folder.mkdir(parents=True, exist_ok=True)
    for index, each in enumerate(answer.predictions):
        png = explanation_png(each)
        if png is None:
            continue
        number = f".{index}" if len(answer.predictions) > 1 else ""
        place, copy = folder / f"{answer.file.name}{number}.explain.png", 1
        while place in written:
            place, copy = folder / f"{answer.file.name}{number}-{copy}.explain.png", copy + 1
        written.add(place)
        place.write_bytes(png)
        each["explanation"] = str(place)
        say(f"Wrote {place}")
