"""Whether the network is trained in bf16: what ``amp=auto`` comes to.

It is worth its rounding where the processor multiplies bf16 itself, and where the network trains. The
features of a frozen backbone are computed once and kept for other jobs: they stay fp32 unless amp=true
asks for bf16.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from container.common.hyperparameters import Hyperparameters
from container.train.console import Console
from container.train.world import World

CPUINFO = Path("/proc/cpuinfo")

# torch tells whether oneDNN takes bf16, which it does, more slowly than fp32, on processors without it too.
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def settled(h: Hyperparameters, world: World, console: Console) -> Hyperparameters:
    """``h`` with amp true or false; the first process decides for all, since hosts may differ."""
    if h.amp != "auto":
        return h
    amp = world.from_first(lambda: h.freeze != "backbone" and native(world.device))
    if amp:
        console.say("amp=auto: bf16 autocast, which this processor computes itself")
    return replace(h, amp=amp)


def native(device: torch.device, *, cpuinfo: Path = CPUINFO) -> bool:
    """Whether ``device`` has bf16 arithmetic of its own."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not cpuinfo.is_file():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return not _CPU_FLAGS.isdisjoint(flags.split())
