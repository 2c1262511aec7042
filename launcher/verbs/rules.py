"""What the open rules say of a training: the states SageMaker tells of, and the tensors to evaluate them over."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from launcher.config.frozen import checked_name
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound, UnusableData
from launcher.local.uris import to_path
from launcher.verbs import outputs, training
from launcher.verbs.training import Description

ISSUES, ERROR, IN_PROGRESS = "IssuesFound", "Error", "InProgress"
# What a person reads first.
_ORDER = (ISSUES, ERROR, "Stopped", "Stopping", IN_PROGRESS, "NoIssuesFound")

# Where a training leaves its tensors, under its /opt/ml, in output.tar.gz and in S3.
_PLACES = ("", "debug", "output/data/debug", "output/tensors", "debug-output")
_IN_ARCHIVE = "debug"
_MET = re.compile(
    r"RuleEvaluationConditionMet: Evaluation of the rule \S+(?: (at step \d+))? resulted in the condition being met"
    r"\.?\s*"
)


@dataclass(frozen=True)
class State:
    """How one rule stands, in SageMaker's words, and the sentence on it."""

    rule: str
    status: str
    details: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> State:
        """From an element of DebugRuleEvaluationStatuses, or of rules.json."""
        details = " ".join(document.get("StatusDetails", "").split())
        met = _MET.match(details)
        if met:
            details = ": ".join(filter(None, [met.group(1), details[met.end() :]]))
        return cls(document["RuleConfigurationName"], document["RuleEvaluationStatus"], details)


def states(description: Description) -> list[State]:
    """Every rule that a job's description tells of, those with issues first."""
    documents = [
        *description.get("DebugRuleEvaluationStatuses", []),
        *description.get("ProfilerRuleEvaluationStatuses", []),
    ]
    return in_order([State.of(document) for document in documents])


def in_order(found: Sequence[State]) -> list[State]:
    """Those with issues first; otherwise as they come."""
    return sorted(found, key=lambda state: _ORDER.index(state.status) if state.status in _ORDER else len(_ORDER))


@contextmanager
def tensors(place: str, door: Callable[[], Door]) -> Iterator[Path]:
    """The folder of tensors that ``place`` names: itself, one in it, an output.tar.gz, or a training job's.

    Raises NotFound, and ConfigError for a job that still runs or whose tensors lie in S3.
    """
    path = Path(place)
    if path.is_dir():
        yield _tensor_folder(path)
    elif path.is_file():
        with _unpacked(_members(path), f"There are no tensors in {path}; name a job's output.tar.gz.") as folder:
            yield folder
    else:
        opened, description = _job(door, place)
        hook = description.get("DebugHookConfig")
        if hook:
            yield _hooked(hook["S3OutputPath"], description)
        else:
            files = outputs.files(opened, description, "tensors")
            with _unpacked(files, str(outputs.absent(description, "tensors"))) as folder:
                yield folder


def _tensor_folder(path: Path) -> Path:
    for inside in _PLACES:
        if (path / inside / "collections").is_dir():
            return path / inside
    raise NotFound(f"There are no tensors in {path}; name the folder that smdebug has written to, or a training job.")


def _job(door: Callable[[], Door], name: str) -> tuple[Door, Description]:
    try:
        checked_name(name)
        opened = door()
        return opened, training.describe(opened, name)
    except (NotFound, ValueError) as exc:
        raise NotFound(
            f"There is no folder and no training job '{name}'; `launch.py status` lists the jobs there are."
        ) from exc


def _hooked(output: str, description: Description) -> Path:
    """Where Debugger has put the tensors of a job with a DebugHookConfig."""
    uri = f"{output.rstrip('/')}/{description['TrainingJobName']}/debug-output"
    if not uri.startswith("file://"):
        raise ConfigError(
            f"The job's tensors lie in S3; copy them (`aws s3 sync {uri} tensors`), and run `launch.py rules tensors`."
        )
    return _tensor_folder(to_path(uri))


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                if member.isfile() and (file := tar.extractfile(member)):
                    yield PurePosixPath(member.name), file
    except (tarfile.TarError, EOFError) as exc:
        raise UnusableData(f"{archive} is not a readable tar.gz ({exc}); take it again from the job's output.") from exc


@contextmanager
def _unpacked(files: Iterator[tuple[PurePosixPath, IO[bytes]]], none: str) -> Iterator[Path]:
    """The tensors among ``files`` in a folder of their own while it is needed; NotFound(none) where none are."""
    with tempfile.TemporaryDirectory(prefix="byoc-tensors-") as temporary:
        folder = Path(temporary)
        for path, file in files:
            parts = path.parts
            if parts[:1] != (_IN_ARCHIVE,) or ".." in parts:
                continue
            target = folder.joinpath(*parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                shutil.copyfileobj(file, copy)
        if not (folder / "collections").is_dir():
            raise NotFound(none)
        yield folder
