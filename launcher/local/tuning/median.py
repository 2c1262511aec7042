"""SageMaker's early stopping of training jobs, TrainingJobEarlyStoppingType Auto.

AWS: after each epoch, take the value of the objective; compute the running average of the objective of all previous
training jobs up to the same epoch, and the median of these averages; stop the job whose value is worse.
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median


def threshold(previous: Sequence[Sequence[float]], epoch: int) -> float | None:
    """The median of the running averages up to ``epoch`` (from 1); None when no job has a value."""
    averages = [fmean(series[:epoch]) for series in previous if series]
    return median(averages) if averages else None


def is_worse(series: Sequence[float], previous: Sequence[Sequence[float]], *, maximize: bool) -> bool:
    """Whether the job that printed ``series``, a value an epoch, is to stop after the last of them."""
    if not series:
        return False
    limit = threshold(previous, len(series))
    if limit is None:
        return False
    return series[-1] < limit if maximize else series[-1] > limit
