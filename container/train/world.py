"""The processes that train together: one, or one for each GPU of each host, started by torchrun.

Every process draws the same order and takes its share of each step; sums are taken over all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from container.common.errors import ContainerError, DataError

T = TypeVar("T")

# Rank 0 of a host may decode for long while the others wait.
_PATIENCE = timedelta(hours=6)


# Never freed before the process ends: the destructor of a gloo group joins its threads while it holds the
# interpreter's lock, and one of them may be waiting for that lock (seen with torch 2.12).
_KEPT: list[nn.Module] = []


@dataclass(frozen=True)
class World:
    """This process among ``size`` processes, ``local_size`` of them on this host."""

    device: torch.device
    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of ``count`` things; the parts differ by one at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """``tensor`` summed over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process; all must ask."""
        return flag if self.size == 1 else bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def all_have(self, flag: bool) -> bool:
        """Whether ``flag`` is true in every process; all must ask.

        What a process finds on its own disk may be acted on only when all of them have found it.
        """
        return not self.any(not flag)

    def from_first(self, work: Callable[[], T]) -> T:
        """What ``work``, done by the first process alone, gives: plain containers with tensors; all must ask.

        A ContainerError it raises is raised in all.
        """
        if self.size == 1:
            return work()
        told: list[Any] = [None, None]
        tensors: list[Tensor] = []
        if self.first:
            try:
                told[0] = _without_tensors(work(), tensors)
            except ContainerError as exc:
                told[1] = exc
        dist.broadcast_object_list(told, src=0)
        content, error = told
        if error is not None:
            raise error
        found: T = self._with_tensors(content, iter(tensors))
        return found

    def _with_tensors(self, content: Any, own: Iterator[Tensor]) -> Any:
        """``content`` with its tensors, one after the other, as the first process (whose ``own`` they are) has them."""
        if isinstance(content, _Place):
            tensor = next(own) if self.first else torch.empty(content.shape, dtype=content.dtype)
            sent = tensor.to(self.device).contiguous()
            dist.broadcast(sent, src=0)
            return sent.cpu()
        if isinstance(content, dict):
            return {key: self._with_tensors(value, own) for key, value in content.items()}
        if isinstance(content, list):
            return [self._with_tensors(value, own) for value in content]
        return content

    def seed(self, number: int) -> None:
        """Seed what is drawn from without a generator, as dropout does, on this process's device.

        torch.manual_seed seeds every kind of device. For a kind that torch is built for and the machine lacks it keeps
        the call for later, with a formatted stack: a millisecond each time, and memory that is never freed.
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()

    def average_buffers(self, module: nn.Module) -> None:
        """Make running statistics, which each process gathers from its own share, equal again."""
        if self.size > 1:
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    self.sum(buffer).div_(self.size)

    def wrap(self, module: nn.Module) -> nn.Module:
        """``module`` for training: its gradients averaged over the processes."""
        if self.size == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        wrapped = nn.parallel.DistributedDataParallel(module, device_ids=devices)
        _KEPT.append(wrapped)
        return wrapped

    def require_same(self, digest: str, what: str) -> None:
        """Raise DataError when ``digest`` of ``what`` differs between processes."""
        if self.size == 1:
            return
        digests: list[str | None] = [None] * self.size
        dist.all_gather_object(digests, digest)
        if len(set(digests)) > 1:
            raise DataError(
                f"The hosts do not hold the same {what}; give every host all of the data "
                "(S3DataDistributionType FullyReplicated)."
            )


@dataclass(frozen=True)
class _Place:
    """Where a tensor of that shape stood."""

    shape: torch.Size
    dtype: torch.dtype


def _without_tensors(content: Any, tensors: list[Tensor]) -> Any:
    """``content`` with places for its tensors, which are appended to ``tensors`` in order."""
    if isinstance(content, Tensor):
        tensors.append(content)
        return _Place(content.shape, content.dtype)
    if isinstance(content, dict):
        return {key: _without_tensors(value, tensors) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_tensors(value, tensors) for value in content]
    return content


def join() -> World:
    """The world torchrun's environment describes; a world of one without it."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local_rank, local_size = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    if size > 1:
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    return World(device, rank, size, local_rank, local_size)


def is_loss(error: RuntimeError) -> bool:
    """Whether ``error`` is what a process meets when another one of its group is gone."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)


def leave() -> None:
    """End the process group, when there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
