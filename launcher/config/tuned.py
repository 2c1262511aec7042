"""From a search's description: what trains again as its best trial did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from container.common import channels as channel_names
from container.common.hyperparameters import RESERVED
from launcher.config.presets import Preset, TrainingPart
from launcher.config.words import TrainWords

Description = Mapping[str, Any]


def tuned_preset(search: Description, best: Description, watching: Mapping[str, str] | None = None) -> Preset:
    """The search's static hyperparameters with the best trial's values, as a preset that flags win over.

    ``watching`` is what its recipe has a training watched by (launcher.config.tuning.Tuning): trials were not.
    """
    definition = search["TrainingJobDefinition"]
    machines = definition.get("HyperParameterTuningResourceConfig") or definition.get("ResourceConfig") or {}
    values = {**(watching or {}), **definition.get("StaticHyperParameters", {}), **best.get("TunedHyperParameters", {})}
    return Preset(
        name=search["HyperParameterTuningJobName"],
        hyperparameters={name: value for name, value in values.items() if not name.startswith(RESERVED)},
        training=TrainingPart(
            instance_type=machines.get("InstanceType"),
            instance_count=machines.get("InstanceCount"),
            volume_gb=machines.get("VolumeSizeInGB"),
            max_runtime=definition.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
            environment=dict(definition.get("Environment", {})),
        ),
    )


def tuned_words(search: Description, words: TrainWords) -> TrainWords:
    """The flags, and where they say nothing the search's channels, image, role and output."""
    definition = search["TrainingJobDefinition"]
    return replace(
        words,
        channels={**_channels(definition, words), **words.channels},
        image=words.image or definition["AlgorithmSpecification"].get("TrainingImage"),
        role=words.role or definition["RoleArn"],
        output=words.output or definition["OutputDataConfig"]["S3OutputPath"],
    )


def _channels(definition: Description, words: TrainWords) -> dict[str, str]:
    """The search's channels; given other images, those that hold none of its own, such as weights."""
    found = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in definition.get("InputDataConfig", [])
    }
    other_images = words.data or any(channel_names.split_of(name) for name in words.channels)
    return {name: uri for name, uri in found.items() if not (other_images and channel_names.split_of(name))}
