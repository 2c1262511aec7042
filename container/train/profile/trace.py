"""torch.profiler over chosen steps: every operator, as a trace for chrome://tracing or Perfetto."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from container.common.errors import first_line


class Trace:
    """Traces the steps START to END (not included) of ``steps`` into ``folder``; its failure is a warning."""

    def __init__(self, steps: str, folder: Path, warn: Callable[[str], None]) -> None:
        self._start, self._end = (int(word) for word in steps.split(":"))
        self._path = folder / f"steps-{self._start}-{self._end}.json.gz"
        self._warn = warn
        self._profile: torch.profiler.profile | None = None

    def before(self, step: int) -> None:
        """``step`` follows."""
        if step == self._start:
            self._begin()
        elif step == self._end:
            self.close()

    def close(self) -> None:
        """Write what has been traced, if anything."""
        if self._profile is None:
            return
        profile, self._profile = self._profile, None
        try:
            profile.stop()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            profile.export_chrome_trace(str(self._path))
        except (RuntimeError, OSError) as exc:
            self._warn(f"the trace cannot be written to {self._path} ({first_line(exc)})")

    def _begin(self) -> None:
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        profile = torch.profiler.profile(activities=kinds, acc_events=True)
        try:
            profile.start()
        except RuntimeError as exc:
            self._warn(f"the steps cannot be traced ({first_line(exc)})")
            return
        self._profile = profile
