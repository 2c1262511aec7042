"""The job's own clocks, on a time that the tests move; and the timeline that smdebug reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader

from container.train.profile import timeline, timings
from container.train.profile.clock import DETAILED_STEPS, KEPT_STEPS, StepClock
from container.train.profile.phases import Phases
from container.train.profile.timings import Timings


class Hand:
    """A clock's hand, moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def step(clock: StepClock, hand: Hand, *, forward: float = 0.2) -> None:
    clock.begin()
    for part, seconds in {"data": 0.1, "forward": forward, "backward": 0.4, "optimizer": 0.2}.items():
        hand.time += seconds
        clock.lap(part)
    hand.time += 0.1
    clock.end()


def test_each_part_gets_its_time_and_the_step_all_of_it() -> None:
    hand = Hand()
    clock = StepClock(hand)
    for _ in range(3):
        step(clock, hand)
    assert clock.totals == pytest.approx({"data": 0.3, "forward": 0.6, "backward": 1.2, "optimizer": 0.6, "hook": 0})
    assert (clock.count, clock.seconds, clock.first_step) == (3, pytest.approx(3.0), 100.0)
    assert list(clock.durations) == pytest.approx([1.0] * 3)


def test_the_hooks_time_is_its_own_and_makes_no_outlier() -> None:
    hand, hook = Hand(), iter([0.0, 0.0, 0.15, 0.15, 0.15])
    clock = StepClock(hand)
    clock.watch(lambda: next(hook))
    step(clock, hand)
    assert clock.totals["hook"] == pytest.approx(0.15)
    assert clock.totals["forward"] == pytest.approx(0.05)
    assert clock.seconds == pytest.approx(1.0)
    assert clock.durations[0] == pytest.approx(0.85)


def test_a_training_of_any_length_is_kept_in_bounds() -> None:
    hand = Hand()
    clock = StepClock(hand)
    for number in range(3 * KEPT_STEPS):
        clock.begin()
        hand.time += number
        clock.end()
    assert (clock.count, clock.stride) == (3 * KEPT_STEPS, 4)
    assert list(clock.durations) == pytest.approx([float(n) for n in range(0, 3 * KEPT_STEPS, 4)], abs=1e-3)
    assert len(clock.detailed) == DETAILED_STEPS


def test_what_is_to_come_before_a_step_is_told_its_number() -> None:
    numbers: list[int] = []
    hand = Hand()
    clock = StepClock(hand, before=numbers.append)
    for _ in range(3):
        step(clock, hand)
    assert numbers == [0, 1, 2]


def test_phases_make_up_the_jobs_time() -> None:
    hand = Hand()
    phases = Phases(hand)

    def spend(seconds: float) -> None:
        hand.time += seconds

    spend(1)
    with phases.enter("train"):
        spend(2)
        for _ in range(2):
            with phases.enter("validate"):
                spend(3)
            spend(4)
    spend(5)
    found = {phase.name: (phase.start, phase.seconds) for phase in phases.so_far()}
    assert found == {"setup": (0, 6), "train": (1, 10), "validate": (3, 6)}
    assert sum(seconds for _, seconds in found.values()) == hand.time - phases.begin
    assert {phase.name: phase.spans for phase in phases.so_far()} == {
        "setup": [(0, 1), (17, 22)], "train": [(1, 3), (6, 10), (13, 17)], "validate": [(3, 6), (10, 13)],
    }  # fmt: skip


def test_a_phase_that_fails_ends() -> None:
    hand = Hand()
    phases = Phases(hand)

    def fail() -> None:
        with phases.enter("decode"):
            hand.time += 1
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    hand.time += 1
    assert {phase.name: phase.seconds for phase in phases.so_far()} == {"setup": 1, "decode": 1}


@pytest.fixture
def timed(tmp_path: Path) -> Callable[[], Timings]:
    """Two steps of a second after a decoding of two, written as a job does."""

    def write() -> Timings:
        hand = Hand()
        phases, clock = Phases(hand), StepClock(hand)
        with phases.enter("decode"):
            hand.time += 2
        with phases.enter("train"):
            step(clock, hand)
            step(clock, hand)
        found = phases.so_far()
        timeline.write(tmp_path, "algo-1", steps=clock.detailed, phases=found, begin=phases.begin, epoch=1795176961.0)
        return Timings.of(clock, found, begin=phases.begin, workers=2, cores=4)

    return write


def test_smdebug_reads_the_steps_and_their_parts(timed: Callable[[], Timings], tmp_path: Path) -> None:
    timed()
    (path,) = tmp_path.rglob("*.json")
    assert path.parent.parent == tmp_path / "framework/pevents"
    assert path.name == "1795176965000000_0-algo-1_pythontimeline.json"
    reader = LocalAlgorithmMetricsReader(str(tmp_path))
    found = reader.get_events(1795176000 * 10**6, 1795177000 * 10**6)
    second = 10**6
    begin = 1795176961 * second
    steps = [event for event in found if event.event_phase == "Step:ModeKeys.TRAIN"]
    assert [(event.start_time - begin, event.duration) for event in steps] == [
        (pytest.approx(2 * second, abs=2), pytest.approx(second, abs=2)),
        (pytest.approx(3 * second, abs=2), pytest.approx(second, abs=2)),
    ]
    assert [event.event_args for event in steps] == [{"step_num": "0"}, {"step_num": "1"}]
    parts = {event.event_phase: event.duration for event in found}
    assert parts["DataLoaderIter::GetNext"] == pytest.approx(0.1 * second, abs=2)
    assert parts["Backward"] == pytest.approx(0.4 * second, abs=2)
    assert {event.event_name for event in found if event.event_phase == "JobPhase"} == {"setup", "decode", "train"}
    assert {event.node_id for event in found} == {"algo-1-0"}, "smdebug puts the host before the process"


def test_smdebug_finds_events_by_step(timed: Callable[[], Timings], tmp_path: Path) -> None:
    timed()
    reader = LocalAlgorithmMetricsReader(str(tmp_path))
    found = reader.get_events_by_step(0, 1)
    assert "0" in {event.event_args["step_num"] for event in found if event.event_args}


def test_a_timeline_alone_tells_of_the_steps(timed: Callable[[], Timings], tmp_path: Path) -> None:
    written = timed()
    read = timeline.read(tmp_path)
    assert read is not None
    assert read.steps == written.steps
    assert read.durations_ms == pytest.approx(written.durations_ms, abs=0.01)
    assert (read.first_step, written.first_step) == (pytest.approx(2, abs=1e-5), pytest.approx(2))


def test_nothing_is_written_of_nothing(tmp_path: Path) -> None:
    assert timeline.write(tmp_path, "algo-1", steps=[], phases=[], begin=0, epoch=0) is None
    assert timeline.read(tmp_path) is None


def test_timings_come_back_as_they_went(timed: Callable[[], Timings], tmp_path: Path) -> None:
    written = timed()
    written.write(tmp_path)
    read = timings.read(tmp_path)
    assert read == written
    assert written.share("backward") == pytest.approx(40)
    assert written.quantile_ms(50) == pytest.approx(1000)


def test_timings_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / timings.FILE).write_text(json.dumps({"seconds": 1, "phases": [], "hours": 2}))
    with pytest.raises(ValueError, match="not of this version"):
        timings.read(tmp_path)
