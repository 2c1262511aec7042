"""What runs `train` and `serve` on this machine: containers, or processes in locked environments."""

from launcher.local.engines.base import Engine, Mount, Run, Workload
from launcher.local.engines.choice import choose, load

__all__ = ["Engine", "Mount", "Run", "Workload", "choose", "load"]
