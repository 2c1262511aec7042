"""launch.py data: words become a source, a layout and a destination, and what came of it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from launcher.cli.root import root
from tests.data.sources import bins, class_folders, numbered, zipped


def launch(*words: str | Path) -> Result:
    return CliRunner().invoke(root, ["data", *map(str, words)], catch_exceptions=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_layout_is_found_and_the_destination_named_after_the_source(here: Path) -> None:
    class_folders(here / "photos", {"ants": 8, "bees": 8})
    done = launch("prepare", "photos")
    assert done.exit_code == 0, done.output
    assert (here / "photos-prepared" / "train" / "ants").is_dir()
    assert "Wrote photos-prepared/data.html" in done.stderr
    assert "launch.py train --local --data photos-prepared" in done.stderr


def test_an_archives_destination_lacks_its_suffix(here: Path) -> None:
    zipped(here / "photos.zip", class_folders(here / "photos", {"ants": 8, "bees": 8}))
    assert launch("prepare", "photos.zip").exit_code == 0
    assert (here / "photos-prepared" / "data.html").is_file()


@pytest.mark.parametrize(
    ("words", "destination"),
    [
        (("folder", "photos", "out"), "out"),
        (("photos", "out"), "out"),
        (("folder", "photos"), "photos-prepared"),
        (("photos", "out", "--layout", "folder"), "out"),
        (("folder", "photos", "out", "--layout", "folder"), "out"),
    ],
)
def test_the_layout_may_be_named_first(here: Path, words: tuple[str, ...], destination: str) -> None:
    class_folders(here / "photos", {"ants": 8, "bees": 8})
    done = launch("prepare", *words)
    assert done.exit_code == 0, done.output
    assert (here / destination / "statistics.json").is_file()


def test_a_folder_may_be_called_as_a_layout_is(here: Path) -> None:
    bins(here / "bins", numbered({1: 6, 2: 6}))
    assert launch("prepare", "bins", "out").exit_code == 0
    assert launch("prepare", "bins", "bins").exit_code == 0
    assert (here / "bins-prepared" / "train" / "2").is_dir()
    unclear = launch("prepare", "bins", "out")
    assert unclear.exit_code == 2
    assert "write ./bins for the folder, or --layout bins." in " ".join(unclear.output.split())
    # An archive that is not there is no destination.
    assert "write ./bins for" in " ".join(launch("prepare", "bins", "photos.zip").output.split())
    missing = launch("prepare", "dogs", "dogImages.zip")
    assert "No data at dogImages.zip: there is nothing of that name" in " ".join(missing.output.split())


def test_json_tells_all_that_was_done(here: Path) -> None:
    source = bins(here / "in", {**numbered({1: 6, 2: 6}), "00099": 9})
    (source / "bin-images" / "00001.jpg").write_bytes(b"broken")
    done = launch("prepare", "bins", "in", "out", "--most", "2", "--json")
    told = json.loads(done.stdout)
    assert told["layout"] == "bins" and told["page"] == "out/data.html"
    assert told["warnings"] == ["1 bin has more than 2 items and was left out."]
    assert [file for file, _ in told["bad"]] == ["in/bin-images/00001.jpg"]
    assert sum(told["counts"]["train"].values()) == 7


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("dgos", "photos", "out"), "There is no layout 'dgos'. Did you mean 'dogs'?"),
        (("folder", "photos", "--layout", "bins"), "The layout is said to be folder and --layout bins; keep one"),
        (("photos", "--download", "kept"), "--download keeps what is fetched from a bucket, and photos is none"),
        (("photos", "--list", "x.json"), "bins alone are chosen by a list or a number"),
        (("photos", "photos/split"), "photos/split lies in photos, whose pictures it would hold again"),
        (("photos", "--layout", "cats"), "Unknown layout 'cats'; it must be auto, bins, dogs, fingers or folder."),
    ],
)
def test_words_that_do_not_fit_are_one_sentence(here: Path, words: tuple[str, ...], sentence: str) -> None:
    class_folders(here / "photos", {"ants": 8, "bees": 8})
    done = launch("prepare", *words)
    assert done.exit_code in (2, 9) and sentence in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_mistyped_command_is_told_the_nearest(here: Path) -> None:
    done = launch("prepar", "photos")
    assert done.exit_code == 2 and "No command 'prepar'. Did you mean 'prepare'?" in done.stderr


def test_bins_and_dogs_are_drawn_in_their_layouts_and_prepared(here: Path) -> None:
    assert launch("bins", "shelves", "--count", "40", "--size", "32").stdout == "shelves\n"
    assert launch("prepare", "bins", "shelves", "--list", "shelves/file_list.json").exit_code == 0
    drawn = launch("dogs", "dogImages", "--classes", "2", "--train", "6", "--valid", "2", "--test", "2", "--size", "32")
    assert "launch.py data prepare dogImages dogImages-prepared" in drawn.stderr
    prepared = launch("prepare", "dogs", "dogImages")
    assert "launch.py train --local --preset dogs-head --data dogImages-prepared" in prepared.stderr
    assert sorted(path.name for path in (here / "dogImages-prepared" / "validation").iterdir()) == [
        "001.Affenpinscher", "002.Afghan_hound"
    ]  # fmt: skip


def test_drawing_needs_a_picture_of_each_class_and_an_empty_folder(here: Path) -> None:
    few = launch("dogs", "dogs", "--classes", "20", "--train", "10")
    assert few.exit_code == 2 and "a picture of each of the 20 classes" in few.stderr
    (here / "full").mkdir()
    (here / "full" / "mine").write_text("keep")
    assert launch("bins", "full").exit_code == 9 and (here / "full" / "mine").read_text() == "keep"
