"""The open rules over a folder of tensors, evaluated where smdebug is: here, or where trainings run.

evaluate(Path("job/output/data/debug"), "default", settings, say=print)    # what rules.json would hold
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher.errors import UnusableData
from launcher.local import engines
from launcher.local.engines.base import Say
from launcher.local.engines.commands import last_words
from launcher.local.engines.images import TRAIN_IMAGE
from launcher.local.settings import Settings

_MODULE = "container.train.rules"


def smdebug_is_here() -> bool:
    """Whether this interpreter has what the rules stand on."""
    return importlib.util.find_spec("smdebug") is not None


def evaluate(
    folder: Path, rules: str, choose: Callable[[], Settings], *, say: Say, here: Callable[[], bool] = smdebug_is_here
) -> list[dict[str, Any]]:
    """Every rule's state, as rules.json holds it; ``rules`` as the hyperparameter says them.

    ``choose`` gives the settings of an engine, and is asked only where this interpreter lacks smdebug. Raises
    EngineError when no environment or image can be had, UnusableData when the tensors cannot be read.
    """
    settings, folder = Settings(), folder.resolve()
    argv, seen = [sys.executable, "-P"], str(folder)
    if not here():
        # A developer's command in the environment's place has no Python of its own.
        settings = replace(choose(), commands={})
        engine = engines.load(settings)
        engine.prepare("train", TRAIN_IMAGE, gpu=False, say=say, cancelled=lambda: False)
        argv, seen = engine.python(folder, TRAIN_IMAGE)
    done = subprocess.run(
        [*argv, "-W", "ignore", "-m", _MODULE, seen, "--rules", rules, "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(settings.checkout)},
    )  # fmt: skip
    if done.returncode != 0:
        raise UnusableData(f"The rules could not be evaluated over {folder}. {last_words(done.stderr)}")
    states: list[dict[str, Any]] = json.loads(done.stdout)
    return states
