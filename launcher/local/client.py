"""LocalSageMaker: boto3's SageMaker client for this machine.

    client = LocalSageMaker(Path(".sagemaker"), Settings(engine="process"))
    client.create_training_job(TrainingJobName="demo", …)      # the very request AWS takes
    client.describe_training_job(TrainingJobName="demo")["TrainingJobStatus"]

Same method names, same dicts, same ClientErrors. What it cannot do it refuses with a ValidationException.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from launcher.local import store
from launcher.local.endpoints import EndpointCalls
from launcher.local.engines import warm
from launcher.local.models import ModelCalls
from launcher.local.processes import spawn_detached
from launcher.local.settings import Settings
from launcher.local.store import Store
from launcher.local.training import TrainingCalls
from launcher.local.transforms import TransformCalls
from launcher.local.tuning.calls import TuningCalls


class LocalSageMaker(TrainingCalls, TuningCalls, ModelCalls, EndpointCalls, TransformCalls):
    """The control plane: training jobs, searches, models, endpoint configurations, endpoints, batch transform jobs."""

    def __init__(self, root: Path, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.store = Store(root)
        self.settings = settings
        self.clock = clock

    def _supervise(self, folder: Path) -> None:
        """Start the resource's supervisor, detached from us."""
        handle = warm.fork_supervisor(folder, self.settings) or spawn_detached(
            [sys.executable, "-P", "-m", "launcher.local.supervisor", str(folder)],
            environment=warm.supervisor_environment(self.settings),
            log=folder / "supervisor.log",
        )
        store.write_json(folder / store.SUPERVISOR, {"pid": handle.pid, "started": handle.started})
