"""CheckInputImages: the network's input is not normalized to a mean near zero, over all channels together.

Parameters and defaults: Amazon SageMaker developer guide, "List of Debugger built-in rules". Our hook saves
once the mean and standard deviation of each channel of several hundred training images as the network sees
them, which also serves networks whose backbone runs only once; that images are constant is ours to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from container.train.rules.facts import MEANS, STDS
from container.train.rules.findings import Finding
from container.train.rules.rule import TensorRule, finding
from container.train.rules.steps import Array, Step

# Below that an image is one colour.
CONSTANT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """As AWS documents them; its default expression is MXNet's, ``normalize_output_0`` our network's."""

    threshold_mean: float = 0.2
    threshold_samples: int = 500
    regex: tuple[str, ...] = (".*hybridsequential0_input_0", "^normalize_output_0$")
    channel: int = 1


def channel_means(images: Array, channel: int) -> Array:
    """(N, C): each image's mean in each channel, from (N, C, H, W) or wherever ``channel`` stands."""
    moved = np.moveaxis(images, channel, 1)
    return np.asarray(moved.reshape(*moved.shape[:2], -1).mean(axis=2))


def is_met(mean: float, threshold_mean: float) -> bool:
    """Strictly farther from zero than the threshold."""
    return abs(mean) > threshold_mean


class CheckInputImages(TensorRule[Parameters]):
    """Means by channel over at least ``threshold_samples`` images, or over the whole of a smaller training split."""

    Parameters = Parameters

    def __init__(self, base_trial: Any, **parameters: Any) -> None:
        super().__init__(base_trial, **parameters)
        self._means: list[Array] = []

    def examine(self, step: Step) -> Iterator[Finding]:
        p = self.parameters
        means = step.value(MEANS) if MEANS in step.names else None
        if means is not None:
            yield from self._judge(step, MEANS, means)
            yield from self._constant(step)
            return
        for name in step.matching(p.regex):
            images = step.value(name)
            if images is not None and images.ndim == 4:
                self._means.append(channel_means(images, p.channel))
                if sum(len(one) for one in self._means) >= p.threshold_samples:
                    yield from self._judge(step, name, np.concatenate(self._means))
                    self._means = []

    def _judge(self, step: Step, name: str, means: Array) -> Iterator[Finding]:
        channels = means.mean(axis=0)
        mean = float(channels.mean())
        if is_met(mean, self.parameters.threshold_mean):
            yield finding(
                step,
                name,
                f"The mean of the input is {mean:.2f} and should be near 0; set normalize=dataset, or "
                "normalize=imagenet for pretrained weights and ordinary photographs.",
                mean=mean,
                **{f"mean_of_channel_{index}": float(one) for index, one in enumerate(channels)},
                images=len(means),
                threshold_mean=self.parameters.threshold_mean,
            )

    @staticmethod
    def _constant(step: Step) -> Iterator[Finding]:
        stds = step.value(STDS) if STDS in step.names else None
        if stds is not None and stds.size:
            constant = float(np.mean(stds.max(axis=1) < CONSTANT))
            if constant > 0.5:
                yield finding(
                    step,
                    STDS,
                    f"{100 * constant:.0f} % of the images are a single colour: look at the files, and at how they "
                    "were written.",
                    constant_percent=100 * constant,
                    images=len(stds),
                )
