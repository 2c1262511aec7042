"""What the local door's jobs of every kind have in common when they are stopped or deleted."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from launcher.local import reconcile, store
from launcher.local.processes import wait_until
from launcher.local.wire import refuse


def ask_to_stop(operation: str, folder: Path, status: str, ended: Container[str], *, what: str = "job") -> None:
    """Leave word for the supervisor of ``folder``; refuses, as AWS does, for a job that has ended."""
    if status in ended:
        refuse(operation, f"The {what} has ended already as {status}.")
    (folder / store.STOP).touch()


def settle(operation: str, folder: Path, status: str, ended: Container[str], *, what: str = "Job") -> None:
    """Wait until nothing writes into ``folder`` any more; refuses for a job that has not ended."""
    if status not in ended:
        refuse(operation, f"{what} {folder.name} is still {status}; stop it first.", code="ResourceInUse")
    # The supervisor writes the final status a moment before it ends.
    wait_until(lambda: not reconcile.supervised(folder), seconds=10.0)
