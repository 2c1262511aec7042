"""The steps and phases of a job as a timeline that smdebug's ``LocalAlgorithmMetricsReader`` parses.

    ROOT/framework/pevents/2026112012/1795176999000000_0-algo-1_pythontimeline.json

named by the last event's end in microseconds; a JSON list of Chrome's trace events, which chrome://tracing shows too.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from container.train import storage
from container.train.profile.clock import DetailedStep
from container.train.profile.phases import Phase
from container.train.profile.timings import Timings

FOLDER = "framework/pevents"
_SUFFIX = "pythontimeline.json"

# smdebug's names: its analyses look for these.
STEP = "Step:ModeKeys.TRAIN"
PHASE = "JobPhase"
_NAMES = {
    "data": "DataLoaderIter::GetNext",
    "forward": "Forward",
    "backward": "Backward",
    "optimizer": "Optimizer",
    "hook": "Hook",
}


def write(
    root: Path, node: str, *, steps: Sequence[DetailedStep], phases: Sequence[Phase], begin: float, epoch: float
) -> Path | None:
    """Write a timeline; None when there is nothing to write.

    ``begin`` is the job's beginning on the steps' clock, ``epoch`` the same in seconds since 1970. Raises StorageError.
    """
    found = [*_phase_events(phases), *_step_events(steps, begin)]
    if not found:
        return None
    base = int(epoch * 1e6)
    lines: list[dict[str, Any]] = [_named(0, {"start_time_since_epoch_in_micros": base})]
    rows: dict[str, int] = {}
    for row, name, start, seconds, arguments in found:
        if row not in rows:
            rows[row] = len(rows)
            lines.append(_named(rows[row], {"name": row}))
        event = {"name": name, "pid": rows[row], "ph": "X", "ts": int(start * 1e6), "dur": int(seconds * 1e6)}
        lines.append({**event, **({"args": arguments} if arguments else {})})
    end = base + int(max(start + seconds for _row, _name, start, seconds, _arguments in found) * 1e6)
    hour = time.strftime("%Y%m%d%H", time.gmtime(end / 1e6))
    path = root / FOLDER / hour / f"{end}_0-{node}_{_SUFFIX}"
    storage.write_text(path, "[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
    return path


def read(root: Path) -> Timings | None:
    """The training steps of the timelines under ``root``, whoever wrote them; None where there are none.

    Raises ValueError for a file that is no timeline.
    """
    starts: list[float] = []
    durations: list[float] = []
    first, last = float("inf"), 0.0
    for path in sorted((root / FOLDER).rglob(f"*_{_SUFFIX}")):
        rows: dict[int, str] = {}
        base = 0
        for event in json.loads(path.read_text(encoding="utf-8")):
            arguments = event.get("args") or {}
            if event.get("ph") == "M":
                base = arguments.get("start_time_since_epoch_in_micros", base)
                if event.get("name") == "process_name" and "name" in arguments:
                    rows[event["pid"]] = arguments["name"]
            elif event.get("ph") == "X":
                start = base + event["ts"]
                first, last = min(first, start), max(last, start + event["dur"])
                if re.fullmatch(r"Step:ModeKeys\.(TRAIN|GLOBAL)", rows.get(event["pid"], "")):
                    starts.append(start)
                    durations.append(event["dur"] / 1000)
    if not durations:
        return None
    return Timings(
        seconds=(last - first) / 1e6,
        first_step=(min(starts) - first) / 1e6,
        steps=len(durations),
        step_seconds=sum(durations) / 1000,
        durations_ms=durations,
    )


def _named(row: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": "process_name", "ph": "M", "pid": row, "args": arguments}


_Found = tuple[str, str, float, float, dict[str, str]]


def _phase_events(phases: Sequence[Phase]) -> Iterator[_Found]:
    for phase in phases:
        for start, end in phase.spans:
            yield PHASE, phase.name, start, end - start, {}


def _step_events(steps: Sequence[DetailedStep], begin: float) -> Iterator[_Found]:
    for number, step in enumerate(steps):
        arguments = {"step_num": str(number)}
        yield STEP, STEP, step.start - begin, step.seconds, arguments
        for part, start, seconds in step.laps:
            yield _NAMES[part], _NAMES[part], start - begin, seconds, arguments
