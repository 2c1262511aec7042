"""The smdebug hook: tensors where it is asked for, nothing where it is not, a sentence where it cannot be made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from container.common.artifact import Manifest
from container.common.errors import ContainerError
from container.network import Network
from container.train import hook, job
from container.train.console import Console
from container.train.stopping import JobStopped, StopSignal
from container.train.world import World
from tests.train.jobs import Jobs, losses
from tests.train.places import ROOT, configure, quick

pytestmark = [
    # smdebug 1.0.34 is older than what it stands on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


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


@pytest.mark.parametrize("rules", ["none", "default"])
def test_each_phase_has_an_interval_of_its_own(jobs: Jobs, rules: str) -> None:
    import smdebug.pytorch as smd

    hooked = {"freeze": "backbone", "epochs": "3", "debug_hook": "true", "debug_save_interval": "4", "rules": rules}
    jobs.run("as ever", **hooked)
    jobs.run("phases", debug_eval_interval="2", **hooked)
    of_old, found = (trial(jobs.paths(name).output / "debug") for name in ("as ever", "phases"))
    (weight,) = (name for name in found.tensor_names(collection="weights") if "linear0" in name)
    for each in (of_old, found):
        # Five steps an epoch, and one evaluation after each.
        assert {0, 4, 8, 12} <= set(each.tensor(weight).steps(mode=smd.modes.TRAIN)) <= set(range(15))
        assert each.tensor("CrossEntropyLoss_output_0").steps(mode=smd.modes.EVAL) == [0, 1, 2], "each result"
    assert not of_old.tensor(weight).steps(mode=smd.modes.EVAL)
    # After three epochs each split is evaluated once more.
    assert found.tensor(weight).steps(mode=smd.modes.EVAL) == [0, 2, 4]


@pytest.mark.parametrize("rules", ["none", "Overfit"])
def test_tensors_are_saved_by_a_regular_expression(jobs: Jobs, rules: str) -> None:
    """As a published system did, which wanted the loss alone."""
    import smdebug.pytorch as smd

    jobs.run(freeze="backbone", epochs="1", debug_save_interval="2", debug_include_regex="Loss_output_0", rules=rules)
    found = trial(jobs.paths().output / "debug")
    assert found.tensor_names(collection="included") == ["CrossEntropyLoss_output_0"]
    saved = found.tensor("CrossEntropyLoss_output_0").steps(mode=smd.modes.TRAIN)
    assert saved == [0, 2, 4] if rules == "none" else {0, 2, 4} <= set(saved)
    if rules == "none":
        assert found.tensor_names() == ["CrossEntropyLoss_output_0"]


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_a_watched_network_is_exported_as_any_other(jobs: Jobs, freeze: str) -> None:
    jobs.run("plain", exported=True, freeze=freeze, epochs="1")
    jobs.run("watched", exported=True, freeze=freeze, epochs="1", debug_hook="true")
    for name in ("weights.safetensors", "model.bin"):
        plain, watched = (jobs.paths(job).model / name for job in ("plain", "watched"))
        assert plain.read_bytes() == watched.read_bytes()


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_nothing_of_the_hook_stays_on_the_network(jobs: Jobs, freeze: str) -> None:
    found: list[Network] = []

    def keep(network: Network, manifest: Manifest, *_: object, **__: object) -> Manifest:
        found.append(network)
        return manifest

    h = quick(freeze=freeze, epochs="1", debug_hook="true")
    world, console = World(torch.device("cpu")), Console(silent=True)
    job.run(jobs.paths(), h, world, console, StopSignal(), exporter=keep)
    (network,) = found
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


class StopInSecondEpoch(StopSignal):
    """SIGTERM two steps after the first checkpoint."""

    def __init__(self, checkpoints: Path) -> None:
        super().__init__()
        self._checkpoints, self._asked = checkpoints, 0

    @property
    def raised(self) -> bool:
        self._asked += any(self._checkpoints.glob("checkpoint*.pt"))
        return self._asked > 2


STEADY = {"freeze": "backbone", "epochs": "3", "debug_hook": "true", "debug_save_interval": "1"}


def test_a_job_that_goes_on_watches_on_at_its_step(jobs: Jobs) -> None:
    jobs.run("whole", **STEADY)
    debug = jobs.paths("stopped").output / "debug"
    with pytest.raises(JobStopped):
        jobs.run("stopped", stop=StopInSecondEpoch(jobs.paths("stopped").checkpoints), **STEADY)
    # The first epoch has five steps and one of evaluation.
    assert trial(debug).steps() == list(range(8))
    assert not (debug / "claim.smd").exists()
    jobs.run("stopped", **STEADY)
    whole, resumed = trial(jobs.paths("whole").output / "debug"), trial(debug)
    import smdebug.pytorch as smd

    for mode in (smd.modes.TRAIN, smd.modes.EVAL):
        assert resumed.steps(mode=mode) == whole.steps(mode=mode)
    (loss,) = whole.tensor_names(collection="losses")
    for step in whole.steps(mode=smd.modes.TRAIN):
        mode = smd.modes.TRAIN
        assert resumed.tensor(loss).value(step, mode=mode) == whole.tensor(loss).value(step, mode=mode)


@pytest.mark.parametrize("sagemakers", [False, True])
def test_a_job_that_was_killed_leaves_no_claim_that_silences_the_next(
    jobs: Jobs, tmp_path: Path, sagemakers: bool
) -> None:
    folder = tmp_path / "tensors" if sagemakers else jobs.paths().output / "debug"
    folder.mkdir(parents=True)
    (folder / "claim.smd").touch()
    if sagemakers:
        config = {"LocalPath": str(folder), "HookParameters": {"save_interval": "3"}}
        configure(jobs.paths().base, "debughookconfig", config)
    jobs.run(**STEADY | {"epochs": "1"})
    assert trial(folder).tensor_names(collection="losses")


def test_a_job_that_fails_closes_its_hook_and_the_next_one_starts_anew(jobs: Jobs) -> None:
    with pytest.raises(ContainerError, match="diverged"):
        jobs.run(**STEADY | {"lr": "1e38", "optimizer": "sgd"})
    debug = jobs.paths().output / "debug"
    assert not (debug / "claim.smd").exists()
    jobs.run(**STEADY | {"epochs": "1", "debug_save_interval": "2"})
    import smdebug.pytorch as smd

    assert trial(debug).steps(mode=smd.modes.TRAIN) == [0, 2, 4]


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


def test_what_autocast_makes_of_activations_is_saved_too(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "tensors"
    layers = {"CollectionName": "layers", "CollectionParameters": {"include_regex": ".*_output_0"}}
    hooked = {"LocalPath": str(out), "HookParameters": {"save_interval": "1"}, "CollectionConfigurations": [layers]}
    configure(jobs.paths().base, "debughookconfig", hooked)
    jobs.run(freeze="none", epochs="1", amp="true")
    assert len(trial(out).tensor_names(collection="layers")) > 1


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
        hook.watcher(jobs.paths(), quick(), Console(silent=True))


def test_nothing_of_smdebug_is_loaded_when_nobody_asks(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom container.train import hook\n"
        "from container.train.paths import Paths\n"
        "from container.common.hyperparameters import parse\n"
        "from container.train.console import Console\n"
        "w = hook.watcher(Paths(Path(sys.argv[1])), parse({'rules': 'none'}), Console())\n"
        "print(type(w).__name__, [m for m in sys.modules if m.startswith('smdebug')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "NoWatcher []"
