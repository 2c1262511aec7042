"""The smdebug hook: tensors where it is asked for, nothing where it is not, a sentence where it cannot be made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container.common.errors import ContainerError
from container.train import hook
from tests.train.jobs import Jobs, losses
from tests.train.places import ROOT, configure, quick

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    if "smdebug.pytorch" in sys.modules:
        import smdebug.pytorch as smd

        smd.del_hook()


def trial(folder: Path) -> Any:
    from smdebug.trials import create_trial

    return create_trial(str(folder))


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_a_hook_that_is_asked_for_writes_losses_weights_gradients_and_biases(jobs: Jobs, freeze: str) -> None:
    plain = jobs.run("plain", freeze=freeze, epochs="1")
    watched = jobs.run("watched", freeze=freeze, epochs="1", debug_hook="true", debug_save_interval="2")
    assert losses(watched) == losses(plain), "training is not harmed"
    found = trial(jobs.paths("watched").output / "debug")
    import smdebug.pytorch as smd

    assert found.steps(mode=smd.modes.TRAIN) == [0, 2, 4]
    assert found.steps(mode=smd.modes.EVAL)
    for collection in hook.COLLECTIONS:
        assert found.tensor_names(collection=collection), collection
    (loss,) = found.tensor_names(collection="losses")
    assert loss.startswith("CrossEntropyLoss_output")
    assert 0.5 < float(found.tensor(loss).value(0, mode=smd.modes.TRAIN)) < 3
    weights = found.tensor_names(collection="weights")
    assert any("fc.linear0.weight" in name or name.endswith("linear0.weight") for name in weights)
    assert ("conv5.0.weight" in " ".join(weights)) is (freeze == "none"), "with the cache the head is watched"


def test_sagemakers_configuration_is_followed(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "tensors"
    config = {
        "LocalPath": str(out),
        "HookParameters": {"save_interval": "3"},
        "CollectionConfigurations": [{"CollectionName": "losses"}, {"CollectionName": "gradients"}],
    }
    configure(jobs.paths().base, "debughookconfig", config)
    jobs.run(freeze="backbone", epochs="1")
    found = trial(out)
    import smdebug.pytorch as smd

    assert found.steps(mode=smd.modes.TRAIN) == [0, 3]
    assert found.tensor_names(collection="gradients")
    assert not [name for name in found.tensor_names() if name.startswith("Head_")], "weights were not asked for"


def test_the_environments_path_is_followed(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hook.json"
    path.write_text(json.dumps({"LocalPath": str(tmp_path / "here"), "HookParameters": {"save_interval": "1"}}))
    monkeypatch.setenv("SMDEBUG_CONFIG_FILE_PATH", str(path))
    jobs.run(freeze="backbone", epochs="1")
    assert trial(tmp_path / "here").tensor_names(collection="losses")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"HookParameters": {"save_interval": "often"}}', '{"CollectionConfigurations": [{}]}']
)
def test_a_hook_that_cannot_be_made_is_one_sentence(jobs: Jobs, text: str) -> None:
    (jobs.paths().config / "debughookconfig.json").write_text(text)
    with pytest.raises(ContainerError, match=r"debugger hook cannot be made from .*debughookconfig\.json .*leave it"):
        hook.watcher(jobs.paths(), quick())


def test_nothing_of_smdebug_is_loaded_when_nobody_asks(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom container.train import hook\n"
        "from container.train.paths import Paths\n"
        "from container.common.hyperparameters import parse\n"
        "w = hook.watcher(Paths(Path(sys.argv[1])), parse({}))\n"
        "print(type(w).__name__, [m for m in sys.modules if m.startswith('smdebug')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "NoWatcher []"
