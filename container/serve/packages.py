"""The user's own code/requirements.txt: the only thing that is ever installed at run time.

Goes into the server's private folder, so that the image's environment stays as it was built, read-only
and with the versions it was tested with; those are given to the installer as constraints.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from container.common.errors import ContainerError, first_line

log = logging.getLogger("serve")

# Where it lies in a model.
REQUIREMENTS = Path("code") / "requirements.txt"


def install(requirements: Path, target: Path) -> None:
    """Install a requirements file into ``target``; nothing to do when there is none.

    Raises ContainerError when the installer fails or there is none.
    """
    if not requirements.is_file():
        return
    log.info("installing the packages in %s", requirements)
    target.mkdir()
    constraints = target.parent / "constraints.txt"
    installed = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(installed.items())))
    command = [*_installer(), "--target", str(target), "-r", str(requirements), "-c", str(constraints), *_index()]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
        raise ContainerError(
            f"The packages in {requirements} could not be installed (the installer's reason stands above); "
            "correct the file, or give the container access to a package index."
        )


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--quiet"]
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable, "--quiet"]
    raise ContainerError(
        "The model's code/requirements.txt asks for packages, and neither pip nor uv is here to install them; "
        "add them to the image, or remove the file."
    )


def _index() -> list[str]:
    """The index in AWS CodeArtifact that CA_REPOSITORY_ARN names, found as the toolkit finds it."""
    if not os.environ.get("CA_REPOSITORY_ARN"):
        return []
    from sagemaker_inference import model_server

    try:
        return ["--index-url", model_server._get_codeartifact_index()]
    except Exception as exc:  # Exception itself for a wrong ARN, and all that boto3 raises
        raise ContainerError(
            f"The package index that CA_REPOSITORY_ARN names cannot be used ({first_line(exc)}); correct the variable, "
            "give the role codeartifact:GetAuthorizationToken, or unset it."
        ) from exc
