"""The demo's pictures: whole or not at all, and nobody else's folder touched."""

from __future__ import annotations

from pathlib import Path

import pytest

import launcher.data
from launcher.cli.demo import demo_data
from launcher.errors import ConfigError


def test_the_pictures_are_drawn_once(tmp_path: Path) -> None:
    prepared = demo_data(tmp_path / "demo", 120)
    drawn = (prepared / "statistics.json").stat().st_mtime_ns
    assert demo_data(tmp_path / "demo", 120) == prepared
    assert (prepared / "statistics.json").stat().st_mtime_ns == drawn


def test_the_page_on_the_pictures_is_where_it_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo_data(tmp_path / "demo", 120)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Wrote ")]
    assert Path(line.removeprefix("Wrote ").partition(",")[0]).is_file()


def test_another_number_than_is_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo_data(tmp_path / "demo", 120)
    demo_data(tmp_path / "demo", 120)
    assert "which are used" not in capsys.readouterr().err
    demo_data(tmp_path / "demo", 240)
    assert "holds 120 training pictures, which are used; for 240" in capsys.readouterr().err


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "prepared" / "ant" / "mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.touch()
    with pytest.raises(ConfigError, match="something else than the demo pictures"):
        demo_data(tmp_path, 120)
    assert mine.exists()


def test_what_was_half_made_is_not_taken_for_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(destination: Path, **_: int) -> None:
        destination.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher.data, "generate_fingers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo_data(tmp_path / "demo", 120)
    assert not list(tmp_path.iterdir())
