"""What jobs of one machine share: whole, locked, bounded, and never in the way."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from container.common.errors import StorageError
from container.common.images import prepare
from container.train import cache as caching
from container.train import conversion, decode
from container.train.cache import Cache, key_of
from container.train.console import Console
from container.train.stopping import JobStopped, StopSignal
from tests.train.jobs import Jobs, losses
from tests.train.places import ROOT

HOUR = 3600.0


class Opened:
    """A cache as one job has opened it, with that job's log and stop."""

    def __init__(self, folder: Path) -> None:
        self.log, self.stop = io.StringIO(), StopSignal()
        self.cache = Cache(folder, console=Console(stream=self.log), stop=self.stop)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir()
    return path


def keep(cache: Cache, key: str, content: bytes) -> None:
    cache.keep("things", key, lambda at: (at / "file").write_bytes(content))


def test_an_entry_is_found_by_other_jobs(folder: Path) -> None:
    keep(Opened(folder).cache, "one", b"content")
    found = Opened(folder).cache.find("things", "one")
    assert found is not None
    path = found.file("file")
    assert path is not None
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o044 == 0o044, "another job may be another user's"
    assert found.file("other") is None
    assert Opened(folder).cache.find("things", "two") is None


@pytest.mark.parametrize("damage", [b"contenT", b"conten"])
def test_a_file_that_has_changed_is_not_given(folder: Path, damage: bytes) -> None:
    keep(Opened(folder).cache, "one", b"content")
    (folder / "things" / "one" / "file").write_bytes(damage)
    found = Opened(folder).cache.find("things", "one")
    assert found is not None
    assert found.file("file") is None


def test_an_index_that_is_no_index_is_told_and_made_again(folder: Path) -> None:
    job = Opened(folder)
    keep(job.cache, "one", b"content")
    (folder / "things" / "one" / "entry.json").write_text("{")
    assert job.cache.find("things", "one") is None
    assert "is damaged" in job.log.getvalue()
    keep(job.cache, "one", b"again")
    assert job.cache.find("things", "one") is not None


@pytest.mark.parametrize("error", [ZeroDivisionError(), JobStopped()])
def test_what_breaks_off_leaves_no_entry(folder: Path, error: Exception) -> None:
    def broken(at: Path) -> None:
        (at / "file").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        Opened(folder).cache.keep("things", "one", broken)
    assert not list((folder / "things").iterdir())


def test_a_full_disk_is_a_warning(folder: Path) -> None:
    def full(_at: Path) -> None:
        raise StorageError("x cannot be written: the disk is full.")

    job = Opened(folder)
    assert job.cache.keep("things", "one", full) is None
    assert (
        "warning: the things are not kept for other jobs: x cannot be written: the disk is full" in job.log.getvalue()
    )
    assert not list((folder / "things").iterdir())


def test_what_is_larger_than_the_cache_is_not_begun(folder: Path) -> None:
    job = Opened(folder)
    assert job.cache.keep("things", "one", lambda _at: pytest.fail("begun"), size=10**18) is None
    assert "not kept for other jobs: they take 1000000000.0 GB, and the cache has room for" in job.log.getvalue()


def test_a_cache_that_cannot_be_locked_is_read_but_not_written(folder: Path) -> None:
    keep(Opened(folder).cache, "one", b"content")
    (folder / "locks").write_text("no folder")
    job = Opened(folder)
    for _ in range(2):
        with job.cache.lock("things", "two"):
            keep(job.cache, "two", b"content")
    assert job.log.getvalue().count("nothing is added to the cache") == 1
    assert job.cache.find("things", "one") is not None
    assert job.cache.find("things", "two") is None


def test_without_a_folder_nothing_is_found_or_kept() -> None:
    job = Cache(None, console=Console(silent=True), stop=StopSignal())
    with job.lock("things", "one"):
        assert job.keep("things", "one", lambda _at: pytest.fail("kept")) is None
        assert job.find("things", "one") is None
        assert job.text("things", "one", lambda: "made") == "made"
    assert not job.there


def soon(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_job_computes_while_the_others_wait_and_then_have_it(folder: Path) -> None:
    made: list[int] = []
    jobs = [Opened(folder) for _ in range(3)]
    go = threading.Event()

    def make() -> str:
        made.append(1)
        go.wait(60)
        return "made"

    found: list[str] = []
    threads = [
        threading.Thread(target=lambda job=job: found.append(job.cache.text("things", "k", make))) for job in jobs
    ]
    for thread in threads:
        thread.start()
    soon(lambda: sum("waiting for another job" in job.log.getvalue() for job in jobs) == 2)
    go.set()
    for thread in threads:
        thread.join(60)
    assert found == ["made"] * 3
    assert len(made) == 1


def test_a_job_that_waits_heeds_a_stop(folder: Path) -> None:
    waiting = Opened(folder)
    waiting.stop.set()
    with Opened(folder).cache.lock("things", "one"):
        with pytest.raises(JobStopped), waiting.cache.lock("things", "one"):
            pytest.fail("two at once")
        with waiting.cache.lock("things", "two"):
            pass


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of things/one until it is killed."""
    code = (
        "import sys, time; from pathlib import Path; from container.train.cache import Cache;"
        "from container.train.console import Console; from container.train.stopping import StopSignal\n"
        "with Cache(Path(sys.argv[1]), console=Console(), stop=StopSignal()).lock('things', 'one'):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_lock_of_a_job_that_is_killed_is_free(folder: Path, holder: subprocess.Popen[str]) -> None:
    job = Opened(folder)

    def work() -> None:
        with job.cache.lock("things", "one"):
            keep(job.cache, "one", b"content")

    thread = threading.Thread(target=work)
    thread.start()
    soon(lambda: "waiting" in job.log.getvalue())
    assert job.cache.find("things", "one") is None
    holder.kill()
    thread.join(60)
    assert job.cache.find("things", "one") is not None


def test_the_least_recently_used_make_way_when_the_cache_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAX_BYTES", 2500)
    job = Opened(folder)
    for age, key in enumerate(("one", "two", "three")):
        with job.cache.lock("things", key):
            keep(job.cache, key, b"x" * 600)
        then = time.time() - (5 - age) * HOUR
        os.utime(folder / "things" / key, (then, then))
    assert job.cache.find("things", "one") is not None, "it counts as used now"
    keep(job.cache, "four", b"x" * 600)
    assert {p.name for p in (folder / "things").iterdir()} == {"one", "three", "four"}
    assert {p.name for p in (folder / "locks").iterdir()} == {"things-one", "things-three"}
    keep(job.cache, "five", b"x" * 2000)
    assert {p.name for p in (folder / "things").iterdir()} == {"one", "four", "five"}, "lately used ones are spared"


def test_what_a_killed_job_left_half_made_is_removed_after_a_day(folder: Path) -> None:
    for name, hours in (("old.partial", 25), ("new.partial", 1)):
        half = folder / "things" / name
        half.mkdir(parents=True)
        os.utime(half, (time.time() - hours * HOUR,) * 2)
    keep(Opened(folder).cache, "one", b"content")
    assert {p.name for p in (folder / "things").iterdir()} == {"one", "new.partial"}


def test_keys_tell_all_their_parts_apart() -> None:
    assert len({key_of(*parts) for parts in ((1, 2), (2, 1), ("1", 2), ([1, 2],), (1, 2, None))}) == 5


FROZEN = {"freeze": "backbone", "model": "resnet18", "image_size": "64", "epochs": "1", "precision": "auto"}


def test_a_second_job_computes_neither_pixels_nor_features_nor_body_and_leaves_the_same_model(
    jobs: Jobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (jobs.paths(name).base / "cache").symlink_to(folder)
    first = jobs.run("first", exported=True, lr="0.1", **FROZEN)
    assert "from the cache" not in first
    alone = jobs.run("alone", exported=True, **FROZEN)
    assert "from the cache" not in alone

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    with monkeypatch.context() as patch:
        patch.setattr(decode, "prepare", never)
        patch.setattr(conversion, "convert", never)
        patch.setattr(conversion, "quantize", never)
        second = jobs.run("second", exported=True, **FROZEN)
    assert second.count("features of the") == 3
    assert second.count("from the cache") == 4
    assert "exported body: from the cache" in second
    assert losses(second) == losses(alone)
    assert not (jobs.paths("second").checkpoints / "features").exists()
    assert jobs.manifest("second").precision == jobs.manifest("alone").precision
    picture = next((jobs.paths("alone").data / "test").rglob("*.png"))
    pixels = prepare(picture.read_bytes(), jobs.manifest("alone").geometry)[None]
    one, two = (
        ov.Core().compile_model(jobs.paths(name).model / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
            pixels
        )
        for name in ("alone", "second")
    )
    for output in range(2):
        np.testing.assert_array_equal(one[output], two[output])


def test_with_features_and_body_from_the_cache_no_pixel_is_decoded_though_they_were_pruned(
    jobs: Jobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    for name in ("first", "second"):
        (jobs.paths(name).base / "cache").symlink_to(folder)
    changes = FROZEN | {"precision": "fp32"}
    jobs.run("first", exported=True, **changes)
    shutil.rmtree(folder / "images")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(decode, "prepare", never)
    assert jobs.run("second", exported=True, **changes).count("from the cache") == 4


def test_a_network_that_was_trained_shares_its_images_alone(jobs: Jobs, folder: Path) -> None:
    (jobs.paths("job").base / "cache").symlink_to(folder)
    jobs.run(exported=True, epochs="1", normalize="dataset")
    assert {p.name for p in folder.iterdir()} == {"images", "verdicts", "statistics", "locks"}
