"""torchvision's classifiers with our head, what is frozen, and weights from a channel."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from container.common.errors import HyperparameterError, WeightsError
from container.common.hyperparameters import parse
from container.common.images import normalize
from container.common.networks import NETWORKS
from container.network import Design, Network, Normalize, build
from container.network.design import architectures, blank
from container.train import weights
from container.train.freezing import Freeze
from launcher.config import load_preset
from launcher.config.presets import preset_names

# One of every family, and both kinds of special classifier.
FAMILIES = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 64,
    "inception_v3": 96,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnet50": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 64,
    "swin_t": 32,
    "vgg11": 32,
    "vit_b_16": 32,
}


def pixels(size: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, size, size, channels), dtype=torch.uint8, generator=generator)


def design(architecture: str, **changes: object) -> Design:
    size = FAMILIES.get(architecture, 32)
    return Design(**{"architecture": architecture, "class_count": 5, "image_size": size, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_every_family_takes_a_head_and_is_frozen_before_it(architecture: str) -> None:
    network = build(design(architecture, head=(8,), dropout=(0.25,)))
    freeze = Freeze(network, "backbone")
    freeze.train()
    trained = [name for name, p in network.net.named_parameters() if p.requires_grad]
    assert all(name.startswith(network.head_path + ".") for name in trained)
    assert len(trained) == 4, "two linear layers"
    modes = {name for name, m in network.net.named_modules() if m.training and not list(m.children())}
    assert all(name.startswith(network.head_path + ".") for name in modes), "a frozen layer is in training mode"
    active = [m.p for m in network.net.modules() if isinstance(m, nn.Dropout) and m.p and m.training]
    assert active == [0.25, 0.25]

    images = pixels(FAMILIES[architecture])
    network.eval()
    with torch.no_grad():
        logits, features = network(images), network.features(images)
        assert logits.shape == (2, 5)
        torch.testing.assert_close(network.head(features), logits)
    assert isinstance(list(network.head)[-1], nn.Linear), "logits are raw"


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_s_network_ends_in_the_classes_of_its_data(preset: str) -> None:
    """The published benchmark kept ImageNet's thousand."""
    h = parse(load_preset(preset).hyperparameters)
    with torch.device("meta"):
        network = build(Design(architecture=h.model, head=h.head, dropout=h.dropout, class_count=5))
    outputs = [module.out_features for module in network.net.modules() if isinstance(module, nn.Linear)]
    assert outputs[-1] == 5
    assert 1000 not in outputs


@pytest.mark.parametrize(
    ("architecture", "kept"), [("vgg11", {"classifier.0", "classifier.3"}), ("mobilenet_v3_small", {"classifier.0"})]
)
def test_without_hidden_sizes_the_pretrained_classifier_layers_are_kept(architecture: str, kept: set[str]) -> None:
    plain = build(design(architecture))
    linears = {n for n, m in plain.net.named_modules() if isinstance(m, nn.Linear)}
    assert linears == kept | {f"{plain.head_path}.linear0"}
    replaced = build(design(architecture, head=(16,)))
    linears = {n for n, m in replaced.net.named_modules() if isinstance(m, nn.Linear)}
    assert linears == {f"{replaced.head_path}.linear0", f"{replaced.head_path}.linear1"}


def test_dropout_may_differ_by_layer_and_must_fit() -> None:
    network = build(design("resnet18", head=(8, 4), dropout=(0.1, 0.2, 0.3)))
    assert [m.p for m in network.head if isinstance(m, nn.Dropout)] == [0.1, 0.2, 0.3]
    with pytest.raises(HyperparameterError, match="3 linear layers cannot have 2 dropout values"):
        build(design("resnet18", head=(8, 4), dropout=(0.1, 0.2)))


def test_an_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(HyperparameterError, match=r"no such classifier. Did you mean 'resnet50'"):
        build(design("resnet5O"))
    assert set(architectures()) == set(NETWORKS)
    assert not any("quantized" in name or "fcn" in name for name in architectures())


def test_a_size_the_architecture_cannot_take_is_told() -> None:
    with pytest.raises(HyperparameterError, match="vit_b_16 cannot be built for image-size 50"):
        build(design("vit_b_16", image_size=50))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_normalizes_as_the_contract_says(channels: int) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    images = pixels(16, channels)
    expected = torch.from_numpy(normalize(images.numpy(), mean, std))
    torch.testing.assert_close(Normalize(mean, std)(images), expected, atol=2e-6, rtol=1e-5)


def frozen_parts(network: Network, until: str) -> tuple[set[str], set[str]]:
    """Parameters that train, and leaf modules in training mode."""
    Freeze(network, until).train()
    trained = {n for n, p in network.net.named_parameters() if p.requires_grad}
    return trained, {n for n, m in network.net.named_modules() if m.training and not list(m.children())}


def test_freezing_up_to_a_layer_freezes_what_comes_before_it_and_nothing_after() -> None:
    trained, training = frozen_parts(build(design("resnet18")), "layer2")
    assert {n.split(".")[0] for n in trained} == {"layer3", "layer4", "fc"}
    assert "bn1" not in training
    assert "layer2.1.bn2" not in training
    assert {"layer3.0.bn1", "layer4.1.bn2"} <= training


def test_freezing_a_transformer_freezes_its_tokens_too() -> None:
    trained, _ = frozen_parts(build(design("vit_b_16")), "encoder.layers.encoder_layer_9")
    assert "class_token" not in trained
    assert "encoder.pos_embedding" not in trained
    assert any(name.startswith("encoder.layers.encoder_layer_10") for name in trained)


def test_freezing_nothing_trains_everything_and_statistics_may_stay() -> None:
    network = build(design("resnet18"))
    Freeze(network, "none", freeze_statistics=True).train()
    assert all(p.requires_grad for p in network.net.parameters())
    before = network.net.bn1.running_mean.clone()  # type: ignore[union-attr,operator]
    network(pixels(32))
    assert torch.equal(network.net.bn1.running_mean, before)  # type: ignore[union-attr,arg-type]
    Freeze(network, "none").train()
    network(pixels(32))
    assert not torch.equal(network.net.bn1.running_mean, before)  # type: ignore[union-attr,arg-type]


def test_an_unknown_layer_to_freeze_names_the_nearest() -> None:
    with pytest.raises(HyperparameterError, match=r"'freeze' cannot be 'layer33'.* Did you mean 'layer3'"):
        Freeze(build(design("resnet18")), "layer33")
    with pytest.raises(HyperparameterError, match="no such layer before its head"):
        Freeze(build(design("resnet18")), "fc")


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_channel_weights_of_any_class_count_are_taken_but_for_the_classifier(channel: Path, suffix: str) -> None:
    state = blank("resnet18").state_dict()
    if suffix == ".pth":
        torch.save({f"module.{k}": v for k, v in state.items()}, channel / "w.pth")
    else:
        save_file(state, channel / "w.safetensors")
    network, note = weights.network_with_weights(design("resnet18"), "channel", channel.parent)
    assert "classifier left out" in note
    assert torch.equal(network.net.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_a_classifier_that_fits_is_taken_too(channel: Path) -> None:
    theirs = blank("resnet18")
    theirs.fc = nn.Linear(512, 5)
    torch.save(theirs.state_dict(), channel / "w.pt")
    network, note = weights.network_with_weights(design("resnet18"), "channel", channel.parent)
    assert "classifier included" in note
    assert torch.equal(network.head.linear0.weight, theirs.fc.weight)  # type: ignore[union-attr,arg-type]


def test_an_artifact_of_ours_can_be_fine_tuned_again_with_its_head_or_another(channel: Path) -> None:
    ours = build(design("squeezenet1_1", head=(7,)))
    save_file(ours.net.state_dict(), channel / "weights.safetensors")
    same, note = weights.network_with_weights(design("squeezenet1_1", head=(7,)), "channel", channel.parent)
    assert "classifier included" in note
    assert all(torch.equal(a, b) for a, b in zip(same.net.parameters(), ours.net.parameters(), strict=True))
    _, note = weights.network_with_weights(design("squeezenet1_1", head=(9,)), "channel", channel.parent)
    assert "classifier left out" in note


def _nothing(_: Path) -> None:
    """An empty channel."""


def _two(channel: Path) -> None:
    (channel / "a.pth").touch()
    (channel / "b.safetensors").touch()


def _junk(channel: Path) -> None:
    (channel / "w.pth").write_bytes(b"junk")


def _code(channel: Path) -> None:
    torch.save({"x": Path("a pickled object")}, channel / "w.pth")


def _other(channel: Path) -> None:
    torch.save(blank("resnet34").state_dict(), channel / "w.pth")


def _not_a_state(channel: Path) -> None:
    torch.save([1, 2], channel / "w.pth")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (_nothing, "holds none; the three ways are weights=imagenet .* weights=channel .* weights=none"),
        (_two, "holds 2 files"),
        (_junk, "cannot be read as weights"),
        (_code, "cannot be read as weights"),
        (_other, "does not fit resnet18: .*is unknown"),
        (_not_a_state, "holds no state_dict"),
    ],
)
def test_weights_that_cannot_be_had_are_told_and_nothing_else_is_taken(fill: object, words: str, channel: Path) -> None:
    fill(channel)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=words):
        weights.network_with_weights(design("resnet18"), "channel", channel.parent)


def test_imagenet_weights_without_a_network_fail_with_the_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"ImageNet weights for squeezenet1_1 cannot be had .*three ways"):
        weights.network_with_weights(design("squeezenet1_1"), "imagenet", tmp_path)


def baked(architecture: str, content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch, **meta: object) -> Path:
    """A file in torch's folder that torchvision is made to name as the architecture's ImageNet weights."""
    monkeypatch.setenv("TORCH_HOME", str(folder))
    path = folder / "hub" / "checkpoints" / f"{architecture}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    published = SimpleNamespace(DEFAULT=SimpleNamespace(url=f"https://example.com/models/{path.name}", meta=meta))
    monkeypatch.setattr("torchvision.models.get_model_weights", lambda _name: published)
    return path


def saved(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


@pytest.mark.parametrize("architecture", ["squeezenet1_1", "googlenet"])
def test_imagenet_weights_baked_into_torch_home_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    state = blank(architecture).state_dict()
    baked(architecture, saved(state), tmp_path, monkeypatch)
    network, note = weights.network_with_weights(design(architecture), "imagenet", tmp_path)
    assert "ImageNet" in note
    name = next(iter(state))
    assert torch.equal(network.net.state_dict()[name], state[name])


def test_densenets_old_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = blank("densenet121").state_dict()
    # As torchvision's file has them: written before batch normalization counted its batches.
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): state[name] for name in names}
    assert old.keys() != set(names)
    baked("densenet121", saved(old), tmp_path, monkeypatch)
    network, _ = weights.network_with_weights(design("densenet121"), "imagenet", tmp_path)
    name = "features.denseblock1.denselayer1.conv1.weight"
    assert torch.equal(network.net.state_dict()[name], state[name])


def test_a_damaged_imagenet_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = baked("squeezenet1_1", saved(blank("squeezenet1_1").state_dict()), tmp_path, monkeypatch)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"is damaged: its SHA-256 .* delete the file"):
        weights.network_with_weights(design("squeezenet1_1"), "imagenet", tmp_path)


def test_code_in_an_imagenet_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baked("squeezenet1_1", saved({"x": Path("a pickled object")}), tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match="cannot be had"):
        weights.network_with_weights(design("squeezenet1_1"), "imagenet", tmp_path)


def test_imagenet_weights_of_another_size_say_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baked("vit_b_16", b"", tmp_path, monkeypatch, min_size=(224, 224))
    other = Design(architecture="vit_b_16", class_count=5, image_size=256)
    with pytest.raises(WeightsError, match="are for image-size 224, not 256; set image-size=224"):
        weights.network_with_weights(other, "imagenet", tmp_path)
