"""Several GPUs or hosts: torchrun, started from resourceconfig.json, one process a GPU (one a host without)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from container.common.errors import ContainerError
from container.train.decode import processors
from container.train.paths import Paths
from container.train.stopping import JobStopped, StopSignal

# torchrun's own; hosts that are to meet must agree on one.
PORT = 29500

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Resources:
    """The hosts of a job, which of them this is, and how many processes each runs."""

    hosts: tuple[str, ...] = ("localhost",)
    current_host: str = "localhost"
    interface: str = ""
    per_host: int = 1

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Resources:
        """From resourceconfig.json; $PROCESSES_PER_HOST overrules the number of GPUs."""
        import torch

        hosts = tuple(sorted(str(h) for h in raw.get("hosts") or ["localhost"]))
        current = str(raw.get("current_host", hosts[0]))
        if current not in hosts:
            raise ContainerError(
                f"resourceconfig.json names the current host '{current}', which is not among its hosts."
            )
        per_host = int(os.environ.get("PROCESSES_PER_HOST") or max(torch.cuda.device_count(), 1))
        return cls(hosts, current, str(raw.get("network_interface_name", "")), per_host)

    @property
    def processes(self) -> int:
        """All of them, on all hosts."""
        return len(self.hosts) * self.per_host

    def command(self) -> list[str]:
        """torchrun's command line on this host; the first host, in the names' order, is the master."""
        return [
            sys.executable,
            "-m",
            "container.train.agent",
            f"--nnodes={len(self.hosts)}",
            f"--nproc-per-node={self.per_host}",
            f"--node-rank={self.hosts.index(self.current_host)}",
            f"--master-addr={os.environ.get('MASTER_ADDR') or (self.hosts[0] if len(self.hosts) > 1 else '127.0.0.1')}",
            f"--master-port={os.environ.get('MASTER_PORT') or (PORT if len(self.hosts) > 1 else _free_port())}",
            "--max-restarts=0",
            "-m",
            "container.train.worker",
        ]

    def environment(self) -> dict[str, str]:
        """What torchrun and its workers are given."""
        environment = dict(os.environ)
        environment.setdefault("OMP_NUM_THREADS", str(max(1, processors() // self.per_host)))
        if self.interface and len(self.hosts) > 1:
            environment.setdefault("NCCL_SOCKET_IFNAME", self.interface)
            environment.setdefault("GLOO_SOCKET_IFNAME", self.interface)
        return environment


def _free_port() -> int:
    """A port nobody listens on: two jobs of one machine must not meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(paths: Paths, resources: Resources, stop: StopSignal) -> None:
    """Run the job under torchrun until it ends; SIGTERM goes on to the workers.

    Raises JobStopped or ContainerError as the workers did.
    """
    process = subprocess.Popen(resources.command(), env=resources.environment())
    forwarded = False
    while True:
        try:
            status = process.wait(timeout=_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if stop.raised and not forwarded:
                process.send_signal(signal.SIGTERM)
                forwarded = True
    # What came of the job counts, and only then that it was asked to stop, perhaps too late.
    if status == 0:
        return
    if paths.failure.is_file():
        raise ContainerError(paths.failure.read_text(encoding="utf-8"))
    if stop.raised:
        raise JobStopped
    raise ContainerError(
        "A training process was ended from outside, perhaps because memory ran out; the job's log says how it "
        "ended. Lower batch-size or image-size, or take a larger instance."
    )
