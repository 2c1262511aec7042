"""What the hook saves for the rules, and when it saves no more."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smdebug.pytorch as smd
import torch
from smdebug.trials import create_trial
from torch import nn

from container.common.rules import Configuration
from container.train.optim import CrossEntropyLoss
from container.train.rules import disk, facts
from container.train.rules.needs import ALIVE
from container.train.rules.recorder import Recorder
from container.train.rules.registry import make

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    smd.del_hook()


def saved(folder: Path, *, whole: bool, seconds: float) -> int:
    """How many of twenty training steps are saved by a hook that has taken ``seconds`` after the first ten."""
    layer, criterion = nn.Linear(4, 3), CrossEntropyLoss()
    recorder = Recorder(out_dir=str(folder))
    recorder.plan(total=20, an_epoch=4, most=50, whole=whole, facts={})
    recorder.attach(layer, criterion, probes=True)
    recorder.set_mode(smd.modes.TRAIN)
    for step in range(20):
        if step == 10:
            recorder.seconds += seconds
        criterion(layer(torch.randn(6, 4)), torch.arange(6) % 3, 6.0).backward()
    recorder.close()
    return len(create_trial(str(folder)).steps(mode=smd.modes.TRAIN))


@pytest.mark.parametrize(("whole", "seconds", "steps"), [(False, 0.0, 20), (False, 1000.0, 10), (True, 1000.0, 20)])
def test_what_takes_too_much_of_a_training_is_saved_no_more_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool, seconds: float, steps: int
) -> None:
    # More than twenty steps take on any machine, however busy it is.
    monkeypatch.setattr("container.train.rules.recorder.FREE_SECONDS", 100.0)
    assert saved(tmp_path / "tensors", whole=whole, seconds=seconds) == steps


def test_a_disk_that_hangs_leaves_steps_out_and_does_not_hold_the_training_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_PIPE_BYTES", 4096)
    monkeypatch.setattr(disk, "MOST_BYTES", 20_000)
    layer, criterion = nn.Linear(4, 3), CrossEntropyLoss()
    recorder = Recorder(out_dir=str(tmp_path / "tensors"))
    recorder.plan(total=400, an_epoch=4, most=50, whole=False, facts={})
    recorder.attach(layer, criterion, probes=True)
    recorder.set_mode(smd.modes.TRAIN)
    for step in range(400):
        criterion(layer(torch.randn(6, 4)), torch.arange(6) % 3, 6.0).backward()
        if step == 0:
            assert recorder._disk is not None
            os.kill(recorder._disk.pid, signal.SIGSTOP)
    recorder.set_mode(smd.modes.EVAL)
    criterion(layer(torch.randn(6, 4)), torch.arange(6) % 3, 6.0)
    recorder.evaluated(1.0, np.arange(6) % 3, np.arange(6) % 3)
    os.kill(recorder._disk.pid, signal.SIGCONT)
    recorder.close()
    # Those that were in the making are there, whole.
    assert 1 < len(create_trial(str(tmp_path / "tensors")).steps(mode=smd.modes.TRAIN)) < 40
    assert not recorder.broken


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_writing_process_that_is_lost_fails_no_training_and_is_gone_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: signal.Signals
) -> None:
    monkeypatch.setattr(disk.Disk.close, "__defaults__", (0.2,))
    layer, criterion = nn.Linear(4, 3), CrossEntropyLoss()
    recorder = Recorder(out_dir=str(tmp_path / "tensors"), save_config=smd.SaveConfig(save_interval=1))
    if fault == signal.SIGKILL:
        recorder.plan(total=4, an_epoch=4, most=50, whole=False, facts={})
    recorder.attach(layer, criterion, probes=False)
    recorder.set_mode(smd.modes.TRAIN)
    for step in range(4):
        criterion(layer(torch.randn(6, 4)), torch.arange(6) % 3, 6.0).backward()
        assert recorder._disk is not None
        if step == 0:
            os.kill(recorder._disk.pid, fault)
    recorder.close()
    assert recorder.broken
    assert not Path(f"/proc/{recorder._disk.pid}").exists()


def trained(folder: Path, module: nn.Module, *, steps: int, an_epoch: int) -> Any:
    """The tensors of the first ``steps`` of a training."""
    criterion, recorder = CrossEntropyLoss(), Recorder(out_dir=str(folder))
    recorder.plan(total=max(steps, an_epoch), an_epoch=an_epoch, most=50, whole=False, facts={})
    recorder.attach(module, criterion, probes=True)
    recorder.set_mode(smd.modes.TRAIN)
    for _ in range(steps):
        criterion(module(torch.randn(6, 4)), torch.arange(6) % 3, 6.0).backward()
    recorder.close()
    return create_trial(str(folder))


class Block(nn.Module):
    """As torchvision's: one ReLU that is called twice, here dead when it is called the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(4, 4), nn.Linear(4, 3), nn.ReLU()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.relu(self.second(self.relu(self.first(values))) - 100)


def test_each_call_of_a_relu_is_a_layer(tmp_path: Path) -> None:
    trial = trained(tmp_path / "tensors", nn.Sequential(Block(), nn.Linear(3, 3)), steps=20, an_epoch=4)
    assert trial.tensor("0.relu_relu_activity").value(5).max() > 0
    assert trial.tensor("0.relu_1_relu_activity").value(5).max() == 0
    rule = make(Configuration("DeadRelu", {}), trial)
    met = [number for number in trial.steps(mode=smd.modes.TRAIN) if rule.invoke_at_step(number)]
    assert {finding.tensor for finding in rule.findings} == {"0.relu_1_relu_activity"} and met


def test_a_sign_is_given_between_the_steps_that_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("container.train.rules.recorder.SECONDS_BETWEEN_SIGNS", 0.0)
    trial = trained(tmp_path / "tensors", nn.Linear(4, 3), steps=50, an_epoch=40_000)
    last = tmp_path / "tensors/index/000000000" / f"{max(trial.steps()):012d}_worker_0.json"
    assert max(trial.steps()) < 20
    assert (tmp_path / "tensors" / ALIVE).stat().st_mtime_ns > last.stat().st_mtime_ns


def test_moments_of_images_are_those_of_their_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 6, 3)).astype(np.uint8)
    pixels[2] = 127
    found = facts.of_pixels(pixels, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    normalized = (pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    np.testing.assert_allclose(found[facts.MEANS], normalized.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[facts.STDS], normalized.std(axis=(1, 2)), atol=1e-5)


def test_one_gray_channel_is_three() -> None:
    found = facts.of_pixels(np.full((2, 3, 3, 1), 51, np.uint8), mean=(0.0, 0.1, 0.2), std=(1.0,) * 3)
    np.testing.assert_allclose(found[facts.MEANS], [[0.2, 0.1, 0.0]] * 2, atol=1e-6)
