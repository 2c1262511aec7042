"""How a training job starts and ends. The SageMaker training toolkit's ``train`` calls ``main`` in-process:

    SAGEMAKER_TRAINING_MODULE=container.train.entry:main train

A user's own script (``sagemaker_program``) is handed to the toolkit. Otherwise the configuration is
read and printed, and the job runs here, or under torchrun where there are several GPUs or hosts.
What a person can put right ends as one paragraph in output/failure and exit status 1; SIGTERM as a
checkpoint, exit status 143 and no failure file, so that the next start goes on.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.common import telemetry
from container.common.errors import ELSEWHERE, ContainerError, first_line
from container.common.hyperparameters import Hyperparameters, parse
from container.train import storage
from container.train.console import Console
from container.train.paths import Paths
from container.train.report.record import FINDINGS
from container.train.stopping import STOPPED_STATUS, JobStopped, StopSignal

telemetry.decline()

# SAGEMAKER_CONTAINER_LOG_LEVEL as the toolkit uses it: Python's logging levels.
_DEBUG_LEVEL = 10

# What the toolkit reads before it calls us, and the keys it needs there.
_NEEDED = {"hyperparameters": (), "resourceconfig": ("current_host", "hosts"), "inputdataconfig": ()}


def main() -> None:
    """Run the job of $SAGEMAKER_BASE_DIR (or /opt/ml).

    Raises the toolkit's ClientError when the job failed, after its reason is written: the toolkit then
    exits with status 1 and prints no traceback.
    """
    paths = Paths.from_environment()
    reason = guarded(paths, lambda: prepare(paths))
    if reason is None:
        raw = raw_hyperparameters(paths)
        if "sagemaker_program" in raw or os.environ.get("SAGEMAKER_PROGRAM"):
            _hand_over(paths)
            return
        stop = StopSignal()
        stop.install()
        reason = guarded(paths, lambda: _start(paths, raw, stop), stop=stop)
    if reason is not None:
        _fail(paths, reason)


def prepare(paths: Paths) -> None:
    """Make and empty what a job writes to, and see that its configuration can be read.

    Raises ContainerError where that cannot be.
    """
    for folder in (paths.output, paths.model):
        with storage.told(folder):
            folder.mkdir(parents=True, exist_ok=True)
    for old in (paths.failure, paths.success, *(paths.output / name for name in FINDINGS)):
        with storage.told(old):
            old.unlink(missing_ok=True)
    for name, needed in _NEEDED.items():
        path = paths.config / f"{name}.json"
        if not path.exists():
            raise ContainerError(f"{path} is missing; the toolkit that starts the job reads it.")
        content = _read_json(path)
        missing = [key for key in needed if key not in content]
        if missing:
            raise ContainerError(f"{path} does not say '{missing[0]}'; add it.")


def _fail(paths: Paths, reason: str) -> None:
    _report(paths)
    if not paths.failure.is_file():
        # The toolkit would try to write it again, and exit with status 0 when it cannot.
        sys.stderr.write(f"{reason}\n")
        _leave(1)
    from sagemaker_training.errors import ClientError

    raise ClientError(reason)


def _report(paths: Paths) -> None:
    """The page of a job that failed, on the host that has its figures."""
    from container.train.report.page import leave

    try:
        resources = _read_json(paths.config / "resourceconfig.json")
    except ContainerError:
        resources = {}
    hosts = sorted(map(str, resources.get("hosts") or []))
    if not hosts or resources.get("current_host") == hosts[0]:
        leave(paths.output, Console(stream=sys.stderr))


def guarded(
    paths: Paths, work: Callable[[], None], *, stop: StopSignal | None = None, console: Console | None = None
) -> str | None:
    """Do ``work``; the reason when it failed, which is then in output/failure too.

    A job that was asked to stop ends the process here, told on ``console``.
    """
    try:
        work()
    except JobStopped:
        (console or Console()).say("stopped; the next start goes on from the last checkpoint, where there is one")
        _leave(STOPPED_STATUS)
    except ContainerError as exc:
        if int(os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL") or 20) <= _DEBUG_LEVEL:
            traceback.print_exc()
        return _failed(paths, str(exc))
    except Exception as exc:
        if _lost(exc):
            if stop is not None and stop.raised:
                _leave(STOPPED_STATUS)
            return _failed(paths, f"Another process of the job ended ({first_line(exc)}); {ELSEWHERE}.")
        # The last door: whatever it is, the reason must reach the failure file, and the log its trace.
        traceback.print_exc()
        return _failed(paths, _unknown(exc))
    return None


def _lost(exc: Exception) -> bool:
    """Whether ``exc`` only tells that another process of the job is gone."""
    if not isinstance(exc, RuntimeError):
        return False
    from container.train import world

    return world.is_loss(exc)


def _unknown(exc: Exception) -> str:
    text = first_line(exc)
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return f"Memory ran out ({text}); lower batch-size or image-size, or take a larger instance."
    return f"Training failed with {type(exc).__name__}: {text}; the job's log has the whole trace."


def _failed(paths: Paths, reason: str) -> str:
    """Write the failure file; the first reason stands, when several processes fail."""
    try:
        paths.failure.parent.mkdir(parents=True, exist_ok=True)
        with paths.failure.open("x", encoding="utf-8") as file:
            file.write(reason)
    except FileExistsError:
        return reason
    except OSError as exc:
        Console(stream=sys.stderr).warn(f"{paths.failure} cannot be written ({exc}); the reason: {reason}")
    return reason


def _leave(status: int) -> None:
    """End at once: the toolkit would turn any orderly exit into status 0, and a success."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ContainerError(f"{path} cannot be read as JSON ({exc}); correct the file.") from exc
    if not isinstance(content, dict):
        raise ContainerError(f"{path} must hold a JSON object.")
    return content


def raw_hyperparameters(paths: Paths) -> dict[str, Any]:
    """As SageMaker wrote them: the toolkit decodes values, and drops the tuning objective."""
    return _read_json(paths.config / "hyperparameters.json")


def _start(paths: Paths, raw: dict[str, Any], stop: StopSignal) -> None:
    hyperparameters = parse(raw)
    print_configuration(paths, hyperparameters)
    from container.train import launch

    resources = launch.Resources.read(_read_json(paths.config / "resourceconfig.json"))
    if resources.processes > 1:
        launch.torchrun(paths, resources, stop)
    else:
        run_here(paths, hyperparameters, stop)


def print_configuration(paths: Paths, hyperparameters: Hyperparameters) -> None:
    """Print every hyperparameter and keep them with the run."""
    values = hyperparameters.strings()
    Console().say("hyperparameters: " + " ".join(f"{name}={value!r}" for name, value in values.items()))
    storage.write_text(paths.output / "config.json", json.dumps(values, indent=2) + "\n")


def run_here(paths: Paths, hyperparameters: Hyperparameters, stop: StopSignal) -> None:
    """The job in this process: alone, or as one of torchrun's workers.

    Where it fails, the others learn of it by this process's end: after its reason is written.
    """
    from container.train import job, world

    here = world.join()
    job.run(paths, hyperparameters, here, Console(silent=not here.first), stop)


def _hand_over(paths: Paths) -> None:
    """Run the user's own script as the toolkit would without us."""
    from sagemaker_training import entry_point, environment, runner

    if len(_read_json(paths.config / "resourceconfig.json").get("hosts", [])) <= 1:
        # The toolkit waits up to 15 minutes for host names to resolve; a single host needs none.
        os.environ.setdefault("SM_STUDIO_LOCAL_MODE", "true")
    env = environment.Environment()
    entry_point.run(
        env.module_dir,
        env.user_entry_point,
        env.to_cmd_args(),
        env.to_env_vars(),
        runner_type=runner.RunnerType.Process,
    )
