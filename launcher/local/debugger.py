"""What Debugger's fields of a training request come to on this machine: our own rules and profiler do the work.

DebugRuleConfigurations   become the hyperparameter `rules`, ProfilerConfig's interval `profile-interval-ms`
DebugHookConfig           becomes input/config/debughookconfig.json, and its tensors land under its S3OutputPath
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INVOKED = "rule_to_invoke"


def configured(request: Mapping[str, Any], kind: str) -> dict[str, str]:
    """What a request's rules are called, by the rule; ``kind`` is Debug or Profiler."""
    return {
        configuration.get("RuleParameters", {}).get(INVOKED, ""): configuration["RuleConfigurationName"]
        for configuration in request.get(f"{kind}RuleConfigurations", [])
    }
