"""How much memory is left, and which of an engine's errors mean that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.serve import memory

MIB = 1024 * 1024
MACHINE = {"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"}
GROUP = {
    "sys/fs/cgroup/memory.max": "1073741824\n",
    "sys/fs/cgroup/memory.current": "805306368\n",
    "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 104857600\n",
}
OLD = {
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "805306368\n",
    "sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 0\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (MACHINE, 4096),
        (MACHINE | GROUP, 356),
        (MACHINE | GROUP | {"sys/fs/cgroup/memory.max": "max\n"}, 4096),
        (MACHINE | OLD, 256),
    ],
)
def test_the_lesser_of_the_machine_s_and_the_container_s_memory_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.available(tmp_path) == (None if expected is None else expected * MIB)


def test_weights_larger_than_the_memory_left_are_not_loaded(tmp_path: Path) -> None:
    weights = tmp_path / "model.bin"
    weights.touch()
    memory.check_room(weights)
    with weights.open("rb+") as file:
        file.truncate(1 << 43)  # 8 TiB, none of them on the disk
    with pytest.raises(MemoryError, match=r"8388608 MiB, and \d+ MiB of memory are left"):
        memory.check_room(weights)


@pytest.mark.parametrize(
    "text",
    [
        "Exception from src/core.cpp:117:\nFailed to allocate 33554432 bytes of memory\n\n",
        "Can not create file mapping for 4, err=Cannot allocate memory\n",
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes.",
        "std::bad_alloc",
    ],
)
def test_an_engine_s_want_of_memory_is_told_from_its_other_errors(text: str) -> None:
    with pytest.raises(MemoryError, match=r"memory|bad_alloc") as caught, memory.told():
        raise RuntimeError(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="no such layer"), memory.told():
        raise RuntimeError("no such layer")
