"""The execution role that SageMaker is to assume, found where SageMaker's users keep it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from launcher.aws.studio import Metadata
from launcher.errors import AwsError, ConfigError
from launcher.sagemaker import ROLE_ARN

if TYPE_CHECKING:
    from boto3 import Session

VARIABLE = "SAGEMAKER_ROLE"
# The files in which SageMaker's own SDK keeps defaults; a person's win over an administrator's.
_SDK_FILES = (
    ("SAGEMAKER_USER_CONFIG_OVERRIDE", "~/.config/sagemaker/config.yaml"),
    ("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "/etc/xdg/sagemaker/config.yaml"),
)
_SDK_KEYS = (("TrainingJob", "RoleArn"), ("Model", "ExecutionRoleArn"))


@dataclass(frozen=True)
class Role:
    """An ARN, and where it was found."""

    arn: str
    origin: str


def find_role(
    given: str | None,
    *,
    environment: Mapping[str, str] | None = None,
    metadata: Metadata | None = None,
    assumed: Callable[[], str | None] | None = None,
) -> Role | None:
    """--role, SAGEMAKER_ROLE, the SDK's defaults, or the role of the notebook this runs in; None when nothing says.

    Calls nothing, but inside SageMaker when its metadata do not name the role: then ``assumed`` is asked. Raises
    ConfigError when what was found is no ARN.
    """
    role = next(_candidates(given, os.environ if environment is None else environment), None)
    if role and not ROLE_ARN.fullmatch(role.arn):
        raise ConfigError(
            f"{role.origin} is '{role.arn}', which is no role's ARN; give arn:aws:iam::ACCOUNT:role/NAME, as "
            "`aws iam get-role --role-name NAME` shows it."
        )
    if role:
        return role
    notebook = Metadata.read() if metadata is None else metadata
    arn = notebook.role or (assumed() if notebook.inside and assumed else None)
    return Role(arn, "the role of this notebook") if arn else None


def assumed_role(session: Session) -> str | None:
    """The ARN, path and all, of the role whose credentials these are; None for a user's."""
    from botocore.exceptions import ClientError

    from launcher.aws.session import identify, retries

    arn = identify(session).role
    if arn is None:
        return None
    name = arn.rpartition("/")[2]
    try:
        answer = session.client("iam", config=retries()).get_role(RoleName=name)
    except ClientError as exc:
        # Looking at roles may be forbidden. The console makes its execution roles with this path.
        if exc.response["Error"]["Code"] != "AccessDenied":
            raise
        made_by_console = name.startswith("AmazonSageMaker-ExecutionRole")
        return arn.replace(":role/", ":role/service-role/") if made_by_console else arn
    return answer["Role"]["Arn"]


def _candidates(given: str | None, environment: Mapping[str, str]) -> Iterator[Role]:
    if given:
        yield Role(given, "--role")
    if environment.get(VARIABLE):
        yield Role(environment[VARIABLE], VARIABLE)
    for variable, usual in _SDK_FILES:
        path = Path(environment.get(variable) or usual).expanduser()
        yield from _in_sdk_file(path)


def _in_sdk_file(path: Path) -> Iterator[Role]:
    # The SDK takes a folder for the file of the usual name in it; an s3:// address is for the SDK alone.
    path = path / "config.yaml" if path.is_dir() else path
    if not path.is_file():
        return
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        raise AwsError(f"{path}, where SageMaker's SDK keeps defaults, is no YAML; correct it or give --role.") from exc
    section = document.get("SageMaker") if isinstance(document, dict) else None
    for part, key in _SDK_KEYS:
        values = section.get(part) if isinstance(section, dict) else None
        if isinstance(values, dict) and values.get(key):
            yield Role(str(values[key]), f"{part}.{key} in {path}")
