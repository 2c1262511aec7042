"""How features and logits follow from the last feature map, found out and proved, for Grad-CAM without torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from container.network import Network

Array = NDArray[np.float32]

# The replay adds up thousands of products in another order than torch does.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class FeatureMap:
    """The module whose output (N, F, h, w) is the last with a spatial extent, and the steps from it to the head."""

    module: nn.Module
    tail: tuple[str, ...]


def last_feature_map(network: Network, pixels: Tensor) -> FeatureMap | None:
    """The map with a tail that numpy replays to what the network gives its head; None where there is none.

    ``pixels`` (N, S, S, C) uint8 are a few real images. Modules are watched in the order they run;
    transformers, and classifiers with other steps than ReLU, pooling and linear layers, give None.
    """
    seen: list[tuple[nn.Module, Tensor]] = []

    def watch(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            # A copy: DenseNet goes on with an in-place ReLU.
            seen.append((module, output.clone()))

    inside = {id(m) for m in network.normalize.modules()}
    hooks = [m.register_forward_hook(watch) for m in network.net.modules() if id(m) not in inside]
    network.eval()
    try:
        with torch.no_grad():
            features = network.features(pixels).float().numpy()
    finally:
        for hook in hooks:
            hook.remove()
    linears = _steps_before_head(network)
    if not seen or linears is None:
        return None
    module, output = seen[-1]
    # A module that passes its input on unchanged (VGG's pool at 224, an identity) is as good as any.
    prefixes = tuple(step.removeprefix("linear:") for step in linears)
    state = network.net.state_dict()
    weights = {k: v.detach().cpu().float().numpy() for k, v in state.items() if k.rpartition(".")[0] in prefixes}
    for start, pool in product(((), ("relu",)), ("avgpool", "flatten")):
        tail = (*start, pool, *linears)
        replayed = replay(tail, output.float().numpy(), weights)
        if replayed is None or replayed.shape != features.shape:
            continue
        if np.abs(replayed - features).max() <= TOLERANCE * max(1.0, np.abs(features).max()):
            return FeatureMap(module, tail)
    return None


def _steps_before_head(network: Network) -> tuple[str, ...] | None:
    """The steps of the classifier layers that are kept before the head; None when one is neither ReLU nor linear."""
    steps: list[str] = []
    top, head = network.head_path.split(".")[0], set(network.head.modules())
    for name, module in network.net.named_modules():
        if name.split(".")[0] != top or list(module.children()) or module in head:
            continue
        if isinstance(module, nn.Linear):
            steps.append(f"linear:{name}")
        elif isinstance(module, nn.ReLU):
            steps.append("relu")
        elif not isinstance(module, (nn.Dropout, nn.Flatten, nn.AdaptiveAvgPool2d, nn.Identity)):
            return None
    return tuple(steps)


def head_steps(network: Network) -> tuple[str, ...]:
    """The head's own steps, from features to logits."""
    found = []
    for name, module in network.head.named_children():
        if isinstance(module, nn.Linear):
            found.append(f"linear:{network.head_path}.{name}")
        elif isinstance(module, nn.ReLU):
            found.append("relu")
    return tuple(found)


def replay(tail: tuple[str, ...], feature_map: Array, weights: dict[str, Array]) -> Array | None:
    """The logits (N, K) from ``feature_map`` (N, F, h, w) by the steps of ``tail``; None when shapes do not fit."""
    x = feature_map
    for step in tail:
        kind, _, prefix = step.partition(":")
        if kind == "relu":
            x = np.maximum(x, 0)
        elif kind == "avgpool":
            x = x.mean(axis=(2, 3))
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        else:
            weight = weights[f"{prefix}.weight"]
            if x.shape[1] != weight.shape[1]:
                return None
            x = x @ weight.T + weights[f"{prefix}.bias"]
    return x
