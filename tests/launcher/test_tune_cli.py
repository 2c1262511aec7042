"""What a person sees of a search, and the verbs that know searches, on the local door with stand-in trainings."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.trials import LiveView, PlainView, columns, fitting, follow, headline, narrowed, row, tuned
from launcher.verbs.tuning import Look, Trial
from tests.launcher.conftest import wait
from tests.launcher.test_cli import CHECKOUT, Launch, _read_all, launch, variables
from tests.launcher.test_tuning_verbs import described

__all__ = ["launch", "variables"]  # fixtures


def trial(number: int, status: str = "Completed", **changes: Any) -> Trial:
    fields: dict[str, Any] = {
        "number": number, "name": f"s-{number:03d}-0000abcd", "values": {"lr": "0.026739796818"}, "status": status,
        "objective": 0.41217, "epoch": 3, "seconds": 42.0, **changes,
    }  # fmt: skip
    return Trial(**fields)


def look(*trials: Trial, status: str = "InProgress", **more: Any) -> Look:
    return Look(described(status, **more), list(trials))


def test_a_search_is_one_line_and_a_trial_is_a_row() -> None:
    one = look(trial(1, best=True), trial(2, "InProgress", objective=None, epoch=None))
    assert headline(one) == "s: InProgress, Bayesian, minimize validation:loss, 1 of 4 trials ended, 1 running"
    assert columns(one) == ["trial", "lr", "epoch", "validation:loss", "status", "for"]
    assert row(one.trials[0], tuned(one)) == ["1 ★", "0.02674", "3", "0.4122", "Completed", "42 s"]
    assert row(one.trials[1], tuned(one)) == ["2", "0.02674", "", "", "InProgress", "42 s"]


@pytest.mark.parametrize(("value", "shown"), [("512,64", "512,64"), ('"64"', "64"), ("adamwadamw", "adamwadamw")])
def test_a_value_is_shown_as_it_is_unless_it_is_a_long_number(value: str, shown: str) -> None:
    assert row(trial(1, values={"x": value}), ["x"])[1] == shown


def test_what_does_not_fit_on_the_screen_is_neither_the_best_nor_the_newest() -> None:
    trials = [trial(number, best=number == 2) for number in range(1, 21)]
    assert [each.number for each in fitting(trials, 4)] == [2, 18, 19, 20]
    assert fitting(trials, 20) == trials


def test_a_narrow_table_has_fewer_columns_and_no_shortened_ones() -> None:
    header = ["trial", "lr", "freeze", "epoch", "validation:loss", "status", "for"]
    rows = [header, ["10 ★", "0.02674", "backbone", "12", "0.4122", "InProgress", "3 min 10 s"]]
    shown = [[header[index] for index in narrowed(rows, width)] for width in (90, 70, 60, 46, 10)]
    assert shown == [
        header,
        header[:-1],
        ["trial", "lr", "freeze", "validation:loss", "status"],
        ["trial", "lr", "validation:loss", "status"],
        ["trial", "validation:loss", "status"],
    ]


@pytest.mark.parametrize("width", [40, 52, 64, 70, 100])
def test_what_the_live_table_shows_is_whole_at_any_width(width: int) -> None:
    from rich.console import Console
    from rich.live import Live

    from launcher.cli.trials import _table

    values = {"lr": "0.026739796818", "optimizer": "adamw"}
    one = look(trial(1, "InProgress", values=values, seconds=754.0), trial(12, best=True, values=values))
    console = Console(width=width, record=True, file=io.StringIO(), soft_wrap=True, force_terminal=True)
    with Live(_table(one, one.trials, width), console=console, auto_refresh=False):
        pass
    text = console.export_text()
    assert "…" not in text and "InProgress" in text and "validation:loss" in text
    assert headline(one) in " ".join(text.split())


LOOKS = [
    look(),
    look(trial(1, "InProgress", objective=None)),
    look(trial(1, "InProgress")),
    look(trial(1, best=True), trial(2, "InProgress")),
    look(
        trial(1, best=True),
        trial(2, "Failed", objective=None, reason="AlgorithmError: [too] high"),
        status="Completed",
    ),
]


def test_off_a_terminal_a_trial_is_told_when_it_starts_and_when_it_ends() -> None:
    lines: list[str] = []
    assert follow(LOOKS, PlainView(lines.append)) is LOOKS[-1]
    assert lines == [
        "  trial 1 started: lr=0.02674",
        "  trial 1 Completed in 42 s: validation:loss 0.4122 after 3 epochs, the best so far",
        "  trial 2 started: lr=0.02674",
        "  trial 2 Failed in 42 s: no validation:loss after 3 epochs: AlgorithmError: [too] high",
    ]


def test_a_search_that_goes_on_tells_only_what_is_new() -> None:
    lines: list[str] = []
    known = look(trial(1), trial(2, "Failed", reason="InternalServerError: killed"), status="Failed")
    running = look(trial(1), trial(2, "InProgress"))
    follow(
        [known, running, look(trial(1), trial(2, best=True), status="Completed")], PlainView(lines.append, known=known)
    )
    assert lines == [
        "  trial 2 started again: lr=0.02674",
        "  trial 2 Completed in 42 s: validation:loss 0.4122 after 3 epochs, the best so far",
    ]


def test_a_searchs_time_is_that_of_its_runs() -> None:
    created = datetime(2026, 11, 20, tzinfo=UTC)
    times = {"CreationTime": created, "HyperParameterTuningEndTime": created + timedelta(hours=9)}
    assert look(**times).seconds == 9 * 3600
    assert look(**times, ConsumedResources={"RuntimeInSeconds": 70}).seconds == 70


def test_the_live_table_shows_the_trials_and_says_once_why_one_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow([*LOOKS, LOOKS[-1]], LiveView()) is LOOKS[-1]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("trial 2 failed: AlgorithmError: [too] high") == 1
    assert "0.4122" in said.err and "1 ★" in said.err


TUNE = ("tune", "--local", "process", "--strategy", "random", "--random-seed", "1")


def test_a_search_runs_and_its_best_trial_is_trained_again_and_deployed(
    launch: Launch, images: Path, state: Path
) -> None:
    done = launch(*TUNE, "--data", images, "--name", "s", "--jobs", "3", "--parallel", "2",
                  "--range", "lr=0.001:0.1:log", "--range", "batch-size=16,32", "--label-smoothing", "0.1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(said) == {"best", "validation:loss", "lr", "batch-size", "model"}
    assert "lr 0.001 to 0.1 Logarithmic" in done.stderr and "label-smoothing=0.1" in done.stderr
    assert "3 of 3 trials ended" in done.stderr
    for verb in ("report s", "train --from-tuning s --local", "deploy --from-tuning s --local"):
        assert f"launch.py {verb}" in done.stderr
    config = json.loads((state / "configs/tuning-jobs/s.json").read_text())
    assert config["tuning"]["random_seed"] == 1

    rows = json.loads(launch("status", "--json").stdout)
    assert [(each["kind"], each["name"], each["trials"]) for each in rows] == [("tuning job", "s", 3)]
    assert len(json.loads(launch("status", "--all", "--json").stdout)) == 4
    shown = launch("status", "s").stdout
    assert shown.startswith("tuning job s: Completed, Random") and f"best {said['best']}" in shown
    assert json.loads(launch("status", "s", "--json").stdout)["BestTrainingJob"]["TrainingJobName"] == said["best"]
    logs = launch("logs", "s")
    assert "trial 3 Completed" in logs.stdout and f"launch.py logs {said['best']}" in logs.stderr

    again = launch("train", "--from-tuning", "s", "--local", "process", "--epochs", "7", "--dry-run")
    assert json.loads(again.stdout)["HyperParameters"] == {
        "lr": said["lr"], "batch-size": said["batch-size"], "label-smoothing": "0.1", "epochs": "7",
    }  # fmt: skip
    deployed = launch("deploy", "--from-tuning", "s", "--local", "process")
    assert (deployed.returncode, deployed.stdout) == (0, "s-endpoint\n"), deployed.stderr
    assert launch("delete", "s-endpoint").returncode == 0

    assert launch("delete", "s").returncode == 2, "nobody answers"
    gone = launch("delete", "s", "--yes")
    assert gone.stdout == "deleted tuning job s and its 3 trials\n" and "models stay under file://" in gone.stderr
    assert list((state / "training-jobs").iterdir()) == []
    assert not (state / "configs/tuning-jobs/s.json").exists()
    assert launch("status", "s").returncode == 3


def test_ctrl_c_lets_go_of_a_search_that_is_stopped_and_resumed_later(
    launch: Launch, variables: dict[str, str], images: Path, state: Path
) -> None:
    screen, terminal = pty.openpty()
    words = [*TUNE, "--data", str(images), "--name", "s", "--jobs", "2", "--range", "lr=0.001:0.1", "--env",
             "FAKE_MODE=wait"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "launch.py", *words], cwd=CHECKOUT, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
        env={**variables, "TERM": "xterm", "COLUMNS": "120"}, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)

    def objective_shown() -> bool:
        return "0.5 " in launch("status", "s").stdout

    wait(lambda: (state / "tuning-jobs" / "s").exists() and objective_shown())
    seen = ""
    # What the table says is looked for on the screen: on a busy machine it comes later than the status.
    while "0 of 2 trials ended, 1 running" not in seen:
        seen += os.read(screen, 65536).decode(errors="replace")
    os.killpg(process.pid, signal.SIGINT)
    seen += _read_all(screen)
    assert process.wait(timeout=120) == 130
    assert process.stdout is not None
    process.stdout.close()
    assert "0 of 2 trials ended, 1 running" in seen and "the search s goes on" in seen
    for verb in ("logs s -f", "stop s", "tune --resume s"):
        assert f"launch.py {verb}" in seen
    running = launch("delete", "s", "--yes")
    assert running.returncode == 1 and "launch.py stop s" in running.stderr
    assert launch("stop", "s").stdout == "s Stopped\n"
    assert launch("stop", "s").stderr.startswith("Search s had ended already.")
    followed = launch("logs", "s", "-f")
    assert followed.returncode == 6 and "tune --resume s` goes on with it" in followed.stderr
    assert launch("tune", "--resume", "s", "--no-wait").stdout == "s\n"
    assert launch("stop", "s").returncode == 0


def test_a_search_whose_supervisor_was_killed_can_be_stopped_and_deleted(
    launch: Launch, images: Path, state: Path
) -> None:
    started = launch(*TUNE, "--data", images, "--name", "s", "--jobs", "2", "--parallel", "2", "--no-wait", "--range",
                     "lr=0.001:0.1", "--env", "FAKE_MODE=wait")  # fmt: skip
    assert started.returncode == 0, started.stderr
    jobs = state / "training-jobs"
    wait(lambda: jobs.is_dir() and len(list(jobs.glob("s-*/handles.json"))) == 2)
    os.kill(json.loads((state / "tuning-jobs/s/supervisor.json").read_text())["pid"], signal.SIGKILL)
    wait(lambda: json.loads(launch("status", "s", "--json").stdout)["HyperParameterTuningJobStatus"] == "Failed")
    assert "running still" in launch("delete", "s").stderr, "asked before it is known whether it can be done"
    refused = launch("delete", "s", "--yes")
    assert refused.returncode == 1 and "2 of its 2 trials running still" in refused.stderr
    assert "launch.py stop s`" in refused.stderr and len(list(jobs.iterdir())) == 2, "some of it was deleted"
    stopped = launch("stop", "s")
    assert stopped.stdout == "s Failed\n" and "2 of its trials run still; they are stopped" in stopped.stderr
    assert launch("stop", "s").stderr.startswith("Search s had ended already.")
    assert launch("delete", "s", "--yes").stdout == "deleted tuning job s and its 2 trials\n"


def test_a_search_of_failing_trials_says_why(launch: Launch, images: Path) -> None:
    done = launch(*TUNE, "--data", images, "--name", "s", "--jobs", "2", "--range", "lr=0.001:0.1", "--env",
                  "FAKE_MODE=fail")  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "The learning rate is too high; lower --lr" in done.stderr and "Traceback" not in done.stderr
    refused = launch("train", "--from-tuning", "s")
    assert refused.returncode == 5 and "has no best trial" in refused.stderr


def test_dry_run_prints_the_request_and_starts_nothing(launch: Launch, images: Path, state: Path) -> None:
    printed = launch(*TUNE, "--data", images, "--range", "lr=0.001:0.1", "--maximize", "--objective", "validation:f1",
                     "--target", "0.9", "--dry-run")  # fmt: skip
    config = json.loads(printed.stdout)["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "validation:f1"}
    assert config["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 0.9}
    assert not state.exists()


def test_json_is_json_of_the_search_and_its_trials(launch: Launch, images: Path) -> None:
    done = launch(*TUNE, "--data", images, "--name", "s", "--jobs", "1", "--range", "lr=0.001:0.1", "--json")
    document = json.loads(done.stdout)
    assert document["HyperParameterTuningJobStatus"] == "Completed"
    assert [each["best"] for each in document["Trials"]] == [True]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["tune", "--local", "--data", "."], 2, "There is nothing to tune; add --range"),
        (["tune", "--local", "--data", ".", "--range", "lr"], 2, "not of the form NAME=VALUE"),
        (["tune", "--local", "--data", ".", "--range", "learning-rate=0:1"], 2, "Did you mean 'lr'?"),
        (["tune", "--local", "--data", ".", "--range", "lr=0.1:1", "--lr", "1"], 2, "both tuned and fixed to 1"),
        (["tune", "--data", "s3://b/x", "--range", "lr=0.1:1"], 2, "--output is missing"),
        (["tune", "--resume", "nobody"], 3, "There is no search 'nobody'"),
        (["tune", "--resume", "s", "--lr", "1"], 2, "leave out 'lr'"),
        (["tune", "--resume", "s", "--region", "eu-west-1"], 8, "aws configure"),
        (["train", "--from-tuning", "nobody", "--local"], 3, "There is no search 'nobody'"),
        (["train", "--from-tuning", "nobody"], 3, "There is no search 'nobody'; `"),
        (["deploy", "--from-tuning", "nobody"], 3, "There is no search 'nobody'; `"),
        (["train", "--from-tuning", "s", "--preset", "demo", "--local"], 2, "Give either --preset or --from-tuning"),
        (["deploy", "--from-tuning", "nobody", "--local"], 3, "There is no search 'nobody'"),
        (["deploy", "--from-tuning", "s", "--job", "j", "--local"], 2, "Give one of --job JOB"),
    ],
)
def test_faults_are_one_sentence_with_a_status(launch: Launch, words: list[str], status: int, sentence: str) -> None:
    done = launch(*words)
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
