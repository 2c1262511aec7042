"""How many threads each of several trainings takes that share this machine.

Trainings that each take every core hold each other up, by an order of magnitude.
"""

from __future__ import annotations

import os

_THREADS = "OMP_NUM_THREADS"


def threads_each(trainings: int) -> dict[str, str]:
    """The variable that tells each of so many its share; nothing for a single one."""
    if trainings <= 1:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return {_THREADS: str(max(1, cores // trainings))}
