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


def test_a_checkpoint_of_another_job_is_refused_and_left_alone(jobs: Jobs) -> None:
    jobs.run(epochs="1")
    before = (jobs.paths("job").checkpoints / "checkpoint.pt").read_bytes()
    with pytest.raises(ContainerError, match=r"is of another job: its lr is 0.001, this job's is 0.5"):
        jobs.run(epochs="1", lr="0.5")
    assert (jobs.paths("job").checkpoints / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_told(jobs: Jobs) -> None:
    folder = jobs.paths("job").checkpoints
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"junk")
    with pytest.raises(ContainerError, match=r"checkpoint\.pt cannot be read .* delete"):
        jobs.run()
