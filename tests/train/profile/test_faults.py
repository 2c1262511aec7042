"""Every profiler rule speaks of its fault, and none of a healthy job; each job is read from the files it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.train.profile.evaluation import REPORT, RULES, evaluate
from container.train.profile.rule import read
from container.train.rules.board import Verdict
from container.train.rules.findings import ERROR, ISSUES, NO_ISSUES
from tests.train.profile.faults import FAULTS, HEALTHY, Job, write

# They sum up, and have no condition that could be met.
TELLERS = {"OverallSystemUsage", "OverallFrameworkMetrics"}


def verdicts(job: Job, folder: Path) -> dict[str, Verdict]:
    write(job.profile(), folder)
    return {verdict.rule: verdict for verdict in evaluate(read(folder))}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_rules(tmp_path: Path, name: str) -> None:
    found = verdicts(FAULTS[name], tmp_path)
    for rule in (*FAULTS[name].rules, REPORT):
        assert found[rule].status == ISSUES, rule
        for one in found[rule].findings:
            assert one["tensor"] and one["values"] and one["advice"].endswith("."), (rule, one)
    assert ERROR not in {verdict.status for verdict in found.values()}
    assert found["OverallFrameworkMetrics"].details.startswith("of the job: setup ")


@pytest.mark.parametrize("name", HEALTHY)
def test_no_rule_speaks_of_a_healthy_job(tmp_path: Path, name: str) -> None:
    found = verdicts(HEALTHY[name], tmp_path)
    assert {rule: verdict.details for rule, verdict in found.items() if verdict.status != NO_ISSUES} == {}
    assert found["OverallSystemUsage"].details.startswith("mean/p95/highest of algo-1: processors ")


def test_every_rule_that_has_a_condition_has_a_fault() -> None:
    assert {rule for fault in FAULTS.values() for rule in fault.rules} | TELLERS == set(RULES)
