"""torchrun, quiet about its workers' ends: ``python -m container.train.agent`` with torchrun's own words.

The workers have written their reasons; torchrun would add a traceback of its own to each.
"""

from __future__ import annotations

import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run


def main(words: list[str]) -> int:
    """Run the workers to their end; 1 when one failed, 128 and the signal's number when stopped."""
    try:
        run(parse_args(words))  # type: ignore[no-untyped-call]
    except ChildFailedError as exc:
        rank, failure = exc.get_first_failure()
        sys.stderr.write(f"training process {rank} was the first to end, with status {failure.exitcode}\n")
        return 1
    except SignalException as exc:
        return 128 + int(exc.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
