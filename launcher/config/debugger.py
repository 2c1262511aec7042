"""Whether AWS's Debugger can do what is asked of it, checked before anything starts."""

from __future__ import annotations

from container.common.hyperparameters import Hyperparameters
from launcher.config.evaluators import evaluator_image
from launcher.errors import ConfigError

# Milliseconds, of AWS's profiler; ours takes any number from 100 to 60000.
INTERVALS = (100, 200, 500, 1000, 5000, 60_000)


def check_debugger(hyperparameters: Hyperparameters, image: str, *, local: bool) -> None:
    """Raises ConfigError for a region without Debugger, or an interval that its profiler has not."""
    if not local and ".dkr.ecr." not in image:
        raise ConfigError(
            f"--aws-debugger needs to know the region, which the image {image} does not name; give the address of one "
            "in ECR (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME)."
        )
    try:
        evaluator_image(image)
    except ValueError as exc:
        raise ConfigError(f"--aws-debugger cannot be used: {exc}.") from exc
    interval = hyperparameters.profile_interval_ms
    if interval and interval not in INTERVALS:
        raise ConfigError(
            f"--profile-interval-ms {interval} is none of AWS's profiler; with --aws-debugger choose one of "
            f"{', '.join(map(str, INTERVALS))}, or 0 for no profile."
        )
