"""Small trainings, each with one fault, and three in good health: what the rules are measured on.

Each takes less than a second. ``FAULTS`` says which rules must speak of it; others may have good reasons to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from smdebug import modes
from torch import Tensor, nn

from container.common.rules import DEFAULT, NAMES, Configuration
from container.train.optim import CrossEntropyLoss
from container.train.rules import facts
from container.train.rules.evaluation import LocalTrial
from container.train.rules.findings import Finding
from container.train.rules.recorder import Recorder
from container.train.rules.registry import make
from container.train.rules.steps import Step

FEATURES, CLASSES = 16, 5


@dataclass
class Data:
    """Rows and labels, of training and of validation."""

    x: Tensor
    y: Tensor
    validation_x: Tensor
    validation_y: Tensor


def clusters(seed: int = 0, count: int = 512, noise: float = 1.0, classes: int = CLASSES) -> Data:
    """A cloud a class, far enough apart to be told."""
    random = torch.Generator().manual_seed(seed)
    centres = 1.2 * torch.randn(classes, FEATURES, generator=random)
    y = torch.arange(count + 256) % classes
    x = centres[y] + noise * torch.randn(len(y), FEATURES, generator=random)
    return Data(x[:count], y[:count], x[count:], y[count:])


def pictures(seed: int = 0, count: int = 256) -> Data:
    """8×8 pictures (N, 3, 8, 8) with a bright row whose place is the class."""
    random = torch.Generator().manual_seed(seed)
    y = torch.arange(count + 128) % 4
    x = torch.randn(len(y), 3, 8, 8, generator=random)
    for index, label in enumerate(y.tolist()):
        x[index, :, 2 * label] += 1.5
    x -= x.mean()
    return Data(x[:count], y[:count], x[count:], y[count:])


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU, normalized: bool = False) -> nn.Sequential:
    """Linear layers with ``activation`` between them, named as smdebug's users would."""
    layers = nn.Sequential()
    for index, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        if index:
            if normalized:
                layers.add_module(f"norm{index}", nn.BatchNorm1d(fan_in))
            layers.add_module(f"{activation.__name__.lower()}{index}", activation())
        layers.add_module(f"linear{index}", nn.Linear(fan_in, fan_out))
    return layers


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(512, 4),
    )  # fmt: skip


@dataclass
class Training:
    """What ``record`` trains, and how."""

    module: Callable[[], nn.Module] = lambda: mlp(FEATURES, 32, CLASSES)
    data: Callable[[], Data] = clusters
    epochs: int = 8
    batch: int = 32
    lr: float = 3e-3
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    trained: Callable[[nn.Module], Any] = lambda module: module.parameters()
    pixels: Callable[[], np.ndarray] = lambda: np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3)).astype(np.uint8)
    mean: float = 0.5
    # Rules that must speak, and the parameters of those that need some.
    rules: tuple[str, ...] = ()
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)


def record(training: Training, folder: Path, *, seed: int = 0) -> None:
    """Train, and leave the tensors our hook saves by default in ``folder``."""
    torch.manual_seed(seed)
    data, module, criterion = training.data(), training.module(), CrossEntropyLoss()
    steps = math.ceil(len(data.x) / training.batch)
    recorder = Recorder(out_dir=str(folder))
    known = facts.of_classes(torch.bincount(data.y).numpy(), None)
    known |= facts.of_pixels(training.pixels(), mean=(training.mean,) * 3, std=(0.29,) * 3)
    recorder.plan(total=steps * training.epochs, an_epoch=steps, most=50, whole=False, facts=known)
    recorder.attach(module, criterion, probes=True)
    optimizer = training.optimizer(training.trained(module), lr=training.lr)
    for epoch in range(training.epochs):
        recorder.set_mode(modes.TRAIN)
        module.train()
        order = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(training.batch):
            loss = criterion(module(data.x[rows]), data.y[rows], float(len(rows)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        recorder.set_mode(modes.EVAL)
        module.eval()
        with torch.inference_mode():
            logits = module(data.validation_x)
        cost = float(nn.functional.cross_entropy(logits, data.validation_y))
        recorder.evaluated(cost, data.validation_y.numpy(), logits.argmax(dim=1).numpy())
    recorder.close()


def findings(folder: Path, parameters: dict[str, dict[str, Any]]) -> dict[str, list[Finding]]:
    """What each default rule, and each with ``parameters``, finds in a finished folder."""
    trial = LocalTrial("training", str(folder))
    names = [name for name in NAMES if name in DEFAULT or name in parameters]
    rules = {name: make(Configuration(name, parameters.get(name, {})), trial) for name in names}
    trial.steps()
    trial.dynamic_refresh = False
    for number in trial.steps():
        step = Step(trial, number)
        for rule in rules.values():
            if not rule.findings:
                rule.note(rule.examine(step))
    for rule in rules.values():
        if not rule.findings:
            rule.note(rule.conclude())
    return {name: rule.findings for name, rule in rules.items()}


def scaled(module: nn.Module, factor: float) -> nn.Module:
    """``module`` with all its parameters multiplied."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(factor)
    return module


def filled(module: nn.Module, fill: Callable[[Tensor], Any]) -> nn.Module:
    """``module`` with every weight of two axes or more filled anew."""
    for parameter in module.parameters():
        if parameter.ndim >= 2:
            with torch.no_grad():
                fill(parameter)
    return module


def relu_on_the_logits() -> nn.Module:
    return nn.Sequential(mlp(FEATURES, 133), nn.ReLU())


def dying() -> nn.Module:
    module = mlp(FEATURES, 32, CLASSES)
    nn.init.constant_(module.linear0.bias, -30.0)
    return module


def saturating() -> nn.Module:
    module = mlp(FEATURES, 32, CLASSES, activation=nn.Sigmoid)
    scaled(module.linear0, 20000.0)
    return module


def shuffled() -> Data:
    data = clusters(count=2048)
    for labels in (data.y, data.validation_y):
        labels.copy_(labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))])
    return data


def mostly_one_class() -> Data:
    data = clusters(classes=2)
    rare = torch.arange(len(data.y)) % 20 == 0
    data.y[~rare] = 0
    data.y[rare] = 1
    return data


def inverted() -> Data:
    """Validation labels that belong to other clouds."""
    data = clusters()
    data.validation_y = (data.validation_y + 1) % CLASSES
    return data


class Diverging(torch.optim.SGD):
    """Steps that overflow."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr=1e30 * lr)


HEALTHY = {
    "a head on features": Training(module=lambda: mlp(FEATURES, CLASSES), epochs=10),
    "a network with batch normalization": Training(
        module=lambda: mlp(FEATURES, 32, 32, CLASSES, normalized=True),
        data=lambda: clusters(seed=1, noise=0.8),
        epochs=6,
    ),
    "a convolutional network": Training(
        module=cnn,
        data=pictures,
        epochs=5,
        lr=0.02,
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    ),
}

FAULTS = {
    "ReLU on the logits": Training(module=relu_on_the_logits, rules=("DeadRelu",)),
    "dead ReLU on the logits": Training(
        module=lambda: nn.Sequential(filled(mlp(FEATURES, 133), nn.init.zeros_), nn.Threshold(1e9, 0.0)),
        rules=("DeadRelu", "AllZero", "LossNotDecreasing", "UnchangedTensor"),
    ),
    "learning rate × 1000": Training(
        lr=3.0, data=lambda: clusters(noise=3.0), rules=("LossNotDecreasing", "WeightUpdateRatio")
    ),
    "overflow": Training(optimizer=Diverging, rules=("ExplodingTensor",)),
    "all-zero initialization": Training(
        module=lambda: filled(mlp(FEATURES, 32, CLASSES), nn.init.zeros_), rules=("AllZero", "PoorWeightInitialization")
    ),
    "constant initialization": Training(
        module=lambda: filled(mlp(FEATURES, 32, CLASSES), lambda weight: nn.init.constant_(weight, 0.1)),
        rules=("PoorWeightInitialization",),
    ),
    "far too small initialization": Training(
        module=lambda: scaled(mlp(FEATURES, 32, 32, 32, CLASSES), 1e-3),
        optimizer=torch.optim.SGD,
        rules=("PoorWeightInitialization", "LossNotDecreasing"),
    ),
    "deep sigmoids": Training(
        module=lambda: mlp(FEATURES, *[8] * 14, CLASSES, activation=nn.Sigmoid), rules=("VanishingGradient",)
    ),
    "saturated sigmoids": Training(module=saturating, rules=("SaturatedActivation",)),
    "dead ReLUs": Training(module=dying, rules=("DeadRelu",)),
    "shuffled labels": Training(
        data=shuffled, module=lambda: mlp(FEATURES, CLASSES), epochs=8, rules=("LossNotDecreasing",)
    ),
    "a tiny training set": Training(
        data=lambda: clusters(count=20, noise=3.0),
        batch=10,
        epochs=80,
        module=lambda: mlp(FEATURES, 64, CLASSES),
        rules=("Overfit",),
    ),
    "far too many epochs": Training(epochs=40, lr=0.03, rules=("Overtraining",)),
    "unnormalized images": Training(mean=0.0, rules=("CheckInputImages",)),
    "constant images": Training(
        pixels=lambda: np.full((64, 4, 4, 3), 128, np.uint8), mean=0.5, rules=("CheckInputImages",)
    ),
    "a layer left out of the optimizer": Training(
        trained=lambda module: module.linear1.parameters(), rules=("UnchangedTensor", "WeightUpdateRatio")
    ),
    "95 % of one class": Training(data=mostly_one_class, rules=("ClassImbalance",)),
    "weights that explode": Training(
        module=lambda: filled(mlp(FEATURES, 32, CLASSES), lambda weight: weight.mul_(30)),
        rules=("TensorVariance",),
        parameters={"TensorVariance": {"max_threshold": 10, "min_threshold": 0.00001}},
    ),
    "confused validation labels": Training(data=inverted, rules=("Confusion", "Overfit"), parameters={"Confusion": {}}),
}
