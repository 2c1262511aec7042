"""Profiler rules while a job runs: when they look, what they leave, and what they cannot harm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container.common.rules import PROFILER_NAMES
from container.train.profile import scan
from container.train.profile.evaluation import Evaluation
from container.train.profile.monitoring import Monitoring
from container.train.profile.phases import Phase
from container.train.profile.scan import LEAST_SECONDS, PAUSES_FOR_A_LOOK, Scan
from container.train.profile.timings import Timings
from container.train.rules.findings import IN_PROGRESS, ISSUES, NO_ISSUES
from tests.train.profile.systems import steps
from tests.train.profile.test_monitor import samples, until
from tests.train.profile.test_profiler import Points, Training

SLOW_DATA = steps([100.0] * 20, totals={"data": 1.8, "forward": 0.2})


class Time:
    """A clock and a meter of processor time, both set by hand."""

    def __init__(self) -> None:
        self.now = self.used = 0.0

    def meter(self) -> float:
        return self.used


def told(folder: Path) -> dict[str, dict[str, Any]]:
    return {one["RuleConfigurationName"]: one for one in json.loads((folder / scan.FILE).read_text())}


def scanning(folder: Path, time: Time, **parameters: str) -> Scan:
    return Scan(folder, Evaluation(parameters), clock=lambda: time.now, cost=time.meter)


def test_what_is_found_so_far_stands_in_rules_json(tmp_path: Path) -> None:
    SLOW_DATA.write(tmp_path)
    scanning(tmp_path, Time()).look()
    rules = told(tmp_path)
    assert tuple(rules) == PROFILER_NAMES
    assert {name for name, rule in rules.items() if rule["RuleEvaluationStatus"] == ISSUES} == {
        "Dataloader",
        "ProfilerReport",
    }
    assert rules["Dataloader"]["findings"][0]["advice"] in rules["Dataloader"]["StatusDetails"]
    assert rules["StepOutlier"]["RuleEvaluationStatus"] == IN_PROGRESS


def test_a_finding_that_is_no_longer_true_is_gone(tmp_path: Path) -> None:
    time = Time()
    one = scanning(tmp_path, time)
    SLOW_DATA.write(tmp_path)
    one.look()
    steps([100.0] * 200, totals={"data": 1.8, "forward": 18.2}).write(tmp_path)
    time.now = 59.0
    one.look()
    assert told(tmp_path)["Dataloader"]["RuleEvaluationStatus"] == ISSUES, "it is not due yet"
    time.now = 60.0
    one.look()
    assert told(tmp_path)["Dataloader"]["RuleEvaluationStatus"] == IN_PROGRESS


def test_each_rule_looks_at_its_own_interval(tmp_path: Path) -> None:
    time = Time()
    one = scanning(tmp_path, time, Dataloader_scan_interval_us="20000000")
    assert one.look() == 20.0
    time.now = 20.0
    SLOW_DATA.write(tmp_path)
    one.look()
    rules = told(tmp_path)
    assert rules["Dataloader"]["RuleEvaluationStatus"] == ISSUES
    assert "no training step" in rules["OverallFrameworkMetrics"]["StatusDetails"], "it looks once a minute"


@pytest.mark.parametrize(("used", "pause"), [(0.0, LEAST_SECONDS), (2.0, 2.0 * PAUSES_FOR_A_LOOK)])
def test_looks_are_far_apart_where_one_takes_long(tmp_path: Path, used: float, pause: float) -> None:
    time = Time()
    one = Scan(
        tmp_path,
        Evaluation({"StepOutlier_scan_interval_us": "1000"}),
        clock=lambda: time.now,
        cost=iter([0.0, used]).__next__,
    )
    assert one.look() == pause


def test_a_job_that_does_not_come_to_its_first_step_is_told_while_it_waits(tmp_path: Path) -> None:
    Timings(seconds=5.0, phases=[Phase("setup", 0.0, 5.0)]).write(tmp_path)
    hour_ago = (tmp_path / "timings.json").stat().st_mtime - 3600
    os.utime(tmp_path / "timings.json", (hour_ago, hour_ago))
    scanning(tmp_path, Time()).look()
    assert told(tmp_path)["MaxInitializationTime"]["RuleEvaluationStatus"] == ISSUES


def test_nothing_is_said_of_loading_before_there_are_some_steps(tmp_path: Path) -> None:
    steps([1000.0], totals={"data": 0.99}).write(tmp_path)
    scanning(tmp_path, Time()).look()
    assert told(tmp_path)["Dataloader"]["RuleEvaluationStatus"] == IN_PROGRESS


def test_a_file_that_is_half_there_is_read_at_the_next_look(tmp_path: Path) -> None:
    (tmp_path / "timings.json").write_text("{")
    one = scanning(tmp_path, Time())
    assert one.look() == LEAST_SECONDS
    assert not (tmp_path / scan.FILE).exists()
    SLOW_DATA.write(tmp_path)
    one.look()
    assert told(tmp_path)["Dataloader"]["RuleEvaluationStatus"] == ISSUES


def test_a_job_has_states_from_its_beginning_and_verdicts_at_its_end(tmp_path: Path) -> None:
    training = Training(tmp_path / "profile")
    assert {rule["RuleEvaluationStatus"] for rule in told(tmp_path / "profile").values()} == {IN_PROGRESS}
    content = training.run(Points(20), checkpoints=tmp_path)
    assert told(tmp_path / "profile") == content["rules"]
    assert {rule["RuleEvaluationStatus"] for rule in content["rules"].values()} <= {NO_ISSUES, ISSUES}


def test_a_job_tells_of_its_time_while_it_runs(tmp_path: Path) -> None:
    training = Training(tmp_path / "profile")
    seen: list[bool] = []
    training.run(Points(4, lambda step: seen.append((training.folder / "timings.json").exists())), checkpoints=tmp_path)
    assert seen[0]


def processes(folder: Path) -> list[int]:
    """Those that look at ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"profile.scan\0{folder}\0" in (entry / "cmdline").read_text():
                found.append(int(entry.name))
    return found


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    one = Monitoring(tmp_path, "algo-1", 100, look_after=0.0)
    yield one
    one.finish()


def test_the_monitor_starts_the_process_that_looks_and_takes_it_along(monitoring: Monitoring, tmp_path: Path) -> None:
    SLOW_DATA.write(tmp_path)
    assert monitoring.start() is None
    assert until((tmp_path / scan.FILE).exists)
    assert told(tmp_path)["Dataloader"]["RuleEvaluationStatus"] == ISSUES
    assert len(processes(tmp_path)) == 1
    assert monitoring.finish() is None
    assert until(lambda: not processes(tmp_path))


def test_the_system_is_sampled_on_when_the_process_that_looks_is_gone(monitoring: Monitoring, tmp_path: Path) -> None:
    monitoring.start()
    assert until(lambda: bool(processes(tmp_path)))
    os.kill(processes(tmp_path)[0], signal.SIGKILL)
    assert until(lambda: not processes(tmp_path))
    seen = samples(tmp_path)
    assert until(lambda: samples(tmp_path) > seen + 1)
    assert monitoring.finish() is None
