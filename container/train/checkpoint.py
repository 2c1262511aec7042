"""Checkpoints: all that a job needs to go on as if it had never been interrupted.

One file, written whole: network, optimizer, best network so far, history, and the place in the
epoch. Nothing random is in it, because everything random is derived from (seed, epoch, step).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from container.common.errors import ContainerError, first_line
from container.train import storage
from container.train.tally import FIELDS

NAME = "checkpoint.pt"


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


class Checkpoints:
    """Reads and writes the checkpoint of one job.

    ``identity`` says what the job is; a checkpoint of another one is refused, so that neither its
    work is overwritten nor a wrong result reported.
    """

    def __init__(self, folder: Path, identity: dict[str, str]) -> None:
        self.path = folder / NAME
        self._identity = identity

    def save(self, state: TrainingState, model: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Write everything, whole or not at all. Raises StorageError when the disk is full."""
        content = {"identity": self._identity, "state": asdict(state), "model": model, "optimizer": optimizer}
        storage.write(self.path, lambda file: torch.save(content, file))

    def load(self) -> tuple[TrainingState, dict[str, Any], dict[str, Any]] | None:
        """The state, the model's and the optimizer's, or None when there is no checkpoint.

        Raises ContainerError for a checkpoint that is damaged or of another job.
        """
        if not self.path.exists():
            return None
        remedy = f"delete {self.path} (or use another checkpoint location) to start anew"
        try:
            content = storage.load(self.path)
            state = TrainingState(**content["state"])
            identity, model, optimizer = content["identity"], content["model"], content["optimizer"]
        except (OSError, KeyError, TypeError, ValueError) as exc:
            raise ContainerError(f"The checkpoint {self.path} cannot be read ({first_line(exc)}); {remedy}.") from exc
        for name in sorted({*identity, *self._identity}):
            theirs, ours = identity.get(name, "nothing"), self._identity.get(name, "nothing")
            if theirs != ours:
                raise ContainerError(
                    f"The checkpoint {self.path} is of another job: its {name} is {theirs}, this job's is {ours}; "
                    f"start with the same configuration to go on, or {remedy}."
                )
        return state, model, optimizer
