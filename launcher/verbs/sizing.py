"""How data come into a training in AWS, by their size: copied before it begins, or streamed while it runs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from launcher.config.managed import InputMode
from launcher.config.training import Training
from launcher.doors import Door

_GB = 1_000_000_000
# Above it copying takes longer than streaming ever waits, and the instances are paid for meanwhile.
LARGE = 50 * _GB
# The model, its checkpoints and what was decoded want the rest of the disk.
_PART_OF_DISK = 0.6


def input_mode(door: Door, training: Training) -> tuple[InputMode, str]:
    """The mode that suits the data, and a clause that says why."""
    limit = min(LARGE, int(training.volume_gb * _GB * _PART_OF_DISK))
    total = 0
    for uri in training.channels.values():
        try:
            total += door.measure(uri, limit - total)
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            return "File", f"the size of {uri} is unknown ({code}); --input-mode FastFile suits large data"
        if total >= limit:
            return "FastFile", f"the data are {limit / _GB:g} GB or more, for disks of {training.volume_gb} GB"
    return "File", f"the data are {total / _GB:.2g} GB"
