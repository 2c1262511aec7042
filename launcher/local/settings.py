"""What the local door was told about how to run things; saved with each resource for its supervisor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this machine runs containers' work.

    ``engine`` is docker or process; ``engine_command`` the docker engine's client (docker or podman).
    ``commands`` replaces what the process engine runs, by role ("train", "serve"): developers put a
    script of their own in an environment's place, and tests a small one.
    """

    engine: str = "process"
    engine_command: tuple[str, ...] = ()
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    checkout: Path = CHECKOUT
    cache: Path = CHECKOUT / ".cache"
    # SageMaker itself waits 120 s between SIGTERM and SIGKILL; a checkpoint here takes a second or two.
    grace_seconds: float = 30.0
    startup_seconds: float = 300.0
    # Where processes wait to be forked (``launcher.local.engines.warm``): the trials' of a running search.
    warm: Path | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        places = {name: str(value) for name, value in asdict(self).items() if isinstance(value, Path)}
        return {**asdict(self), **places}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Settings:
        """From JSON."""
        return cls(
            **{
                **document,
                "engine_command": tuple(document["engine_command"]),
                "commands": {role: tuple(argv) for role, argv in document["commands"].items()},
                "checkout": Path(document["checkout"]),
                "cache": Path(document["cache"]),
                "warm": Path(document["warm"]) if document.get("warm") else None,
            }
        )
