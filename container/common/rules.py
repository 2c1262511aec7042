"""The names of the rules that watch a training and of those that judge its profile; how the former are asked for.

    >>> [c.rule for c in parse("VanishingGradient,Overfit")]
    ['VanishingGradient', 'Overfit']
    >>> parse('["default", {"Overfit": {"patience": 3}}]')[-1].parameters
    {'patience': 3}

What the rules compute stands in ``container.train.rules`` and ``container.train.profile``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from container.common.names import did_you_mean

# AWS's own names and order.
NAMES = (
    "DeadRelu",
    "ExplodingTensor",
    "PoorWeightInitialization",
    "SaturatedActivation",
    "VanishingGradient",
    "WeightUpdateRatio",
    "AllZero",
    "ClassImbalance",
    "LossNotDecreasing",
    "Overfit",
    "Overtraining",
    "SimilarAcrossRuns",
    "StalledTrainingRule",
    "TensorVariance",
    "UnchangedTensor",
    "CheckInputImages",
    "Confusion",
)

# The others need to be told something: another run, bounds, or how good is good enough.
DEFAULT = tuple(name for name in NAMES if name not in ("SimilarAcrossRuns", "TensorVariance", "Confusion"))

# The profiler's, in AWS's order; the last sums up the others.
PROFILER_NAMES = (
    "BatchSize",
    "CPUBottleneck",
    "Dataloader",
    "GPUMemoryIncrease",
    "IOBottleneck",
    "LoadBalancing",
    "LowGPUUtilization",
    "MaxInitializationTime",
    "OverallFrameworkMetrics",
    "OverallSystemUsage",
    "StepOutlier",
    "ProfilerReport",
)


@dataclass(frozen=True)
class Configuration:
    """One rule to evaluate, with the parameters that differ from its defaults."""

    rule: str
    parameters: dict[str, Any] = field(default_factory=dict)


def parse(text: str) -> tuple[Configuration, ...]:
    """``none``, ``default``, names between commas, or JSON: names, and objects {name: {parameter: value}}.

    A rule named twice is evaluated once, as named last. Raises ValueError for an unknown name.
    """
    stripped = text.strip()
    if stripped.lower() in ("", "none"):
        return ()
    found: dict[str, Configuration] = {}
    for name, parameters in _entries(stripped):
        if name.lower() == "default":
            found |= {one: Configuration(one) for one in DEFAULT}
            continue
        known = {one.lower(): one for one in NAMES}.get(name.lower())
        if known is None:
            raise ValueError(f"there is no rule '{name}'.{did_you_mean(name, NAMES)}".rstrip("."))
        found[known] = Configuration(known, parameters)
    return tuple(found.values())


def _entries(text: str) -> list[tuple[str, dict[str, Any]]]:
    if text[0] not in "[{":
        return [(word.strip(), {}) for word in text.split(",") if word.strip()]
    try:
        content = json.loads(text)
    except ValueError as exc:
        raise ValueError('names between commas, or JSON such as {"Overfit": {"patience": 3}} is expected') from exc
    entries: list[tuple[str, dict[str, Any]]] = []
    for item in content if isinstance(content, list) else [content]:
        if isinstance(item, str):
            entries.append((item, {}))
        elif isinstance(item, dict) and all(isinstance(value, dict) for value in item.values()):
            entries += list(item.items())
        else:
            raise ValueError('each entry must be a name, or an object such as {"Overfit": {"patience": 3}}')
    return entries
