"""How data come into a training in AWS, by their size: copied before it begins, or streamed while it runs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from launcher.config.managed import InputMode
from launcher.config.training import Training
from launcher.doors import Door
from launcher.errors import NotFound

_GB = 1_000_000_000
# Above it copying takes longer than streaming ever waits, and the instances are paid for meanwhile.
LARGE = 50 * _GB
# The model, its checkpoints and what was decoded want the rest of the disk.
_PART_OF_DISK = 0.6


def input_mode(door: Door, training: Training) -> tuple[InputMode, str]:
    """The mode that suits the data, and a clause that says why. Raises NotFound where there are none."""
    limit = min(LARGE, int(training.volume_gb * _GB * _PART_OF_DISK))
    total = 0
    for uri in training.channels.values():
        try:
            size = door.measure(uri, limit - total)
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code == "NoSuchBucket":
                raise _nothing(uri) from exc
            return "File", f"the size of {uri} is unknown ({code}); --input-mode FastFile suits large data"
        if size == 0:
            raise _nothing(uri)
        total += size
        if total >= limit:
            return "FastFile", f"the data are {limit / _GB:g} GB or more, for disks of {training.volume_gb} GB"
    return "File", f"the data are {total / _GB:.2g} GB"


def _nothing(uri: str) -> NotFound:
    return NotFound(f"There is nothing at {uri}; upload a folder to it with `launch.py data push FOLDER {uri}`.")
