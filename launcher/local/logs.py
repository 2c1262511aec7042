"""boto3's CloudWatch Logs client for the logs of this machine's jobs and endpoints.

Groups are AWS's: /aws/sagemaker/TrainingJobs with streams JOB/algo-1, /aws/sagemaker/TransformJobs with JOB/server and
JOB/server-data-log, and /aws/sagemaker/Endpoints/NAME with the variant's name. A token is a byte offset.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launcher.local import store
from launcher.local.store import Store
from launcher.local.wire import Response, refuse, response
from launcher.sagemaker import ENDPOINT_GROUP, TRAINING_ENDED, TRAINING_GROUP, TRANSFORM_ENDED, TRANSFORM_GROUP

# Groups of all jobs of a kind, and where these lie.
_OF_JOBS = {TRAINING_GROUP: store.TRAINING_JOBS, TRANSFORM_GROUP: store.TRANSFORM_JOBS}
_CHUNK_BYTES = 1_000_000


class LocalLogs:
    """describe_log_streams and get_log_events."""

    def __init__(self, state: Store) -> None:
        self.store = state

    def describe_log_streams(self, **request: Any) -> Response:
        """Names of a group's streams that begin with logStreamNamePrefix."""
        prefix = request.get("logStreamNamePrefix", "")
        group = request["logGroupName"]
        if group in _OF_JOBS:
            job = prefix.partition("/")[0]
            folders = [(job, self.store.folder(_OF_JOBS[group], job) / "logs")] if job else []
            names = sorted(f"{job}/{log.stem}" for job, folder in folders for log in folder.glob("*.log"))
        else:
            names = [log.stem for log in sorted(self._endpoint_folder(group).glob("*.log"))]
        return response({"logStreams": [{"logStreamName": name} for name in names if name.startswith(prefix)]})

    def get_log_events(self, **request: Any) -> Response:
        """Lines from where ``nextToken`` points, and the token for what follows; a half line once it stays half."""
        path = self._path(request["logGroupName"], request["logStreamName"])
        # Asked before the file is read: what is written until the end is then in what is read after it.
        complete = self._ended(path.parents[1])
        offset = int(request.get("nextToken", "f/0").partition("/")[2])
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(_CHUNK_BYTES)
            moment = int(path.stat().st_mtime * 1000)
        except FileNotFoundError:
            refuse("GetLogEvents", "The specified log stream does not exist.", code="ResourceNotFoundException")
        end = data.rfind(b"\n") + 1
        if len(data) == _CHUNK_BYTES:
            end = end or len(data)  # one line longer than a chunk
        elif complete:
            end = len(data)
        lines = data[:end].decode("utf-8", errors="replace").splitlines()
        events = [{"timestamp": moment, "message": line, "ingestionTime": moment} for line in lines]
        token = f"f/{offset + end}"
        return response({"events": events, "nextForwardToken": token, "nextBackwardToken": token})

    def _ended(self, folder: Path) -> bool:
        """Whether the job or the endpoint in ``folder`` writes no more."""
        record = store.read_json(folder / store.RECORD) or {}
        return (
            record.get("TrainingJobStatus") in TRAINING_ENDED
            or record.get("TransformJobStatus") in TRANSFORM_ENDED
            or record.get("EndpointStatus") == "Failed"
        )

    def _endpoint_folder(self, group: str) -> Path:
        return self.store.folder(store.ENDPOINTS, group.removeprefix(ENDPOINT_GROUP)) / "logs"

    def _path(self, group: str, stream: str) -> Path:
        if group in _OF_JOBS:
            job, _, name = stream.partition("/")
            return self.store.folder(_OF_JOBS[group], job) / "logs" / f"{name}.log"
        return self._endpoint_folder(group) / f"{stream}.log"
