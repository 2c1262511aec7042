"""The loop itself: every epoch takes every image once, and what a search tunes is what it trains with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from container.common.hyperparameters import Hyperparameters, parse
from container.train import loop, optim
from container.train.checkpoint import Checkpoints
from container.train.console import Console
from container.train.hook import NoWatcher
from container.train.profile.profiler import NoProfiler
from container.train.stopping import StopSignal
from container.train.world import World
from launcher import requests
from launcher.config import load_preset, tuning_config
from launcher.config.presets import preset_names
from launcher.config.tuning_words import TuneWords
from launcher.config.words import Place, TrainWords
from launcher.local.tuning.request import trial_request
from launcher.local.tuning.space import Space
from tests.train.places import quick

TUNED = [name for name in preset_names() if load_preset(name).tuning.ranges]


class Rows:
    """Points of noise in two classes; ``taken`` keeps which of them each step of each epoch was given."""

    def __init__(self, count: int) -> None:
        self._points = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
        self.labels = torch.arange(count) % 2
        self.taken: dict[int, list[Tensor]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor, *, epoch: int, step: int, share: slice, total: int) -> Tensor:
        self.taken.setdefault(epoch, []).append(rows)
        return self._points[rows]

    def plain(self, rows: slice) -> Tensor:
        return self._points[rows]


def fit(h: Hyperparameters, rows: Rows, folder: Path) -> None:
    """Train a linear layer on ``rows``."""
    layer = nn.Linear(4, 2)
    around = loop.Surroundings(
        hyperparameters=h,
        world=World(torch.device("cpu")),
        console=Console(silent=True),
        stop=StopSignal(),
        checkpoints=Checkpoints(folder, {}),
        watcher=NoWatcher(),
        profiler=NoProfiler(),
    )
    loop.fit(loop.Trainee(layer, layer, layer.train), rows, Rows(8), optim.CrossEntropyLoss(None, 0.0), around)


def test_every_epoch_takes_every_image_once_and_in_another_order(tmp_path: Path) -> None:
    rows = Rows(50)
    fit(quick(epochs="3", batch_size="16"), rows, tmp_path)
    orders = [torch.cat(steps).tolist() for steps in rows.taken.values()]
    assert len(orders) == 3
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("end", [0, -1], ids=["lowest", "highest"])
@pytest.mark.parametrize("preset", TUNED)
def test_what_a_preset_tunes_is_what_is_trained_with(
    preset: str, end: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the search's ranges, by a trial's request, to the optimizer's own parameters and the steps it makes."""
    place = Place(door="local", state=tmp_path)
    for count in ("1", "2"):
        (tmp_path / "counts" / count).mkdir(parents=True)
    asked = TuneWords(training=TrainWords(data=str(tmp_path / "counts")))
    search = requests.create_hyper_parameter_tuning_job(tuning_config(asked, load_preset(preset), place).tuning)
    ranges = Space.of(search["HyperParameterTuningJobConfig"]).ranges
    ends = {one.name: (repr(one.low), repr(one.high)) if one.size is None else one.texts() for one in ranges}
    values = {name: texts[end] for name, texts in ends.items()}

    made: list[torch.optim.Optimizer] = []
    make = optim.optimizer
    monkeypatch.setattr(optim, "optimizer", lambda *given: made.append(make(*given)) or made[-1])
    # As many as each of the batch sizes divides.
    rows = Rows(128)
    fit(parse(trial_request(search, "trial", values)["HyperParameters"]), rows, tmp_path)
    (group,) = made[0].param_groups
    found = {
        "lr": group["lr"],
        "weight-decay": group["weight_decay"],
        "eps": group.get("eps"),
        "batch-size": max(len(step) for step in rows.taken[0]),
        "epochs": len(rows.taken),
    }
    assert {name: found[name] for name in values} == {name: float(text) for name, text in values.items()}
