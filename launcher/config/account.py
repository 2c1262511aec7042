"""What an AWS account has for a run where no flag names it: the image that was pushed, the role to be assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launcher.errors import ConfigError

if TYPE_CHECKING:
    from launcher.config.words import Place


def pushed_image(part: str, place: Place, *, instance_type: str, role: str) -> str:
    """The newest image for ``part`` (train or serve) that build_and_push.sh has pushed from here.

    ``role``, an ARN, tells the account. Raises ConfigError; calls nothing.
    """
    from launcher.aws.images import find_image, kind_for
    from launcher.aws.session import find_region

    return find_image(
        place.state,
        region=find_region(place.region, place.profile),
        account=role.split(":")[4],
        kind=kind_for(part, instance_type),
    )


def execution_role(given: str | None, place: Place) -> str:
    """The ARN of the role that SageMaker assumes. Raises ConfigError; calls AWS only inside SageMaker."""
    from launcher.aws.role import VARIABLE, assumed_role, find_role
    from launcher.aws.session import open_session

    found = find_role(given, assumed=lambda: assumed_role(open_session(place.region, place.profile)))
    if found is None:
        raise ConfigError(
            "--role is missing: give the ARN of an IAM role that SageMaker may assume "
            f"(arn:aws:iam::ACCOUNT:role/NAME) or set {VARIABLE} (`launch.py iam` prints what to make one of), "
            "or add --local."
        )
    return found.arn
