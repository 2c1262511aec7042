"""What trains and what does not."""

from __future__ import annotations

from torch import nn

from container.common.errors import HyperparameterError
from container.common.names import did_you_mean
from container.network import Network

_BATCHNORM = (nn.modules.batchnorm._BatchNorm,)


class Freeze:
    """Freezes a network's layers by ``until`` (backbone, none, or a layer's name) and keeps them in evaluation mode.

    Frozen layers take part as they are: no gradient, no dropout, no new batch statistics. With
    ``batchnorm`` frozen, batch normalization of layers that do train uses its stored statistics too:
    a few hundred images are too few to estimate a pretrained network's anew.
    """

    def __init__(self, network: Network, until: str, *, freeze_statistics: bool = False) -> None:
        self.network = network
        self.whole_backbone = until == "backbone"
        frozen = _frozen_names(network, until)
        self._quiet = [module for name, module in network.net.named_modules() if name in frozen]
        if freeze_statistics:
            self._quiet += [m for m in network.net.modules() if isinstance(m, _BATCHNORM)]
        for name, parameter in network.net.named_parameters():
            owner = name.rpartition(".")[0]
            # A container's own parameter (ViT's class token) comes before all of its layers.
            before = until != "none" and f"{until}.".startswith(f"{owner}." if owner else "")
            parameter.requires_grad_(not (before or _inside(owner, frozen)))

    def train(self) -> None:
        """``network.train()``, the frozen parts left in evaluation mode."""
        self.network.train()
        for module in self._quiet:
            module.eval()


def _inside(name: str, frozen: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in frozen for end in range(1, len(parts) + 1))


def _frozen_names(network: Network, until: str) -> set[str]:
    """Names of the modules in ``network.net`` that are frozen, with everything inside them."""
    names = [name for name, _ in network.net.named_modules() if name]
    head = network.head_path
    if until == "none":
        return set()
    if until == "backbone":
        outside = [n for n in names if n != head and not n.startswith(head + ".") and not head.startswith(n + ".")]
        return set(outside)
    layers = [n for n in names if n != head and not n.startswith(head + ".") and n.count(".") <= 2]
    if until not in layers:
        raise HyperparameterError(
            f"Hyperparameter 'freeze' cannot be '{until}': the network has no such layer before its head."
            f"{did_you_mean(until, [n for n in layers if n.count('.') < 2] + ['backbone', 'none'])}"
        )
    inside = [i for i, n in enumerate(names) if n == until or n.startswith(until + ".")]
    last = max(inside)

    def end(name: str) -> int:
        return max(i for i, n in enumerate(names) if n == name or n.startswith(name + "."))

    return {name for name in names if end(name) <= last}
