"""What is settled and said before trainings start in AWS: how data come in, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from launcher.verbs import cost
from launcher.verbs.sizing import input_mode

if TYPE_CHECKING:
    from launcher.config import RunConfig
    from launcher.config.training import Training
    from launcher.doors import Door


Say = Callable[[str], None]


def settled(door: Door, config: RunConfig, given: Mapping[str, Any], *, say: Say) -> RunConfig:
    """The configuration with the input mode that suits the data, unless one was ``given``; ``say`` is told its cost."""
    if config.tuning:
        training = _with_input_mode(door, config.tuning.training, given, say)
        _remark(training, say)
        say(cost.of_tuning(config.tuning, region=door.region))
        return config.model_copy(update={"tuning": config.tuning.model_copy(update={"training": training})})
    assert config.training is not None
    training = _with_input_mode(door, config.training, given, say)
    _remark(training, say)
    say(cost.of_training(training, region=door.region))
    return config.model_copy(update={"training": training})


def _remark(training: Training, say: Say) -> None:
    """What a job will not do, which should be known before it is paid for."""
    from container.common.hyperparameters import parse
    from launcher.config.instances import key_remark, volume_remark

    if remark := key_remark(training.managed.kms_key, training.instance_type):
        say(remark)
    asked = training.volume_gb != type(training).model_fields["volume_gb"].default
    if asked and (remark := volume_remark(training.volume_gb, training.instance_type)):
        say(remark)
    if training.managed.isolated and parse(training.hyperparameters).weights == "imagenet":
        say(
            "Without a network the pretrained weights must lie in the image (./build_and_push.sh --pretrained MODEL), "
            "or come by --weights channel --channel weights=s3://…"
        )


def _with_input_mode(door: Door, training: Training, given: Mapping[str, Any], say: Say) -> Training:
    if "input_mode" in given:
        return training
    mode, why = input_mode(door, training)
    say(f"Input mode {mode}: {why}.")
    return training.model_copy(update={"managed": training.managed.model_copy(update={"input_mode": mode})})
