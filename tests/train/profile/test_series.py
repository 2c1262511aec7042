"""Arrays from files, SageMaker's as well as ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from container.train.profile import series, system_files

# As SageMaker's agent writes: each kind of metric with a stamp of its own, memory alone in the first sample.
THEIRS = [
    ("memory", "MemoryUsedPercent", "", 6.18, 39.508406),
    ("cpu", "cpu0", "CPUUtilization", 98.0, 40.009090),
    ("cpu", "cpu10", "CPUUtilization", 10.0, 40.009090),
    ("cpu", "cpu2", "CPUUtilization", 50.0, 40.009090),
    ("memory", "MemoryUsedPercent", "", 6.75, 40.009163),
    ("network", "ReceiveBytesPerSecond", "Platform", 5.0, 40.013693),
    ("memory", "MemoryUsedPercent", "", 7.32, 40.508502),
]


def write(folder: Path, *, cut: str = "") -> None:
    lines = [
        json.dumps({"Type": t, "Name": n, "Dimension": d, "Value": v, "NodeId": "algo-1", "Timestamp": s})
        for t, n, d, v, s in THEIRS
    ]
    path = folder / system_files.FOLDER / "1970010100" / "0.algo-1.json"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n" + cut)


def test_stamps_of_one_sample_are_one_row(tmp_path: Path) -> None:
    write(tmp_path)
    system = series.read(tmp_path)["algo-1"]
    assert system.times.tolist() == [39.508406, 40.009090, 40.508502]
    memory = system.metric("memory", "MemoryUsedPercent")
    assert memory.tolist() == [6.18, 6.75, 7.32]
    assert system.cpu[1].tolist() == [98.0, 50.0, 10.0], "in the order of their numbers"
    assert np.isnan(system.cpu[0]).all()
    assert np.isnan(series.mean_rows(system.cpu)[0])
    assert system.gpu.shape == (3, 0)


def test_a_last_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, cut='{"Type":"cp')
    assert len(series.read(tmp_path)["algo-1"].times) == 3


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    write(tmp_path, cut='{"Type":"cp\n{}\n')
    with pytest.raises(ValueError, match=r"line 8 of .* is no JSON"):
        series.read(tmp_path)


@pytest.mark.parametrize(("count", "left"), [(600, 600), (601, 301), (6000, 600), (0, 0)])
def test_series_are_thinned_by_means(count: int, left: int) -> None:
    values = np.arange(count, dtype=float)
    found = series.thinned(values, 600)
    assert len(found) == left
    if 0 < left < count:
        assert found[0] == values[: -(-count // 600)].mean()


def test_cores_are_thinned_each_by_itself() -> None:
    values = np.stack([np.arange(4.0), np.full(4, np.nan)], axis=1)
    found = series.thinned(values, 2)
    assert found[:, 0].tolist() == [0.5, 2.5]
    assert np.isnan(found[:, 1]).all()
