"""Rules × trainings: each rule must speak of its fault (✓) and be silent on healthy trainings; ! is one that is not.

    python benchmarks/rules.py

A dot is silence, an o a rule that speaks of a fault that is not its own, which it may. A second table has the profiler
rules, over the figures that jobs leave. Last comes the published fault, a ReLU on the logits of 133 breeds of dogs:
how long after its first step a whole job is told of it, and stopped.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("SMDEBUG_LOG_LEVEL", "error")
os.environ["SMDEBUG_TRAINING_END_DELAY_REFRESH"] = "0"
warnings.simplefilter("ignore")  # smdebug is older than what it stands on

import torch  # noqa: E402

from container.common.rules import NAMES  # noqa: E402
from container.train.profile.evaluation import RULES, evaluate  # noqa: E402
from container.train.profile.rule import read  # noqa: E402
from container.train.rules.findings import ISSUES  # noqa: E402
from tests.train import dogs  # noqa: E402
from tests.train.profile import faults as jobs  # noqa: E402
from tests.train.profile.faults import Job, write  # noqa: E402
from tests.train.profile.test_faults import TELLERS  # noqa: E402
from tests.train.rules.faults import FAULTS, HEALTHY, Training, findings, record  # noqa: E402
from tests.train.rules.test_faults import BOUNDS, ELSEWHERE  # noqa: E402

# The issue's bound on how long the published fault may go unnoticed.
MOST_SECONDS = 60.0

Look = Callable[..., tuple[str, bool]]


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
    return marks(NAMES, {name for name, what in found.items() if what}, training.rules, healthy=healthy)


def profiled(job: Job, *, healthy: bool) -> tuple[str, bool]:
    """A profile's marks, and whether all are as they should be."""
    with tempfile.TemporaryDirectory() as folder:
        write(job.profile(), Path(folder))
        found = {one.rule for one in evaluate(read(Path(folder))) if one.status == ISSUES}
    return marks(tuple(RULES), found, job.rules, healthy=healthy)


def marks(names: Sequence[str], found: Set[str], meant: Collection[str], *, healthy: bool) -> tuple[str, bool]:
    """A mark a rule, and whether all are as they should be."""
    told, good = [], True
    for name in names:
        met, own = name in found, name in meant
        wrong = met if healthy else own and not met
        good &= not wrong
        told.append("!" if wrong else "✓" if own else "o" if met else "·")
    return "  ".join(told), good


def table(
    names: Sequence[str], notes: Mapping[str, str], kinds: Sequence[tuple[Mapping[str, Any], bool]], look: Look
) -> bool:
    """Print it as it comes; whether all of it is as it should be."""
    good = True
    for index, name in enumerate(names):
        print(f"{' ' * 38}{'|  ' * index}{name}{notes.get(name, '')}")
    for kind, healthy in kinds:
        for name, one in kind.items():
            shown, fine = look(one, healthy=healthy)
            good &= fine
            print(f"{name:<38}{shown}", flush=True)
    print()
    return good


def dogs_are_told() -> bool:
    """Print how long it took; whether that was short enough."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = dogs.train(Path(folder))
    print(
        f"ReLU on {dogs.BREEDS} breeds' logits: step {outcome.finding['step']} named {outcome.seconds:.1f} s after "
        f"the first step (at most {MOST_SECONDS:g}), stopped after {outcome.epochs} epochs of {dogs.ENDLESS}\n"
    )
    return outcome.seconds <= MOST_SECONDS and outcome.epochs < dogs.ENDLESS


def main() -> int:
    torch.set_num_threads(1)  # two threads only wait for each other in networks this small
    started = time.monotonic()
    notes = dict.fromkeys(ELSEWHERE, "  (not here: see tests/train/rules)")
    good = table(NAMES, notes, ((HEALTHY, True), (FAULTS, False)), row)
    notes = dict.fromkeys(TELLERS, "  (tells, and never finds)")
    good &= table(tuple(RULES), notes, ((jobs.HEALTHY, True), (jobs.FAULTS, False)), profiled)
    good &= dogs_are_told()
    print(f"{'all as they should be' if good else 'some are wrong (!)'}, in {time.monotonic() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
