"""What hook, rules and profiler cost at their defaults: the same training with all of them, and with none.

    python benchmarks/watching.py [--models resnet18 resnet50] [--images 96] [--size 160] [--epochs 2] [--pairs 3]
                                  [--side-by-side]

Pictures are made here and weights are random, so nothing is fetched. Each training is a process of its own; watched
and unwatched ones take turns, the first of a pair in turn too, and medians are told. A head on a frozen backbone has
twenty times the epochs and four times the images, since its own take little.

    loop      the epochs, with their evaluations and checkpoints
    training  from the first file to the last epoch: decoding, features and the making of the hook too
    job       the process, from its start to its end, with the export and the report

With --side-by-side a watched and an unwatched training run at the same time, each with all that it starts on a
processor of its own, which they exchange from pair to pair: whatever else slows the machine slows both, and nothing
of the watching hides on a processor that is idle.

Seconds of processors are those of the job's process and all it has started, the rules' and the monitor's among them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# The bound on what all of it adds to the training time.
BOUND = 1.05

STAGES = ("loop", "training", "job")
UNWATCHED = {"rules": "none", "profile-interval-ms": "0"}
FROZEN_EPOCHS, FROZEN_IMAGES = 20, 4

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of processors."""

    wall: float
    processors: float


Measured = dict[str, Cost]


def processors_of(process: int) -> float:
    """Seconds of processors that ``process`` and all it has started have used, those that have ended too."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        parents[int(entry.name)] = int(words[1])
        used[int(entry.name)] = sum(map(int, words[11:15]))
    wanted = [process]
    for one in wanted:
        wanted += [child for child, parent in parents.items() if parent == one]
    return sum(used.get(one, 0) for one in wanted) / _TICKS


def child(base: Path, values: dict[str, str]) -> None:
    """One job, as this process; what its stages took is left in ``base``/stages.json."""
    from container.common.hyperparameters import parse
    from container.train import job
    from container.train.console import Console
    from container.train.paths import Paths
    from container.train.stopping import StopSignal
    from container.train.world import join

    stages: dict[str, tuple[float, float]] = {}

    def now() -> tuple[float, float]:
        return time.perf_counter(), processors_of(os.getpid())

    plain: Callable[..., Any] = job.fit

    def timed(*arguments: Any) -> Any:
        before = now()
        try:
            return plain(*arguments)
        finally:
            after = now()
            stages["loop"] = (after[0] - before[0], after[1] - before[1])
            stages["training"] = (after[0] - began[0], after[1] - began[1])

    job.fit = timed
    with (base / "job.log").open("w") as log:
        began = now()
        job.run(Paths(base), parse(values), join(), Console(stream=log), StopSignal())
    (base / "stages.json").write_text(json.dumps(stages))


def measure(pictures: Path, values: dict[str, str], processor: int | None = None) -> Measured:
    """One job in a process of its own; on one ``processor``, if any is named."""
    from tests.train.places import environment, place

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        place(base, values, train=pictures / "train", validation=pictures / "validation")
        began = time.perf_counter()
        process = subprocess.Popen(
            [
                *([] if processor is None else ["taskset", "--cpu-list", str(processor)]),
                *(sys.executable, "-W", "ignore", __file__, "--child", folder, json.dumps(values)),
            ],
            env=environment(base),
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"a training ended with status {process.returncode}")
        stages = json.loads((base / "stages.json").read_text())
        return {name: Cost(*cost) for name, cost in stages.items()} | {"job": Cost(wall, used.ru_utime + used.ru_stime)}


def pairs(pictures: Path, values: dict[str, str], count: int) -> tuple[list[Measured], list[Measured]]:
    """(unwatched, watched), measured in turns."""
    unwatched: list[Measured] = []
    watched: list[Measured] = []
    for index in range(count):
        sides = [(unwatched, UNWATCHED), (watched, {})]
        for found, more in sides if index % 2 == 0 else reversed(sides):
            found.append(measure(pictures, values | more))
        print(
            f"  pair {index + 1}: loop {unwatched[-1]['loop'].wall:.2f} s unwatched, {watched[-1]['loop'].wall:.2f} s "
            "watched",
            file=sys.stderr,
            flush=True,
        )
    return unwatched, watched


def side_by_side(pictures: Path, values: dict[str, str], count: int) -> tuple[list[Measured], list[Measured]]:
    """(unwatched, watched), each on its own of two processors, at the same time."""
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        raise SystemExit("--side-by-side needs two processors, and this process may use one")

    def queue(place: int) -> list[Measured]:
        # No end of a training is waited for: both processors are busy until the last.
        return [
            measure(pictures, values | (UNWATCHED if (index + place) % 2 == 0 else {}), processors[place])
            for index in range(count)
        ]

    with ThreadPoolExecutor(2) as pool:
        queues = list(pool.map(queue, (0, 1)))
    unwatched = [queues[index % 2][index] for index in range(count)]
    watched = [queues[1 - index % 2][index] for index in range(count)]
    for number, (off, on) in enumerate(zip(unwatched, watched, strict=True), 1):
        print(f"  pair {number}: training {off['training'].wall:.2f}, {on['training'].wall:.2f} s", file=sys.stderr)
    return unwatched, watched


def rows(title: str, unwatched: list[Measured], watched: list[Measured]) -> tuple[list[str], float]:
    """A row a stage and kind of second, and the ratio of the training by the clock."""
    lines, ratio = [], 0.0
    for stage in STAGES:
        for kind, word in (("wall", "seconds"), ("processors", "processor seconds")):
            before, after = (
                statistics.median(getattr(one[stage], kind) for one in side) for side in (unwatched, watched)
            )
            # Of neighbours: what else the machine does changes from pair to pair.
            ratios = [
                getattr(on[stage], kind) / max(getattr(off[stage], kind), 1e-9)
                for off, on in zip(unwatched, watched, strict=True)
            ]
            shown = statistics.median(ratios)
            lines.append(
                f"{title:<20}{stage:<10}{word:<18}{before:>10.2f}{after:>10.2f}{after - before:>+8.2f}{shown:>8.3f}"
            )
            if (stage, kind) == ("training", "wall"):
                ratio = shown
    return lines, ratio


def main() -> int:
    """Measure, print the table; 1 when the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet18"], metavar="MODEL")
    parser.add_argument("--freeze", nargs="+", default=["none", "backbone"], choices=["none", "backbone"])
    parser.add_argument(
        "--images",
        type=int,
        default=96,
        help=f"that train a whole network, in 3 classes, and {FROZEN_IMAGES} times as many a head; a third validate",
    )
    parser.add_argument("--size", type=int, default=160, help="image-size")
    parser.add_argument(
        "--epochs", type=int, default=2, help=f"of a whole network; {FROZEN_EPOCHS} times as many of a head"
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--side-by-side", action="store_true", help="both at the same time, on a processor each")
    parser.add_argument("--precision", default="fp32", help="of the exported model")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "VALUES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(Path(given.child[0]), json.loads(given.child[1]))
        return 0

    from tests.train.places import image_folder

    table, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for freeze in given.freeze:
            many = given.images * (FROZEN_IMAGES if freeze == "backbone" else 1)
            for seed, (split, count) in enumerate({"train": many, "validation": many // 3}.items()):
                kinds = {name: max(2, count // 3) for name in ("across", "down", "slanted")}
                image_folder(Path(folder) / freeze / split, kinds, seed=seed)
        for model in given.models:
            for freeze in given.freeze:
                title = f"{model} {'frozen' if freeze == 'backbone' else 'unfrozen'}"
                print(title, file=sys.stderr, flush=True)
                values = {
                    "model": model,
                    "weights": "none",
                    "freeze": freeze,
                    "image-size": str(given.size),
                    "epochs": str(given.epochs * (FROZEN_EPOCHS if freeze == "backbone" else 1)),
                    "test-fraction": "0",
                    "precision": given.precision,
                }
                run = side_by_side if given.side_by_side else pairs
                lines, ratio = rows(title, *run(Path(folder) / freeze, values, given.pairs))
                table += lines
                worst = max(worst, ratio)
    print(
        f"\n{given.images} images of {given.size} pixels, medians of {given.pairs} pairs, "
        + ("a core each" if given.side_by_side else f"{os.cpu_count()} cores")
    )
    print(f"{'':<48}{'unwatched':>10}{'watched':>10}{'more':>8}{'ratio':>8}")
    print("\n".join(table))
    print(f"\nwatched / unwatched training, by the clock: at most {worst:.3f} (bound {BOUND})")
    return int(worst > BOUND)


if __name__ == "__main__":
    raise SystemExit(main())
