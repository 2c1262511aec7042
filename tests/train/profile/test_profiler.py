"""Trainings with a profiler: what it finds in them, what it leaves, and what becomes of them when it fails."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader
from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader
from torch import Tensor, nn

from container.common.errors import DataError, HyperparameterError
from container.common.hyperparameters import parse
from container.train import optim
from container.train.checkpoint import Checkpoints
from container.train.console import Console
from container.train.hook import NoWatcher
from container.train.loop import Surroundings, Trainee, fit
from container.train.paths import Paths
from container.train.profile.monitoring import Monitoring
from container.train.profile.profiler import HostProfiler, JobProfiler, NoProfiler, node_of, of_job
from container.train.rules.findings import ISSUES, NO_ISSUES
from container.train.stopping import StopSignal
from container.train.world import World
from tests.train.jobs import Jobs
from tests.train.places import configure, quick

CPU = torch.device("cpu")


class Points:
    """Rows of noise in two classes; ``before`` is called with the number of the step that takes them."""

    def __init__(self, count: int, before: Callable[[int], None] = lambda _: None) -> None:
        self._points = torch.randn(count, 8, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(count) % 2
        self._before = before
        self._taken = 0

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor, *, epoch: int, step: int, share: slice, total: int) -> Tensor:
        self._before(self._taken)
        self._taken += 1
        return self._points[rows]

    def plain(self, rows: slice) -> Tensor:
        return self._points[rows]


class Layer(nn.Linear):
    """A linear layer that takes so many seconds, as a network would."""

    def __init__(self, seconds: float) -> None:
        super().__init__(8, 2)
        self._seconds = seconds

    def forward(self, rows: Tensor) -> Tensor:
        if self._seconds:
            time.sleep(self._seconds)
        return super().forward(rows)


class Training:
    """A training of a linear layer under a profiler."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.folder, self.log = folder, io.StringIO()
        self._h = quick(batch_size="2", profile_interval_ms="100", **changes)
        self._console = Console(stream=self.log)
        self.monitoring = Monitoring(folder, "algo-1", self._h.profile_interval_ms)
        self.profiler = JobProfiler(folder, "algo-1", self._h, self._console, monitoring=self.monitoring)

    def run(self, source: Points, *, checkpoints: Path, step_seconds: float = 0.0) -> dict[str, Any]:
        """Train, close, and give summary.json with its rules by name."""
        layer = Layer(step_seconds)
        around = Surroundings(
            hyperparameters=self._h,
            world=World(CPU),
            console=self._console,
            stop=StopSignal(),
            checkpoints=Checkpoints(checkpoints, {}),
            watcher=NoWatcher(),
            profiler=self.profiler,
        )
        with self.profiler.phase("train"):
            fit(Trainee(layer, layer, layer.train), source, Points(8), optim.CrossEntropyLoss(None, 0.0), around)
        self.profiler.close()
        content: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        content["rules"] = {rule["RuleConfigurationName"]: rule for rule in content["rules"]}
        return content


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    one = Training(tmp_path / "profile")
    yield one
    one.monitoring.finish()


def test_a_sleep_in_data_loading_is_found(training: Training, tmp_path: Path) -> None:
    content = training.run(Points(20, lambda _: time.sleep(0.1)), checkpoints=tmp_path)
    rule = content["rules"]["Dataloader"]
    assert rule["RuleEvaluationStatus"] == ISSUES
    assert rule["findings"][0]["values"]["data_ms"] >= 100
    assert content["steps"]["parts_ms"]["data"] >= 100
    assert "[profiler] Dataloader IssuesFound: " in training.log.getvalue()
    assert content["rules"]["ProfilerReport"]["RuleEvaluationStatus"] == ISSUES


def test_a_training_whose_data_are_there_has_no_slow_loader(training: Training, tmp_path: Path) -> None:
    # Where other work takes the processor away data come late too, by less than steps of this length.
    content = training.run(Points(100), checkpoints=tmp_path, step_seconds=0.01)
    assert content["rules"]["Dataloader"]["RuleEvaluationStatus"] == NO_ISSUES


def test_one_slow_step_in_fifty_is_found(training: Training, tmp_path: Path) -> None:
    def slow(step: int) -> None:
        if step % 50 == 49:
            time.sleep(0.15)

    content = training.run(Points(600, slow), checkpoints=tmp_path)
    rule = content["rules"]["StepOutlier"]
    assert content["steps"]["count"] == 600
    assert rule["RuleEvaluationStatus"] == ISSUES
    assert rule["findings"][0]["values"]["outliers"] >= 11


def test_a_monitor_that_is_killed_does_not_stop_the_training(training: Training, tmp_path: Path) -> None:
    def kill(step: int) -> None:
        if step == 0 and training.monitoring.pid is not None:
            os.kill(training.monitoring.pid, signal.SIGKILL)
            os.waitid(os.P_PID, training.monitoring.pid, os.WEXITED | os.WNOWAIT)

    content = training.run(Points(20, kill), checkpoints=tmp_path)
    assert content["steps"]["count"] == 20
    assert "warning: the system monitor ended before the job" in training.log.getvalue()


def test_a_profile_that_cannot_be_written_is_a_warning(training: Training, tmp_path: Path) -> None:
    training.folder.mkdir(exist_ok=True)
    (training.folder / "timings.json").mkdir()
    with pytest.raises(FileNotFoundError):
        training.run(Points(4), checkpoints=tmp_path)
    assert "warning: the profile is not complete" in training.log.getvalue()


def test_chosen_steps_are_traced(tmp_path: Path) -> None:
    training = Training(tmp_path / "profile", profile_steps="2:4")
    training.run(Points(20), checkpoints=tmp_path)
    trace = json.loads(gzip.decompress((training.folder / "trace" / "steps-2-4.json.gz").read_bytes()))
    assert sum(event["name"] == "aten::linear" for event in trace["traceEvents"]) == 2


def test_a_trace_that_outlives_the_training_is_kept(tmp_path: Path) -> None:
    training = Training(tmp_path / "profile", profile_steps="18:50")
    training.run(Points(20), checkpoints=tmp_path)
    assert (training.folder / "trace" / "steps-18-50.json.gz").is_file()


def test_smdebug_reads_both_halves_of_a_jobs_profile(jobs: Jobs) -> None:
    began = time.time()
    jobs.run(profile_interval_ms="100", epochs="1")
    folder = jobs.paths().output / "profile"
    content = json.loads((folder / "summary.json").read_text())
    steps = [
        event
        for event in LocalAlgorithmMetricsReader(str(folder)).get_events(began * 1e6, time.time() * 1e6)
        if event.event_phase == "Step:ModeKeys.TRAIN"
    ]
    assert len(steps) == content["steps"]["count"] == 5
    system = LocalSystemMetricsReader(str(folder)).get_events(began * 1e6, time.time() * 1e6)
    assert len({event.timestamp for event in system}) == len(content["series"]["time"]) > 0
    names = [phase["name"] for phase in content["phases"]]
    assert names == ["setup", "decode", "train", "validate", "evaluate", "export"]
    assert content["seconds"] == pytest.approx(sum(phase["seconds"] for phase in content["phases"]), abs=0.01)
    series = content["series"]
    assert {len(values) for values in series.values() if values is not None} == {len(series["time"])}
    assert (series["gpu"] is None) == (not torch.cuda.is_available())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_the_debugger_hook_costs_is_told(jobs: Jobs) -> None:
    jobs.run(profile_interval_ms="500", epochs="1", debug_hook="true", debug_save_interval="1")
    import smdebug.pytorch as smd

    smd.del_hook()
    steps = json.loads((jobs.paths().output / "profile" / "summary.json").read_text())["steps"]
    assert steps["parts_ms"]["hook"] > 0


def test_features_have_a_phase_of_their_own(jobs: Jobs) -> None:
    jobs.run(profile_interval_ms="500", epochs="1", freeze="backbone")
    content = json.loads((jobs.paths().output / "profile" / "summary.json").read_text())
    assert "features" in [phase["name"] for phase in content["phases"]]


def test_a_job_that_fails_leaves_its_profile(jobs: Jobs) -> None:
    (jobs.paths().data / "train").unlink()
    with pytest.raises(DataError):
        jobs.run(profile_interval_ms="500")
    content = json.loads((jobs.paths().output / "profile" / "summary.json").read_text())
    assert (content["steps"]["count"], content["steps"]["median_ms"]) == (0, None)


def test_a_job_without_a_profile_writes_none(jobs: Jobs) -> None:
    jobs.run(profile_interval_ms="0", epochs="1")
    assert not (jobs.paths().output / "profile").exists()


def test_a_profile_does_not_make_another_training(jobs: Jobs) -> None:
    jobs.run(profile_interval_ms="0", epochs="1")
    log = jobs.run(profile_interval_ms="1000", profile_steps="1:2", epochs="1")
    assert "going on from the checkpoint" in log


def test_each_host_samples_its_system_and_the_first_process_leads(jobs: Jobs) -> None:
    paths, h, console = jobs.paths(), parse({}), Console(silent=True)
    kinds = []
    for rank, local_rank in [(0, 0), (1, 1), (2, 0)]:
        profiler = of_job(paths, h, World(CPU, rank=rank, size=3, local_rank=local_rank), console)
        kinds.append(type(profiler))
        profiler.close()
    assert kinds == [JobProfiler, NoProfiler, HostProfiler]


@pytest.mark.parametrize(
    ("current", "hosts", "node"),
    [("algo-2", ["algo-1", "algo-2"], "algo-2"), ("b", ["b", "a"], "algo-2"), ("", [], "algo-1")],
)
def test_hosts_are_named_as_smdebug_wants_them(current: str, hosts: list[str], node: str, tmp_path: Path) -> None:
    (tmp_path / "input" / "config").mkdir(parents=True)
    configure(tmp_path, "resourceconfig", {"current_host": current, "hosts": hosts})
    assert node_of(Paths(tmp_path)) == node


@pytest.mark.parametrize(
    "given",
    [
        {"profile-interval-ms": "99"},
        {"profile-interval-ms": "60001"},
        {"profile-steps": "5"},
        {"profile-steps": "5:5"},
        {"profile-steps": "0:201"},
    ],
)
def test_what_no_profiler_can_do_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(HyperparameterError):
        parse(given)


def test_the_bounds_are_sagemakers() -> None:
    values = [parse({"profile-interval-ms": text}).profile_interval_ms for text in ("0", "100", "60000")]
    assert values == [0, 100, 60000]
    assert parse({"profile-steps": " 7:09 "}).profile_steps == "7:9"
