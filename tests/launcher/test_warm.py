"""Jobs forked from processes that are awake: they begin, end and are swept up as any others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container.common import forks
from container.common.forks import Order
from launcher.config.run import Training
from launcher.local import store
from launcher.local.client import LocalSageMaker
from launcher.local.engines.environments import Environments
from launcher.local.engines.process import told_to_work_in
from launcher.local.engines.warm import TRAIN, Forked, NotWarm, WarmPool
from launcher.local.processes import Handle, descendants
from launcher.local.settings import CHECKOUT, Settings
from launcher.requests import create_training_job
from tests.launcher.conftest import FAKES, wait
from tests.launcher.searches import Make, search_fixture, trials_of

__all__ = ["search_fixture"]

pytestmark = pytest.mark.skipif(not forks.available(), reason="processes are forked to order on Linux alone")

ENVIRONMENT = {"FAKE_MODE": "wait"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An environment whose Python is this one and whose `train` is the stand-in."""
    settings = Settings(engine="process", cache=tmp_path / "cache", grace_seconds=5.0)
    place = Environments(settings).place("train")
    (place / "bin").mkdir(parents=True)
    python = place / "bin" / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *container.train.warm*) exec {sys.executable} {FAKES / "warm.py"} "$4";; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    (place / "bin" / "train").write_text((FAKES / "train.py").read_text())
    (place / "complete").touch()
    return settings


@pytest.fixture
def pool(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., WarmPool]]:
    """Open a pool for jobs of one mode."""
    opened: list[WarmPool] = []

    def make(mode: str = "complete", **more: str) -> WarmPool:
        made = WarmPool(settings, log=tmp_path / "warm.log", environment={"FAKE_MODE": mode, **more})
        opened.append(made.__enter__())
        return made

    yield make
    for made in opened:
        processes = [handle for handle, _owned in made._processes]
        made.close()
        assert not any(handle.alive() for handle in processes)


@pytest.fixture
def start(state: Path, training: Callable[..., Training]) -> Callable[..., LocalSageMaker]:
    """Create a job with a pool's settings; the client."""

    def make(settings: Settings, mode: str = "complete", name: str = "job", **more: str) -> LocalSageMaker:
        client = LocalSageMaker(state, settings)
        client.create_training_job(**create_training_job(training(name, mode, environment={"FAKE_MODE": mode, **more})))
        return client

    return make


def at_end(client: LocalSageMaker, name: str = "job") -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        description = client.describe_training_job(TrainingJobName=name)
        return description if description["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    found: dict[str, Any] = wait(look)
    return found


def log_of(state: Path, name: str = "job") -> str:
    log = state / "training-jobs" / name / "logs" / "algo-1.log"
    return log.read_text() if log.exists() else ""


def words(state: Path, name: str = "job") -> str:
    """What the job's supervisor says."""
    return (state / "training-jobs" / name / "supervisor.log").read_text()


def leader(state: Path, name: str = "job") -> Handle:
    """The training process, once it is noted."""
    document = wait(lambda: store.read_json(state / "training-jobs" / name / store.HANDLES))
    (process,) = document["processes"]
    return Handle(process["pid"], process["started"])


def test_a_job_and_its_supervisor_are_forked(
    pool: Callable[..., WarmPool], start: Callable[..., LocalSageMaker], state: Path
) -> None:
    opened = pool("wait")
    client = start(opened.settings, "wait")
    wait(lambda: "waiting" in log_of(state))
    supervisor = store.read_json(state / "training-jobs" / "job" / store.SUPERVISOR)
    assert supervisor
    below = [{handle.pid for handle in descendants(process.pid)} for process, _owned in opened._processes]
    assert supervisor["pid"] in below[0]
    assert leader(state).pid in below[1]
    for pid in (supervisor["pid"], leader(state).pid):
        assert os.getsid(pid) == os.getpgid(pid) == pid
    client.stop_training_job(TrainingJobName="job")
    assert at_end(client)["TrainingJobStatus"] == "Stopped"
    assert "terminated" in log_of(state)
    assert words(state) == ""


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("complete", "Completed", ""),
        ("fail", "Failed", "The learning rate is too high; lower --lr, exit code: 1"),
        ("crash", "Failed", "train again with less of it (a smaller --batch-size), exit code: 137"),
    ],
)
def test_a_forked_job_ends_as_any_other(
    pool: Callable[..., WarmPool],
    start: Callable[..., LocalSageMaker],
    state: Path,
    mode: str,
    status: str,
    reason: str,
) -> None:
    job = at_end(start(pool(mode).settings, mode))
    assert job["TrainingJobStatus"] == status
    assert job.get("FailureReason", "").endswith(reason)
    assert words(state) == ""
    if status == "Completed":
        assert Path(job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("file://")).is_file()
        assert {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}["validation:loss"] == 0.5


def test_with_nobody_to_fork_from_a_job_is_started_anew(
    settings: Settings, start: Callable[..., LocalSageMaker], state: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    job = at_end(start(replace(settings, warm=tmp_path / "gone")))
    assert job["TrainingJobStatus"] == "Completed"
    assert "The supervisor of job is started anew: the warm process at" in capfd.readouterr().err
    assert "Training starts in a process of its own: the warm process at" in words(state)


def test_a_job_of_another_environment_is_started_anew(
    pool: Callable[..., WarmPool], start: Callable[..., LocalSageMaker], state: Path
) -> None:
    job = at_end(start(pool("complete").settings, "complete", OMP_NUM_THREADS="7"))
    assert job["TrainingJobStatus"] == "Completed"
    assert "OMP_NUM_THREADS cannot be changed by now" in words(state)


def test_what_a_killed_supervisor_leaves_is_swept_up_even_out_of_its_group(
    pool: Callable[..., WarmPool], start: Callable[..., LocalSageMaker], state: Path
) -> None:
    client = start(pool("wait", FAKE_CHILD="1").settings, "wait", FAKE_CHILD="1")
    wait(lambda: "waiting" in log_of(state))
    child = Handle.of(int(log_of(state).partition("child ")[2].split()[0]))
    supervisor = store.read_json(state / "training-jobs" / "job" / store.SUPERVISOR)
    assert supervisor
    # The leader too: nothing but its environment tells whose the grandchild is.
    os.kill(supervisor["pid"], signal.SIGKILL)
    os.kill(leader(state).pid, signal.SIGKILL)
    wait(lambda: not leader(state).alive())
    assert child.alive()
    assert at_end(client)["TrainingJobStatus"] == "Failed"
    assert not child.alive()


OWNER = """
import sys, time
from pathlib import Path
from launcher.local.settings import Settings
from launcher.local.engines.warm import WarmPool
import json
settings = Settings.of(json.loads(sys.argv[1]))
pool = WarmPool(settings, log=Path(sys.argv[2]), environment={"FAKE_MODE": "wait"}).__enter__()
print(json.dumps([pool.settings.document(), [handle.pid for handle, _ in pool._processes]]), flush=True)
time.sleep(300)
"""


def test_a_job_outlives_the_killed_owner_of_the_pool_and_the_pool_does_not(
    settings: Settings, start: Callable[..., LocalSageMaker], state: Path, tmp_path: Path
) -> None:
    argv = [sys.executable, "-c", OWNER, json.dumps(settings.document()), str(tmp_path / "warm.log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as owner:
        assert owner.stdout
        document, pids = json.loads(owner.stdout.readline())
        processes = [Handle.of(pid) for pid in pids]
        client = start(Settings.of(document), "wait")
        wait(lambda: "waiting" in log_of(state))
        owner.kill()
    assert leader(state).alive()
    client.stop_training_job(TrainingJobName="job")
    assert at_end(client)["TrainingJobStatus"] == "Stopped"
    assert "terminated" in log_of(state)
    wait(lambda: not any(process.alive() for process in processes))


def test_a_job_whose_warm_process_was_killed_is_judged_by_its_outputs(
    pool: Callable[..., WarmPool], tmp_path: Path
) -> None:
    opened = pool("complete")
    assert opened.settings.warm
    script = tmp_path / "slow.py"
    script.write_text(
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\npathlib.Path('done').touch()\n"
    )
    environment = {**_environment_of(opened), "SAGEMAKER_BASE_DIR": str(tmp_path)}
    order = Order(argv=(str(script),), environment=environment, cwd=str(tmp_path), log=str(tmp_path / "log"))
    done = tmp_path / "done"
    job = Forked.order(opened.settings.warm / TRAIN, order, judge=lambda: 0 if done.exists() else 1)
    with closing(job):
        os.kill(opened._processes[1][0].pid, signal.SIGKILL)
        with pytest.raises(NotWarm, match="does not answer"):
            wait(lambda: Forked.order(opened.settings.warm / TRAIN, order) and False)
        assert job.wait_for(0.1) is None
        (tmp_path / "go").touch()
        assert wait(lambda: job.wait_for(0.1) is not None)
        assert job.wait_for(0.0) == 0


def _environment_of(pool: WarmPool) -> dict[str, str]:
    """What the pool's jobs have."""
    from launcher.local.engines.process import ProcessEngine

    assert pool.settings.warm
    return ProcessEngine(pool.settings).training_environment(pool.settings.warm, {"FAKE_MODE": "complete"}, gpu=False)


def test_processes_are_found_by_the_folder_they_were_told(tmp_path: Path) -> None:
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(tmp_path / "a")}
    with subprocess.Popen(["sleep", "60"], env=environment) as process:
        wait(lambda: [handle.pid for handle in told_to_work_in(tmp_path / "a")] == [process.pid])
        # A name that begins alike is another's.
        assert told_to_work_in(tmp_path) == []
        process.kill()


def test_a_searchs_trials_are_forked(settings: Settings, state: Path, search: Make) -> None:
    script = Environments(settings).place("train") / "bin" / "train"
    script.write_text((FAKES / "tune.py").read_text())
    client = LocalSageMaker(state, settings)
    # Two at once: each is given its share of the processors, which the pool must know of.
    client.create_hyper_parameter_tuning_job(**search(jobs=3, at_once=2))

    def over() -> bool:
        found = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="find")
        return found["HyperParameterTuningJobStatus"] in ("Completed", "Failed")

    wait(over)
    trials = trials_of(client)
    assert [trial["TrainingJobStatus"] for trial in trials] == ["Completed"] * 3
    for trial in trials:
        name = trial["TrainingJobName"]
        assert (store.read_json(state / "training-jobs" / name / store.SETTINGS) or {})["warm"]
        assert words(state, name) == ""
    assert "started anew" not in (state / "tuning-jobs" / "find" / "supervisor.log").read_text()


def test_the_pools_folder_is_private_and_gone_in_the_end(settings: Settings, tmp_path: Path) -> None:
    with WarmPool(settings, log=tmp_path / "warm.log") as opened:
        assert opened.settings.warm
        assert opened.settings.warm.stat().st_mode & 0o777 == 0o700
        assert Settings.of(opened.settings.document()) == opened.settings
    assert not opened.settings.warm.exists()
