"""The page on a prepared set: whole, self-contained, and true."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.data.exploration import chosen
from tests.data.sources import class_folders, picture, run
from tests.pages import Reader


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = class_folders(tmp_path / "in", {"ants": 12, "<b>bees<b>": 8})
    (root / "ants" / "broken.png").write_bytes(b"no image")
    (root / "ants" / "copy.png").write_bytes((root / "ants" / "0.png").read_bytes())
    picture(root / "ants" / "gray.png", 99, "L")
    (root / "wasps").mkdir()
    return root


def test_the_page_shows_each_class_the_sizes_and_what_was_left_out(source: Path, tmp_path: Path) -> None:
    made = run(source, tmp_path / "out")
    text = made.page.read_text(encoding="utf-8")
    page = Reader(text)
    assert "<b>bees<b>" in page.text and "<b>bees" not in text, "names are escaped"
    assert "The class folder wasps holds no file" in page.text
    assert ["10 × 12", "21"] in page.rows
    assert "10 wide and 12 high, in pixels; 1 in gray" in page.text
    assert any(row[0].endswith("broken.png") and "not an image" in row[1] for row in page.rows)
    assert any({Path(cell).name for cell in row} == {"0.png", "copy.png"} for row in page.rows)
    assert any(row[0] == "all" and row[1].count(",") == 2 for row in page.rows), "three means"


def test_the_page_needs_no_network(source: Path, tmp_path: Path) -> None:
    page = Reader(run(source, tmp_path / "out").page.read_text(encoding="utf-8"))
    for tag, attributes in page.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:"), f"{tag} fetches {attributes[name]}"
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    assert 10 <= len(pictures) <= 16


def test_many_classes_are_columns_and_a_table(tmp_path: Path) -> None:
    source = class_folders(tmp_path / "in", {f"class {n:02d}": 3 for n in range(30)})
    page = Reader(run(source, tmp_path / "out").page.read_text(encoding="utf-8"))
    assert "30 classes, by their number of images" in page.text
    assert page.classes("column") == 90
    assert ["class 07", "1", "1", "1", "3"] in page.rows


def test_pictures_are_of_all_classes_and_no_more_than_a_page_bears() -> None:
    assert len(chosen([str(n % 133) for n in range(8000)])) == 133 * 3
    assert len(chosen([str(n) for n in range(2000)])) == 480
    assert chosen(["a", "b", "a"]) == {0, 1, 2}
