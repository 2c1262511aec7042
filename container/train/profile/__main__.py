"""python -m container.train.profile FOLDER [--json] [--set StepOutlier_stddev=4]: profiler rules over a profile.

The folder is a job's output/data/profile, or what SageMaker Debugger has written for one (profiler-output).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from container.common.errors import HyperparameterError, first_line
from container.train.console import refused
from container.train.profile.evaluation import evaluate
from container.train.profile.rule import read
from container.train.rules.board import Verdict


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 once every rule has been evaluated, whatever they found; 1 where none could be."""
    given = _parser().parse_args(arguments)
    try:
        profile = read(given.folder)
        verdicts = evaluate(profile, dict(word.split("=", 1) for word in given.set if "=" in word))
    except (HyperparameterError, OSError) as exc:
        return refused(str(exc))
    except (ValueError, KeyError) as exc:
        return refused(f"{given.folder} holds a file that is no part of a profile ({first_line(exc)}).")
    if not profile.systems and profile.timings is None:
        return refused(f"There is no profile in {given.folder}; name a folder that holds system/ or framework/.")
    if given.json:
        print(json.dumps([verdict.to_json() for verdict in verdicts], indent=2, ensure_ascii=False))  # noqa: T201
    else:
        print("\n".join(_line(verdict) for verdict in verdicts))  # noqa: T201
    return 0


def _line(verdict: Verdict) -> str:
    told = verdict.findings[0]["advice"] if verdict.findings else verdict.details
    return f"{verdict.rule:<26}{verdict.status:<15}{told}".rstrip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m container.train.profile", description="Evaluate profiler rules over a profile."
    )
    parser.add_argument("folder", type=Path, help="output/data/profile of a job, or SageMaker's profiler-output")
    parser.add_argument(
        "--set", action="append", default=[], metavar="RULE_PARAMETER=VALUE", help="such as StepOutlier_stddev=4"
    )
    parser.add_argument("--json", action="store_true", help="print what the rules part of summary.json holds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
