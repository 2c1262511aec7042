"""Every setting of the serving container, read from the environment once, in one frozen object.

SageMaker's own variables, as sagemaker-inference names and reads them:

    SAGEMAKER_BASE_DIR                      /opt/ml; the model lies in its model/ (models/ for several)
    SAGEMAKER_BIND_TO_PORT                  8080
    SAGEMAKER_MULTI_MODEL                   false
    SAGEMAKER_BATCH                         false; true in a batch transform job, where answers a second count
    SAGEMAKER_MAX_CONCURRENT_TRANSFORMS     1; requests of a batch transform job at once, as its request says
    SAGEMAKER_MODEL_SERVER_WORKERS          worker processes; each gets cores / workers threads
    SAGEMAKER_MODEL_SERVER_TIMEOUT          60, in minutes, for one request (…_TIMEOUT_SECONDS exists)
    SAGEMAKER_STARTUP_TIMEOUT               600, in seconds, until the model must have loaded
    SAGEMAKER_MAX_PAYLOAD_IN_MB             32 (SageMaker's real-time limit is 25, batch transform sets its own)
    SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT    application/json
    SAGEMAKER_MODEL_SERVER_VMARGS           more arguments for the Java server
    SAGEMAKER_PROGRAM                       inference.py, the user's file in the model's code/

Ours:

    SERVE_MODE          latency: one worker with all cores, the quickest single answer;
                        throughput: a worker a core, the most answers a second (the default of a batch transform
                        job, with no more workers than it makes requests at once)
    SERVE_ENGINE        auto | openvino | torch; auto is torch where it is installed and a GPU is there
    SERVE_BIND_HOST     0.0.0.0
    SERVE_MAX_IMAGES    256, in one request
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from container.common.errors import ContainerError

MIB = 1024 * 1024
DEFAULT_PAYLOAD_MB = 32
DEFAULT_MAX_IMAGES = 256

# The server's own numbers end here.
_LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The container's settings; sizes in bytes, times in seconds."""

    host: str
    port: int
    model_dir: Path
    multi_model: bool
    engine: Literal["auto", "openvino", "torch"]
    workers: int
    threads: int
    response_timeout: int
    startup_timeout: int
    max_payload: int
    max_images: int
    default_accept: str
    program: str | None
    vmargs: tuple[str, ...]


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in ``environ``. Raises ContainerError in one sentence for a value that cannot be used."""

    def whole(name: str, default: int, minimum: int = 1, maximum: int = _LARGEST) -> int:
        return _whole(name, environ.get(name), default, minimum, maximum)

    available = cores()
    multi_model = several_models(environ)
    workers = whole("SAGEMAKER_MODEL_SERVER_WORKERS", _workers(environ, available, multi_model=multi_model))
    payload = whole("SAGEMAKER_MAX_PAYLOAD_IN_MB", DEFAULT_PAYLOAD_MB, minimum=0)
    # The unit that is asked for in seconds wins over the one in minutes.
    minutes = whole("SAGEMAKER_MODEL_SERVER_TIMEOUT", 60, maximum=_LARGEST // 60)
    return Settings(
        host=environ.get("SERVE_BIND_HOST") or "0.0.0.0",  # a container listens on every address
        port=whole("SAGEMAKER_BIND_TO_PORT", 8080, maximum=65535),
        model_dir=Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "models" if multi_model else "model"),
        multi_model=multi_model,
        engine=cast(
            Literal["auto", "openvino", "torch"], _word(environ, "SERVE_ENGINE", ("auto", "openvino", "torch"))
        ),
        workers=workers,
        threads=max(1, available // workers),
        response_timeout=whole("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", minutes * 60),
        startup_timeout=whole("SAGEMAKER_STARTUP_TIMEOUT", 600),
        # SageMaker says 0 for "no limit known"; the server's counter ends at 2 GiB.
        max_payload=min(payload or 1024, 1536) * MIB,
        max_images=whole("SERVE_MAX_IMAGES", DEFAULT_MAX_IMAGES),
        default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or "application/json",
        program=_program(environ.get("SAGEMAKER_PROGRAM", "")),
        vmargs=tuple(environ.get("SAGEMAKER_MODEL_SERVER_VMARGS", "").split()),
    )


def _workers(environ: Mapping[str, str], available: int, *, multi_model: bool) -> int:
    """How many workers suit what is asked of the server.

    Several models share the cores anyway, so each has one. In a batch, a worker more than there are requests at once
    would wait and keep its cores from the others.
    """
    batch = environ.get("SAGEMAKER_BATCH", "false").lower() == "true"
    mode = _word(environ, "SERVE_MODE", ("throughput", "latency") if batch else ("latency", "throughput"))
    if mode == "latency" or multi_model:
        return 1
    if not batch:
        return available
    name = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"
    # SageMaker says 0 for what it has not been told, and makes one request at a time then.
    at_once = _whole(name, environ.get(name), 1, 0, _LARGEST)
    return max(1, min(available, at_once))


def _program(name: str) -> str | None:
    """The user's file by SAGEMAKER_PROGRAM, a file's or a module's name; SageMaker's SDK sets it empty for none."""
    return f"{name.removesuffix('.py')}.py" if name else None


def several_models(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether SageMaker loads and unloads models while serving."""
    return environ.get("SAGEMAKER_MULTI_MODEL", "false").lower() == "true"


def _whole(name: str, text: str | None, default: int, minimum: int, maximum: int) -> int:
    try:
        number = int(text) if text else default
    except ValueError as exc:
        raise ContainerError(f"{name} is '{text}', and a whole number is expected; correct or unset it.") from exc
    if number < minimum:
        raise ContainerError(f"{name} is {number}, and must be at least {minimum}; correct or unset it.")
    if number > maximum:
        raise ContainerError(f"{name} is {number}, and must be at most {maximum}; correct or unset it.")
    return number


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    value = environ.get(name, words[0]).lower()
    if value not in words:
        raise ContainerError(f"{name} is '{value}', and must be one of {', '.join(words)}; correct or unset it.")
    return value


def cores() -> int:
    """Processors this process may use: its affinity, and the container's quota where there is one."""
    count = len(os.sched_getaffinity(0))
    quota = _quota()
    return max(1, min(count, quota)) if quota else count


def _quota(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Whole processors that the control group (version 2, then 1) grants, or None without a limit."""
    try:
        granted, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            granted = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not granted.isdigit() or not period.isdigit():
        return None  # "max" or "-1"
    return max(1, round(int(granted) / int(period)))
