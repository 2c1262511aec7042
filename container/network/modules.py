"""The pieces of a network that are ours: normalization, head, and the frame that holds them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """(N, S, S, C) uint8 → (N, C', S, S) float32: scaled to 0–1, minus mean, over std.

    C' is the number of means; one gray channel is copied to all of them. Equal to
    ``container.common.images.normalize`` up to float rounding.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        # Not persistent: the manifest holds them, and a state_dict stays torchvision's own plus the head.
        self.register_buffer("scale", (1 / (255 * torch.tensor(std))).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (torch.tensor(mean) / torch.tensor(std)).view(1, -1, 1, 1), persistent=False)

    scale: Tensor
    shift: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        # A permuted NHWC array is already what torch calls channels_last. One gray channel broadcasts.
        return pixels.permute(0, 3, 1, 2).float() * self.scale - self.shift


class Head(nn.Sequential):
    """(N, F) features → (N, K) raw logits: dropout before each linear layer, ReLU between, none at the end."""

    def __init__(self, features: int, sizes: tuple[int, ...], dropout: tuple[float, ...], classes: int) -> None:
        """``dropout`` holds one value for all linear layers, or one for each.

        Raises ValueError when their numbers do not agree.
        """
        widths = (features, *sizes, classes)
        rates = dropout * (len(widths) - 1) if len(dropout) == 1 else dropout
        if len(rates) != len(widths) - 1:
            raise ValueError(f"{len(widths) - 1} linear layers cannot have {len(rates)} dropout values")
        super().__init__()
        self.features = features
        for index, ((fan_in, fan_out), rate) in enumerate(zip(pairwise(widths), rates, strict=True)):
            if index:
                self.add_module(f"relu{index}", nn.ReLU())
            if rate:
                self.add_module(f"dropout{index}", nn.Dropout(rate))
            self.add_module(f"linear{index}", nn.Linear(fan_in, fan_out))


class Network(nn.Module):
    """Normalization, then a torchvision architecture whose classifier ends in our ``Head``.

    ``head_path`` is the head's name inside ``net`` (``fc``, ``classifier.1``).
    """

    def __init__(self, normalize: Normalize, net: nn.Module, head_path: str) -> None:
        super().__init__()
        self.normalize = normalize
        self.net = net
        self.head_path = head_path

    @property
    def head(self) -> Head:
        """The trained end, (N, F) → (N, K)."""
        head = self.net.get_submodule(self.head_path)
        assert isinstance(head, Head)
        return head

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, S, S, C) uint8 → (N, K) raw logits."""
        logits: Tensor = self.net(self.normalize(pixels))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """(N, S, S, C) uint8 → (N, F): what the head is given."""
        caught: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
        try:
            self.forward(pixels)
        finally:
            hook.remove()
        return caught[0]
