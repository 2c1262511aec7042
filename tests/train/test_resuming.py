"""Jobs that are interrupted end as if they had not been."""

from __future__ import annotations

import pytest
import torch

from container.common.errors import ContainerError
from container.train.stopping import JobStopped, StopSignal
from tests.train.jobs import Jobs, losses


class StopAfter(StopSignal):
    """SIGTERM after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def raised(self) -> bool:
        self._looks -= 1
        return self._looks < 0


@pytest.mark.parametrize("looks", [1, 124, 129, 135, 200])
def test_a_job_stopped_anywhere_goes_on_to_the_same_end(jobs: Jobs, looks: int) -> None:
    changes = {"augment": "crop", "dropout": "0.2", "epochs": "3", "early_stopping_patience": "9"}
    undisturbed = jobs.run("whole", **changes)
    stopped = False
    try:
        jobs.run("stopped", stop=StopAfter(looks), **changes)
    except JobStopped:
        stopped = True
    assert stopped or looks == 200
    resumed = jobs.run("stopped", **changes)
    assert jobs.metrics("stopped")["metrics"] == jobs.metrics("whole")["metrics"]
    whole, again = jobs.networks["whole"], jobs.networks["stopped"]
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    if 120 < looks < 140:
        assert "going on from the checkpoint at epoch" in resumed
        assert len(losses(resumed)) < len(losses(undisturbed)) or "step 1" not in resumed


def test_another_jobs_checkpoint_is_told_of_and_left_alone(jobs: Jobs) -> None:
    first = jobs.run(epochs="1")
    assert "checkpoint of another job" not in first
    path = jobs.checkpoint()
    before = path.read_bytes()
    log = jobs.run(epochs="1", lr="0.5")
    assert f"warning: {path} is the checkpoint of another job (its lr is 0.001, this job's 0.5): this job starts" in log
    assert "going on from" not in log
    assert path.read_bytes() == before
    assert len(list(path.parent.glob("checkpoint-*.pt"))) == 2, "trials that share a folder keep one each"
    again = jobs.run(epochs="1")
    assert "going on from the checkpoint at epoch 2" in again


def test_a_head_is_never_continued_on_another_backbone(jobs: Jobs) -> None:
    changes = {"weights": "channel", "freeze": "backbone", "epochs": "1"}
    channel = jobs.paths().data / "weights"
    channel.mkdir()
    for seed in ("1", "2"):
        jobs.run(seed, weights="none", freeze="backbone", epochs="1", seed=seed)
        torch.save(jobs.networks[seed], channel / "w.pth")
        log = jobs.run(**changes)
        assert "going on from" not in log
    assert "(its set of initial weights is " in log
    assert torch.equal(jobs.networks["job"]["conv5.0.weight"], jobs.networks["2"]["conv5.0.weight"])


def test_a_damaged_checkpoint_is_told(jobs: Jobs) -> None:
    jobs.run(epochs="1")
    jobs.checkpoint().write_bytes(b"junk")
    with pytest.raises(ContainerError, match=r"checkpoint-\w+\.pt cannot be read .* delete"):
        jobs.run(epochs="1")


def test_a_checkpoint_under_another_ones_name_is_refused(jobs: Jobs) -> None:
    jobs.run(epochs="1")
    mine = jobs.checkpoint()
    jobs.run("other", epochs="1", lr="0.5")
    mine.write_bytes(jobs.checkpoint("other").read_bytes())
    with pytest.raises(ContainerError, match=r"is of another job \(its lr is 0.5, this job's 0.001\); delete it"):
        jobs.run(epochs="1")


def test_a_damaged_checkpoint_of_another_job_is_no_hindrance(jobs: Jobs) -> None:
    folder = jobs.paths().checkpoints
    folder.mkdir()
    (folder / "checkpoint-0.pt").write_bytes(b"junk")
    assert "another job (it cannot be read: " in jobs.run(epochs="1", freeze="backbone")
