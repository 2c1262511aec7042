"""From a name and a few numbers to a network: the surgery on torchvision's classifiers.

Where the head goes: with ``head=()`` only the last linear layer is replaced (VGG keeps its
pretrained 4096-wide layers); with hidden sizes everything from the classifier's first linear layer
on is. Either way torchvision's own dropout just before the replaced layers makes way for ours.
SqueezeNet's convolutional classifier, which ends in a ReLU, becomes an average pool and a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from container.common.artifact import WEIGHTS, Manifest
from container.common.errors import ArtifactError, HyperparameterError, first_line
from container.common.images import IMAGENET_MEAN, IMAGENET_STD
from container.common.names import did_you_mean
from container.network.modules import Head, Network, Normalize

# Networks trained with auxiliary classifiers; ours are trained and served without them.
_AUXILIARY = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}


@dataclass(frozen=True, kw_only=True)
class Design:
    """All that defines a network but its weights."""

    architecture: str
    head: tuple[int, ...] = ()
    dropout: tuple[float, ...] = (0.0,)
    class_count: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    image_size: int = 224


def architectures() -> list[str]:
    """Names of torchvision's classifiers, quantized variants left out."""
    import torchvision

    return [str(name) for name in torchvision.models.list_models(module=torchvision.models)]


def build(design: Design, original: Callable[[], nn.Module] | None = None) -> Network:
    """The network of ``design``; random weights unless ``original`` gives torchvision's net with others.

    Raises HyperparameterError, in one sentence, for an unknown architecture or a head that cannot be.
    """
    net = original() if original else blank(design.architecture, design.image_size)
    drop_auxiliaries(net, design.architecture)
    if hasattr(net, "transform_input"):
        # Inception and GoogLeNet undo ImageNet's normalization themselves, when it was applied.
        setattr(net, "transform_input", design.mean == IMAGENET_MEAN)  # noqa: B010 - torch types attributes as modules
    try:
        path = put_head(net, design)
    except ValueError as exc:
        raise HyperparameterError(
            f"The head {list(design.head)} with dropout {list(design.dropout)} cannot be put on "
            f"{design.architecture}: {exc}; give one dropout value, or one for each linear layer."
        ) from exc
    return Network(Normalize(design.mean, design.std), net, path)


def blank(architecture: str, image_size: int = 224) -> nn.Module:
    """torchvision's net of that name with random weights and 1000 classes."""
    import torchvision

    if architecture not in architectures():
        raise HyperparameterError(
            f"Hyperparameter 'model' cannot be '{architecture}': torchvision has no such classifier."
            + did_you_mean(architecture, architectures())
        )
    options: dict[str, object] = {}
    if architecture in _AUXILIARY:
        options["init_weights"] = True
    if architecture.startswith("vit_"):
        options["image_size"] = image_size
    if architecture == "maxvit_t":
        options["input_size"] = (image_size, image_size)
    try:
        net: nn.Module = torchvision.models.get_model(architecture, weights=None, **options)
    except (ValueError, AssertionError) as exc:
        reason = str(exc) or f"it does not divide {image_size}"
        raise HyperparameterError(
            f"{architecture} cannot be built for image-size {image_size}: {reason}; try image-size=224."
        ) from exc
    return net


def drop_auxiliaries(net: nn.Module, architecture: str) -> None:
    """Leave out the auxiliary classifiers of GoogLeNet and Inception, so that one tensor comes out."""
    for name in _AUXILIARY.get(architecture, ()):
        setattr(net, name, None)
    if architecture in _AUXILIARY:
        setattr(net, "aux_logits", False)  # noqa: B010


def put_head(net: nn.Module, design: Design) -> str:
    """Replace the classifier's end by our Head, in place; the head's name inside ``net``.

    Raises ValueError when head and dropout do not fit together.
    """
    if design.architecture.startswith("squeezenet"):
        features = 512  # of every SqueezeNet
        head = Head(features, design.head, design.dropout, design.class_count)
        net.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
        return "classifier.2"
    linears: list[str] = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    top = linears[-1].split(".")[0]
    in_classifier = [name for name in linears if name.split(".")[0] == top]
    path = in_classifier[0] if design.head else in_classifier[-1]
    replaced = net.get_submodule(path)
    assert isinstance(replaced, nn.Linear)
    head = Head(replaced.in_features, design.head, design.dropout, design.class_count)
    _silence_dropout_before(net, path)
    parent_path, _, name = path.rpartition(".")
    parent = net.get_submodule(parent_path)
    if isinstance(parent, nn.Sequential):
        names = list(dict(parent.named_children()))
        for later in names[names.index(name) + 1 :]:
            delattr(parent, later)
    setattr(parent, name, head)
    return path


def _silence_dropout_before(net: nn.Module, path: str) -> None:
    """Turn off torchvision's own dropout right before ``path``: the head brings what was asked for."""
    last_linear_seen = False
    before = [(name, m) for name, m in net.named_modules() if not list(m.children())]
    names = [name for name, _ in before]
    for _, module in reversed(before[: names.index(path)]):
        if isinstance(module, nn.Dropout) and not last_linear_seen:
            module.p = 0.0
        elif not isinstance(module, (nn.ReLU, nn.Flatten, nn.AdaptiveAvgPool2d, nn.Hardswish, nn.Tanh)):
            last_linear_seen = True


def from_artifact(folder: Path, manifest: Manifest) -> Network:
    """The trained network of an artifact, in evaluation mode, from its fp32 safetensors.

    Raises ArtifactError when the weights are missing, damaged or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    design = Design(
        architecture=manifest.architecture,
        head=manifest.head,
        dropout=manifest.dropout,
        class_count=len(manifest.classes),
        mean=manifest.mean,
        std=manifest.std,
        image_size=manifest.image_size,
    )
    with torch.random.fork_rng(devices=[]):
        network = build(design)
    try:
        network.net.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as exc:
        raise ArtifactError(
            f"The weights {folder / WEIGHTS} cannot be loaded into {manifest.architecture} ({first_line(exc)}); "
            "take the artifact again from the training job's output."
        ) from exc
    return network.eval()
