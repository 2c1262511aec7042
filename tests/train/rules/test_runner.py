"""Rules beside a training: none harms the others, whatever it does; and over a finished folder."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.common.rules import DEFAULT, Configuration, parse
from container.train.rules import board as boards
from container.train.rules.board import Board, Verdict
from container.train.rules.findings import ERROR, ISSUES, NO_ISSUES, Finding
from container.train.rules.needs import ALIVE
from container.train.rules.rule import TensorRule
from container.train.rules.runner import Runner
from container.train.rules.steps import Step
from tests.train.places import ROOT
from tests.train.rules.recordings import Recording, loss

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


def rule_that(act: Callable[[Step], Any]) -> type[TensorRule[Nothing]]:
    """A rule that does ``act`` at each step, and finds something where that is true."""

    class Acting(TensorRule[Nothing]):
        Parameters = Nothing

        def examine(self, step: Step) -> Iterator[Finding]:
            if act(step):
                yield Finding(step.mode_step, step.mode, "tensor", {}, "Do something.")

    return Acting


def explode(_: Step) -> None:
    raise RuntimeError("this rule is broken")


RULES = {
    "fires": rule_that(lambda step: step.mode_step == 1),
    "quiet": rule_that(lambda _: False),
    "raises": rule_that(explode),
    "hangs": rule_that(lambda _: time.sleep(600)),
    "dies": rule_that(lambda _: os.kill(os.getpid(), signal.SIGKILL)),
    "leaves": rule_that(lambda _: os._exit(3)),
}


def run(
    recording: Recording, names: list[str], *, over: Callable[[], bool] = lambda: True, path: Path | None = None
) -> tuple[Board, list[str]]:
    said: list[str] = []
    board = Board([Verdict(name, {}) for name in names], path=path, say=said.append)
    configurations = [Configuration(name) for name in names]
    Runner(
        recording.folder,
        configurations,
        board,
        over=over,
        make=lambda configuration, trial: RULES[configuration.rule](trial),
        patience=1.0,
    ).run()
    return board, said


def test_a_rule_that_raises_hangs_or_dies_is_an_error_and_the_others_go_on(recording: Recording) -> None:
    for _ in range(3):
        recording.step(**loss(1.0))
    board, said = run(recording, ["raises", "fires", "hangs", "dies", "leaves", "quiet"])
    assert {name: verdict.status for name, verdict in board.verdicts.items()} == {
        "raises": ERROR,
        "fires": ISSUES,
        "hangs": ERROR,
        "dies": ERROR,
        "leaves": ERROR,
        "quiet": NO_ISSUES,
    }
    details = {name: verdict.details for name, verdict in board.verdicts.items()}
    assert details["raises"] == "RuntimeError: this rule is broken"
    assert details["hangs"] == "it took longer than 1 seconds at one step"
    assert details["dies"] == "its process ended with signal SIGKILL"
    assert details["leaves"] == "its process ended with exit status 3"
    assert "at step 1 resulted in the condition being met. Do something." in details["fires"]
    assert "[rules] fires IssuesFound at step 1 of TRAIN, tensor: Do something." in said
    assert "[rules] quiet NoIssuesFound" in said
    assert len(said) == 6, "a line a change"


def test_a_rule_that_waits_for_the_next_step_longer_than_a_step_may_take_is_not_at_fault_and_says_how_far_it_is(
    recording: Recording, tmp_path: Path
) -> None:
    recording.step(**loss(1.0))
    recording.step("EVAL", **loss(1.0))
    began = time.monotonic()
    told: list[str] = []

    def over() -> bool:
        told.extend(one["StatusDetails"] for one in boards.read(tmp_path / "rules.json"))
        # Thrice the patience.
        return time.monotonic() > began + 3.0

    board, _ = run(recording, ["quiet"], over=over, path=tmp_path / "rules.json")
    assert set(told) == {"", "Looked up to step 0 of EVAL."}
    assert (board.verdicts["quiet"].status, board.verdicts["quiet"].details) == (NO_ISSUES, "")


def test_a_folder_with_no_tensors_is_told(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tensors")
    for path in (recording.folder / "collections").rglob("*.json"):
        path.unlink()
    board, _ = run(recording, ["quiet"])
    assert "no tensors were saved" in board.verdicts["quiet"].details


def test_the_state_is_kept_in_rules_json(recording: Recording, tmp_path: Path) -> None:
    recording.step(**loss(1.0))
    recording.step(**loss(1.0))
    run(recording, ["fires", "quiet"], path=tmp_path / "rules.json")
    fires, quiet = boards.read(tmp_path / "rules.json")
    assert fires["RuleConfigurationName"] == "fires" and fires["RuleEvaluationStatus"] == ISSUES
    assert fires["findings"] == [
        {"step": 1, "mode": "TRAIN", "tensor": "tensor", "values": {}, "advice": "Do something."}
    ]
    assert quiet["RuleEvaluationStatus"] == NO_ISSUES and quiet["LastModifiedTime"]
    assert boards.read(tmp_path / "none.json") == []


def command(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "container.train.rules", str(folder), *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_live_rules_speak_while_training_goes_on(recording: Recording, tmp_path: Path) -> None:
    recording.step(**loss(1.0))
    out = tmp_path / "rules.json"
    with command(
        recording.folder, "--live", str(os.getpid()), "--out", str(out), "--rules", "ExplodingTensor,AllZero"
    ) as process:
        try:
            recording.step(Net_weight=np.array([np.nan]))
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("[rules] ExplodingTensor IssuesFound at step 1 of TRAIN, Net_weight: ")
            assert [one["RuleEvaluationStatus"] for one in boards.read(out)] == [ISSUES, "InProgress"]
            recording.end()
            rest, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (rest, errors, process.returncode) == ("[rules] AllZero NoIssuesFound\n", "", 0)


def test_a_finished_folder_is_told_as_a_table_or_json(recording: Recording) -> None:
    recording.step(gradient__a_weight=np.zeros(3), **loss(2.0))
    tables, lists = command(recording.folder), command(recording.folder, "--json", "--rules", "VanishingGradient")
    text, errors = tables.communicate(timeout=60)
    assert (errors, tables.returncode) == ("", 0)
    rows = {line.split()[0]: line.split()[1] for line in text.splitlines()}
    assert tuple(rows) == DEFAULT
    assert rows["VanishingGradient"] == rows["AllZero"] == ISSUES and rows["Overfit"] == NO_ISSUES
    (entry,) = json.loads(lists.communicate(timeout=60)[0])
    assert entry["findings"][0]["tensor"] == "gradient/a_weight"


@pytest.mark.parametrize("how", ["--stop-stalled", "stop_training_on_fire"])
def test_a_stalled_training_is_stopped_when_asked(recording: Recording, how: str) -> None:
    recording.step(**loss(1.0))
    parameters: dict[str, Any] = {"threshold": 1} | ({how: "True"} if not how.startswith("-") else {})
    rules = ["--rules", json.dumps({"StalledTrainingRule": parameters}), *([how] if how.startswith("-") else [])]
    # The training: it starts the rules as its child, and then does nothing.
    code = (
        "import os, subprocess, sys, time\n"
        "rules = subprocess.Popen([sys.executable, '-W', 'ignore', '-m', 'container.train.rules', *sys.argv[1:],"
        " '--live', str(os.getpid())], stdin=subprocess.PIPE)\n"
        "time.sleep(60)"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", code, str(recording.folder), *rules], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    text, _ = training.communicate(timeout=60)
    assert training.returncode == -signal.SIGTERM
    assert "StalledTrainingRule IssuesFound" in text


def test_a_training_that_makes_steps_has_not_stalled_though_none_is_saved(recording: Recording) -> None:
    recording.step(**loss(1.0))
    rules = json.dumps({"StalledTrainingRule": {"threshold": 3}})
    process = command(recording.folder, "--live", str(os.getpid()), "--rules", rules)
    alive, until = recording.folder / ALIVE, time.monotonic() + 8
    while time.monotonic() < until:
        alive.unlink(missing_ok=True)
        alive.touch()
        time.sleep(0.1)
    assert process.stdout is not None
    assert not select.select([process.stdout], [], [], 0)[0]
    assert "StalledTrainingRule IssuesFound" in process.stdout.readline()
    process.communicate(timeout=60)


def test_live_rules_end_when_their_input_is_closed(recording: Recording) -> None:
    recording.step(**loss(1.0))
    process = command(recording.folder, "--live", str(os.getpid()), "--rules", "AllZero")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(4)
    text, errors = process.communicate(timeout=60)  # closes it
    assert (text, errors, process.returncode) == ("[rules] AllZero NoIssuesFound\n", "", 0)


def test_live_rules_end_with_the_training_they_watch(recording: Recording, tmp_path: Path) -> None:
    recording.step(**loss(1.0))
    # No process of that number is the parent: it has ended.
    process = command(recording.folder, "--live", "999999999", "--rules", "AllZero")
    text, errors = process.communicate(timeout=60)
    assert (text, errors, process.returncode) == ("[rules] AllZero NoIssuesFound\n", "", 0)


@pytest.mark.parametrize(("more", "expected"), [((), "no tensors in"), (("--rules", "Overfitting"), "Did you mean")])
def test_what_cannot_be_evaluated_is_one_sentence(tmp_path: Path, more: tuple[str, ...], expected: str) -> None:
    process = command(tmp_path, *more)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert expected in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("none", ()),
        ("", ()),
        ("default", DEFAULT),
        ("overfit, AllZero", ("Overfit", "AllZero")),
        ('["default", "Confusion"]', (*DEFAULT, "Confusion")),
    ],
)
def test_rules_are_asked_for_by_name(text: str, rules: tuple[str, ...]) -> None:
    assert tuple(one.rule for one in parse(text)) == rules


def test_parameters_replace_a_rules_defaults() -> None:
    found = {one.rule: one.parameters for one in parse('["default", {"Overfit": {"patience": 3}}]')}
    assert found["Overfit"] == {"patience": 3} and found["AllZero"] == {}


@pytest.mark.parametrize("text", ["Overfitting", "{", '["default", 3]', '{"Overfit": 3}'])
def test_rules_that_cannot_be_read_are_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
