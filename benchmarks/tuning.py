"""A search over a frozen backbone against as many runs of a plain torchvision loop with the same values.

    python benchmarks/tuning.py DATA [--weights FILE] [--model resnet50] [--trials 20] [--epochs 5] [--plain 3]

DATA holds train/ and val/ in ImageFolder layout. Our side is one CreateHyperParameterTuningJob through the local
door with processes: from the call to the search's end, with every start, feature pass, export and packing in it.
The plain side is the loop of frozen_backbone.py with a trial's own learning rate, weight decay and batch size; the
loop alone is timed, without its imports, and it exports nothing; each of ours exports its model, in fp32 unless
--precision auto. --plain of the trials are run so, evenly spaced
over the learning rates, and the time of all is scaled from their median. Our accuracy is that of the kept epoch, the
plain loop's that of its last. How much is noise tells a second search: the same values with --seeds other seeds; its
range should hold the plain loop's accuracy. Without --weights the backbone is random, and the accuracies are low ones.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.frozen_backbone import Setting, plain_epochs  # noqa: E402
from container.common.channels import resolve  # noqa: E402
from launcher.config.presets import Preset  # noqa: E402
from launcher.config.tuning_words import TuneWords, tuning_config  # noqa: E402
from launcher.config.words import Place, TrainWords  # noqa: E402
from launcher.doors import Door, open_local  # noqa: E402
from launcher.local.engines.environments import Environments  # noqa: E402
from launcher.local.settings import Settings  # noqa: E402
from launcher.requests import create_hyper_parameter_tuning_job  # noqa: E402

# The bound on 20 trials of 5 epochs over 20 plain runs.
BOUND = 50
NAME = "speed"

Trial = dict[str, Any]


def request(
    setting: Setting, state: Path, asked: dict[str, Any], fixed: dict[str, str], *, name: str = NAME
) -> dict[str, Any]:
    """A search by validation loss; ``asked`` are words of `tune`, ``fixed`` the hyperparameters its trials share."""
    channels = {"train": setting.train, "validation": setting.validation}
    channels |= {"weights": setting.weights} if setting.weights else {}
    shared = TrainWords(
        name=name,
        channels={channel: str(path) for channel, path in channels.items()},
        hyperparameters={
            "model": setting.model,
            "weights": "channel" if setting.weights else "none",
            "epochs": str(setting.epochs),
            "test-fraction": "0",
            **fixed,
        },
        max_runtime=3600,
    )
    config = tuning_config(TuneWords(training=shared, **asked), Preset(), Place(door="local", state=state))
    assert config.tuning is not None
    return create_hyper_parameter_tuning_job(config.tuning)


def values_of_a_head(trials: int, parallel: int) -> dict[str, Any]:
    """A random search over what a head's training depends on."""
    return {
        "strategy": "Random",
        "random_seed": 0,
        "jobs": trials,
        "parallel": parallel,
        "ranges": {
            "lr": "0.0001:0.03:Logarithmic",
            "weight-decay": "0.0001:0.1:Logarithmic",
            "batch-size": "16,32,64",
        },
    }


def seeds(count: int, parallel: int) -> dict[str, Any]:
    """One set of values, from so many seeds."""
    return {
        "strategy": "Grid",
        "parallel": parallel,
        "ranges": {"seed": ",".join(str(seed) for seed in range(1, count + 1))},
    }


def search(door: Door, asked: dict[str, Any]) -> tuple[float, list[Trial]]:
    """Seconds of the whole search, and every trial's description."""
    name = asked["HyperParameterTuningJobName"]
    began = time.perf_counter()
    door.sagemaker.create_hyper_parameter_tuning_job(**asked)
    while _status(door, name) == "InProgress":
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    answer = door.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100
    )
    names = [each["TrainingJobName"] for each in answer["TrainingJobSummaries"]]
    return seconds, [door.sagemaker.describe_training_job(TrainingJobName=name) for name in names]


def _status(door: Door, name: str) -> str:
    answer = door.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return str(answer["HyperParameterTuningJobStatus"])


def accuracy(trial: Trial) -> float:
    """The last validation accuracy a trial printed, which is that of its kept epoch."""
    return next(m["Value"] for m in trial["FinalMetricDataList"] if m["MetricName"] == "validation:accuracy")


def twin(setting: Setting, trial: Trial) -> tuple[float, float]:
    """(seconds, validation accuracy) of the plain loop with a trial's values."""
    values = trial["HyperParameters"]
    same = replace(
        setting,
        lr=float(values["lr"]),
        weight_decay=float(values["weight-decay"]),
        batch=int(values["batch-size"]),
    )
    began = time.perf_counter()
    _, reached = plain_epochs(same, setting.epochs)
    return time.perf_counter() - began, reached


def main() -> None:
    parser = argparse.ArgumentParser(description="A search against plain runs")
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--precision", default="fp32", help="of the exported models; auto quantizes the body once")
    parser.add_argument("--seeds", type=int, default=8, help="how many other seeds show what is noise")
    parser.add_argument("--plain", type=int, default=3, help="how many trials are run by the plain loop too")
    options = parser.parse_args()
    splits = resolve(options.data)
    setting = Setting(splits["train"], splits["validation"], options.model, options.weights, options.epochs)
    Environments(Settings()).ensure("train", gpu=False, say=print, cancelled=lambda: False)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        state = Path(folder)
        door, _ = open_local(state, "process")
        config, fixed = values_of_a_head(options.trials, options.parallel), {"precision": options.precision}
        seconds, trials = search(door, request(setting, state, config, fixed))
        print(f"search: {len(trials)} trials of {options.epochs} epochs in {seconds:.1f} s", flush=True)
        completed = [trial for trial in trials if trial["TrainingJobStatus"] == "Completed"]
        if not completed:
            sys.exit(f"No trial completed: {trials[0].get('FailureReason')}")
        ordered = sorted(completed, key=lambda trial: float(trial["HyperParameters"]["lr"]))
        chosen = [ordered[round(i * (len(ordered) - 1) / max(options.plain - 1, 1))] for i in range(options.plain)]
        print(
            f"\n{'lr':>9} {'decay':>9} {'batch':>6} {'plain s':>9} {'plain acc.':>11} {'ours':>8} {'other seeds':>17}"
        )
        times = []
        for number, trial in enumerate(chosen):
            given = trial["HyperParameters"]
            same = {name: given[name] for name in ("lr", "weight-decay", "batch-size")}
            again = request(
                setting, state, seeds(options.seeds, options.parallel), fixed | same, name=f"{NAME}-{number}"
            )
            others = [accuracy(each) for each in search(door, again)[1]]
            taken, reached = twin(setting, trial)
            times.append(taken)
            print(
                f"{float(given['lr']):>9.2g} {float(given['weight-decay']):>9.2g} {given['batch-size']:>6} "
                f"{taken:>9.1f} {reached:>11.4f} {accuracy(trial):>8.4f} {min(others):>8.4f} {max(others):>8.4f}",
                flush=True,
            )
    whole = statistics.median(times) * len(trials)
    print(f"\n{options.model}: {len(trials)} plain runs {whole:.0f} s (scaled from {len(times)} of them)")
    print(f"the search {seconds:.1f} s, {len(completed)} of {len(trials)} trials completed")
    print(f"{whole / seconds:.1f} times as fast (asked: {BOUND})")


if __name__ == "__main__":
    main()
