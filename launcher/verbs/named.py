"""What goes alike for everything that has a name: jobs, searches, endpoints are described, looked for and stopped."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from botocore.exceptions import ClientError

from launcher.errors import NotFound

Description = dict[str, Any]


def describe(call: Callable[..., Description], what: str, **key: str) -> Description:
    """The answer of ``call``, which takes ``key``; ``what`` is the kind in words.

    Raises NotFound for a name that none of this kind has, or can have.
    """
    ((member, name),) = key.items()
    try:
        return call(**key)
    except ClientError as exc:
        if is_missing(exc) or _is_no_name(exc, member):
            raise NotFound(f"There is no {what} '{name}'; `launch.py status` lists what there is.") from exc
        raise


def exists(look: Callable[[], Description]) -> bool:
    """Whether ``look`` describes something."""
    try:
        look()
    except NotFound:
        return False
    return True


def stop(look: Callable[[], Description], member: str, ended: Container[str], ask: Callable[[], object]) -> str:
    """Ask what ``look`` describes to stop, unless it has ended; the status it has now, by ``member``."""
    status = str(look()[member])
    if status in ended:
        return status
    try:
        ask()
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ValidationException":
            raise  # it ended a moment ago, which is as good
    return str(look()[member])


def is_missing(error: ClientError) -> bool:
    """Whether an error says that there is no such resource; AWS says so in a ValidationException."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"].lower()
    return code == "ResourceNotFound" or (
        code == "ValidationException" and ("not found" in message or "could not find" in message)
    )


def is_taken(error: ClientError) -> bool:
    """Whether an error says that something of this name is there already."""
    said = error.response["Error"]
    return said["Code"] == "ResourceInUse" or "already existing" in said["Message"]


def is_forbidden(error: ClientError) -> bool:
    """Whether an error says that the credentials lack a permission."""
    return bool(error.response["Error"]["Code"] == "AccessDeniedException")


def _is_no_name(error: ClientError, member: str) -> bool:
    """Whether an error says that ``member`` cannot be a name: too long, or of other characters than those have."""
    said = error.response["Error"]
    at = f"'{member[0].lower()}{member[1:]}' failed to satisfy constraint"
    return said["Code"] == "ValidationException" and at in said["Message"]
