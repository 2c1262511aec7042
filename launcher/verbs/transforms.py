"""Starting, watching and ending batch transform jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from launcher.config.transform import Transform
from launcher.doors import Door
from launcher.errors import AwsError, JobFailed, JobStopped, LauncherError, NotFound
from launcher.requests import create_transform_job, create_transform_model
from launcher.requests.transform import TRANSFORM_TAG
from launcher.sagemaker import TRANSFORM_ENDED
from launcher.verbs import named, origin
from launcher.verbs.belongings import carries
from launcher.verbs.logs import LogFollower
from launcher.verbs.named import is_forbidden, is_missing, is_taken
from launcher.verbs.remedies import with_remedy
from launcher.verbs.training import Ended, Event, Logged, Moved
from launcher.verbs.undoing import taken_back

Description = named.Description
Say = Callable[[str], None]

# An earlier version's `launch.py iam` did not ask for it, which must not keep anybody from the rest.
UNSEEN = "These credentials may not see batch transform jobs; `launch.py iam` prints what they need."


def warn(text: str) -> None:
    """Say it on standard error, where there is nobody else to tell."""
    sys.stderr.write(f"{text}\n")


def start(door: Door, transform: Transform, *, say: Say = warn) -> str:
    """Make the job's model, if it has one of its own, and the job; the model is taken back when the job is refused.

    Whose answers come to lie under its output is noted there, unless it is already; where it cannot be, it is said, for
    the job has started for all that. Raises AwsError.
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
        except (LauncherError, ClientError, BotoCoreError, OSError) as exc:
            say(f"Transform job {transform.name} has started, but whose its answers are cannot be noted beside them, "
                f"and --resume will not know: {exc}")  # fmt: skip
    return transform.name


def describe(door: Door, name: str) -> Description:
    """The job's description. Raises NotFound."""
    return named.describe(door.sagemaker.describe_transform_job, "transform job", TransformJobName=name)


def status(door: Door, name: str, *, say: Say = warn) -> str | None:
    """The job's status; None where there is none, or none that these credentials may see, which is said."""
    try:
        return str(describe(door, name)["TransformJobStatus"])
    except NotFound:
        return None
    except ClientError as exc:
        if not is_forbidden(exc):
            raise
        say(UNSEEN)
        return None


def exists(door: Door, name: str, *, say: Say = warn) -> bool:
    """Whether there is a batch transform job of this name, as far as these credentials may see; else it is said."""
    return status(door, name, say=say) is not None


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


def own_model(door: Door, description: Description) -> str | None:
    """The model that was made for the job: it has its name, and its tag behind a door that keeps tags.

    None where there is none, or none that these credentials may see to be its own.
    """
    name, model = description["TransformJobName"], str(description["ModelName"])
    if model != name:
        return None
    try:
        arn = door.sagemaker.describe_model(ModelName=model)["ModelArn"]
        return model if door.kind == "local" or carries(door, arn, TRANSFORM_TAG, name) else None
    except ClientError as exc:
        if is_missing(exc) or is_forbidden(exc):
            return None
        raise


def delete(door: Door, name: str) -> list[str]:
    """Delete an ended job and the model that was made for it; what is gone. Its answers stay.

    AWS keeps the record of the job itself for good, which costs nothing; it is forgotten here.
    """
    model = own_model(door, describe(door, name))
    door.sagemaker.delete_transform_job(TransformJobName=name)
    gone = [f"transform job {name}"]
    if not model:
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
