"""The serving process: when it opens, why it does not, how it ends, what it survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.serve import artifacts
from tests.serve.running import Reply, Serving, ask, picture, until

Start = Callable[..., Serving]

SLOW = """
import time
def predict_fn(data, model):
    time.sleep(1.5)
    return model(data)
"""


def refused(one: Serving, seconds: float = 20) -> str:
    """The server ends by itself with status 1; its log. Nothing may ever have listened."""
    heard = []

    def ended() -> bool:
        heard.append(one.ping())
        return one.process.poll() is not None

    until(ended, seconds)
    assert one.process.returncode == 1
    assert set(heard) == {0}, "it has answered"
    return one.log


def test_a_model_is_served_and_nothing_is_left_behind(start: Start, tiny: Path) -> None:
    one = start(tiny).ready()
    assert one.post(picture()).status == 200
    folder = Path(one.java().cwd())
    assert folder.stat().st_mode & 0o077 == 0, "others can look into the server's folder"
    began = time.monotonic()
    assert one.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    assert not folder.exists()


def test_callers_from_before_the_start_see_no_failure_after_the_first_success(start: Start, tiny: Path) -> None:
    body, seen, stop = picture(), [], threading.Event()

    def hammer(one: Serving) -> None:
        while not stop.is_set():
            at = time.monotonic()
            try:
                status = ask(one.port, "POST", "/invocations", body, Content_Type="image/jpeg").status
            except OSError:
                status = 0
            seen.append((at, status))

    one = start(tiny)
    callers = [threading.Thread(target=hammer, args=(one,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    one.ready()
    ready = time.monotonic()
    until(lambda: sum(status == 200 for _, status in seen) > 100)
    stop.set()
    for caller in callers:
        caller.join()
    assert {status for at, status in seen if at >= ready} == {200}
    assert {status for _, status in seen} <= {0, 200}


def test_a_request_in_flight_is_answered_after_sigterm(start: Start, own: Path) -> None:
    (own / "model" / "code").mkdir()
    (own / "model" / "code" / "inference.py").write_text(SLOW)
    one = start(own).ready()
    answers: list[Reply] = []
    caller = threading.Thread(target=lambda: answers.append(one.post(picture())))
    caller.start()
    time.sleep(0.5)
    assert one.end(signal.SIGTERM) == 0
    caller.join(10)
    assert [answer.status for answer in answers] == [200]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda m: (m / "manifest.json").unlink(), "No model"),
        (lambda m: (m / "manifest.json").write_text("{"), "cannot be read"),
        (lambda m: (m / "model.xml").unlink(), "has no model.xml"),
        (lambda m: (m / "model.bin").unlink(), "has no model.bin"),
        (lambda m: (m / "model.xml").write_text("<net"), "cannot be loaded"),
        (lambda m: (m / "model.bin").write_bytes(b"short"), "cannot be loaded"),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_with_one_sentence(
    start: Start, own: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(own / "model")
    log = refused(start(own))
    lines = [line for line in log.splitlines() if line.startswith("serve: ")]
    assert said in lines[-1]
    assert "Traceback" not in log


def test_a_model_of_another_number_of_classes_is_refused(start: Start, own: Path) -> None:
    path = own / "model" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "classes": ["a", "b"]}))
    assert "gives 3 values and its manifest names 2 classes" in refused(start(own))


def test_a_missing_model_folder_is_refused(start: Start, tmp_path: Path) -> None:
    assert "No model" in refused(start(tmp_path))


def test_a_taken_port_is_said_at_once(start: Start, tiny: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        one = start(tiny, SAGEMAKER_BIND_TO_PORT=str(port))
        assert one.process.wait(15) == 1
        assert f"Port {port} cannot be taken" in one.log


def test_an_address_that_is_not_here_is_said_at_once(start: Start, tiny: Path) -> None:
    for host in ("192.0.2.1", "no such host"):
        one = start(tiny, SERVE_BIND_HOST=host)
        assert one.process.wait(15) == 1
        assert f"SERVE_BIND_HOST is '{host}'" in one.log
        assert "Traceback" not in one.log


def test_it_is_stopped_while_it_installs_packages(start: Start, own: Path, tmp_path: Path) -> None:
    (own / "model" / "code").mkdir()
    os.mkfifo(tmp_path / "endless")  # nobody writes into it: the installer waits
    (own / "model" / "code" / "requirements.txt").write_text(f"-r {tmp_path / 'endless'}\n")
    one = start(own)
    until(lambda: "installing the packages" in one.log and len(one.family()) > 1)
    family = one.family()
    assert one.end(signal.SIGTERM) == 0
    assert "Traceback" not in one.log
    until(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], 10)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SAGEMAKER_MODEL_SERVER_WORKERS", "many"), ("SERVE_MODE", "fast"), ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "x")],
)
def test_a_setting_that_cannot_be_used_is_named(start: Start, tiny: Path, name: str, value: str) -> None:
    one = start(tiny, **{name: value})
    assert one.process.wait(15) == 1
    assert f"{name} is '{value}'" in one.log
    assert "Traceback" not in one.log


def test_a_killed_worker_is_replaced(start: Start, tiny: Path) -> None:
    one = start(tiny).ready()
    before = one.post(picture()).json
    first = one.worker()
    statuses: list[int] = []
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            try:
                statuses.append(one.post(picture()).status)
            except OSError:
                statuses.append(0)

    caller = threading.Thread(target=hammer)
    caller.start()
    until(lambda: len(statuses) > 5)
    first.kill()
    until(lambda: one.worker().pid != first.pid)
    count = len(statuses)
    until(lambda: statuses[count:].count(200) > 20)
    stop.set()
    caller.join()
    assert statuses.count(200) > 20
    assert set(statuses) <= {200, 500, 503}, "a caller sees a server's error at worst"
    assert sum(status != 200 for status in statuses) <= 3
    assert one.post(picture()).json == before
    assert one.end() == 0


def test_workers_that_can_never_come_back_end_the_server(start: Start, own: Path) -> None:
    one = start(own).ready()
    (own / "model" / "model.bin").unlink()
    one.worker().kill()
    assert one.process.wait(30) == 1
    assert "has no model.bin" in one.log


def test_a_model_server_that_dies_ends_the_container(start: Start, tiny: Path) -> None:
    one = start(tiny).ready()
    family = one.family()
    one.java().kill()
    assert one.process.wait(15) == 1
    assert "The model server has ended" in one.log
    until(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], 10)


def test_a_killed_entry_point_takes_the_model_server_with_it(start: Start, tiny: Path) -> None:
    one = start(tiny).ready()
    family = one.family()
    one.process.kill()
    one.process.wait(10)
    until(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], 15)


def test_two_servers_run_beside_each_other(start: Start, tiny: Path, tmp_path: Path) -> None:
    artifacts.tiny(tmp_path / "other" / "model", seed=5)
    first, second = start(tiny), start(tmp_path / "other")
    first.ready()
    second.ready()
    answers = [one.post(picture()).json for one in (first, second)]
    assert answers[0] != answers[1]
    assert first.end() == 0
    assert second.post(picture()).json == answers[1]
    assert second.end() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_serves_a_folder_that_is_not_its_own(start: Start, tiny: Path) -> None:
    with tempfile.TemporaryDirectory() as open_to_all:  # pytest's own folders are closed to others
        base = Path(open_to_all)
        base.chmod(0o755)
        shutil.copytree(tiny / "model", base / "model")
        try:
            one = start(base, user=65534).ready()
        except PermissionError:
            pytest.skip(f"other users may not run {sys.executable}; the image's test runs as another user")
        assert one.process_info().uids().real == 65534
        assert one.post(picture()).status == 200
        assert one.end() == 0


def test_throughput_has_a_worker_a_core(start: Start, tiny: Path) -> None:
    whole = os.sched_getaffinity(0)
    few = set(sorted(whole)[:2])  # a larger machine would start a hundred
    os.sched_setaffinity(0, few)
    try:
        one = start(tiny, SERVE_MODE="throughput")
    finally:
        os.sched_setaffinity(0, whole)
    one.ready()
    workers = [p for p in one.family() if "model_service_worker" in " ".join(p.cmdline())]
    assert len(workers) == 1 + len(few)  # one parent, and those that hold the model
    assert f"{len(few)} worker(s) ready" in one.log
    assert one.end() == 0


def test_a_worker_that_cannot_come_back_beside_others_is_said(start: Start, own: Path) -> None:
    one = start(own, SAGEMAKER_MODEL_SERVER_WORKERS="2").ready()
    (own / "model" / "model.bin").rename(own / "away")
    one.worker().kill()
    until(lambda: "a worker could not load the model again" in one.log)
    assert "has no model.bin" in one.log
    (own / "away").rename(own / "model" / "model.bin")
    assert one.post(picture()).status == 200
    assert one.end() == 0


def test_a_load_that_does_not_fit_into_memory_is_said(start: Start, own: Path) -> None:
    (own / "model" / "code").mkdir()
    (own / "model" / "code" / "inference.py").write_text("def model_fn(model_dir):\n    raise MemoryError\n")
    log = refused(start(own))
    assert "Memory is too short to load the model" in log.splitlines()[-1]
    assert "Traceback" not in log


def test_the_log_is_short_and_holds_no_request(start: Start, tiny: Path) -> None:
    one = start(tiny).ready()
    for _ in range(20):
        one.post(picture(), X_Amzn_SageMaker_Custom_Attributes="secret=hush")
    for kind in ("image/jpeg", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        one.post(b"a body that nobody shall read %zz", kind)
    assert one.end() == 0  # the log is written behind the requests' back, and whole only now
    assert len(one.log.splitlines()) <= 4, one.log
    assert "nobody shall read" not in one.log
    assert "hush" not in one.log
