"""Both engines on one artifact, and explanations against torch's own gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from container.common.artifact import WEIGHTS, Explanation, Manifest, read_manifest, write_manifest
from container.common.errors import ArtifactError
from container.common.images import IMAGENET_MEAN, IMAGENET_STD
from container.network import Design, build
from container.serve import explanation
from container.serve.engines import open_engine
from tests.serve import artifacts
from tests.serve.artifacts import TINY_SIZE, tiny_network

PIXELS = np.random.default_rng(3).integers(0, 256, (3, TINY_SIZE, TINY_SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet18 with our head, as training leaves it: IR and safetensors of the same network."""
    folder = tmp_path_factory.mktemp("resnet")
    torch.manual_seed(1)
    network = build(Design(architecture="resnet18", head=(16,), dropout=(0.1,), class_count=3, image_size=64)).eval()

    class WithMap(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.network(pixels)
            return logits, logits[:, :, None, None]

    artifacts.save_ir(folder, WithMap().eval(), 64, int8=False)
    save_file({k: v.contiguous() for k, v in network.net.state_dict().items()}, folder / WEIGHTS)
    manifest = Manifest(
        architecture="resnet18",
        head=(16,),
        dropout=(0.1,),
        classes=("a", "b", "c"),
        image_size=64,
        resize="crop",
        channels=3,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        precision="fp32",
    )
    write_manifest(folder, manifest)
    return folder


def test_the_torch_engine_gives_what_openvino_gives(resnet: Path) -> None:
    manifest = read_manifest(resnet)
    pixels = np.random.default_rng(0).integers(0, 256, (70, 64, 64, 3), dtype=np.uint8)
    ours = open_engine(resnet, manifest, engine="openvino", threads=1, gpu=None).run(pixels).logits
    theirs = open_engine(resnet, manifest, engine="torch", threads=2, gpu=None).run(pixels).logits
    assert ours.shape == theirs.shape == (70, 3)
    np.testing.assert_allclose(ours, theirs, atol=2e-3 if not torch.cuda.is_available() else 0.1)


def test_the_torch_engine_refuses_weights_of_another_network(resnet: Path, tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(1)}, tmp_path / WEIGHTS)
    with pytest.raises(ArtifactError, match="cannot be loaded into resnet18"):
        open_engine(tmp_path, read_manifest(resnet), engine="torch", threads=1, gpu=None)


def test_openvino_gives_the_feature_map_when_asked(tiny: Path) -> None:
    engine = open_engine(tiny / "model", read_manifest(tiny / "model"), engine="openvino", threads=1, gpu=None)
    with torch.no_grad():
        logits, features = tiny_network()(torch.from_numpy(PIXELS))
    outputs = engine.run(PIXELS, features=True)
    assert outputs.features is not None
    np.testing.assert_allclose(outputs.logits, logits.numpy(), atol=1e-3)
    np.testing.assert_allclose(outputs.features, features.numpy(), atol=1e-3)
    assert engine.run(PIXELS).features is None


@pytest.mark.parametrize(
    ("tail", "network"),
    [
        (
            ("avgpool", "linear:one"),
            lambda x, w: torch.nn.functional.linear(x.mean((2, 3)), w["one.weight"], w["one.bias"]),
        ),
        (
            ("relu", "avgpool", "linear:one"),
            lambda x, w: torch.nn.functional.linear(x.relu().mean((2, 3)), w["one.weight"], w["one.bias"]),
        ),
        (
            ("flatten", "linear:flat", "relu", "linear:two"),
            lambda x, w: torch.nn.functional.linear(
                torch.nn.functional.linear(x.flatten(1), w["flat.weight"], w["flat.bias"]).relu(),
                w["two.weight"],
                w["two.bias"],
            ),
        ),
    ],
)
def test_the_gradient_is_torch_s_to_the_last_digits(tail: tuple[str, ...], network: object) -> None:
    generator = torch.Generator().manual_seed(7)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    weights = {
        "one.weight": drawn(4, 6),
        "one.bias": drawn(4),
        "flat.weight": drawn(5, 6 * 3 * 2),
        "flat.bias": drawn(5),
        "two.weight": drawn(4, 5),
        "two.bias": drawn(4),
    }
    features = drawn(1, 6, 3, 2).requires_grad_()
    logits = network(features, weights)  # type: ignore[operator]
    arrays = {name: value.numpy() for name, value in weights.items()}
    np.testing.assert_allclose(
        explanation.replay(features.detach().numpy()[0], tail, arrays), logits.detach().numpy()[0], rtol=1e-5, atol=1e-5
    )
    for index in range(4):
        (gradient,) = torch.autograd.grad(logits[0, index], features, retain_graph=True)
        ours = explanation.tail_gradient(features.detach().numpy()[0], tail, arrays, index)
        np.testing.assert_allclose(ours, gradient.numpy()[0], rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            weighted = (gradient.mean((2, 3), keepdim=True) * features).sum(1).relu()[0].numpy()
        heat = explanation.gradcam(features.detach().numpy()[0], tail, arrays, index)
        np.testing.assert_allclose(heat, weighted / (weighted.max() or 1), rtol=1e-4, atol=1e-5)


def test_occlusion_finds_the_only_part_that_matters() -> None:
    class Corner:
        name = "corner"

        def run(self, pixels: np.ndarray, *, features: bool = False) -> object:
            from container.serve.engines import Outputs

            part = pixels[:, :8, :8].mean(axis=(1, 2, 3), dtype=np.float32)
            return Outputs(np.stack([part, np.zeros_like(part)], axis=1))

    image = np.full((32, 32, 3), 255, np.uint8)
    heat = explanation.occlusion(Corner(), image, 0, IMAGENET_MEAN)  # type: ignore[arg-type]
    assert heat.max() == 1
    assert heat[:2, :2].mean() > 0.3
    assert heat[4:, 4:].max() == 0


def test_without_a_tail_an_explanation_uses_occlusion(tmp_path: Path) -> None:
    from container.serve import pipeline
    from tests.serve.test_pipeline import SETTINGS

    artifacts.tiny(tmp_path, tail=False)
    assert read_manifest(tmp_path).explanation == Explanation(())
    served = pipeline.load(tmp_path, SETTINGS)
    model = served._model
    outputs = model.engine.run(PIXELS[:1], features=True)
    (told,) = explanation.explain(model, PIXELS[:1], outputs.logits, outputs.features, "gradcam")
    assert told["method"] == "occlusion"


def test_nothing_is_reported_home_by_importing_the_engine() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import container.serve.engines.openvino_engine; import openvino;"
        "print(sys.modules['openvino_telemetry'], [m for m in sys.modules if 'telemetry.' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("None ")
    assert "openvino_telemetry." not in done.stdout
