"""Imports run one way: launch.py → launcher → container.common ← container.network ← train, serve."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Of the project's own packages, what each room may import.
ALLOWED: dict[str, tuple[str, ...]] = {
    "container/common": ("container.common",),
    "container/network": ("container.network", "container.common"),
    "container/train": ("container.train", "container.network", "container.common"),
    "container/serve": ("container.serve", "container.network", "container.common"),
    "launcher": ("launcher", "container.common"),
    "launch.py": ("launcher",),
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in ("container", "launcher", "tests", "launch")}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    place = ROOT / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    assert files, f"{room} is empty"
    for path in files:
        for name in imported(path):
            assert any(name == a or name.startswith(a + ".") for a in ALLOWED[room]), f"{path} imports {name}"


def test_only_the_command_line_knows_the_command_line() -> None:
    inside = ROOT / "launcher" / "cli"
    for path in sorted((ROOT / "launcher").rglob("*.py")):
        if not path.is_relative_to(inside):
            assert not [name for name in imported(path) if name.startswith("launcher.cli")], path


def test_the_contracts_import_nothing_heavy() -> None:
    code = (
        "import sys; import container.common.images, container.common.artifact, container.common.hyperparameters,"
        " container.common.metrics, container.common.channels, container.common.errors;"
        "print(*[m for m in ('torch', 'PIL', 'openvino', 'boto3', 'simplejpeg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
