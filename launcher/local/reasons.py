"""Why a training failed; of several hosts, what the one says that failed by itself."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container.common.errors import ELSEWHERE
from launcher.local.engines.commands import last_words

_KILLED, _STOPPED = 128 + signal.SIGKILL, 128 + signal.SIGTERM
_LONGEST = 20_000


@dataclass(frozen=True)
class HostEnd:
    """How one host ended: its exit status (None while it runs), its /opt/ml and its log."""

    host: str
    status: int | None
    folder: Path
    log: Path

    @property
    def failure(self) -> str:
        """What it says of its failure itself."""
        file = self.folder / "output" / "failure"
        return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""

    @property
    def printed(self) -> str:
        """The last of what it printed."""
        text = self.log.read_text(encoding="utf-8", errors="replace")[-_LONGEST:]
        return last_words(text) if text.strip() else ""

    @property
    def was_killed(self) -> bool:
        """Whether it was killed by itself and before it could say why.

        Its status is from before the job ended the others. Processes that are left of it see them go and say so.
        """
        return self.status == _KILLED and (not self.failure or ELSEWHERE in self.failure)

    @property
    def weight(self) -> int:
        """How much its word counts: nothing, where it has lost another host, or was stopped with one."""
        if self.was_killed:
            return 3
        if self.failure:
            return 0 if ELSEWHERE in self.failure else 2
        return 0 if self.status in {None, 0, _STOPPED} else 1


def is_known(ends: Sequence[HostEnd]) -> bool:
    """Whether one host tells more than that it has lost another."""
    return any(end.weight > 0 for end in ends)


def reason(ends: Sequence[HostEnd], status: int, *, again: str = "") -> str:
    """One sentence; ``again`` is what to start the job with so as to go on, and ``status`` the job's."""
    end = max(ends, key=lambda end: end.weight)
    status = end.status or status
    several = len(ends) > 1
    if end.failure and not end.was_killed:
        return f"AlgorithmError: {f'{end.host}: ' if several else ''}{end.failure.rstrip('.')}, exit code: {status}"
    if status == _KILLED:
        where = f" on {end.host}, which ended it on the other hosts" if several else ""
        return (
            f"AlgorithmError: The training was killed (signal 9){where}, perhaps for want of memory; train again "
            f"{again}with less of it (a smaller --batch-size), exit code: {status}"
        )
    words = end.printed or next(filter(None, (each.printed for each in ends)), "nothing")
    whose = end.host if several else "the training"
    return f"AlgorithmError: {whose} printed last: {words}, exit code: {status}"
