"""Reading a job's or an endpoint's log as it grows."""

from __future__ import annotations

from botocore.exceptions import ClientError

from launcher.doors import Logs
from launcher.sagemaker import ENDPOINT_GROUP, TRAINING_GROUP, TRANSFORM_GROUP


class LogFollower:
    """New lines of every stream of a group whose name begins with ``prefix``; of several, ``marked`` with its name."""

    def __init__(self, logs: Logs, group: str, prefix: str = "", *, marked: bool = True) -> None:
        self._logs = logs
        self._group = group
        self._marked = marked
        self._prefix = {"logStreamNamePrefix": prefix} if prefix else {}
        self._tokens: dict[str, str] = {}

    @classmethod
    def of_job(cls, logs: Logs, name: str) -> LogFollower:
        """A training job's log."""
        return cls(logs, TRAINING_GROUP, f"{name}/")

    @classmethod
    def of_transform(cls, logs: Logs, name: str) -> LogFollower:
        """A batch transform job's logs: the server's, and the one that tells of the objects."""
        return cls(logs, TRANSFORM_GROUP, f"{name}/", marked=False)

    @classmethod
    def of_endpoint(cls, logs: Logs, name: str) -> LogFollower:
        """An endpoint's log."""
        return cls(logs, f"{ENDPOINT_GROUP}{name}")

    def lines(self) -> list[str]:
        """What was logged since the last call; a line is told by its host when there are several."""
        streams = self._streams()
        found: list[str] = []
        for stream in streams:
            mark = f"[{stream.rpartition('/')[2]}] " if self._marked and len(streams) > 1 else ""
            found += [mark + line for line in self._new(stream)]
        return found

    def _streams(self) -> list[str]:
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            try:
                answer = self._logs.describe_log_streams(logGroupName=self._group, **self._prefix, **more)
            except ClientError as exc:
                if exc.response["Error"]["Code"] == "ResourceNotFoundException":
                    return []  # nothing was logged yet
                raise
            names += [stream["logStreamName"] for stream in answer["logStreams"]]
            if not answer.get("nextToken"):
                return names
            more = {"nextToken": answer["nextToken"]}

    def _new(self, stream: str) -> list[str]:
        found: list[str] = []
        while True:
            token = self._tokens.get(stream)
            answer = self._logs.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True,
                **({"nextToken": token} if token else {}),
            )  # fmt: skip
            found += [event["message"].rstrip("\n") for event in answer["events"]]
            # The end is reached when the token stays the same.
            if answer["nextForwardToken"] == token:
                return found
            self._tokens[stream] = answer["nextForwardToken"]
