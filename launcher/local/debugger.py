"""What Debugger's fields of a training request come to on this machine, where our own rules and profiler do the work.

    DebugRuleConfigurations   the hyperparameters `rules` and `stop-on-rules`
    ProfilerConfig            the hyperparameter `profile-interval-ms`; the profile lands in JOB/profiler-output
    DebugHookConfig           input/config/debughookconfig.json; tensors land in JOB/debug-output as they are saved
    TensorBoardOutputConfig   input/config/tensorboardoutputconfig.json; events land in JOB/tensorboard-output

each JOB under the S3OutputPath that the field names, as in AWS.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from container.common.names import did_you_mean
from container.common.rules import NAMES, PROFILER_NAMES
from launcher.local.engines.base import Mount
from launcher.local.uris import to_path

# Where a job finds them unless its request says otherwise, and what their folder is called in S3.
_FOLDERS = {
    "DebugHookConfig": ("/opt/ml/output/tensors", "debug-output"),
    "TensorBoardOutputConfig": ("/opt/ml/output/tensorboard", "tensorboard-output"),
}
_FILES = {
    "DebugHookConfig": "debughookconfig.json",
    "TensorBoardOutputConfig": "tensorboardoutputconfig.json",
    "ProfilerConfig": "profilerconfig.json",
}
_INVOKED, _ACTION, _SOURCE = "rule_to_invoke", "action_json", "source_s3_uri"
# AWS's own pace, which ours does not need.
_PACE = "scan_interval_us"
_OTHER_TRIAL = re.compile(r"other_trial_\d+")

Request = Mapping[str, Any]


def configured(request: Request, kind: str) -> dict[str, str]:
    """What a request's rules are called, by the rule; ``kind`` is Debug or Profiler."""
    return {_invoked(each): each["RuleConfigurationName"] for each in request.get(f"{kind}RuleConfigurations", [])}


def places(request: Request) -> list[str]:
    """The S3Uris that the job's tensors, events and profile go to."""
    return [request[field]["S3OutputPath"] for field in _FILES if request.get(field, {}).get("S3OutputPath")]


def check(request: Request) -> None:
    """Raises ValueError, in a sentence, for what Debugger would do and this machine cannot."""
    for kind, known in (("Debug", NAMES), ("Profiler", PROFILER_NAMES)):
        configurations = request.get(f"{kind}RuleConfigurations", [])
        seen: set[str] = set()
        for each in configurations:
            rule = _invoked(each)
            if rule not in known or _SOURCE in each.get("RuleParameters", {}):
                raise ValueError(
                    f"The local door evaluates {kind}RuleConfigurations by rules of its own, and "
                    f"'{each['RuleConfigurationName']}' asks for '{rule}', which is none of them."
                    f"{did_you_mean(rule, known)}"
                )
            if rule in seen:
                raise ValueError(f"The local door evaluates each rule once, and {rule} is asked for twice.")
            seen.add(rule)
    _check_profiler_rules(request)
    if request.get("DebugRuleConfigurations") and "sagemaker_program" in request.get("HyperParameters", {}):
        raise ValueError(
            "The local door evaluates DebugRuleConfigurations inside the training container, and not for a script of "
            "your own; leave them out, and run `launch.py rules` over its tensors."
        )


def _check_profiler_rules(request: Request) -> None:
    for each in request.get("ProfilerRuleConfigurations", []):
        own = sorted(set(each.get("RuleParameters", {})) - {_INVOKED, _PACE})
        if own:
            raise ValueError(
                f"The local door evaluates profiler rules with their defaults; leave out '{own[0]}' of the rule "
                f"{each['RuleConfigurationName']}."
            )


def hyperparameters(request: Request) -> dict[str, str]:
    """The request's, with what its Debugger fields ask of the job."""
    asked: dict[str, str] = {}
    configurations = request.get("DebugRuleConfigurations", [])
    if configurations:
        asked["rules"] = json.dumps([{_invoked(each): _parameters(each)} for each in configurations])
        stopping = [_invoked(each) for each in configurations if _stops(each)]
        if stopping:
            asked["stop-on-rules"] = ",".join(stopping)
    profiler = request.get("ProfilerConfig", {})
    if profiler.get("DisableProfiler"):
        asked["profile-interval-ms"] = "0"
    elif "ProfilingIntervalInMilliseconds" in profiler:
        asked["profile-interval-ms"] = str(profiler["ProfilingIntervalInMilliseconds"])
    given = request.get("HyperParameters", {})
    # An underscore is as good as a hyphen, and twice is an error.
    return {**{name: value for name, value in given.items() if name.replace("_", "-") not in asked}, **asked}


def _invoked(configuration: Mapping[str, Any]) -> str:
    return str(configuration.get("RuleParameters", {}).get(_INVOKED, ""))


def _parameters(configuration: Mapping[str, Any]) -> dict[str, str]:
    """As our rules know them: another run is a folder here."""
    found = {}
    for name, value in configuration.get("RuleParameters", {}).items():
        if _OTHER_TRIAL.fullmatch(name):
            found["other_trials"] = str(to_path(value)) if value.startswith("file://") else value
        elif name not in (_INVOKED, _ACTION, _PACE):
            found[name] = value
    return found


def _stops(configuration: Mapping[str, Any]) -> bool:
    return "stoptraining" in configuration.get("RuleParameters", {}).get(_ACTION, "").lower()


def config_files(request: Request) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and contents of what the platform writes into input/config; paths are the container's."""
    for field, name in _FILES.items():
        config = request.get(field)
        if config:
            local = {"LocalPath": _FOLDERS[field][0]} if field in _FOLDERS else {}
            yield name, {**local, **config}


def mounts(request: Request, job: str) -> list[Mount]:
    """Folders that a job writes into while it runs and that are there, too, when it has gone."""
    found = []
    for field, (usual, folder) in _FOLDERS.items():
        config = request.get(field)
        if config:
            place = to_path(config["S3OutputPath"]) / job / folder
            place.mkdir(parents=True, exist_ok=True)
            found.append(Mount(place, config.get("LocalPath", usual).rstrip("/"), read_only=False))
    return found


def deliver_profile(request: Request, job: str, folders: Sequence[Path]) -> None:
    """Copy what the profilers of all hosts have left to where AWS's puts its own; of one path the first host's counts.

    ``folders`` are the hosts' /opt/ml.
    """
    output = request.get("ProfilerConfig", {}).get("S3OutputPath")
    for folder in reversed(folders if output else ()):
        profile = folder / "output" / "data" / "profile"
        if profile.is_dir():
            shutil.copytree(profile, to_path(output) / job / "profiler-output", dirs_exist_ok=True)
