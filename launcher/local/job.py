"""Looking after one training job, from its folder's layout to its packed outputs."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.local import debugger, engines, layout, packing, reasons, store
from launcher.local.engines.base import Cancelled, Engine, Run, Workload
from launcher.local.metrics import LogReader, MetricCollector
from launcher.local.reasons import HostEnd
from launcher.local.records import TrainingRecord
from launcher.local.settings import Settings
from launcher.local.supervisor import sentence
from launcher.local.threads import threads_each
from launcher.local.uris import to_path, to_uri

_POLL_SECONDS = 0.2
# For the reason of a failed host, when another one was the first to end because it lost that one.
_REASON_SECONDS = 15.0
MODEL_ARCHIVE, OUTPUT_ARCHIVE = "model.tar.gz", "output.tar.gz"

Stop = Callable[[], bool]


def supervise_job(folder: Path, settings: Settings, stop: Stop, *, clock: Callable[[], float] = time.time) -> None:
    """Run the job in ``folder`` to its end, whatever the end is; its record says which."""
    record = TrainingRecord(folder, clock=clock)
    job = _Job(folder, settings, stop, record, clock)
    try:
        job.run()
    except Cancelled:
        record.end("Stopped", message="Stopped before training began")
    except Exception as exc:
        traceback.print_exc()
        record.end("Failed", reason=sentence(exc, folder))


class _Job:
    def __init__(
        self, folder: Path, settings: Settings, stop: Stop, record: TrainingRecord, clock: Callable[[], float]
    ) -> None:
        self.folder, self.settings, self.stop, self.record, self.clock = folder, settings, stop, record, clock
        self.request: dict[str, Any] = store.read_json(folder / store.REQUEST) or {}
        self.resources = self.request["ResourceConfig"]
        self.hosts = layout.hosts(int(self.resources.get("InstanceCount", 1)))
        self.folders = {host: folder / "ml" / host for host in self.hosts}
        self.logs = {host: folder / "logs" / f"{host}.log" for host in self.hosts}
        self.gpu = self.resources.get("InstanceType") == "local_gpu"

    def run(self) -> None:
        engine = engines.load(self.settings)
        specification = self.request["AlgorithmSpecification"]
        image = specification.get("TrainingImage", "")
        engine.prepare(
            "train", image, gpu=self.gpu, cancelled=self.stop, say=lambda text: self.record.move("Starting", text)
        )
        self._not_stopped()
        self.record.move("Downloading", "Laying out the input channels")
        workload = self._lay_out(engine, image, specification)
        metrics = MetricCollector(specification.get("MetricDefinitions", []), self.folder / store.METRICS)
        self._not_stopped()
        self.record.move("Training", f"Training with the {engine.name} engine")
        run = engine.start(workload, note=self._note)
        try:
            ending = self._watch(run, metrics)
            ends = self._ends(run)
        finally:
            run.close()
        self._read(metrics, final=True)
        self._finish(engine, workload, ending, ends)

    def _not_stopped(self) -> None:
        if self.stop():
            raise Cancelled

    def _note(self, handles: dict[str, Any]) -> None:
        store.write_json(self.folder / store.HANDLES, handles)

    def _lay_out(self, engine: Engine, image: str, specification: dict[str, Any]) -> Workload:
        mounts = layout.channel_mounts(self.request)
        checkpoints = layout.checkpoint_mount(self.request)
        cache = layout.cache_mount(self.folder.parents[1])
        watched = debugger.mounts(self.request, self.folder.name)
        for host in self.hosts:
            folder = self.folders[host]
            layout.lay_out(folder, self.request, host=host, everyone=self.hosts, base=engine.base(folder),
                           interface=engine.interface)  # fmt: skip
            for mount in mounts:
                (folder / Path(mount.target).relative_to("/opt/ml")).parent.mkdir(parents=True, exist_ok=True)
            for mount in watched:
                layout.mount_point(folder, mount)
            self.logs[host].parent.mkdir(parents=True, exist_ok=True)
            self.logs[host].touch()
        self.readers = {host: LogReader(self.logs[host]) for host in self.hosts}
        return Workload(
            name=self.folder.name,
            role="train",
            image=image,
            folders=self.folders,
            logs=self.logs,
            mounts=(*mounts, cache, *([checkpoints] if checkpoints else []), *watched),
            environment={
                "TRAINING_JOB_NAME": self.folder.name,
                "TRAINING_JOB_ARN": self.record.document.get("TrainingJobArn", ""),
                **({} if self.gpu else threads_each(len(self.hosts))),
                **self.request.get("Environment", {}),
            },
            entrypoint=tuple(specification.get("ContainerEntrypoint", ())),
            arguments=tuple(specification.get("ContainerArguments", ())),
            gpu=self.gpu,
            isolated=bool(self.request.get("EnableNetworkIsolation")),
        )

    def _watch(self, run: Run, metrics: MetricCollector) -> int | str:
        """Follow the run to its end: an exit status, or "stopped" or "overtime"."""
        limit = float(self.request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400))
        began = self.clock()
        while True:
            status = run.poll()
            self._read(metrics)
            if status is not None:
                self._hear_out(run, metrics)
                return status
            if self.stop():
                return self._end_early(run, metrics, "stopped")
            if self.clock() - began > limit:
                return self._end_early(run, metrics, "overtime")
            run.wait(_POLL_SECONDS)

    def _hear_out(self, run: Run, metrics: MetricCollector) -> None:
        """Give the other hosts time to say why, where a failed one only knows that it lost another."""
        deadline = time.monotonic() + _REASON_SECONDS
        while None in run.statuses.values() and not reasons.is_known(self._ends(run)) and time.monotonic() < deadline:
            run.wait(_POLL_SECONDS)
            self._read(metrics)

    def _ends(self, run: Run) -> list[HostEnd]:
        return [HostEnd(host, run.statuses[host], self.folders[host], self.logs[host]) for host in self.hosts]

    def _end_early(self, run: Run, metrics: MetricCollector, why: str) -> str:
        self.record.move("Stopping", f"Asked to end; killed in {self.settings.grace_seconds:g} s if it does not")
        run.terminate()
        deadline = time.monotonic() + self.settings.grace_seconds
        # All hosts: one that has nothing to write must not take the checkpoint from the one that has.
        while None in run.statuses.values() and time.monotonic() < deadline:
            run.wait(_POLL_SECONDS)
            self._read(metrics)
        return why

    def _read(self, metrics: MetricCollector, *, final: bool = False) -> None:
        # Metrics come from rank 0, but a user's own script may print them anywhere.
        for reader in self.readers.values():
            if metrics.feed(reader.lines(final=final), self.clock()):
                self.record.metrics(metrics.last)

    def _finish(self, engine: Engine, workload: Workload, ending: int | str, ends: list[HostEnd]) -> None:
        self.record.move("Uploading", "Packing the model and the outputs")
        where = to_path(self.request["OutputDataConfig"]["S3OutputPath"]) / self.folder.name / "output"
        folders = list(self.folders.values())
        failed = ending not in (0, "stopped", "overtime")
        packing.pack([f / "output" / "data" for f in folders], where / OUTPUT_ARCHIVE)
        # A failed job's output is kept for looking at; its model is not one.
        if not failed and packing.pack([f / "model" for f in folders], where / MODEL_ARCHIVE):
            self.record.artifacts(to_uri(where / MODEL_ARCHIVE))
        # Last, for it goes to another place, which may be full: no model should be lost with it.
        debugger.deliver_profile(self.request, self.folder.name, folders)
        if failed:
            bases = {engine.base(folder) for folder in folders}
            reason = self._reason(int(ending), ends)
            self.record.end("Failed", reason=layout.as_given(reason, workload.mounts, bases))
        elif ending == "stopped":
            self.record.end("Stopped", message="Stopped on request")
        elif ending == "overtime":
            self.record.end("Stopped", secondary="MaxRuntimeExceeded", message="Ran for MaxRuntimeInSeconds")
        else:
            self.record.end("Completed", message="Training job completed")

    def _reason(self, status: int, ends: list[HostEnd]) -> str:
        checkpoints = self.request.get("CheckpointConfig", {}).get("S3Uri")
        again = f"with --checkpoints {checkpoints} to go on, or " if checkpoints else ""
        return reasons.reason(ends, status, again=again)
