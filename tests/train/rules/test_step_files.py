"""Our files of a step against smdebug's own writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from smdebug.core.modes import ModeKeys
from smdebug.core.writer import FileWriter

from container.train.rules.disk import Disk
from container.train.rules.step_files import StepWriter

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Its writer leaves an index open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TENSORS = {
    "CrossEntropyLoss_output_0": np.float32(1.25),
    "gradient/ResNet_fc.weight": np.linspace(-3, 3, 600, dtype=np.float32).reshape(3, 200),
    "labels": np.arange(300),
    "none": np.zeros(0, np.float32),
    "halves": np.ones((2, 1, 3), np.float16),
    "doubles": np.ones((1,), np.float64),
    "bytes": np.arange(200, dtype=np.uint8),
    "flags": np.array([True, False]),
    "größe/層": np.float32(-np.inf),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", [0, 127, 128, 1234567])
@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL])
def test_the_files_are_smdebugs_byte_for_byte(tmp_path: Path, step: int, mode: ModeKeys) -> None:
    disk = Disk()
    ours = StepWriter(disk, tmp_path / "ours", step=step, worker="worker_0")
    theirs = FileWriter(trial_dir=str(tmp_path / "theirs"), step=step, worker="worker_0")
    for writer in (ours, theirs):
        for name, values in TENSORS.items():
            writer.write_tensor(tdata=values, tname=name, mode=mode, mode_step=step // 2, timestamp=1234.5)
        writer.write_shape("weight", (3, 200), mode, step // 2)
        writer.flush()
        writer.close()
    disk.close()
    found = contents(tmp_path / "ours")
    assert len(found) == 2
    assert found == contents(tmp_path / "theirs")


def test_shapes_alone_make_an_index_and_nothing_makes_no_file(tmp_path: Path) -> None:
    disk = Disk()
    writer = StepWriter(disk, tmp_path / "ours", step=1, worker="worker_0")
    theirs = FileWriter(trial_dir=str(tmp_path / "theirs"), step=1, worker="worker_0")
    for one in (writer, theirs):
        one.write_shape("weight", (3, 200), ModeKeys.TRAIN, 1)
        one.close()
    StepWriter(disk, tmp_path / "ours", step=2, worker="worker_0").close()
    disk.close()
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert len(contents(tmp_path / "ours")) == 1


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    disk = Disk()
    writer = StepWriter(disk, tmp_path, step=1, worker="worker_0")
    with pytest.raises(TypeError, match="cannot be saved"):
        writer.write_tensor(np.array(["a"]), "words", mode=ModeKeys.TRAIN, mode_step=1)
    disk.close()
