"""Which door a person means, and opening it: this machine's for what is known here, else AWS's.

DoorWords(local="auto").open(starts=True, say=print)
DoorWords().open_for("birds-live")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from container.common.names import did_you_mean
from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.config.words import Place
    from launcher.doors import Door

# Where the local door's state is, when nothing says otherwise.
STATE_VARIABLE, STATE = "BYOC_STATE", Path(".sagemaker")
# What runs the work on this machine; auto is docker where it answers.
ENGINES = ("auto", "docker", "process")
# The folders of what has a name there.
_KINDS = ("training-jobs", "tuning-jobs", "transform-jobs", "endpoints", "models")
# So many files are sent to S3 at once, when nothing says otherwise.
WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class DoorWords:
    """What was said about where; ``local`` is auto, docker or process, and None where nobody said this machine.

    Raises ConfigError for another engine.
    """

    local: str | None = None
    state: Path = STATE
    region: str | None = None
    profile: str | None = None
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.local is not None and self.local not in ENGINES:
            raise ConfigError(f"There is no engine '{self.local}'.{did_you_mean(str(self.local), ENGINES)}")

    def open(self, *, starts: bool = False, say: Callable[[str], None] | None = None) -> Door:
        """The door; with ``starts`` its engine is chosen, and told to ``say``."""
        if self.local:
            from launcher.doors import open_local

            door, sentence = open_local(self.state, self.local if starts else None)
            if sentence and say:
                say(sentence + ".")
            return door
        from launcher.aws import open_aws
        from launcher.aws.ledger import Ledger

        return open_aws(self.region, self.profile, ledger=Ledger(self.state))

    def place(self) -> Place:
        """What a RunConfig is made for."""
        from launcher.config.words import Place

        return Place(
            door="local" if self.local else "aws", state=self.state, gpu=self.gpu, region=self.region,
            profile=self.profile,
        )  # fmt: skip

    def open_for(self, name: str) -> Door:
        """The door behind which ``name`` is: this machine's when it is known here, and AWS otherwise."""
        region = self.region or self._recorded_region(name)
        if self.local or self.known_here(name) or not (region or self.names_aws or _aws_is_set_up()):
            from launcher.doors import open_local

            return open_local(self.state)[0]
        return replace(self, region=region).open()

    def _recorded_region(self, name: str) -> str | None:
        """The region of AWS in which something of this name was started from here, when that is one."""
        from launcher.aws.ledger import Ledger

        found = {each.region for each in Ledger(self.state).there() if each.name == name}
        return found.pop() if len(found) == 1 else None

    def at(self, name: str | None) -> DoorWords:
        """The same place, said to be this machine when what ``name`` names is known here."""
        return replace(self, local="auto") if name and not self.local and self.known_here(name) else self

    def by_processes(self, name: str) -> bool:
        """Whether what ``name`` names is known here and was run with processes, and nobody says another engine now."""
        from launcher.local import store

        if self.local is not None or not self.known_here(name):
            return False
        noted = [store.read_json(self.state / kind / name / store.SETTINGS) or {} for kind in _KINDS]
        return any(each.get("engine") == "process" for each in noted)

    @property
    def names_aws(self) -> bool:
        """Whether the command line asks for AWS by a region or a profile."""
        return bool(self.region or self.profile)

    def known_here(self, name: str) -> bool:
        """Whether the local door has something of this name, which is no path, and nothing on the line says AWS."""
        return (
            not self.names_aws
            and Path(name).name == name
            and any((self.state / kind / name).is_dir() for kind in _KINDS)
        )


def _aws_is_set_up() -> bool:
    from launcher.aws.presence import credentials_found

    return credentials_found()
