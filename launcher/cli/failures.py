"""Errors become one sentence on standard error and an exit status; `--debug` shows where they arose."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from container.common.errors import ContainerError
from launcher.cli.console import as_called
from launcher.errors import INTERRUPTED, AwsError, EngineError, LauncherError, UnusableData

_VARIABLE = "BYOC_DEBUG"

# AWS's codes whose remedy is known. Everything else is passed on in AWS's words.
_REMEDIES = {
    "AccessDeniedException": "ask for this permission, or use another --profile",
    "UnrecognizedClientException": "the credentials are not valid; run `aws configure` again",
    "ExpiredTokenException": "the credentials have expired; log in again",
    "ExpiredToken": "the credentials have expired; log in again",
    "ResourceLimitExceeded": "ask for a higher quota, or choose another --instance-type",
    "ThrottlingException": "AWS is busy; try again in a minute",
}
# Of what is being made; what is being deleted says itself what to do first.
_TAKEN = {"ResourceInUse": "choose another --name, or delete that one first if it is this machine's"}
# AWS says this with its code for anything at all.
_REMEDIES_BY_WORDS = {"already existing": "choose another --name, or delete that one first"}


def show_tracebacks() -> None:
    """From here on, in this process: tracebacks too."""
    os.environ[_VARIABLE] = "1"


def guarded(call: Callable[..., Any], args: Any, *rest: Any, standalone_mode: bool = True, **extra: Any) -> Any:
    """Run click's main and end with the status that the error's class names."""
    if not standalone_mode:
        return call(args, *rest, standalone_mode=False, **extra)
    try:
        # Without standalone mode click gives us its exceptions, and `ctx.exit(n)` as a return value.
        status = call(args, *rest, standalone_mode=False, **extra)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (| head); nothing is left to say, and stdout must not be flushed into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as exc:
        fault = translated(exc)
        if fault is None or os.environ.get(_VARIABLE):
            traceback.print_exc()
        if fault is None:
            click.echo("This is a fault of launch.py itself; the lines above say where.", err=True)
            sys.exit(1)
        # With what happened beside it, as a verb has noted.
        click.echo(as_called(" ".join([f"Error: {fault}", *getattr(exc, "__notes__", ())])), err=True)
        sys.exit(fault.status)
    sys.exit(status if isinstance(status, int) else 0)


def translated(error: Exception) -> LauncherError | None:
    """The error as one of ours, or None for one that no person could put right."""
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    if isinstance(error, LauncherError):
        return error
    if isinstance(error, ContainerError):
        return UnusableData(str(error))
    if isinstance(error, ClientError):
        code, message = error.response["Error"]["Code"], " ".join(error.response["Error"]["Message"].split())
        known = {**_REMEDIES, **_TAKEN} if error.operation_name.startswith("Create") else _REMEDIES
        remedy = known.get(code) or next((text for part, text in _REMEDIES_BY_WORDS.items() if part in message), "")
        said = f"{message.rstrip('. ')}; {remedy}." if remedy else message
        return AwsError(f"{error.operation_name} was refused ({code}): {said}")
    if isinstance(error, EndpointConnectionError):
        return AwsError(f"{' '.join(str(error).split())}; is there a network, and is --region a region's name?")
    if isinstance(error, BotoCoreError):
        return AwsError(f"{' '.join(str(error).split())}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EngineError(f"The disk is full under {error.filename or 'the folder in use'}; make room and try again.")
    if isinstance(error, OSError) and error.strerror:
        return LauncherError(f"{error.strerror}: {error.filename or 'standard output'}")
    return None
