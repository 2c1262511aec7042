"""Starting, watching and ending batch transform jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from botocore.exceptions import ClientError

from launcher.config.transform import Transform
from launcher.doors import Door
from launcher.errors import AwsError, JobFailed, JobStopped
from launcher.requests import create_transform_job, create_transform_model
from launcher.sagemaker import TRANSFORM_ENDED
from launcher.verbs import named, origin
from launcher.verbs.logs import LogFollower
from launcher.verbs.named import is_missing, is_taken
from launcher.verbs.remedies import with_remedy
from launcher.verbs.training import Ended, Event, Logged, Moved
from launcher.verbs.undoing import taken_back

Description = named.Description


def start(door: Door, transform: Transform) -> str:
    """Make the job's model, if it has one of its own, and the job; the model is taken back when the job is refused.

    Whose answers come to lie under its output is noted there, unless it goes on from some. Raises AwsError.
    """
    client, model = door.sagemaker, create_transform_model(transform)
    made_by = origin.of(door, transform)
    with taken_back() as made:
        if model:
            try:
                client.create_model(**model)
            except ClientError as exc:
                if is_taken(exc) and exists(door, transform.name):
                    raise AwsError(
                        f"Transform job names must be unique: {transform.name} exists already; choose another --name."
                    ) from exc
                raise
            name = model["ModelName"]
            made.append((f"model {name}", partial(client.delete_model, ModelName=name)))
        client.create_transform_job(**create_transform_job(transform))
    if not transform.resumed:
        # Not before: a job that is refused overwrites nobody's answers.
        try:
            origin.note(door, transform, made_by)
        except Exception as exc:
            exc.add_note(f"Transform job {transform.name} has started for all that, and --resume will not know its "
                         "answers.")  # fmt: skip
            raise
    return transform.name


def describe(door: Door, name: str) -> Description:
    """The job's description. Raises NotFound."""
    return named.describe(door.sagemaker.describe_transform_job, "transform job", TransformJobName=name)


def exists(door: Door, name: str) -> bool:
    """Whether there is a batch transform job of this name."""
    return named.exists(partial(describe, door, name))


def watch(
    door: Door, name: str, *, sleep: Callable[[float], None] = time.sleep, follow: bool = True
) -> Iterator[Event]:
    """What happens to a job, as it happens, until its end; from its beginning when it began earlier."""
    follower = LogFollower.of_transform(door.logs, name)
    told = ""
    while True:
        description = describe(door, name)
        status = str(description["TransformJobStatus"])
        ended = status in TRANSFORM_ENDED
        if status != told and not ended:
            yield Moved(status, "")
            told = status
        for line in follower.lines() if follow else ():
            yield Logged(line)
        if ended:
            yield Moved(status, "")
            yield Ended(description)
            return
        sleep(door.interval)


def conclude(description: Description) -> Description:
    """The description of a completed job; raises JobFailed or JobStopped for any other."""
    name, status = description["TransformJobName"], description["TransformJobStatus"]
    if status == "Failed":
        reason = with_remedy(description.get("FailureReason", "No reason was given."))
        raise JobFailed(f"Transform job {name} failed. {reason} {_more(description)}")
    if status == "Stopped":
        raise JobStopped(f"Transform job {name} was stopped; {_go_on(description)}")
    return description


def _go_on(description: Description) -> str:
    output = description["TransformOutput"]["S3OutputPath"]
    return f"its answers so far stay at {output}, and transform with --output {output} --resume goes on from them."


def _more(description: Description) -> str:
    output = description["TransformOutput"]["S3OutputPath"]
    return f"With --output {output} --resume only what has no answer is asked about again."


def stop(door: Door, name: str) -> str:
    """Ask the job to stop; the status it has now."""
    ask = partial(door.sagemaker.stop_transform_job, TransformJobName=name)
    return named.stop(partial(describe, door, name), "TransformJobStatus", TRANSFORM_ENDED, ask)


def delete(door: Door, name: str) -> list[str]:
    """Delete an ended job and the model that was made for it; what is gone. Its answers stay.

    AWS keeps the record of the job itself for good, which costs nothing; it is forgotten here.
    """
    model = describe(door, name)["ModelName"]
    door.sagemaker.delete_transform_job(TransformJobName=name)
    gone = [f"transform job {name}"]
    if model != name:
        return gone
    try:
        door.sagemaker.delete_model(ModelName=model)
    except ClientError as exc:
        if not is_missing(exc):
            raise
        return gone
    return [*gone, f"model {model}"]


def seconds(description: Description) -> float:
    """How long its machines have worked for it, as far as that is known."""
    if "TransformStartTime" not in description or "TransformEndTime" not in description:
        return 0.0
    return float((description["TransformEndTime"] - description["TransformStartTime"]).total_seconds())
