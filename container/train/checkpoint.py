"""Checkpoints: all that a job needs to go on as if it had never been interrupted.

One file, written whole: network, optimizer, best network so far, history, and the place in the
epoch. Nothing random is in it, because everything random is derived from (seed, epoch, step). Its
name holds a digest of what the job is, so that jobs may share a folder, as a tuning job's do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from container.common.errors import ContainerError, first_line
from container.train import storage
from container.train.tally import FIELDS

PATTERN = "checkpoint*.pt"

# Of the differences between two jobs, so many are named.
_SHOWN = 3


@dataclass
class TrainingState:
    """Where a job stands: ``epoch`` (from 0) and ``step`` come next."""

    epoch: int = 0
    step: int = 0
    # Sums over the steps of the epoch begun; see tally.FIELDS.
    sums: list[float] = field(default_factory=lambda: [0.0] * len(FIELDS))
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_loss: float = float("inf")
    best_model: dict[str, Tensor] = field(default_factory=dict)
    finished: bool = False
    # The rule that ended the training early, and why.
    stopped_by: str = ""


class Checkpoints:
    """Reads and writes the checkpoint of one job.

    ``identity`` says what the job is. Another one's checkpoint is never gone on from and never
    overwritten.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self._identity = dict(identity)
        digest = hashlib.blake2b(json.dumps(self._identity, sort_keys=True).encode(), digest_size=8).hexdigest()
        self.path = folder / PATTERN.replace("*", f"-{digest}")

    def save(self, state: TrainingState, model: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Write everything, whole or not at all. Raises StorageError when the disk is full."""
        content = {"identity": self._identity, "state": asdict(state), "model": model, "optimizer": optimizer}
        storage.write(self.path, lambda file: torch.save(content, file))

    def load(self) -> dict[str, Any] | None:
        """``state`` (a TrainingState's fields), ``model`` and ``optimizer``; None when there is no checkpoint.

        Raises ContainerError for a checkpoint that is damaged.
        """
        if not self.path.exists():
            return None
        try:
            content = storage.load(self.path)
            TrainingState(**content["state"])
            found = {name: content[name] for name in ("state", "model", "optimizer")}
            difference = self._difference(content["identity"])
        except (OSError, KeyError, TypeError, ValueError) as exc:
            raise self._unusable(f"cannot be read ({first_line(exc)})") from exc
        if difference:
            raise self._unusable(f"is of another job ({difference})")
        return found

    def of_another(self) -> str | None:
        """What the newest checkpoint that other jobs left in the folder differs in, as a warning; None without one."""
        others = [path for path in self.path.parent.glob(PATTERN) if path != self.path]
        if not others:
            return None
        newest = max(others, key=lambda path: path.stat().st_mtime_ns)
        try:
            difference = self._difference(storage.load(newest)["identity"])
        except (OSError, KeyError, TypeError, ValueError) as exc:
            difference = f"it cannot be read: {first_line(exc)}"
        return (
            f"{newest} is the checkpoint of another job ({difference}): this job starts anew, and leaves it alone; "
            "to go on from it, start with the same configuration"
        )

    def _difference(self, theirs: Mapping[str, str]) -> str:
        names = [name for name in sorted({*theirs, *self._identity}) if theirs.get(name) != self._identity.get(name)]
        shown = [
            f"its {name} is {theirs.get(name, 'nothing')}, this job's {self._identity.get(name, 'nothing')}"
            for name in names[:_SHOWN]
        ]
        return "; ".join(shown) + (f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

    def _unusable(self, why: str) -> ContainerError:
        return ContainerError(
            f"The checkpoint {self.path} {why}; delete it, or use another checkpoint location, to start anew."
        )
