"""The variables that tell programs the way out of a company's network, and how a build comes to see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

# curl takes the first only in small letters, Docker and Python take either.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")

# What else a client reads when it builds.
_BUILDKIT = ("DOCKER_BUILDKIT", "BUILDKIT_PROGRESS")


def proxies(environment: Mapping[str, str]) -> list[str]:
    """The names of those that are set."""
    return [name for name in PROXIES if environment.get(name)]


def building(command: Sequence[str]) -> list[str]:
    """``command`` with all that a build reads let through to it by `sudo`, which would empty its environment."""
    if Path(command[0]).name != "sudo":
        return list(command)
    return [command[0], f"--preserve-env={','.join((*_BUILDKIT, *PROXIES))}", *command[1:]]
