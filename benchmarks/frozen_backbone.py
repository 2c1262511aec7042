"""Ten epochs on a frozen ResNet50 against a plain torchvision loop, on the same photographs and the same weights.

    python benchmarks/frozen_backbone.py DATA [--weights FILE] [--model resnet50] [--epochs 10] [--rounds 3]

DATA holds train/ and val/ (or validation/) in ImageFolder layout. Both sides see the same files, start from
the same backbone and train a linear head by the same optimizer:

    plain   torchvision ImageFolder, Resize(256) + CenterCrop(224) + Normalize, DataLoader defaults, fp32;
            every epoch decodes and passes all training images and then all validation images, the backbone in
            evaluation mode without gradients
    ours    container/train: decode once, pass the backbone once, ten epochs on the features

"One pass" is one plain epoch: every image of both splits once, as each of our jobs passes them once. Ten plain
epochs are scaled from it (each costs the same), unless --whole runs them. The rounds alternate, and medians are
reported. Needs no network: without --weights the backbone is random, and only the times mean something.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

from container.common.artifact import Manifest
from container.common.channels import resolve
from container.common.hyperparameters import parse
from container.common.images import IMAGENET_MEAN, IMAGENET_STD
from container.network import Network
from container.train import job
from container.train.console import Console
from container.train.paths import Paths
from container.train.stopping import StopSignal
from container.train.world import World

# The bound on ten of our epochs over one plain pass.
BOUND = 1.3


@dataclass(frozen=True)
class Setting:
    """What both sides share."""

    train: Path
    validation: Path
    model: str
    weights: Path | None
    epochs: int
    lr: float = 1e-3
    weight_decay: float = 0.01
    batch: int = 32


def plain_network(setting: Setting, classes: int) -> tuple[nn.Module, nn.Linear]:
    """torchvision's net with a new last layer, everything before it frozen."""
    torch.manual_seed(0)
    net = models.get_model(setting.model)
    if setting.weights:
        net.load_state_dict(torch.load(setting.weights, weights_only=True))
    net.requires_grad_(False)
    name, last = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear)][-1]
    head = nn.Linear(last.in_features, classes)
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, head)
    return net.eval(), head


def loaders(setting: Setting) -> tuple[DataLoader, DataLoader]:
    """Training and validation images as a torchvision example reads them."""
    steps = [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    read = [datasets.ImageFolder(str(root), transforms.Compose(steps)) for root in (setting.train, setting.validation)]
    return DataLoader(read[0], setting.batch, shuffle=True), DataLoader(read[1], setting.batch)


def plain_epochs(setting: Setting, epochs: int) -> tuple[float, float]:
    """(seconds of one epoch with its validation, validation accuracy after ``epochs`` of them)."""
    train, validation = loaders(setting)
    net, head = plain_network(setting, len(train.dataset.classes))  # type: ignore[attr-defined]
    optimizer = torch.optim.AdamW(head.parameters(), setting.lr, weight_decay=setting.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.epochs * len(train))
    seconds, accuracy = [], 0.0
    for _ in range(epochs):
        start = time.perf_counter()
        for images, labels in train:
            loss = nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        accuracy = _accuracy(net, validation)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), accuracy


def _accuracy(net: nn.Module, loader: DataLoader) -> float:
    hits = total = 0
    with torch.no_grad():
        for images, labels in loader:
            hits += int((net(images).argmax(1) == labels).sum())
            total += len(labels)
    return hits / total


def ours(setting: Setting) -> tuple[float, float]:
    """(seconds from the first file to the last epoch, validation accuracy of the best epoch).

    Decoding, the pass over both splits, the epochs with their evaluations and checkpoints are in; the export,
    which the plain loop has not, is not.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        paths.data.mkdir(parents=True)
        (paths.data / "train").symlink_to(setting.train.resolve())
        (paths.data / "validation").symlink_to(setting.validation.resolve())
        values = {"model": setting.model, "weights": "none", "epochs": str(setting.epochs), "test-fraction": "0"}
        if setting.weights:
            (paths.data / "weights").mkdir()
            (paths.data / "weights" / setting.weights.name).symlink_to(setting.weights.resolve())
            values["weights"] = "channel"
        marks: dict[str, float] = {}

        def no_export(_network: Network, manifest: Manifest, *_: object, **__: object) -> Manifest:
            marks["trained"] = time.perf_counter()
            return manifest

        start = time.perf_counter()
        job.run(
            paths,
            parse(values | {"lr": str(setting.lr), "batch-size": str(setting.batch)}),
            World(torch.device("cpu")),
            Console(stream=io.StringIO()),
            StopSignal(),
            exporter=no_export,
        )
        metrics = json.loads((paths.output / "metrics.json").read_text())
    return marks["trained"] - start, metrics["metrics"]["validation:accuracy"]


def main() -> int:
    """Measure, print the table and the ratios; 1 when the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", action="store_true", help="run every plain epoch, so that accuracies compare")
    arguments = parser.parse_args()
    splits = resolve(arguments.data)
    setting = Setting(splits["train"], splits["validation"], arguments.model, arguments.weights, arguments.epochs)

    plain_times, our_times = [], []
    plain_accuracy = our_accuracy = 0.0
    for _ in range(arguments.rounds):
        seconds, plain_accuracy = plain_epochs(setting, arguments.epochs if arguments.whole else 1)
        plain_times.append(seconds)
        seconds, our_accuracy = ours(setting)
        our_times.append(seconds)
        print(f"round: plain pass {plain_times[-1]:.1f} s, ours {our_times[-1]:.1f} s", flush=True)

    one_pass, all_ours = statistics.median(plain_times), statistics.median(our_times)
    scaled = "" if arguments.whole else " (scaled from one)"
    print(f"\n{setting.model}, {torch.get_num_threads()} threads, medians of {arguments.rounds} rounds")
    print(f"{'':44}{'seconds':>9}{'val. accuracy':>15}")
    print(f"{'plain torchvision, one pass':44}{one_pass:9.1f}{'':>15}")
    shown = f"{plain_accuracy:15.4f}" if arguments.whole else f"{'':>15}"
    print(f"{f'plain torchvision, {setting.epochs} epochs{scaled}':44}{one_pass * setting.epochs:9.1f}{shown}")
    print(f"{f'ours, {setting.epochs} epochs':44}{all_ours:9.1f}{our_accuracy:15.4f}")
    ratio = all_ours / one_pass
    print(
        f"\nours / one plain pass = {ratio:.2f} (at most {BOUND}); "
        f"plain {setting.epochs} epochs / ours = {one_pass * setting.epochs / all_ours:.1f}"
    )
    return int(ratio > BOUND)


if __name__ == "__main__":
    raise SystemExit(main())
