"""The process that supervisors are forked from: `python -m launcher.local.forked SOCKET`, started by a WarmPool.

A supervisor of its own takes half a second to import what it needs, which is what a short trial trains for.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from container.common import forks
from launcher.local import supervisor


def main(socket: Path) -> int:
    """Serve forks at ``socket``; in a child, look after the resource it was ordered for."""
    before = dict(os.environ)
    listener = forks.listen(socket)
    importlib.import_module("launcher.local.job")
    order = forks.ForkServer(listener, before=before).serve()
    return supervisor.main(list(order.argv[1:])) if order is not None else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
