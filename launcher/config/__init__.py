"""Preset and flags become one frozen, validated RunConfig."""

from launcher.config.presets import load_preset, preset_names
from launcher.config.run import Endpoint, RunConfig, Training, Transform, Tuning
from launcher.config.transform_words import transform_config
from launcher.config.tuning_words import tuning_config
from launcher.config.words import endpoint_config, training_config

__all__ = [
    "Endpoint",
    "RunConfig",
    "Training",
    "Transform",
    "Tuning",
    "endpoint_config",
    "load_preset",
    "preset_names",
    "training_config",
    "transform_config",
    "tuning_config",
]
