"""amp=auto: bf16 where the processor computes it and the network trains, decided once for all processes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch

from container.train import autocast
from container.train.console import Console
from container.train.world import World
from tests.train.jobs import Jobs
from tests.train.places import quick

T = TypeVar("T")
CPU = torch.device("cpu")


class Led(World):
    """A world whose first process has decided on ``amp``."""

    amp = False

    def from_first(self, work: Callable[[], T]) -> T:
        return type(self).amp  # type: ignore[return-value]


class LedToBf16(Led):
    amp = True


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fma avx512f avx512_vnni avx512_bf16", True), ("avx2 amx_bf16", True), ("avx2 avx512f avx512bw", False)],
)
def test_a_processor_with_bf16_says_so_in_its_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: avx512_bf16 in name only\nflags\t\t: fpu {flags}\n\n")
    assert autocast.native(CPU, cpuinfo=cpuinfo) is expected


def test_a_machine_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert autocast.native(CPU, cpuinfo=tmp_path / "absent") is False


@pytest.mark.parametrize(("world", "expected"), [(Led(CPU), False), (LedToBf16(CPU, rank=1), True)])
def test_auto_is_what_the_first_process_decides(world: World, expected: bool) -> None:
    assert autocast.settled(quick(amp="auto"), world, Console(silent=True)).amp is expected


@pytest.mark.parametrize("amp", ["true", "false"])
def test_what_was_said_stands(amp: str) -> None:
    for world in (Led(CPU), LedToBf16(CPU)):
        assert autocast.settled(quick(amp=amp), world, Console(silent=True)).amp is (amp == "true")


def test_a_frozen_backbone_keeps_fp32_unless_told(jobs: Jobs) -> None:
    log = io.StringIO()
    assert autocast.settled(quick(amp="auto", freeze="backbone"), World(CPU), Console(stream=log)).amp is False
    assert log.getvalue() == ""
    jobs.run("auto", amp="auto", freeze="backbone", epochs="1")
    jobs.run("false", amp="false", freeze="backbone", epochs="1")
    assert jobs.metrics("auto")["metrics"] == jobs.metrics("false")["metrics"]
