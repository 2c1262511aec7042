"""The private /opt/ml of each host: input/config, mount points, model, output."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launcher.errors import EngineError
from launcher.local import debugger, store
from launcher.local.engines.base import Mount
from launcher.local.uris import to_path

_ROOT = "/opt/ml"
CHECKPOINTS = f"{_ROOT}/checkpoints"


def hosts(count: int) -> list[str]:
    """algo-1, algo-2, …"""
    return [f"algo-{number}" for number in range(1, count + 1)]


def lay_out(
    folder: Path, request: dict[str, Any], *, host: str, everyone: list[str], base: str = _ROOT, interface: str = "lo"
) -> None:
    """Make one host's folders and its input/config files, as SageMaker's platform writes them.

    ``base`` is what the job calls ``folder``; paths under /opt/ml that it is told are told under this one.
    Several hosts meet over ``interface``.
    """
    config = folder / "input" / "config"
    for place in (config, folder / "input" / "data", folder / "model", folder / "output" / "data",
                  folder / "checkpoints", folder / "cache"):  # fmt: skip
        place.mkdir(parents=True, exist_ok=True)
    instance = request["ResourceConfig"].get("InstanceType", "local")
    _write(config / "hyperparameters.json", debugger.hyperparameters(request))
    _write(
        config / "resourceconfig.json",
        {
            "current_host": host,
            "hosts": everyone,
            "network_interface_name": interface if len(everyone) > 1 else "lo",
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": everyone}
            ],
        },
    )
    _write(config / "inputdataconfig.json", {c["ChannelName"]: _channel(c) for c in request.get("InputDataConfig", [])})
    _write(config / "checkpointconfig.json", _seen(request.get("CheckpointConfig", {}), base))
    for name, content in debugger.config_files(request):
        _write(config / name, _seen(content, base))


def as_given(text: str, mounts: Iterable[Mount], bases: Iterable[str]) -> str:
    """``text``, in which the paths that a job has for ``mounts`` are those that they were given by.

    ``bases`` is what the job calls its hosts' folders, whose inner paths nobody else knows.
    """
    for base in bases:
        for mount in sorted(mounts, key=lambda mount: -len(mount.target)):
            inside = re.escape(base + mount.target.removeprefix(_ROOT))
            given = str(mount.source).replace("\\", r"\\")
            text = re.sub(rf"{inside}(?![\w-]|\.\w)", given, text)
    return text


def _seen(config: dict[str, Any], base: str) -> dict[str, Any]:
    """``config`` with the LocalPath that the job sees."""
    path = config.get("LocalPath", "")
    inside = path == _ROOT or path.startswith(_ROOT + "/")
    return {**config, "LocalPath": base + path.removeprefix(_ROOT)} if inside else config


def _channel(channel: dict[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def channel_mounts(request: dict[str, Any]) -> list[Mount]:
    """The input channels, read-only. Raises EngineError for one that is not there or cannot be read."""
    mounts = []
    for channel in request.get("InputDataConfig", []):
        name = channel["ChannelName"]
        source = to_path(channel["DataSource"]["S3DataSource"]["S3Uri"])
        if not source.exists():
            raise EngineError(f"Channel '{name}' reads {source}, which does not exist; give a folder that does.")
        if not os.access(source, os.R_OK):
            raise EngineError(f"Channel '{name}' reads {source}, which you may not read; change its permissions.")
        target = f"{_ROOT}/input/data/{name}"
        # SageMaker puts a single object into the channel's folder.
        mounts.append(Mount(source.resolve(), f"{target}/{source.name}" if source.is_file() else target))
    return mounts


def checkpoint_mount(request: dict[str, Any]) -> Mount | None:
    """Where checkpoints live on beyond the job, when the request says so. Raises EngineError when that is a file."""
    config = request.get("CheckpointConfig")
    if not config:
        return None
    folder = to_path(config["S3Uri"])
    if folder.exists() and not folder.is_dir():
        raise EngineError(f"Checkpoints are to go into {folder}, which is a file; give --checkpoints a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return Mount(folder, config.get("LocalPath", CHECKPOINTS).rstrip("/"), read_only=False)


def own_checkpoints(asked: dict[str, Any]) -> Path | None:
    """Where the job of this request, or description, keeps checkpoints beside its output, which go with it.

    None where they lie elsewhere, or there are none.
    """
    place = asked.get("CheckpointConfig", {}).get("S3Uri")
    output = to_path(asked["OutputDataConfig"]["S3OutputPath"]) / asked["TrainingJobName"]
    return to_path(place) if place and output in to_path(place).parents else None


def cache_mount(state: Path) -> Mount:
    """The folder that all training jobs of a state folder share: decoded images, features, exported backbones."""
    return Mount(store.private_folder(state, store.CACHE), f"{_ROOT}/cache", read_only=False)


def mount_point(folder: Path, mount: Mount) -> None:
    """Make the place in a host's ``folder`` that ``mount`` goes to; left to Docker it would be root's."""
    if mount.target.startswith(f"{_ROOT}/"):
        (folder / Path(mount.target).relative_to(_ROOT)).mkdir(parents=True, exist_ok=True)
