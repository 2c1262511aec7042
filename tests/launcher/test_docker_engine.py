"""The Docker engine, driven against a stand-in for the client: what is asked of it, and what is left."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.config.managed import Managed
from launcher.config.run import Endpoint, Training
from launcher.doors import Door
from launcher.errors import EngineError
from launcher.local.engines import choose
from launcher.local.engines.base import Workload
from launcher.local.engines.choice import answers, shortened
from launcher.local.engines.docker import DockerEngine, mount_words
from launcher.local.engines.images import ensure_image, sources_digest
from launcher.local.engines.ownership import User
from launcher.local.engines.proxies import PROXIES
from launcher.local.settings import CHECKOUT, Settings
from launcher.local.uris import to_uri
from launcher.requests import create_training_job
from launcher.verbs import endpoints
from tests.launcher.conftest import FAKES, processes_under, wait
from tests.launcher.fakes import sudo

CLIENT = (sys.executable, str(FAKES / "docker.py"))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in's folder; both images are there and fresh."""
    home = tmp_path / "engine"
    home.mkdir()
    monkeypatch.setenv("FAKE_DOCKER", str(home))
    for role in ("train", "serve"):
        (home / f"image-byoc-{role}").write_text(sources_digest(CHECKOUT, role))
    return home


@pytest.fixture
def settings(tmp_path: Path, engine: Path) -> Settings:
    return Settings(engine="docker", engine_command=CLIENT, cache=tmp_path / "cache", grace_seconds=1.0)


def calls(engine: Path, verb: str) -> list[list[str]]:
    lines = (engine / "calls.txt").read_text().splitlines()
    return [call for call in map(json.loads, lines) if call[0] == verb]


def flag(call: list[str], name: str) -> list[str]:
    return [call[i + 1] for i, word in enumerate(call) if word == name]


def test_a_job_runs_in_a_container_that_bears_its_name_and_is_removed(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path, state: Path, images: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    description = ended(create("job", checkpoints=to_uri(tmp_path / "ckpt")))
    assert description["TrainingJobStatus"] == "Completed"
    (run,) = calls(engine, "run")
    (name,) = flag(run, "--name")
    assert name.startswith("byoc-job-algo-1-") and run[-2:] == ["byoc-train", "train"]
    assert flag(run, "--mount") == [
        f"type=bind,source={state}/training-jobs/job/ml/algo-1,target=/opt/ml",
        f"type=bind,source={images},target=/opt/ml/input/data/train,readonly",
        f"type=bind,source={state}/cache,target=/opt/ml/cache",
        f"type=bind,source={tmp_path}/ckpt,target=/opt/ml/checkpoints",
    ]
    assert flag(run, "--shm-size") and "--gpus" not in run
    assert name in calls(engine, "rm")[-1]


def test_variables_reach_the_container_and_neither_the_clients_arguments_nor_a_file_that_stays(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path, state: Path
) -> None:
    given = {"TOKEN": "hush = #1", "LINES": "hush\nhush", "DOCKER_HOST": "hush"}
    ended(create("job", "show", environment={"FAKE_MODE": "show", **given}))
    log = (state / "training-jobs/job/logs/algo-1.log").read_text()
    assert f"saw {json.dumps(given)}" in log
    (run,) = calls(engine, "run")
    assert not [word for word in run if "hush" in word]
    assert [p.name for p in (state / "training-jobs/job/logs").iterdir()] == ["algo-1.log"]


def test_a_path_may_hold_colons_and_commas() -> None:
    assert mount_words(Path("/a:b"), "/t") == "type=bind,source=/a:b,target=/t"
    assert mount_words(Path("/a,b"), "/t", read_only=True) == 'type=bind,"source=/a,b",target=/t,readonly'


def test_a_container_is_told_the_paths_it_sees(
    door: Door, training: Callable[..., Training], ended: Callable[[str], dict[str, Any]], state: Path, tmp_path: Path
) -> None:
    request = create_training_job(training("job"))
    hook = {"S3OutputPath": to_uri(tmp_path / "debug"), "LocalPath": "/opt/ml/output/mine"}
    request["DebugHookConfig"] = hook
    door.sagemaker.create_training_job(**request)
    ended("job")
    told = json.loads((state / "training-jobs/job/ml/algo-1/input/config/debughookconfig.json").read_text())
    assert told == hook


def test_several_instances_are_containers_on_a_network_of_their_own(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path, state: Path
) -> None:
    assert ended(create("job", instance_count=2))["TrainingJobStatus"] == "Completed"
    runs = calls(engine, "run")
    assert sorted(flag(run, "--hostname") for run in runs) == [["algo-1"], ["algo-2"]]
    assert len({flag(run, "--network")[0] for run in runs}) == 1
    assert [call[1] for call in calls(engine, "network")] == ["rm", "create", "rm"], "one of a killed job may be left"
    told = json.loads((state / "training-jobs/job/ml/algo-2/input/config/resourceconfig.json").read_text())
    assert told["current_host"] == "algo-2" and told["hosts"] == ["algo-1", "algo-2"]
    assert told["network_interface_name"] == "eth0"


def test_one_failed_host_ends_the_others(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path, state: Path
) -> None:
    assert ended(create("job", "fail", instance_count=2))["TrainingJobStatus"] == "Failed"
    wait(lambda: not processes_under(state))


def test_several_isolated_instances_meet_on_a_network_without_a_way_out(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path
) -> None:
    ended(create("job", instance_count=2, managed=Managed(isolated=True)))
    (made,) = [call for call in calls(engine, "network") if call[1] == "create"]
    assert made[2:-1] == ["--internal"]


def test_the_host_that_was_killed_is_named_and_the_other_one_ended(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], said: Callable[[str, str], bool], engine: Path,
    state: Path,
) -> None:  # fmt: skip
    name = create("job", "wait", instance_count=2)
    (container,) = wait(lambda: list(engine.glob("container-byoc-job-algo-2-*")))
    wait(lambda: said(name, "waiting"))
    os.kill(int(container.read_text()), signal.SIGKILL)
    assert ended(name)["FailureReason"].startswith(
        "AlgorithmError: The training was killed (signal 9) on algo-2, which ended it on the other hosts"
    )
    wait(lambda: not processes_under(state))


def test_the_network_of_a_killed_supervisor_is_removed_with_its_containers(
    door: Door, create: Callable[..., str], said: Callable[[str, str], bool], engine: Path, state: Path
) -> None:
    name = create("job", "wait", instance_count=2)
    wait(lambda: len(list(engine.glob("container-*"))) == 2 and said(name, "waiting"))
    os.kill(json.loads((state / "training-jobs/job/supervisor.json").read_text())["pid"], signal.SIGKILL)
    wait(lambda: door.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Failed")
    wait(lambda: not processes_under(state))
    assert [call[1] for call in calls(engine, "network")] == ["rm", "create", "rm"]


def test_a_local_gpu_is_handed_on(
    create: Callable[..., str], ended: Callable[[str], dict[str, Any]], engine: Path
) -> None:
    ended(create("job", instance_type="local_gpu"))
    assert flag(calls(engine, "run")[0], "--gpus") == ["all"]


def test_a_container_outlives_a_killed_supervisor_only_until_someone_looks(
    door: Door, create: Callable[..., str], said: Callable[[str, str], bool], state: Path
) -> None:
    name = create("job", "wait")
    wait(lambda: said(name, "waiting"))
    os.kill(json.loads((state / "training-jobs/job/supervisor.json").read_text())["pid"], signal.SIGKILL)
    wait(lambda: door.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Failed")
    wait(lambda: not processes_under(state))


def stranger() -> User:
    """Someone else than the user whom these tests, and so the stand-in's containers, run as."""
    return User(os.getuid() + 4242, 4242)


def workload(folder: Path, role: str) -> Workload:
    (folder / "ml" / "model").mkdir(parents=True)
    (folder / "ml" / "model" / "manifest.json").write_text("{}")
    return Workload(name="w", role=role, image=f"byoc-{role}", folders={"algo-1": folder / "ml"},
                    logs={"algo-1": folder / "log"})  # fmt: skip


def test_what_a_containers_root_wrote_is_taken_over_and_nothing_older(
    settings: Settings, engine: Path, tmp_path: Path
) -> None:
    (tmp_path / "ml" / "deep").mkdir(parents=True)
    (tmp_path / "ml" / "deep" / "-file").touch()
    noted: dict[str, Any] = {}
    docker = DockerEngine(settings, user=stranger())
    docker.start(workload(tmp_path / "job", "train"), note=noted.update).close()
    assert noted["written"]["image"] == "byoc-train" and noted["written"]["folders"] == [str(tmp_path / "job/ml")]
    before = len(calls(engine, "run"))
    docker.sweep({"written": {**noted["written"], "folders": [str(tmp_path / "ml")]}})
    docker.sweep({"written": {**noted["written"], "folders": [str(tmp_path / "ml")], "since": time.time() + 60}})
    (run,) = calls(engine, "run")[before:]
    assert flag(run, "--entrypoint") == ["chown"] and flag(run, "--user") == ["0:0"]
    assert run[run.index("byoc-train") + 1 :] == [
        "--no-dereference", str(stranger()), "--", "/mine/deep", "/mine/deep/-file",
    ]  # fmt: skip


def test_roots_files_are_left_to_root(settings: Settings, engine: Path, tmp_path: Path) -> None:
    noted: dict[str, Any] = {}
    docker = DockerEngine(settings, user=User(0, 0))
    docker.start(workload(tmp_path / "job", "train"), note=noted.update).close()
    assert "written" not in noted and not [run for run in calls(engine, "run") if flag(run, "--entrypoint")]


def test_a_server_runs_as_the_caller_and_in_roots_place_as_the_images_user(
    settings: Settings, engine: Path, tmp_path: Path
) -> None:
    for number, user in enumerate((stranger(), User(0, 0))):
        run = DockerEngine(settings, user=user).start(workload(tmp_path / str(number), "serve"), note=lambda _: None)
        wait(lambda: len(calls(engine, "run")) > number)  # noqa: B023
        wait(lambda: list(engine.glob("container-*")))
        run.close()
    assert [flag(run, "--user") for run in calls(engine, "run")] == [[str(stranger())], []]


def test_the_image_s_user_can_read_the_model_whatever_the_umask(
    door: Door, endpoint: Callable[..., Endpoint], model: Path, state: Path, tmp_path: Path
) -> None:
    (model / "code").mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        (model / "code" / "inference.py").touch()
        name = endpoints.deploy(door, endpoint())
    finally:
        os.umask(before)
    for _ in endpoints.watch(door, name):
        pass
    endpoints.conclude(door, name)
    base = state / "endpoints" / name
    for path in (base / "ml", *(base / "ml").rglob("*")):
        assert path.stat().st_mode & 0o555 == (0o555 if path.is_dir() else 0o444), path
    assert base.stat().st_mode & 0o777 == 0o700
    endpoints.delete(door, name)


def test_an_endpoint_is_a_container_with_a_port_of_its_own(
    door: Door, endpoint: Callable[..., Endpoint], engine: Path
) -> None:
    name = endpoints.deploy(door, endpoint())
    for _ in endpoints.watch(door, name):
        pass
    endpoints.conclude(door, name)
    (run,) = calls(engine, "run")
    assert flag(run, "--publish") == ["127.0.0.1::8080"]
    assert b"bee" in door.runtime.invoke_endpoint(EndpointName=name, Body=b"x")["Body"].read()
    endpoints.delete(door, name)
    assert not list(engine.glob("container-*"))


def test_a_missing_image_of_ours_is_built_and_a_stale_one_again(engine: Path) -> None:
    said: list[str] = []

    def ensure() -> None:
        ensure_image(CLIENT, "byoc-train", "train", checkout=CHECKOUT, gpu=False, say=said.append,
                     cancelled=lambda: False)  # fmt: skip

    ensure()
    assert not said
    (engine / "image-byoc-train").write_text("of other sources")
    ensure()
    (engine / "image-byoc-train").unlink()
    ensure()
    ensure()
    assert [("changed" in text, "once" in text) for text in said] == [(True, False), (False, True)]
    assert len(calls(engine, "build")) == 2


@pytest.mark.parametrize("through", [[], ["sudo"]])
def test_a_build_is_told_of_the_proxies_also_through_sudo(
    through: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\n[ "$1" != build ] || { echo "$*"; env; } >"$0.said"\necho 20.10\n')
    client.chmod(0o755)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example")
    monkeypatch.setenv("no_proxy", "here.example")
    command = [*(sudo(tmp_path) for _ in through), str(client)]
    ensure_image(command, "byoc-train", "train", checkout=CHECKOUT, gpu=False, say=print, cancelled=lambda: False)
    arguments, *environment = (tmp_path / "docker.said").read_text().splitlines()
    assert "--build-arg HTTPS_PROXY --build-arg no_proxy" in arguments and "secret" not in arguments
    assert {"HTTPS_PROXY=http://me:secret@proxy.example", "no_proxy=here.example", "DOCKER_BUILDKIT=1"} <= {
        *environment
    }


def test_a_foreign_image_that_is_missing_fails_the_job_in_one_sentence(
    door: Door, training: Callable[..., Training], ended: Callable[[str], dict[str, Any]]
) -> None:
    request = create_training_job(training("job", image="else.where/image:1"))
    door.sagemaker.create_training_job(**request)
    assert ended("job")["FailureReason"].startswith("The image else.where/image:1 is not on this machine;")


def test_a_clients_refusal_is_its_reason_and_a_notice_has_few_words(tmp_path: Path) -> None:
    client = tmp_path / "docker"
    said = "ERROR: permission denied while trying to connect\\nerrors pretty printing info\\n"
    client.write_text(f"#!/bin/sh\nprintf '{said}' >&2\nexit 1\n")
    client.chmod(0o755)
    refusal = answers((str(client),))
    assert refusal == "permission denied while trying to connect"
    assert shortened(refusal) == "you may not ask its daemon"
    assert shortened("short and strange") == "short and strange"
    assert len(shortened("word " * 100)) <= 82


def test_docker_is_chosen_when_it_answers_and_processes_otherwise(engine: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "BYOC_DOCKER": " ".join(CLIENT)}
    assert choose("auto", Settings(), environment)[0].engine == "docker"
    (engine / "down").touch()
    settings, sentence = choose("auto", Settings(), environment)
    assert settings.engine == "process" and sentence.endswith("docker.py: its daemon does not run)")
    with pytest.raises(EngineError, match="--local process"):
        choose("docker", Settings(), environment)
    with pytest.raises(EngineError, match="neither docker nor podman is installed"):
        choose("docker", Settings(), {"PATH": str(tmp_path)})


def test_a_client_that_is_no_command_line_is_one_sentence() -> None:
    with pytest.raises(EngineError, match=r"BYOC_DOCKER is .*No closing quotation"):
        choose("auto", Settings(), {"BYOC_DOCKER": "docker '"})


def test_insisting_on_processes_asks_no_engine(tmp_path: Path) -> None:
    settings, _ = choose("process", Settings(), {"PATH": str(tmp_path), "BYOC_DOCKER": "/nowhere/docker"})
    assert settings.engine == "process"


def test_every_docker_on_the_path_is_asked_then_podman(tmp_path: Path) -> None:
    for name, script in (("a/docker", "exit 1"), ("b/docker", "exit 0"), ("b/podman", "exit 0")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    settings, _ = choose("auto", Settings(), {"PATH": f"{tmp_path}/a:{tmp_path}/b"})
    assert settings.engine_command == (str(tmp_path / "b/docker"),)
