"""Model artifacts made on the spot: a tiny network for the tests, ResNet50 for the benchmarks.

Weights are random; what is tested is that the server answers what the network computes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from container.common import artifact, telemetry
from container.common.artifact import Explanation, Manifest
from container.common.images import IMAGENET_MEAN, IMAGENET_STD

TINY_SIZE = 32
CLASSES = ("bee, honey", "ant", "3R")


class Classifier(nn.Module):
    """(N, S, S, C) uint8 → logits and the last feature map, normalized inside."""

    def __init__(self, backbone: nn.Module, tail: nn.Module) -> None:
        super().__init__()
        self.backbone, self.tail = backbone, tail
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = pixels.permute(0, 3, 1, 2).float() / 255
        features = self.backbone((scaled - self.mean) / self.std)
        return self.tail(features), features


def tiny_network(seed: int = 0) -> Classifier:
    """Two convolutions, three classes, 32 × 32."""
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU())
    fc = nn.Linear(16, len(CLASSES))
    nn.init.normal_(fc.weight, std=2.0)
    return Classifier(backbone, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc)).eval()


def tiny(folder: Path, *, tail: bool = True, seed: int = 0) -> Path:
    """The tiny network's artifact."""
    network = tiny_network(seed)
    fc = network.tail[2]
    steps = ("avgpool", "linear:fc") if tail else ()
    weights = {"fc.weight": fc.weight, "fc.bias": fc.bias}
    return write(folder, network, weights, size=TINY_SIZE, classes=CLASSES, architecture="tiny", tail=steps)


def resnet50(folder: Path, *, precision: str = "int8", classes: int = 1000) -> Path:
    """torchvision's ResNet50 at 224 × 224; int8 is quantized on random pictures."""
    import torchvision

    torch.manual_seed(0)
    net = torchvision.models.resnet50(weights=None, num_classes=classes)
    names = tuple(f"class {i}" for i in range(classes))
    backbone = nn.Sequential(*list(net.children())[:-2])
    network = Classifier(backbone, nn.Sequential(net.avgpool, nn.Flatten(), net.fc)).eval()
    return write(
        folder,
        network,
        dict(net.state_dict()),
        size=224,
        classes=names,
        architecture="resnet50",
        tail=("avgpool", "linear:fc"),
        precision=precision,
    )


def write(
    folder: Path,
    network: nn.Module,
    weights: dict[str, torch.Tensor],
    *,
    size: int,
    classes: tuple[str, ...],
    architecture: str,
    tail: tuple[str, ...],
    precision: str = "fp32",
) -> Path:
    """A whole artifact of ``network``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_ir(folder, network, size, int8=precision == "int8")
    save_file({k: v.detach().contiguous() for k, v in weights.items()}, folder / artifact.WEIGHTS)
    (folder / artifact.WEIGHTS).chmod(0o644)  # it is made for its owner's eyes alone
    manifest = Manifest(
        architecture=architecture,
        head=(),
        dropout=(),
        classes=classes,
        image_size=size,
        resize="crop",
        channels=3,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        precision="int8" if precision == "int8" else "fp32",
        inference_precision="bf16" if precision == "bf16" else "f32",
        explanation=Explanation(tail),
    )
    artifact.write_manifest(folder, manifest)
    return folder


def save_ir(folder: Path, network: nn.Module, size: int, *, int8: bool) -> None:
    """Write model.xml and model.bin with the input and output names of the contract."""
    telemetry.decline()
    import openvino as ov

    pixels = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter traces, which torch would rather be done otherwise
        model = ov.convert_model(network, example_input=pixels, input=[ov.PartialShape([-1, size, size, 3])])
    model.inputs[0].get_tensor().set_names({artifact.PIXELS})
    model.outputs[0].get_tensor().set_names({artifact.LOGITS})
    model.outputs[1].get_tensor().set_names({artifact.FEATURE_MAP})
    if int8:
        import nncf

        rng = np.random.default_rng(0)
        pictures: list[Any] = [rng.integers(0, 256, (1, size, size, 3), dtype=np.uint8) for _ in range(8)]
        model = nncf.quantize(model, nncf.Dataset(pictures), subset_size=8)
    ov.save_model(model, folder / artifact.IR_XML, compress_to_fp16=False)
