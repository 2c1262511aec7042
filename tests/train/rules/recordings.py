"""Folders of tensors, written with smdebug's own writer, for rules to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from smdebug.core.modes import ModeKeys
from smdebug.core.reductions import get_reduction_tensor_name
from smdebug.core.writer import FileWriter
from smdebug.trials import create_trial

from container.common.rules import Configuration
from container.train.rules.registry import make
from container.train.rules.rule import TensorRule

# As smdebug's hook for torch makes them.
COLLECTIONS = {
    "losses": "[Ll]oss_(?!input).*output",
    "weights": "^(?!gradient|sample).*weight",
    "gradients": "^gradient",
    "biases": "^(?!gradient|sample).*bias",
}


class Recording:
    """One training's folder; steps are counted as they are added, each within its mode too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._steps: dict[str, int] = {}
        self._next = 0
        listing = folder / "collections" / "000000000"
        listing.mkdir(parents=True)
        collections = {
            name: {
                "name": name,
                "tensor_names": [],
                "include_regex": [regex],
                "reduction_config": None,
                "save_config": None,
                "save_histogram": False,
            }
            for name, regex in COLLECTIONS.items()
        }
        content = {"collections": collections, "_meta": {"num_workers": 1}}
        (listing / "worker_0_collections.json").write_text(json.dumps(content))

    def step(
        self,
        mode: str = "TRAIN",
        *,
        reductions: Mapping[tuple[str, str, bool], float] | None = None,
        skip: int = 0,
        **tensors: Any,
    ) -> None:
        """Add a step; ``skip`` steps before it were not saved. ``__`` in a name stands for ``/``."""
        number = self._steps.get(mode, -1) + 1 + skip
        self._steps[mode] = number
        writer = FileWriter(trial_dir=str(self.folder), worker="worker_0", step=self._next + skip)
        self._next += 1 + skip
        for name, value in tensors.items():
            writer.write_tensor(np.asarray(value), name.replace("__", "/"), mode=ModeKeys[mode], mode_step=number)
        for (name, kind, absolute), value in (reductions or {}).items():
            tensor = get_reduction_tensor_name(name, kind, absolute)
            writer.write_tensor(np.asarray(value), tensor, mode=ModeKeys[mode], mode_step=number)
        writer.flush()
        writer.close()

    def end(self) -> None:
        """Say that training has ended."""
        (self.folder / "training_job_end.ts").write_text("1")

    def evaluate(self, rule: str, **parameters: Any) -> TensorRule[Any]:
        """The rule, after the steps up to the first that meets its condition, or after all and the end."""
        trial = create_trial(str(self.folder))
        made = make(Configuration(rule, parameters), trial)
        for number in trial.steps():
            if made.invoke_at_step(number):
                return made
        made.note(made.conclude())
        return made


def loss(value: float) -> dict[str, Any]:
    """A scalar loss under smdebug's name for it."""
    return {"CrossEntropyLoss_output_0": np.float32(value)}
