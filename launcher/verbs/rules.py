"""What the open rules say of a training: the states SageMaker tells of, and the tensors to evaluate them over."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from botocore.exceptions import ClientError

from launcher.config.frozen import checked_name
from launcher.doors import Door
from launcher.errors import ConfigError, NotFound
from launcher.local.uris import to_path
from launcher.verbs import outputs, training
from launcher.verbs.logs import LogFollower
from launcher.verbs.training import Description

ISSUES, ERROR, IN_PROGRESS, FINE = "IssuesFound", "Error", "InProgress", "NoIssuesFound"
# What a person reads first.
_ORDER = (ISSUES, ERROR, "Stopped", "Stopping", IN_PROGRESS, FINE)

# Where a training leaves its tensors, under its /opt/ml, in output.tar.gz and in S3.
_PLACES = ("", "debug", "output/data/debug", "output/tensors", "debug-output")
_IN_ARCHIVE = "debug"
_MET = re.compile(
    r"RuleEvaluationConditionMet: Evaluation of the rule \S+(?: (at step \d+))? resulted in the condition being met"
    r"\.?\s*"
)
# As container/train prints them, the rules at each change and the profiler at the end.
_LINE = re.compile(
    r"\[(?:rules|profiler)\] (?P<rule>\w+) (?P<status>IssuesFound|NoIssuesFound|Error)\b:? ?(?P<details>.*)"
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


def states(door: Door, description: Description) -> list[State]:
    """How every rule that watches a job stands, those with issues first.

    Its description tells; of a job in AWS whose rules run inside it, without Debugger, its log does: those that are
    done or have found something.
    """
    documents = [
        *description.get("DebugRuleEvaluationStatuses", []),
        *description.get("ProfilerRuleEvaluationStatuses", []),
    ]
    if not documents:
        documents = _logged(_log(door, description["TrainingJobName"]))
    return in_order([State.of(document) for document in documents])


def _log(door: Door, job: str) -> list[str]:
    try:
        return LogFollower.of_job(door.logs, job).lines()
    except ClientError as exc:
        # Whoever may describe a job may not read its log for that; the description is worth showing all the same.
        if exc.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return []


def _logged(lines: Iterable[str]) -> list[dict[str, str]]:
    found = (_LINE.search(line) for line in lines)
    # The last word counts: a job that was begun again has evaluated its rules again.
    told = {line["rule"]: (line["status"], line["details"]) for line in found if line}
    return [
        {"RuleConfigurationName": rule, "RuleEvaluationStatus": status, "StatusDetails": details}
        for rule, (status, details) in told.items()
    ]


def summary(found: Sequence[State], job: str) -> str:
    """A sentence on a job's rules; "" where none has watched it. ``job`` is its name, and what leads back to it."""
    issues = [state for state in found if state.status == ISSUES]
    # A rule that sums up the others, as ProfilerReport does, adds nothing to their names.
    met = [one.rule for one in issues if not any(other.rule in one.details for other in issues if other is not one)]
    failed = [state.rule for state in found if state.status == ERROR]
    if not found:
        return ""
    watched = f"{len(found)} rule{'s' if len(found) > 1 else ''} watched"
    said = f"{watched}, and found issues: {', '.join(met)}" if met else f"{watched}, and found no issues"
    said += f"; not evaluated: {', '.join(failed)}" if failed else ""
    return f"{said}; `launch.py status {job}` tells more." if met or failed else f"{said}."


def in_order(found: Sequence[State]) -> list[State]:
    """Those with issues first; otherwise as they come."""
    return sorted(found, key=lambda state: _ORDER.index(state.status) if state.status in _ORDER else len(_ORDER))


@contextmanager
def tensors(place: str, door: Callable[[], Door]) -> Iterator[Path]:
    """The folder of tensors that ``place`` names: itself, one in it, an output.tar.gz, or a training job's.

    Raises NotFound, UnusableData for a damaged archive, and ConfigError for a job that still runs or whose tensors lie
    in S3.
    """
    path = Path(place)
    if path.is_dir():
        yield _tensor_folder(path)
    elif path.is_file():
        readable = outputs.readable(str(path), "take it again from the job's output")
        none = f"There are no tensors in {path}; name a job's output.tar.gz."
        with _unpacked(_members(path), readable, none) as folder:
            yield folder
    else:
        opened, description = _job(door, place)
        hook = description.get("DebugHookConfig")
        if hook:
            yield _hooked(hook["S3OutputPath"], description)
        else:
            files = outputs.files(opened, description, "tensors")
            readable = outputs.readable(outputs.archive_of(description), "run the job again for its tensors")
            with _unpacked(files, readable, str(outputs.absent(description, "tensors"))) as folder:
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
    with tarfile.open(archive, "r:*") as tar:
        yield from outputs.members(tar)


@contextmanager
def _unpacked(
    files: Iterator[tuple[PurePosixPath, IO[bytes]]], readable: AbstractContextManager[None], none: str
) -> Iterator[Path]:
    """The tensors among ``files`` in a folder of their own while it is needed; NotFound(none) where none are.

    ``files`` are read within ``readable``.
    """
    with tempfile.TemporaryDirectory(prefix="byoc-tensors-") as temporary:
        folder = Path(temporary)
        with readable:
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
