"""Rules × trainings: each rule must speak of its fault (✓) and be silent on healthy trainings; ! is one that is not.

    python benchmarks/rules.py

A dot is silence, an o a rule that speaks of a fault that is not its own, which it may.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("SMDEBUG_LOG_LEVEL", "error")
os.environ["SMDEBUG_TRAINING_END_DELAY_REFRESH"] = "0"
warnings.simplefilter("ignore")  # smdebug is older than what it stands on

import torch  # noqa: E402

from container.common.rules import NAMES  # noqa: E402
from tests.train.rules.faults import FAULTS, HEALTHY, Training, findings, record  # noqa: E402
from tests.train.rules.test_faults import BOUNDS, ELSEWHERE  # noqa: E402


def row(training: Training, *, healthy: bool) -> tuple[str, bool]:
    """A training's marks, and whether all are as they should be."""
    import smdebug.pytorch as smd

    folder = Path(tempfile.mkdtemp())
    try:
        record(training, folder / "tensors")
        found = findings(folder / "tensors", BOUNDS | training.parameters)
    finally:
        smd.del_hook()
        shutil.rmtree(folder)
    marks, good = [], True
    for name in NAMES:
        met, meant = bool(found.get(name)), name in training.rules
        wrong = met if healthy else meant and not met
        good &= not wrong
        marks.append("!" if wrong else "✓" if meant else "o" if met else "·")
    return "  ".join(marks), good


def main() -> int:
    torch.set_num_threads(1)  # two threads only wait for each other in networks this small
    started, good = time.monotonic(), True
    for index, name in enumerate(NAMES):
        note = "  (not here: see tests/train/rules)" if name in ELSEWHERE else ""
        print(f"{' ' * 38}{'|  ' * index}{name}{note}")
    for kind, healthy in ((HEALTHY, True), (FAULTS, False)):
        for name, training in kind.items():
            marks, fine = row(training, healthy=healthy)
            good &= fine
            print(f"{name:<38}{marks}", flush=True)
    print(f"{'all as they should be' if good else 'some are wrong (!)'}, in {time.monotonic() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
