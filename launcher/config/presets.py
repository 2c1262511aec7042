"""Presets: YAML files that name a data set's best-known recipe. Flags win over them.

description: one line for `--help`
hyperparameters: {model: mobilenet_v2, epochs: 5, …}       # container.common.hyperparameters
training: {instance-type: ml.m5.xlarge, max-runtime: 3600} # the names of the flags
endpoint: {instance-type: ml.m5.large}
tuning: {jobs: 18, ranges: {lr: {min: 0.001, max: 0.1, scale: Logarithmic}, batch-size: [16, 32, 64]}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from container.common.names import did_you_mean
from launcher.config.frozen import Frozen
from launcher.errors import ConfigError, NotFound

FOLDER = Path(__file__).resolve().parents[1] / "presets"


class TrainingPart(Frozen):
    """What a preset may say of training jobs."""

    instance_type: str | None = None
    instance_count: int | None = None
    volume_gb: int | None = None
    max_runtime: int | None = None
    environment: dict[str, str] = Field(default_factory=dict)


class EndpointPart(Frozen):
    """What a preset may say of endpoints."""

    instance_type: str | None = None
    instance_count: int | None = None
    startup_timeout: int | None = None
    environment: dict[str, str] = Field(default_factory=dict)


class TuningPart(Frozen):
    """What a preset may say of searches, and the flags of `tune` too: words and ranges are checked in tuning_words."""

    strategy: str | None = None
    objective: str | None = None
    goal: str | None = None
    jobs: int | None = None
    parallel: int | None = None
    early_stopping: str | None = None
    max_search_runtime: int | None = None
    target: float | None = None
    patience_jobs: int | None = None
    until_converged: bool | None = None
    random_seed: int | None = None
    min_resource: int | None = None
    max_resource: int | None = None
    ranges: dict[str, Any] = Field(default_factory=dict)

    @field_validator("early_stopping", mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        # YAML reads a bare Off as false.
        return {False: "Off", True: "Auto"}[value] if isinstance(value, bool) else value


class Preset(Frozen):
    """A preset file's content."""

    name: str = ""
    description: str = ""
    hyperparameters: dict[str, str] = Field(default_factory=dict)
    training: TrainingPart = Field(default_factory=TrainingPart)
    endpoint: EndpointPart = Field(default_factory=EndpointPart)
    tuning: TuningPart = Field(default_factory=TuningPart)


def preset_names(folder: Path = FOLDER) -> list[str]:
    """Names of the presets that come with the launcher."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_preset(name: str, *, folder: Path = FOLDER) -> Preset:
    """A preset by name, or by the path of a YAML file. Raises NotFound or ConfigError."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        raise NotFound(f"No preset '{name}'.{did_you_mean(name, preset_names(folder))}")
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ConfigError(f"The preset {path} cannot be read: {' '.join(str(exc).split())}.") from exc
    if not isinstance(raw, dict):
        raise ConfigError(f"The preset {path} must be a mapping of {', '.join(_keys(Preset))}.")
    values = _known(raw, Preset, str(path))
    for key, part in (("training", TrainingPart), ("endpoint", EndpointPart), ("tuning", TuningPart)):
        if key in values:
            values[key] = _known(_mapping(values[key], key, path), part, f"{path}, {key}")
            if "environment" in values[key]:
                values[key]["environment"] = _strings(values[key]["environment"], "environment", path)
    if "hyperparameters" in values:
        values["hyperparameters"] = _strings(values["hyperparameters"], "hyperparameters", path)
    try:
        return Preset(**{**values, "name": path.stem})
    except ValueError as exc:
        raise ConfigError(f"The preset {path} cannot be used: {problem(exc)}.") from exc


def _known(raw: dict[str, Any], part: type[Frozen], where: str) -> dict[str, Any]:
    known = _keys(part)
    for key in raw:
        if str(key).replace("_", "-") not in known:
            raise ConfigError(f"Unknown key '{key}' in {where}.{did_you_mean(str(key), known)}")
    return {str(key).replace("-", "_"): value for key, value in raw.items()}


def _keys(part: type[Frozen]) -> list[str]:
    return [name.replace("_", "-") for name in part.model_fields if name != "name"]


def _mapping(value: Any, key: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"'{key}' in {path} must be a mapping of names to values.")
    return value


def _strings(value: Any, key: str, path: Path) -> dict[str, str]:
    return {str(k): text_of(v) for k, v in _mapping(value, key, path).items()}


def text_of(value: Any) -> str:
    """A hyperparameter's value as SageMaker sends it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(text_of(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else str(value)


def problem(error: ValueError) -> str:
    """One clause from a pydantic error: where, and what is wrong there."""
    errors: Iterable[Any] = error.errors() if hasattr(error, "errors") else ()
    for each in errors:
        where = ".".join(str(part).replace("_", "-") for part in each["loc"])
        said = each["msg"].removeprefix("Value error, ")
        return f"{where}: {said}" if where else said
    return str(error)
