"""The container's entry point under the real toolkit: exit status, failure file, signals, handing over."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from container.common.artifact import read_manifest
from container.common.metrics import parse_line
from tests.train import places
from tests.train.jobs import Jobs
from tests.train.places import QUICK, configure, place

# Slow enough to be met in mid-epoch, and nothing is exported twice.
STEADY = QUICK | {"epochs": "4", "batch-size": "4", "augment": "crop", "dropout": "0.2"}

SECRETS = {"API_TOKEN": "hush-hush-token", "AWS_SECRET_ACCESS_KEY": "hush-hush-key"}


@pytest.fixture
def base(tmp_path: Path, pictures: Path) -> Path:
    place(tmp_path / "ml", QUICK | {"epochs": "1"}, **{split.name: split for split in pictures.iterdir()})
    return tmp_path / "ml"


def telling(base: Path, log: str) -> list[str]:
    """Where a secret of the environment is told: in the log, or in a file of the job's."""
    files = [str(path) for path in base.rglob("*") if path.is_file() and b"hush-hush" in path.read_bytes()]
    return [*files, *(["the log"] if "hush-hush" in log else [])]


def failure(base: Path) -> str:
    return (base / "output" / "failure").read_text()


def test_a_job_under_the_toolkit_succeeds_and_says_what_it_was_given(base: Path) -> None:
    (base / "output").mkdir()
    (base / "output" / "failure").write_text("of an earlier start")
    status, log = places.train(base, **SECRETS)
    assert status == 0, log
    assert (base / "output" / "success").exists()
    assert not telling(base, log), "what the environment holds is nobody's to read"
    assert not (base / "output" / "failure").exists()
    assert "hyperparameters: model='shufflenet_v2_x0_5' weights='none'" in log
    assert json.loads((base / "output" / "data" / "config.json").read_text())["batch-size"] == "16"
    assert read_manifest(base / "model").classes == ("across", "down", "slanted")
    assert "test:accuracy=" in log


def test_a_fault_a_person_can_mend_is_one_paragraph_and_status_1(base: Path) -> None:
    (base / "output").mkdir()
    (base / "output" / "success").touch()
    configure(base, "hyperparameters", {"learning-rate": "0.1"})
    status, log = places.train(base)
    assert status == 1
    assert failure(base) == "Unknown hyperparameter 'learning-rate'. Did you mean 'lr'?"
    assert "Traceback" not in log
    assert not (base / "output" / "success").exists()
    assert not list((base / "model").glob("*"))


def test_a_traceback_is_shown_to_those_who_ask_for_it(base: Path) -> None:
    configure(base, "hyperparameters", {"lr": "much"})
    _, log = places.train(base, SAGEMAKER_CONTAINER_LOG_LEVEL="10", **SECRETS)
    assert "Traceback" in log and not telling(base, log)
    assert "Hyperparameter 'lr' cannot be 'much': a number is expected (allowed: > 0)." in failure(base)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda b: (b / "input" / "data" / "train").unlink(), "The 'train' channel is missing"),
        (lambda b: configure(b, "hyperparameters", {"weights": "channel"}), "there is no such channel; the three ways"),
        (lambda b: configure(b, "hyperparameters", QUICK | {"model": "vit_b_16", "image-size": "50"}), "image-size"),
    ],
)
def test_every_fault_reaches_the_failure_file(base: Path, harm: Callable[[Path], object], words: str) -> None:
    harm(base)
    status, log = places.train(base)
    assert status == 1, log
    assert words in failure(base)
    assert "\n" not in failure(base)


def test_what_nobody_foresaw_leaves_its_reason_and_its_trace(base: Path, tmp_path: Path) -> None:
    # A module of that name earlier on the path: something is wrong with the installation.
    (tmp_path / "nncf.py").write_text("raise KeyError('no such thing')")
    configure(base, "hyperparameters", QUICK | {"epochs": "1", "precision": "int8"})
    status, log = places.train(base, PYTHONPATH=f"{tmp_path}:{places.ROOT}")
    assert status == 1
    assert failure(base).startswith("Training failed with KeyError: 'no such thing'")
    assert "Traceback" in log
    assert not list((base / "model").iterdir()), "half a model"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda c: (c / "hyperparameters.json").write_text("{"), "hyperparameters.json cannot be read as JSON"),
        (lambda c: (c / "resourceconfig.json").write_text("[]"), "resourceconfig.json must hold a JSON object"),
        (lambda c: (c / "resourceconfig.json").write_text("{}"), "does not say 'current_host'"),
        (lambda c: (c / "inputdataconfig.json").unlink(), "inputdataconfig.json is missing"),
    ],
)
def test_a_broken_configuration_is_a_failure_of_one_sentence(
    base: Path, harm: Callable[[Path], object], words: str
) -> None:
    harm(base / "input" / "config")
    assert not (base / "output").exists(), "with which the toolkit alone would end with status 0"
    status, log = places.train(base, image=True)
    assert status == 1
    assert words in failure(base)
    assert words in log
    assert "Traceback" not in log


def test_the_images_command_goes_on_to_the_toolkit(base: Path) -> None:
    configure(base, "hyperparameters", {"learning-rate": "0.1"})
    status, log = places.train(base, image=True)
    assert status == 1
    assert failure(base) == "Unknown hyperparameter 'learning-rate'. Did you mean 'lr'?"
    assert "Reporting training FAILURE" in log


@pytest.mark.parametrize("image", [False, True])
def test_a_folder_that_cannot_be_written_is_one_sentence_and_status_1(base: Path, image: bool) -> None:
    # A folder of the kernel's, in which root cannot write either.
    (base / "output").symlink_to("/sys")
    status, log = places.train(base, image=image)
    assert status == 1, log
    assert log.splitlines()[-1].startswith(f"{base / 'output'}")
    assert "Traceback" not in log


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def checkpointed(base: Path) -> Callable[[], bool]:
    return lambda: any((base / "checkpoints").glob("checkpoint-*.pt"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_is_ended_from_outside_resumes_to_the_same_metrics(
    base: Path, jobs: Jobs, number: signal.Signals
) -> None:
    configure(base, "hyperparameters", STEADY)
    process = places.start(base)
    wait_for(process, checkpointed(base))
    asked = time.monotonic()
    process.send_signal(number)
    log, _ = process.communicate(timeout=30)
    assert time.monotonic() - asked < 30
    assert not (base / "output" / "failure").exists()
    assert not (base / "output" / "success").exists()
    if number == signal.SIGTERM:
        assert process.returncode == 143
        assert log.count("the checkpoint is written: ") == log.count("stopped; the next start goes on") == 1

    status, resumed = places.train(base)
    assert status == 0, resumed
    assert "going on from the checkpoint at epoch" in resumed
    whole = jobs.run("whole", **STEADY)
    last, expected = (
        [parse_line(line) for line in log.splitlines() if line.startswith(("epoch=4", "test:loss"))]
        for log in (resumed, whole)
    )
    for metrics in (*last, *expected):
        metrics.pop("images_per_second", None)
    assert last == expected
    assert len(last) == 2


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process and those it starts may grow beyond ``size`` bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_names_the_path_and_leaves_no_half_file(base: Path) -> None:
    with largest_file(200_000):
        process = places.start(base)
    log, _ = process.communicate(timeout=200)
    assert process.returncode == 1, log
    assert re.search(r"checkpoint-\w+\.pt cannot be written: ", failure(base))
    assert "give the job a larger volume" in failure(base)
    assert [p.name for p in (base / "checkpoints").iterdir()] == []
    assert not list((base / "model").iterdir())
    # With room again the job starts anew and ends.
    assert places.train(base)[0] == 0


def test_a_users_own_script_is_run_by_the_toolkit(base: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text(
        "import os, sys\nprint('mine', sys.argv[1:])\n"
        "open(os.path.join(os.environ['SM_MODEL_DIR'], 'mine.txt'), 'w').close()\n"
    )
    own = {"sagemaker_program": '"mine.py"', "sagemaker_submit_directory": f'"{code}"', "any": '"thing"'}
    configure(base, "hyperparameters", own)
    status, log = places.train(base, **SECRETS)
    assert status == 0, log
    assert "mine ['--any', 'thing']" in log and not telling(base, log)
    assert (base / "model" / "mine.txt").exists()


def test_a_users_script_that_fails_fails_the_job(base: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text("raise SystemExit(3)")
    own = {"sagemaker_program": '"mine.py"', "sagemaker_submit_directory": f'"{code}"'}
    configure(base, "hyperparameters", own)
    assert places.train(base)[0] != 0
    assert (base / "output" / "failure").exists()
