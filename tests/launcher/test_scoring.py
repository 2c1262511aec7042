"""Predictions beside the truth, as rows, as a page and as a picture."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from PIL import Image

from launcher.cli.predict import _write_explanations
from launcher.errors import ConfigError
from launcher.report import sheet
from launcher.verbs.prediction import Answer
from launcher.verbs.scoring import Scored, Tally, scored, true_label
from tests.data.sources import picture
from tests.pages import Reader

LABELS = {"ant", "bee", "3R"}


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("test/bee/1.jpg", "bee"),
        ("photos/1.jpg", None),
        ("train/0a-1b_3R.png", "3R"),
        ("train/0a-1b_3L.png", None),
        ("bee.jpg", None),
    ],
)
def test_a_file_says_its_class_by_its_folder_or_its_name(file: str, label: str | None) -> None:
    assert true_label(Path("/elsewhere") / file, LABELS) == label


def test_a_file_of_several_pictures_has_no_single_truth() -> None:
    best = {"label": "ant", "probability": 0.9, "top_k": [{"label": "ant", "probability": 0.9}]}
    assert [row.true for row in scored(Path("bee/batch.npy"), [best, best], LABELS)] == [None, None]
    assert scored(Path("bee/1.jpg"), [best], LABELS)[0].right is False


def rows(folder: Path) -> list[Scored]:
    made = []
    for index, (true, predicted, probability) in enumerate(
        [("bee", "bee", 0.8), ("bee", "ant", 0.6), ("ant", "bee", 0.9), (None, "<i>蚂蚁", 0.5)]
    ):
        made.append(Scored(picture(folder / f"{index}.png", index), true, predicted, probability))
    return made


def test_only_pictures_whose_class_is_known_are_counted(tmp_path: Path) -> None:
    tally = Tally.of(rows(tmp_path))
    assert (tally.pictures, tally.known, tally.right) == (4, 3, 1)
    assert tally.accuracy == pytest.approx(1 / 3)
    assert Tally.of(rows(tmp_path)[3:]).accuracy is None


def test_the_page_shows_the_surest_mistakes_first_and_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "odd.npy").write_bytes(b"no picture")
    odd = Scored(tmp_path / "odd.npy", None, "ant", 0.1)
    text = sheet.write([*rows(tmp_path), odd], tmp_path / "sheet.html", endpoint="bees").read_text(encoding="utf-8")
    page = Reader(text)
    shown = [Path(str(attributes["title"])).name for tag, attributes in page.elements if tag == "figure"]
    assert shown == ["2.png", "1.png", "0.png", "3.png", "odd.npy"]
    assert (page.classes("wrong"), page.classes("right")) == (2, 1)
    assert "<i>蚂蚁" in page.text and "33.3 %" in page.text
    sources = [str(attributes["src"]) for tag, attributes in page.elements if tag == "img"]
    assert len(sources) == 4 and all(each.startswith("data:image/jpeg;base64,") for each in sources)


@pytest.mark.parametrize("name", ["sheet.png", "sheet.JPG"])
def test_the_picture_has_a_place_for_each(tmp_path: Path, name: str) -> None:
    with Image.open(sheet.write(rows(tmp_path) * 3, tmp_path / name, endpoint="bees")) as drawn:
        assert drawn.size == (8 * 140, 2 * 170)


def test_a_sheet_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sheet\.pdf is neither; name it \.html or \.png"):
        sheet.check(Path("sheet.pdf"))


def test_pictures_of_the_same_name_in_two_folders_have_an_explanation_each(tmp_path: Path) -> None:
    written: set[Path] = set()
    for label in ("ant", "bee"):
        heat_map = base64.b64encode(label.encode()).decode()
        answer = Answer(Path(label, "1.png"), "application/json", b"", [{"explanation": {"heat_map": heat_map}}])
        _write_explanations(answer, tmp_path, written)
        assert Path(answer.predictions[0]["explanation"]).read_text() == label
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png-1.explain.png", "1.png.explain.png"]
