"""A real image registry on loopback, Debian's docker-registry, that wants moto's ECR token for a password."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.container.debian import unpacked

# bcrypt of moto's token, which is the account's number and a word.
_PASSWORDS = "AWS:$2b$05$UIQhV6nlujAKpK6LH9UJAuSd5O3L31oHbT3KLGvZgUFBylhwqumsq\n"
_CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:0"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/passwords}}}}
"""


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """HOST:PORT of a registry that keeps its images under ``folder``; skips where the package cannot be had."""
    program = unpacked("docker-registry", folder) / "usr/bin/docker-registry"
    (folder / "passwords").write_text(_PASSWORDS)
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder))
    log = folder / "registry.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"listening on ([\d.]+:\d+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait()
