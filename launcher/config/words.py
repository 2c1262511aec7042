"""From words (flags, by their names) and a preset to a RunConfig; every fault named with its remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from container.common import channels as channel_names
from container.common import classes, hyperparameters
from container.common.errors import DataError, HyperparameterError, ended
from launcher.config.account import execution_role, pushed_image
from launcher.config.debugger import check_debugger
from launcher.config.hosting import Hosting
from launcher.config.hosting_words import as_before, hosting_fields, variants
from launcher.config.managed import Managed
from launcher.config.presets import Preset, problem
from launcher.config.run import Door, Endpoint, RunConfig, Training
from launcher.errors import ConfigError, UnusableData
from launcher.local.uris import to_path, to_uri

Part = TypeVar("Part", bound=BaseModel)

# A role that no account has: the local door checks its form and never uses it.
LOCAL_ROLE = "arn:aws:iam::000000000000:role/local"
_IMAGES = {"train": "byoc-train", "serve": "byoc-serve"}
_SERVE_GPU_IMAGE = "byoc-serve-gpu"
# So much of a name stays when the moment is put after it.
_STEM = 40


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run happens: the door, what the local door assumes, and where in AWS."""

    door: Door
    state: Path = Path(".sagemaker")
    gpu: bool = False
    region: str | None = None
    profile: str | None = None

    @property
    def local(self) -> bool:
        """Whether it happens on this machine."""
        return self.door == "local"


@dataclass(frozen=True, kw_only=True)
class TrainWords:
    """The flags of `train`, as given; None and empty are what was not."""

    name: str | None = None
    data: str | None = None
    channels: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    checkpoints: str | None = None
    image: str | None = None
    role: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    volume_gb: int | None = None
    max_runtime: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    # What only AWS heeds, by the names of launcher.config.managed.Managed.
    managed: Mapping[str, Any] = field(default_factory=dict)
    aws_debugger: bool = False
    # "" is the place of --output.
    tensorboard_output: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeployWords:
    """The flags of `deploy`, as given."""

    name: str
    model_data: str
    image: str | None = None
    role: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    startup_timeout: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    multi_model: bool = False
    # What only AWS heeds: NAME=MODEL:WEIGHT, and the words of launcher.config.hosting_words.
    variants: Mapping[str, str] = field(default_factory=dict)
    hosting: Mapping[str, Any] = field(default_factory=dict)
    # Of an endpoint that is there already, whose next version is made: the instances of each of its variants now.
    now: Mapping[str, int] | None = None


def training_config(words: TrainWords, preset: Preset, place: Place, *, now: datetime | None = None) -> RunConfig:
    """The RunConfig of one training job. Raises ConfigError; UnusableData for a folder without classes."""
    part = preset.training
    name = fresh_name(preset.name or "train", now) if words.name is None else words.name
    values = {**_hyphenated(preset.hyperparameters), **_hyphenated(words.hyperparameters)}
    parsed = _hyperparameters(values)
    found = _channels(words, place)
    if place.local and not words.image:  # what another image takes for data, it knows itself
        _check_classes(found, parsed)
    if parsed.weights == "channel" and channel_names.WEIGHTS not in found:
        raise ConfigError(
            "weights=channel reads the 'weights' channel, which is not given; add --channel weights=FILE, "
            "or choose --weights imagenet or none."
        )
    output = _output(words.output, place)
    checkpoints = words.checkpoints and given_uri(words.checkpoints, place, "--checkpoints")
    role = role_of(words.role, place)
    instance_type = instance_type_of(words.instance_type, part.instance_type, place)
    fields: dict[str, Any] = {
        "name": name,
        "image": image_of(words.image, "train", place, instance_type=instance_type, role=role),
        "role": role,
        "hyperparameters": values,
        "channels": found,
        "output": output,
        "checkpoints": checkpoints or f"{output.rstrip('/')}/{name}/checkpoints",
        "instance_type": instance_type,
        "environment": {**part.environment, **words.environment},
    }
    if not place.local:
        fields["managed"] = checked(Managed, **with_preset_tag(words.managed, preset))
    if words.aws_debugger:
        check_debugger(parsed, fields["image"], local=place.local)
        fields["debugger"] = True
    if words.tensorboard_output is not None:
        fields["tensorboard"] = given_uri(words.tensorboard_output or output, place, "--tensorboard-output")
    for key in ("instance_count", "volume_gb", "max_runtime"):
        value = getattr(words, key) if getattr(words, key) is not None else getattr(part, key)
        if value is not None:
            fields[key] = value
    return build(place, preset, training=(Training, fields))


def endpoint_config(words: DeployWords, preset: Preset, place: Place, *, now: datetime | None = None) -> RunConfig:
    """The RunConfig of one endpoint. Raises ConfigError."""
    part = preset.endpoint
    served = variants(words.variants)
    model = served[0].model_data if served else given_uri(words.model_data, place, "the model")
    serverless = "serverless" in words.hosting
    role = role_of(words.role, place)
    instance_type = "" if serverless else instance_type_of(words.instance_type, part.instance_type, place)
    fields: dict[str, Any] = {
        "name": words.name,
        "image": image_of(words.image, "serve", place, instance_type=instance_type, role=role),
        "role": role,
        "model_data": model,
        "variants": served,
        "multi_model": words.multi_model,
        "instance_type": instance_type,
        "environment": {**part.environment, **words.environment},
        "revision": fresh_name(words.name, now) if words.now is not None else "",
    }
    if not place.local:
        hosting = hosting_fields(words.hosting, model_data=model)
        fields["hosting"] = checked(Hosting, **with_preset_tag(hosting, preset))
    for key in ("instance_count", "startup_timeout"):
        value = getattr(words, key) if getattr(words, key) is not None else getattr(part, key)
        if value is not None:
            fields[key] = value
    if words.now is not None:
        fields |= as_before(words.now, [each.name for each in served], count=words.instance_count,
                            serverless=serverless)  # fmt: skip
    config = build(place, preset, endpoint=(Endpoint, fields))
    if serverless and (words.instance_type or words.instance_count or words.startup_timeout):
        raise ConfigError(
            "A serverless endpoint has no instances; leave out --instance-type, --instances and --startup-timeout."
        )
    return config


def fresh_name(stem: str, now: datetime | None = None, *, stem_length: int = _STEM) -> str:
    """A name nobody has: the stem and the moment, to the millisecond (20 characters)."""
    moment = now or datetime.now(UTC)
    return f"{_word(stem, stem_length)}-{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}"


def name_stem(name: str) -> str:
    """What ``name`` and all names that `fresh_name` makes of it begin with."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(name, _word(name, _STEM), strict=False))
    return "".join(letter for letter, _ in alike)


def _word(stem: str, length: int) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", stem)[:length].strip("-") or "run"


def endpoint_name(job: str) -> str:
    """The name of a job's endpoint when no other is given."""
    return f"{job[:54].rstrip('-')}-endpoint"


def with_preset_tag(given: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    """The words of a network, key and tags, with the preset's tag under theirs."""
    return {**given, "tags": {**({"preset": preset.name} if preset.name else {}), **given.get("tags", {})}}


def checked(kind: type[Part], **fields: Any) -> Part:
    """A part of the configuration; raises ConfigError in a sentence for fields that do not fit."""
    try:
        return kind(**fields)
    except ValueError as exc:
        raise ConfigError(ended(problem(exc))) from exc


def build(place: Place, preset: Preset, **parts: tuple[type[Any], dict[str, Any]]) -> RunConfig:
    """The RunConfig of these parts and their fields. Raises ConfigError."""
    try:
        built = {key: kind(**fields) for key, (kind, fields) in parts.items()}
        return RunConfig(door=place.door, preset=preset.name or None, **built)
    except ValueError as exc:
        raise ConfigError(ended(problem(exc))) from exc


def _hyphenated(values: Mapping[str, str]) -> dict[str, str]:
    """Names as the schema writes them, so that a flag wins over a preset however either spells it."""
    if len({name.replace("_", "-") for name in values}) < len(values):
        return dict(values)  # given twice, which is an error with a sentence of its own
    return {name if name.startswith(hyperparameters.RESERVED) else name.replace("_", "-"): text
            for name, text in values.items()}  # fmt: skip


def _hyperparameters(values: Mapping[str, str]) -> hyperparameters.Hyperparameters:
    try:
        return hyperparameters.parse(values)
    except HyperparameterError as exc:
        raise ConfigError(str(exc)) from exc


def _channels(words: TrainWords, place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    if words.data:
        found = _data_channels(words.data, place)
    for name, where in words.channels.items():
        found[name] = given_uri(where, place, f"--channel {name}")
        if place.local and not to_path(found[name]).exists():
            raise ConfigError(f"--channel {name} is {where}, which does not exist; give a file or a folder that does.")
        if place.local and name == channel_names.WEIGHTS:
            _check_weights(where, len(channel_names.weights_files(to_path(found[name]))))
    if not any(channel_names.split_of(name) == channel_names.TRAIN for name in found):
        raise ConfigError(
            "No training images are given; add --data FOLDER (class folders, or train/ validation/ test/ with "
            "class folders in them), or --channel train=FOLDER."
        )
    return found


def _check_classes(found: Mapping[str, str], parsed: hyperparameters.Hyperparameters) -> None:
    """Before any job is started, which would find it when all else has been prepared."""
    folder = next(to_path(uri) for name, uri in found.items() if channel_names.split_of(name) == channel_names.TRAIN)
    inside = channel_names.resolve(folder)
    try:
        names = classes.names(inside.get(channel_names.TRAIN, folder))
        if parsed.ordered_classes:
            classes.numbers(names)
    except DataError as exc:
        raise UnusableData(str(exc)) from exc
    except HyperparameterError as exc:
        raise ConfigError(str(exc)) from exc


def _check_weights(where: str, files: int) -> None:
    """Before any job is started, which would find it in a minute, and each trial of a search again."""
    if files != 1:
        raise ConfigError(
            f"--channel weights is {where}, where there {'is no file' if files == 0 else f'are {files} files'} of "
            f"weights ({', '.join(sorted(channel_names.WEIGHTS_SUFFIXES))}); give one."
        )


def _data_channels(data: str, place: Place) -> dict[str, str]:
    """A channel a split found in the folder; a folder without splits is the train channel."""
    uri = given_uri(data, place, "--data")
    if not place.local:
        # Without a look into the bucket: the container finds train/ validation/ test/ in the one channel.
        return {"training": uri}
    folder = to_path(uri)
    if not folder.is_dir():
        raise ConfigError(f"--data {data} is no folder; give one with class folders in it, or with train/ in it.")
    splits = channel_names.resolve(folder)
    if channel_names.TRAIN in splits:
        return {split: to_uri(path) for split, path in splits.items()}
    return {channel_names.TRAIN: uri}


def given_uri(where: str | Path, place: Place, what: str) -> str:
    """``where`` as the address the door takes; ``what`` names it in an error. Raises ConfigError."""
    where = str(where)  # Python gives paths, the command line words
    if not where:
        raise ConfigError(f"{what} is given without a place; write it as in --data photos or --channel train=photos.")
    if place.local:
        if where.startswith("file://"):
            return where
        if "://" in where:
            raise ConfigError(f"{what} is {where}, and the local door reads folders; copy it here and give its path.")
        return to_uri(Path(where))
    if not where.startswith("s3://"):
        upload = f"upload it (`launch.py data push {where} s3://BUCKET/…`) and give that"
        remedy = upload if Path(where).is_dir() else "give one, s3://BUCKET/PREFIX"
        raise ConfigError(
            f"{what} is {where}, and AWS reads s3:// addresses; {remedy}, or add --local to stay on this machine."
        )
    return where


def _output(output: str | None, place: Place) -> str:
    if output:
        return given_uri(output, place, "--output")
    if place.local:
        return to_uri(place.state / "output")
    raise ConfigError("--output is missing: give s3://BUCKET/PREFIX for the model, or add --local.")


def image_of(image: str | None, part: str, place: Place, *, instance_type: str, role: str) -> str:
    """The image for ``part`` (train or serve): the one given, else the door's own. Raises ConfigError."""
    if image:
        return image
    if place.local:
        return _SERVE_GPU_IMAGE if part == "serve" and place.gpu else _IMAGES[part]
    return pushed_image(part, place, instance_type=instance_type, role=role)


def role_of(role: str | None, place: Place) -> str:
    """The role given, else the one that is found. Raises ConfigError."""
    return role or LOCAL_ROLE if place.local else execution_role(role, place)


def instance_type_of(given: str | None, preset: str | None, place: Place) -> str:
    """The machine: this one, or the one that was given or the preset names. Raises ConfigError."""
    if place.local:
        return "local_gpu" if place.gpu else "local"
    chosen = given or preset
    if not chosen:
        raise ConfigError("--instance-type is missing: name one, such as ml.m5.xlarge or ml.g5.xlarge.")
    if not re.fullmatch(r"ml\.[a-z0-9-]+\.[a-z0-9]+", chosen):
        raise ConfigError(f"--instance-type is '{chosen}', and SageMaker's are of the form ml.g5.xlarge; correct it.")
    return chosen
