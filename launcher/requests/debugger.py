"""Debugger's fields of CreateTrainingJob, for accounts that still have it; without --aws-debugger none is sent.

DebugHookConfig, DebugRuleConfigurations, ProfilerConfig and ProfilerRuleConfigurations say what the hyperparameters
`rules`, `stop-on-rules`, `debug-save-interval`, `debug-eval-interval`, `debug-include-regex` and `profile-interval-ms`
ask of the job itself otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from container.common.hyperparameters import Hyperparameters, parse
from container.common.rules import Configuration
from container.common.rules import parse as parse_rules
from launcher.config.evaluators import evaluator_image
from launcher.config.run import Training

REPORT = "ProfilerReport"
STOP = "stoptraining"
# As the job itself calls what debug-include-regex names.
INCLUDED = "included"

# What AWS's rules look at, as its SDK's rule_configs have it. CheckInputImages is told there where MXNet has its
# images; ours are where the network normalizes them.
_IMAGES = ".*normalize_output_0"
_COLLECTIONS: dict[str, tuple[str, str | None]] = {
    "DeadRelu": ("relu_output", ".*relu_output"),
    "PoorWeightInitialization": ("relu_input", ".*relu_input"),
    "VanishingGradient": ("gradients", None),
    "WeightUpdateRatio": ("weights", None),
    "LossNotDecreasing": ("losses", None),
    "CheckInputImages": ("input_image", _IMAGES),
}
_OURS = {"CheckInputImages": {"regex": _IMAGES}}


def fields(training: Training) -> dict[str, Any]:
    """What the request says of Debugger and TensorBoard, as far as they were asked for."""
    found: dict[str, Any] = {}
    if training.debugger:
        h = parse(training.hyperparameters)
        rules = _rules(h)
        image = evaluator_image(training.image)
        found["DebugHookConfig"] = _hook(training, rules, h)
        found["DebugRuleConfigurations"] = [_rule(rule, image, training.name, _stops(h, rule.rule)) for rule in rules]
        found |= _profiler(training, image, h.profile_interval_ms)
    if training.tensorboard:
        found["TensorBoardOutputConfig"] = {"S3OutputPath": training.tensorboard}
    return {name: value for name, value in found.items() if value}


def hyperparameters(training: Training) -> dict[str, str]:
    """Those of the request: rules that Debugger evaluates are not evaluated in the job once more."""
    given = dict(training.hyperparameters)
    if not training.debugger:
        return given
    return {**{name: value for name, value in given.items() if name != "stop-on-rules"}, "rules": "none"}


def _rules(h: Hyperparameters) -> tuple[Configuration, ...]:
    return parse_rules("default" if h.rules == "auto" else h.rules)


def _stops(h: Hyperparameters, rule: str) -> bool:
    return h.stop_on_rules == "all" or rule in {one.rule for one in parse_rules(h.stop_on_rules)}


def _hook(training: Training, rules: Sequence[Configuration], h: Hyperparameters) -> dict[str, Any]:
    # AWS's default of 500 steps is more than many a fine-tuning has.
    interval = {"save_interval": str(h.debug_save_interval)}
    if h.debug_eval_interval:
        interval["eval.save_interval"] = str(h.debug_eval_interval)
    collections = []
    for rule in rules:
        if rule.rule in _COLLECTIONS:
            name, regex = _COLLECTIONS[rule.rule]
            parameters = {**({"include_regex": regex} if regex else {}), **interval}
            collections.append({"CollectionName": name, "CollectionParameters": parameters})
    if h.debug_include_regex:
        parameters = {"include_regex": h.debug_include_regex, **interval}
        collections.append({"CollectionName": INCLUDED, "CollectionParameters": parameters})
    return {"S3OutputPath": training.output, "HookParameters": interval, "CollectionConfigurations": collections}


def _rule(rule: Configuration, image: str, job: str, stops: bool) -> dict[str, Any]:
    parameters = {"rule_to_invoke": rule.rule, **_OURS.get(rule.rule, {}), **_strings(rule.parameters)}
    if stops:
        # JSON with its quotes escaped once more, as AWS's SDK sends it (rule_configs.StopTraining).
        action = json.dumps({"name": STOP, "training_job_prefix": job})
        parameters["action_json"] = action.replace('"', '\\"')
    return {"RuleConfigurationName": rule.rule, "RuleEvaluatorImage": image, "RuleParameters": parameters}


def _strings(parameters: dict[str, Any]) -> dict[str, str]:
    """A rule's parameters as the API takes them; the other run has a name of its own there."""
    return {
        "other_trial_0" if name == "other_trials" else name: ",".join(map(str, value))
        if isinstance(value, list)
        else str(value)
        for name, value in parameters.items()
    }


def _profiler(training: Training, image: str, interval: int) -> dict[str, Any]:
    if interval == 0:
        return {"ProfilerConfig": {"DisableProfiler": True}}
    report = {"RuleConfigurationName": REPORT, "RuleEvaluatorImage": image,
              "RuleParameters": {"rule_to_invoke": REPORT}}  # fmt: skip
    return {
        "ProfilerConfig": {
            "S3OutputPath": training.output,
            "DisableProfiler": False,
            "ProfilingIntervalInMilliseconds": interval,
        },
        "ProfilerRuleConfigurations": [report],
    }
