"""Scalars for TensorBoard, read back by a parser that knows the format and none of the writer's code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container.common.errors import ContainerError
from container.common.hyperparameters import parse
from container.train.console import Console
from container.train.tensorboard import NoScalars, of_job
from container.train.world import World
from tests.train.jobs import Jobs, losses
from tests.train.places import configure

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

Points = list[tuple[int, float]]


def checksum(data: bytes) -> int:
    """CRC-32C bit by bit, masked as TensorFlow masks it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """The records of a file, each of whose checksums is right."""
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12]) == (checksum(data[:8]),)
        record, data = data[12 : 12 + length], data[12 + length :]
        assert struct.unpack("<I", data[:4]) == (checksum(record),)
        data = data[4:]
        yield record


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a protocol buffer."""

    def varint() -> int:
        nonlocal message
        value = shift = 0
        while True:
            byte, message = message[0], message[1:]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while message:
        key = varint()
        size = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = varint() if size is None else size
        content, message = message[:size], message[size:]
        yield key >> 3, struct.unpack({8: "<d", 4: "<f"}[size], content)[0] if key & 7 in (1, 5) else content


def scalars(folder: Path) -> dict[str, Points]:
    """Every tag's (step, value), of all the files of ``folder`` in their order."""
    found: dict[str, Points] = {}
    for path in sorted(folder.iterdir()):
        assert "tfevents" in path.name, "TensorBoard looks at no other files"
        first, *rest = records(path)
        assert dict(fields(first))[3] == b"brain.Event:2"
        for record in rest:
            event = dict(fields(record))
            for _, value in fields(event[5]):
                point = dict(fields(value))
                found.setdefault(point[1].decode(), []).append((event.get(2, 0), point[2]))
    return found


def test_a_jobs_losses_accuracies_and_learning_rates_are_left(jobs: Jobs) -> None:
    jobs.run(tensorboard="true", debug_save_interval="2", lr="0.01", schedule="none")
    found = scalars(jobs.paths().output / "tensorboard")
    history = jobs.metrics()["history"]
    assert len(history) == 2
    for name in ("train:loss", "train:accuracy", "validation:loss", "validation:accuracy", "validation:f1"):
        expected = [(5, history[0][name]), (10, history[1][name])]
        assert [point[0] for point in found[name.replace(":", "/")]] == [5, 10]
        assert found[name.replace(":", "/")] == [(step, pytest.approx(value)) for step, value in expected]
    assert found["lr"] == [(5, pytest.approx(0.01)), (10, pytest.approx(0.01))]
    assert [step for step, _ in found["train/step_loss"]] == [2, 4, 6, 8, 10]
    assert all(0 < value < 10 for _, value in found["train/step_loss"])


def test_nothing_is_left_unless_it_is_asked_for_and_training_is_the_same(jobs: Jobs) -> None:
    plain = jobs.run("plain", epochs="1")
    assert not (jobs.paths("plain").output / "tensorboard").exists()
    assert losses(jobs.run("told", epochs="1", tensorboard="true")) == losses(plain)


def test_a_job_that_goes_on_adds_to_what_is_there_and_one_that_begins_anew_does_not(jobs: Jobs) -> None:
    folder = jobs.paths().output / "tensorboard"
    jobs.run(tensorboard="true", epochs="2")
    before = scalars(folder)["train/loss"]
    jobs.run(tensorboard="true", epochs="2")
    assert scalars(folder)["train/loss"] == before, "all was done"
    jobs.checkpoint().unlink()
    jobs.run(tensorboard="true", epochs="1")
    assert [step for step, _ in scalars(folder)["train/loss"]] == [5]


def test_sagemakers_folder_is_used_and_not_emptied(jobs: Jobs, tmp_path: Path) -> None:
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "events.out.tfevents.0.other").write_bytes(b"")
    configure(jobs.paths().base, "tensorboardoutputconfig", {"LocalPath": str(folder), "S3OutputPath": "s3://b/t"})
    jobs.run(epochs="1")
    assert len(list(folder.iterdir())) == 2
    (folder / "events.out.tfevents.0.other").unlink()
    assert set(scalars(folder)) >= {"train/loss", "validation/loss", "lr"}
    assert not (jobs.paths().output / "tensorboard").exists()


def test_sagemakers_folder_has_its_default(jobs: Jobs) -> None:
    configure(jobs.paths().base, "tensorboardoutputconfig", {"S3OutputPath": "s3://bucket/there"})
    jobs.run(epochs="1")
    assert "train/loss" in scalars(jobs.paths().base / "output" / "tensorboard")


def test_a_folder_that_cannot_be_written_is_a_warning(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    configure(jobs.paths().base, "tensorboardoutputconfig", {"LocalPath": str(tmp_path / "file" / "board")})
    log = jobs.run(epochs="1")
    assert log.count("warning: nothing is told to TensorBoard: ") == 1
    assert losses(log)


@pytest.mark.parametrize("text", ["{", "[]", '{"LocalPath": 3}'])
def test_a_configuration_that_cannot_be_read_is_one_sentence(jobs: Jobs, text: str) -> None:
    paths = jobs.paths()
    (paths.config / "tensorboardoutputconfig.json").write_text(text)
    with pytest.raises(ContainerError, match=r"cannot be read as TensorBoardOutputConfig .*LocalPath\.$"):
        of_job(paths, parse({}), World(None), Console(silent=True))  # type: ignore[arg-type]


def test_one_process_of_several_writes(jobs: Jobs) -> None:
    other = World(None, rank=1, size=2, local_rank=1)  # type: ignore[arg-type]
    assert isinstance(of_job(jobs.paths(), parse({"tensorboard": "true"}), other, Console(silent=True)), NoScalars)
