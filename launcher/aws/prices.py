"""What an instance costs an hour: a table of list prices, each with its date, for estimates before anything starts.

US dollars, on demand, of SageMaker training and real-time hosting in us-east-1, which ask the same for these types.
AWS changes prices, and other regions have their own: https://aws.amazon.com/sagemaker/pricing/ is what counts.

No price here was read from AWS itself. Those of 2026-09 agree with a public project's copy of AWS's Price List (service
AmazonSageMaker, us-west-2, effective 2026-09-01); that us-west-2 and us-east-1 ask the same is taken from older tables.
Those of 2025-06 are of public tables, were found again in others without a date, and are said to be to be checked. Left
out, and told to be unknown, are types whose price has moved since (p4, p5) and newer ones that no dated table had.
"""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"
PAGE = "https://aws.amazon.com/sagemaker/pricing/"


@dataclass(frozen=True)
class Price:
    """Dollars an hour, of which month, and whether that was found in a dated copy of AWS's own list."""

    hourly: float
    dated: str
    checked: bool


_CHECKED, _CHECKED_DATE = {
    # Burstable
    "ml.t3.medium": 0.05, "ml.t3.large": 0.10, "ml.t3.xlarge": 0.20, "ml.t3.2xlarge": 0.399,
    # General
    "ml.m5.large": 0.115, "ml.m5.xlarge": 0.23, "ml.m5.2xlarge": 0.461, "ml.m5.4xlarge": 0.922,
    # Compute
    "ml.c5.large": 0.102, "ml.c5.xlarge": 0.204, "ml.c5.2xlarge": 0.408,
    # NVIDIA T4
    "ml.g4dn.xlarge": 0.7364, "ml.g4dn.2xlarge": 0.94,
    # NVIDIA A10G
    "ml.g5.xlarge": 1.408, "ml.g5.2xlarge": 1.515, "ml.g5.4xlarge": 2.03, "ml.g5.8xlarge": 3.06,
    "ml.g5.12xlarge": 7.09, "ml.g5.24xlarge": 10.18, "ml.g5.48xlarge": 20.36,
    # NVIDIA L4
    "ml.g6.xlarge": 1.127, "ml.g6.2xlarge": 1.222, "ml.g6.4xlarge": 1.654, "ml.g6.12xlarge": 5.752,
    "ml.g6.24xlarge": 8.344, "ml.g6.48xlarge": 16.688,
}, "2026-09"  # fmt: skip

_OLDER, _OLDER_DATE = {
    # Burstable, for hosting alone
    "ml.t2.medium": 0.056, "ml.t2.large": 0.111, "ml.t2.xlarge": 0.223, "ml.t2.2xlarge": 0.445,
    "ml.m4.xlarge": 0.24, "ml.m4.2xlarge": 0.48, "ml.m4.4xlarge": 0.96,
    "ml.m5.12xlarge": 2.765, "ml.m5.24xlarge": 5.53,
    "ml.c5.4xlarge": 0.816, "ml.c5.9xlarge": 1.836, "ml.c5.18xlarge": 3.672,
    "ml.g4dn.4xlarge": 1.505, "ml.g4dn.8xlarge": 2.72, "ml.g4dn.12xlarge": 4.89, "ml.g4dn.16xlarge": 5.44,
    "ml.g5.16xlarge": 5.12, "ml.g6.16xlarge": 4.246,
    # NVIDIA V100, which AWS is taking out of service
    "ml.p3.2xlarge": 3.825, "ml.p3.8xlarge": 14.688, "ml.p3.16xlarge": 28.152,
}, "2025-06"  # fmt: skip

PRICES = {name: Price(hourly, _CHECKED_DATE, True) for name, hourly in _CHECKED.items()} | {
    name: Price(hourly, _OLDER_DATE, False) for name, hourly in _OLDER.items()
}
DATED = _CHECKED_DATE
