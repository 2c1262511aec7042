"""What was asked for, kept in the state folder beside what came of it: `.sagemaker/configs/training-jobs/NAME.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from launcher.local.store import private_folder, write_private

if TYPE_CHECKING:
    from launcher.config import Endpoint, RunConfig, Training, Transform, Tuning

Kind = Literal["training-jobs", "tuning-jobs", "transform-jobs", "endpoints"]


def save_config(config: RunConfig, state: Path) -> None:
    """Keep each part of ``config`` by its name."""
    parts: list[tuple[Kind, Training | Tuning | Transform | Endpoint | None]] = [
        ("training-jobs", config.training), ("tuning-jobs", config.tuning), ("transform-jobs", config.transform),
        ("endpoints", config.endpoint),
    ]  # fmt: skip
    for kind, part in parts:
        if part is not None:
            private_folder(state, "configs", kind)
            write_private(_place(kind, part.name, state), config.model_dump_json(indent=1) + "\n")


def forget_config(kind: Kind, name: str, state: Path) -> None:
    """What was asked for goes with what came of it."""
    _place(kind, name, state).unlink(missing_ok=True)


def watching(search: str, state: Path) -> dict[str, str]:
    """What the recipe of a search has a training watched by, as launcher.config.tuning.Tuning has it.

    Nothing of a search that was begun elsewhere.
    """
    place = _place("tuning-jobs", search, state)
    if not place.is_file():
        return {}
    kept = json.loads(place.read_text(encoding="utf-8"))
    return dict((kept.get("tuning") or {}).get("watching") or {})


def _place(kind: Kind, name: str, state: Path) -> Path:
    return state / "configs" / kind / f"{name}.json"
