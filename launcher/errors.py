"""The launcher's error hierarchy, with the exit status each ends the command line with.

LauncherError          1  anything a person can put right; one sentence: what, why, what to do
├── ConfigError        2  a flag, a preset or a hyperparameter cannot be used
├── NotFound           3  no job, endpoint, preset or picture of that name
├── EngineError        4  no engine, no environment, no image, no port, no disk
├── JobFailed          5  a training job or an endpoint ended as Failed
├── JobStopped         6  a training job was stopped, or ran out of time
├── PredictionError    7  the endpoint refused a request, or could not answer
├── AwsError           8  AWS or the local door refused a call, or AWS could not be reached
└── UnusableData       9  pictures or a model cannot be used

Click's own usage errors end with 2, an interrupt (Ctrl-C) with 130.
"""

from __future__ import annotations

INTERRUPTED = 130


class LauncherError(Exception):
    """Something a person can put right: the message says what failed, why, and what to do."""

    status = 1


class ConfigError(LauncherError):
    """A flag, a preset or a hyperparameter cannot be used."""

    status = 2


class NotFound(LauncherError):
    """No job, endpoint, preset or picture of that name."""

    status = 3


class EngineError(LauncherError):
    """What runs the containers locally cannot: no engine, environment, image, port or disk."""

    status = 4


class JobFailed(LauncherError):
    """A training job or an endpoint ended as Failed; the message carries its reason."""

    status = 5


class JobStopped(LauncherError):
    """A training job was stopped, or ran out of its time."""

    status = 6


class PredictionError(LauncherError):
    """The endpoint refused a request, or could not answer it."""

    status = 7


class AwsError(LauncherError):
    """AWS refused a call or could not be reached, or the local door refused one in AWS's place."""

    status = 8


class UnusableData(LauncherError):
    """Pictures or a model cannot be used."""

    status = 9
