"""Stand-ins for the programs that the launcher starts."""

from __future__ import annotations

import sys
from pathlib import Path

_SUDO = f"""\
#!{sys.executable}
import os, sys
words, kept = sys.argv[1:], []
if words[0].startswith("--preserve-env="):
    kept = words.pop(0).partition("=")[2].split(",")
os.execvpe(words[0], words, {{name: os.environ[name] for name in ["PATH", *kept] if name in os.environ}})
"""


def sudo(folder: Path) -> str:
    """A stand-in that empties the environment of what it starts, as sudo does, but for what it is told to keep."""
    program = folder / "sudo"
    program.write_text(_SUDO)
    program.chmod(0o755)
    return str(program)
