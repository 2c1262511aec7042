"""Settings, types of answers, the server's command line: what needs no server."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from container.common.errors import ContainerError, NotAcceptable
from container.serve import report, response, server
from container.serve.settings import MIB, _quota, cores, read_settings
from tests.serve.test_pipeline import SETTINGS


def test_one_worker_has_all_cores_and_more_share_them() -> None:
    latency = read_settings({})
    assert (latency.workers, latency.threads) == (1, cores())
    throughput = read_settings({"SERVE_MODE": "throughput"})
    assert (throughput.workers, throughput.threads) == (cores(), 1)
    assert read_settings({"SERVE_MODE": "throughput", "SAGEMAKER_MULTI_MODEL": "true"}).workers == 1
    three = read_settings({"SAGEMAKER_MODEL_SERVER_WORKERS": "3"})
    assert (three.workers, three.threads) == (3, max(1, cores() // 3))


@pytest.mark.parametrize(
    ("given", "workers"),
    [
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1"}, 1),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "100"}, cores()),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "100", "SERVE_MODE": "latency"}, 1),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}, 2),
        # SageMaker makes one request at a time where nobody told it otherwise.
        ({}, 1),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "0"}, 1),
    ],
)
def test_a_batch_has_a_worker_a_core_and_no_more_than_requests_at_once(given: dict[str, str], workers: int) -> None:
    batch = read_settings({"SAGEMAKER_BATCH": "true", **given})
    assert (batch.workers, batch.threads) == (workers, max(1, cores() // workers))


def test_nothing_is_read_but_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_settings({})
    for name in ("WORKERS", "TIMEOUT", "TIMEOUT_SECONDS"):
        monkeypatch.setenv(f"SAGEMAKER_MODEL_SERVER_{name}", "7")
    for name in ("STARTUP_TIMEOUT", "BIND_TO_PORT", "PROGRAM", "DEFAULT_INVOCATIONS_ACCEPT", "BASE_DIR"):
        monkeypatch.setenv(f"SAGEMAKER_{name}", "7")
    assert read_settings({}) == plain


def test_sagemaker_s_variables_mean_what_they_mean_to_its_toolkit() -> None:
    plain = read_settings({})
    assert (plain.response_timeout, plain.startup_timeout, plain.port) == (3600, 600, 8080)
    assert (plain.model_dir, plain.program) == (Path("/opt/ml/model"), None)
    several = read_settings({"SAGEMAKER_BASE_DIR": "/data", "SAGEMAKER_MULTI_MODEL": "true"})
    assert several.model_dir == Path("/data/models")
    assert read_settings({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"}).response_timeout == 120
    both = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "9"}
    assert read_settings(both).response_timeout == 9
    programs = [read_settings({"SAGEMAKER_PROGRAM": name}).program for name in ("mine.py", "mine", "")]
    assert programs == ["mine.py", "mine.py", None]


def test_the_limit_of_a_body_is_above_sagemaker_s_own() -> None:
    assert read_settings({}).max_payload == 32 * MIB
    assert read_settings({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100"}).max_payload == 100 * MIB
    assert read_settings({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}).max_payload == 1024 * MIB


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "lots"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "-1"),
        ("SERVE_MAX_IMAGES", "0"),
        ("SERVE_MODE", "quick"),
        ("SERVE_ENGINE", "onnx"),
        ("SAGEMAKER_BIND_TO_PORT", "99999"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "many"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "0"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "soon"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "0"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "99999999999"),
        ("SAGEMAKER_STARTUP_TIMEOUT", "-3"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(ContainerError, match=rf"{name} is '?{value}"):
        read_settings({name: value})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "20000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_container_s_share_of_the_processors_is_read(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert _quota(tmp_path) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", response.JSON),
        ("*/*", response.JSON),
        ("text/*", response.CSV),
        ("text/csv;q=0.3, application/x-npy;q=0.4", response.NPY),
        ("application/json;q=0.1, */*;q=0.5", response.JSONLINES),
        ("application/*;q=0.2, text/csv;q=0.1", response.JSON),
        ("APPLICATION/JSON", response.JSON),
        ("text/csv;q=nonsense, application/json;q=0.2", response.JSON),
        ("text/csv; header=absent; q=1.0", response.CSV),
    ],
)
def test_the_type_of_an_answer_follows_the_accept_header(accept: str, expected: str) -> None:
    assert response.negotiate(accept) == expected


@pytest.mark.parametrize("accept", ["image/*", "application/json;q=0", "*/*;q=0", "json"])
def test_a_type_that_cannot_be_given_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"text/csv"):
        response.negotiate(accept)


def test_the_server_s_configuration_is_private_and_quiet(tmp_path: Path) -> None:
    folder = server.Folder(tmp_path)
    text = server.properties(replace(SETTINGS, workers=2, max_payload=32 * MIB), folder)
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert lines["inference_address"] == f"unix:{tmp_path}/inference.sock"
    assert lines["management_address"] == f"unix:{tmp_path}/management.sock"
    assert lines["default_workers_per_model"] == "2"
    assert int(lines["max_request_size"]) > 32 * MIB
    several = server.properties(replace(SETTINGS, multi_model=True), folder)
    assert several.count(f"unix:{tmp_path}/inference.sock") == 2
    command = server.command(SETTINGS, folder)
    assert f"model={tmp_path}/model" in command
    assert not [word for word in command if word.startswith("/etc")]
    store = server.command(replace(SETTINGS, multi_model=True), folder)
    assert store[store.index("-s") + 1] == f"{tmp_path}/store"


def test_a_java_home_without_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ContainerError, match=r"JAVA_HOME is .*cannot be run"):
        server.find_java()


def test_a_folder_with_a_long_name_is_not_used_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    folder = server.make_folder()
    try:
        assert len(str(folder.inference)) < 100
        assert folder.path.stat().st_mode & 0o777 == 0o700
    finally:
        folder.path.rmdir()


@pytest.mark.parametrize(
    ("release", "expected"), [('JAVA_VERSION="25.0.2"\n', 25), ('JAVA_VERSION="17"\n', 17), ("", 0)]
)
def test_java_s_version_is_read_beside_it(tmp_path: Path, release: str, expected: int) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "release").write_text(release)
    assert server.java_version(tmp_path / "bin" / "java") == expected


def test_a_worker_tells_what_happens_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (report.loads(tmp_path), report.ready(tmp_path), report.take_failures(tmp_path)) == (0, 0, [])
    monkeypatch.setenv(report.VARIABLE, str(tmp_path))
    report.note_loading()
    report.note_failure("why", "where")
    report.note_ready()
    assert (report.loads(tmp_path), report.ready(tmp_path)) == (1, 1)
    assert report.take_failures(tmp_path) == [report.Failure("why", "where")]
    (tmp_path / "ready").write_text(f"{os.getpid()}\n999999999\n")
    assert report.ready(tmp_path) == 1, "a worker that has died is not ready"
    report.clear(tmp_path)
    assert (report.loads(tmp_path), report.ready(tmp_path), report.take_failures(tmp_path)) == (0, 1, [])
