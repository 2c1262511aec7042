"""Where something happens, as a notebook says it, and what was started there, by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from launcher.doors import Door
from launcher.opening import STATE, STATE_VARIABLE, DoorWords

Place: TypeAlias = str | Path


def here(engine: str = "auto", *, state: Place | None = None, gpu: bool = False) -> DoorWords:
    """This machine; ``engine`` is docker, process or auto, ``state`` the folder of its jobs and endpoints."""
    return DoorWords(local=engine, state=_state(state), gpu=gpu)


def in_aws(*, region: str | None = None, profile: str | None = None, state: Place | None = None) -> DoorWords:
    """AWS; in ``state`` it is recorded what was started."""
    return DoorWords(region=region, profile=profile, state=_state(state))


def _state(given: Place | None) -> Path:
    return Path(given or os.environ.get(STATE_VARIABLE) or STATE)


def spoken(where: DoorWords) -> str:
    """The call that says the same place: "here(state='runs')"."""
    words = [repr(where.local)] if where.local not in (None, "auto") else []
    # What the variable says now, another session may not be told.
    state = None if where.state == STATE == _state(None) else str(where.state)
    given = {"region": where.region, "profile": where.profile, "state": state, "gpu": where.gpu or None}
    words += [f"{name}={value!r}" for name, value in given.items() if value is not None]
    return f"{'here' if where.local else 'in_aws'}({', '.join(words)})"


def behind(door: Door, where: DoorWords) -> DoorWords:
    """The same place, which in AWS the door's region is said of: a name is then AWS's, though known here too."""
    return where if where.local else replace(where, region=door.region)


@dataclass(frozen=True)
class Started:
    """What was started, by its name: on this machine when it is known here and no region or profile is said."""

    name: str
    where: DoorWords = field(default_factory=in_aws, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", self.where.at(self.name))

    @cached_property
    def door(self) -> Door:
        """The door it is behind."""
        return self.where.open_for(self.name)

    def _let_go(self, what: str) -> None:
        """Tell who stops watching that it goes on, and how to come back."""
        print(f"{what} {self.name} goes on; {type(self).__name__}({self.name!r}, {spoken(self.where)}).follow() "
              "comes back to it.")  # fmt: skip
