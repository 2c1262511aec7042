"""What a person sees while a job runs."""

from __future__ import annotations

import pytest

from container.common.durations import span
from container.common.metrics import Progress, format_progress
from launcher.cli.watching import LiveView, PlainView, follow, let_go, overall, summary
from launcher.verbs.training import Ended, Logged, Moved

TRAINING = Progress(stage="train", done=30, total=60, round=2, rounds=3, rate=12.5, loss=0.4, accuracy=0.9)


def events() -> list[Moved | Logged | Ended]:
    return [
        Moved("Training", "Training with the process engine"),
        Logged(format_progress(TRAINING)),
        Logged("epoch=2 train:loss=0.4000 validation:loss=0.5000"),
        Logged("x sagemaker-training-toolkit INFO x"),
        Logged("[rules] Overfit NoIssuesFound"),
        Logged("warning: one [file] is left out"),
        Ended({"TrainingJobStatus": "Completed"}),
    ]


def test_off_a_terminal_it_is_plain_lines() -> None:
    lines: list[str] = []
    assert follow(events(), PlainView(lines.append)) == {"TrainingJobStatus": "Completed"}
    assert lines == [
        "Training: Training with the process engine",
        "  train 2/3: 30 of 60 images  12 images/s loss 0.400 accuracy 0.900",
        "  epoch=2 train:loss=0.4000 validation:loss=0.5000",
        "  warning: one [file] is left out",
    ]


def test_off_a_terminal_progress_is_told_now_and_then() -> None:
    lines: list[str] = []
    now = [0.0]
    view = PlainView(lines.append, clock=lambda: now[0])
    for moment in (0.0, 1.0, 9.0, 11.0):
        now[0] = moment
        view.progress(TRAINING)
    assert len(lines) == 2
    view.progress(Progress(stage="export", done=1, total=2))
    assert len(lines) == 3


def test_the_live_bar_shows_and_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(events(), LiveView()) == {"TrainingJobStatus": "Completed"}
    said = capsys.readouterr()
    assert said.out == ""
    assert "epoch=2" in said.err and "[file]" in said.err


def test_what_can_be_done_with_what_goes_on_stands_in_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    let_go("find", " --state x", kind="search", local=True)
    lines = capsys.readouterr().err.splitlines()[2:]
    whats = ("comes back to it", "says where it is", "ends it", "goes on with it then")
    assert [line[: line.index(what)].count("") for line, what in zip(lines, whats, strict=True)] == [
        lines[0].index(whats[0]) + 1
    ] * 4


def test_the_time_left_is_that_of_all_epochs() -> None:
    assert overall(TRAINING) == (90, 180)
    assert overall(Progress(stage="decode", done=5, total=10)) == (5, 10)
    assert summary(Progress(stage="decode", done=5, total=10)) == "decode: 5 of 10 images"


def test_durations_read_as_people_say_them() -> None:
    assert [span(s) for s in (0, 59.6, 185, 7800)] == ["0 s", "1 min 0 s", "3 min 5 s", "2 h 10 min"]
