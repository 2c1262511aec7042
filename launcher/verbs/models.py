"""What a batch transform job may be made of: a model by its place, a job's or a search's, or one that SageMaker has."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from container.common.artifact import CODE, MANIFEST
from launcher.doors import Door
from launcher.errors import LauncherError, NotFound
from launcher.local.uris import to_path
from launcher.sagemaker import PACKED, model_uri
from launcher.verbs import training, tuning
from launcher.verbs.named import is_missing
from launcher.verbs.outputs import members, readable
from launcher.verbs.report import guess


@dataclass(frozen=True)
class Found:
    """A model's place, or the name of one that is made already; ``stem`` is what to call things after."""

    stem: str
    model_data: str | None = None
    model_name: str | None = None


def by_place(word: str) -> Found | None:
    """The model at an address or a path; None for a word that is neither, though a folder be called so."""
    if "://" in word or "/" in word or word.endswith(PACKED) or (Path(word) / MANIFEST).is_file():
        return Found("transform", model_data=word)
    return None


def find(door: Door, word: str) -> Found:
    """The model that ``word`` means: a completed job's, a search's best, or SageMaker's own. Raises NotFound."""
    try:
        description = training.describe(door, word)
    except NotFound:
        pass
    else:
        if description["TrainingJobStatus"] == "Failed":
            training.conclude(description)
        return Found(word, model_data=training.artifact(description))
    if tuning.exists(door, word):
        return Found(word, model_data=tuning.artifact(door, word))
    try:
        door.sagemaker.describe_model(ModelName=word)
    except ClientError as exc:
        if not is_missing(exc):
            raise
        # In AWS a name that is mistyped is not worth two more calls.
        hint = guess(door, word) if door.kind == "local" else " `launch.py status` lists what there is."
        raise NotFound(
            f"There is no job, search or model '{word}'.{hint} A model.tar.gz may be given by its path."
        ) from exc
    return Found(word, model_name=word)


def data_of(door: Door, model: str) -> str:
    """Where the data of SageMaker's model of that name lie; empty where they are in its image."""
    return model_uri(door.sagemaker.describe_model(ModelName=model).get("PrimaryContainer", {}))


def has_code(door: Door, uri: str) -> bool:
    """Whether the model at ``uri`` brings an inference.py of its own. Of an archive all is read where it has none."""
    if not uri.endswith(PACKED):
        try:
            door.read(f"{uri.rstrip('/')}/{CODE.as_posix()}").close()
        except NotFound:
            return False
        return True
    with door.read(uri) as archive, readable(uri, "take it again from the job's output"):
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            return any(path.as_posix() == CODE.as_posix() for path, _member in members(tar))


def written(door: Door, uri: str) -> float | None:
    """When the model at ``uri`` was written (seconds since 1970), of a folder its last file; 0 where there is none.

    None where it cannot be looked at.
    """
    packed = uri.endswith(PACKED)
    try:
        if packed and door.kind == "local":
            # This door lists folders alone.
            path = to_path(uri)
            return path.stat().st_mtime if path.is_file() else 0.0
        # S3's lists all that begins with an address: what is called after an archive too.
        there = list(door.listing(uri if packed else f"{uri.rstrip('/')}/"))
    except (ClientError, LauncherError):
        return None
    return max((each.written for each in there if not (packed and each.key)), default=0.0)


def class_names(door: Door, model: str, data: str = "") -> tuple[frozenset[str], str]:
    """The classes of SageMaker's model of that name, as its manifest says, or none and why they cannot be told.

    Its ``data`` are asked for where they are not known. Of an archive no more is read than comes before its manifest.
    """
    try:
        uri = data or data_of(door, model)
        if not uri:
            return frozenset(), f"Model {model} has its data in its image."
        manifest = _manifest(door, uri)
    except (LauncherError, ClientError, BotoCoreError) as exc:
        return frozenset(), str(exc)
    try:
        return frozenset(map(str, json.loads(manifest)["classes"])), ""
    except (ValueError, KeyError, TypeError):
        return frozenset(), f"The {MANIFEST} in {uri} names none."


def _manifest(door: Door, uri: str) -> bytes:
    if not uri.endswith(PACKED):
        with door.read(f"{uri.rstrip('/')}/{MANIFEST}") as file:
            return file.read()
    with door.read(uri) as archive, readable(uri, "take it again from the job's output"):
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            for path, member in members(tar):
                if path.as_posix() == MANIFEST:
                    return member.read()
    raise NotFound(f"There is no {MANIFEST} in {uri}.")
