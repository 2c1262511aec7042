"""smdebug without what it hardly uses: not imported with it, and there when something of it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.train.places import ROOT

CODE = """
import sys
from container.train.rules.lightly import lightly

with lightly():
    import smdebug.trials
    from smdebug.core.access_layer import s3
    from smdebug.core.config_validator import strtobool
    from smdebug.profiler import system_metrics_reader
print(sorted({"pandas", "boto3", "requests", "setuptools"} & set(sys.modules)))
print(system_metrics_reader.pd.DataFrame([1]).shape)
print(s3.TransferConfig(multipart_threshold=5).multipart_threshold, bool(strtobool("yes")))
print(sorted({"pandas", "boto3", "requests"} & set(sys.modules)))
import boto3, pandas
print(boto3.client.__name__, pandas.DataFrame is system_metrics_reader.pd.DataFrame)
"""


def test_what_smdebug_hardly_uses_is_imported_when_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "(1, 1)", "5 True", "['boto3', 'pandas']", "client True"]


WATCHED = """
import sys
from pathlib import Path
import torch
from container.common.hyperparameters import parse
from container.train import hook
from container.train.console import Console
from container.train.optim import CrossEntropyLoss
from container.train.paths import Paths

layer, criterion = torch.nn.Linear(4, 2), CrossEntropyLoss(None, 0.0)
watcher = hook.watcher(Paths(Path(sys.argv[1])), parse({"rules": "none", "debug-hook": "true"}), Console())
watcher.watch(layer, criterion)
watcher.begin(trained=0, evaluated=0, total=1, an_epoch=1)
watcher.training()
criterion(layer(torch.ones(2, 4)), torch.tensor([0, 1]), 2.0).backward()
watcher.close()
print(len(list(Path(sys.argv[1]).rglob("*.tfevents"))))
"""


def test_smdebug_says_nothing_of_what_goes_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCHED, str(tmp_path)],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
