"""A folder of settings for Docker's client that holds a login to one registry, and goes with the push that needs it.

`docker login` would otherwise leave the token in the user's own settings, where it opens the registry for hours.
"""

from __future__ import annotations

import json
from pathlib import Path

from launcher.errors import EngineError
from launcher.local.store import write_private

_CONFIG = "config.json"
# Where logins are kept or come from.
_LOGINS = ("auths", "credsStore", "credHelpers")


def private_settings(usual: Path, folder: Path, host: str) -> None:
    """Fill ``folder`` with the ``usual`` settings (contexts, plugins, proxies), all logins left out, for ``host``."""
    document = {}
    if (usual / _CONFIG).is_file():
        try:
            document = json.loads((usual / _CONFIG).read_text(encoding="utf-8"))
        except ValueError as exc:
            raise EngineError(f"{usual / _CONFIG}, Docker's settings, is no JSON ({exc}); correct it.") from exc
    for entry in usual.iterdir() if usual.is_dir() else ():
        if entry.name != _CONFIG:
            (folder / entry.name).symlink_to(entry.absolute())
    kept = {key: value for key, value in document.items() if key not in _LOGINS}
    # Settings without any login make the client look for the desktop's key ring, and keep this one there.
    write_private(folder / _CONFIG, json.dumps({**kept, "auths": {host: {}}}))
