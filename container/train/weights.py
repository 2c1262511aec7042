"""Pretrained weights: torchvision's, a channel's, or none; never another than was asked for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from torch import Tensor, nn

from container.common.channels import WEIGHTS, weights_files
from container.common.errors import THREE_WAYS, WeightsError, first_line
from container.network import Design, Network, build
from container.network.design import architectures, blank
from container.train import storage

State = dict[str, Tensor]

# resnet50-11ad3fa6.pth
_DIGEST = re.compile(r"-([0-9a-f]{8,})\.")

# Older torchvision files of DenseNet write norm.1 where the module is called norm1.
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$")


def network_with_weights(design: Design, source: str, data: Path) -> tuple[Network, str]:
    """The network of ``design`` with weights from ``source`` (imagenet | channel | none).

    ``data`` is the folder of channels. Answers the network and a sentence on where its weights came
    from. Raises WeightsError when they cannot be had or do not fit.
    """
    if source == "imagenet":
        net = _imagenet(design)
        return build(design, lambda: net), f"weights: torchvision's ImageNet weights for {design.architecture}"
    if source == "channel":
        path = _channel_file(data / WEIGHTS)
        state = _read(path)
        network = build(design)
        kept = _load(network, state, path, design)
        note = "classifier included" if kept else "classifier left out: its shape is another"
        return network, f"weights: {path.name} of the weights channel ({note})"
    return build(design), "weights: none, the network starts from random values"


def _imagenet(design: Design) -> nn.Module:
    import torchvision

    if design.architecture not in architectures():
        blank(design.architecture)  # says what is wrong with the name
    weights = torchvision.models.get_model_weights(design.architecture).DEFAULT
    # Position embeddings, and attention over a fixed grid, are of one size.
    fixed = design.architecture.startswith(("vit_", "maxvit_"))
    size = weights.meta["min_size"][0] if fixed else design.image_size
    if size != design.image_size:
        raise WeightsError(
            f"The ImageNet weights of {design.architecture} are for image-size {size}, not {design.image_size}; "
            f"set image-size={size}."
        )
    try:
        state = storage.load(_published(weights.url))
        if design.architecture.startswith("densenet"):
            state = _renamed(state)
        net = blank(design.architecture, size)
        net.load_state_dict(state)
    except (URLError, OSError, RuntimeError, ValueError) as exc:
        cause = getattr(exc, "reason", exc)
        reason = getattr(cause, "strerror", None) or first_line(cause)
        raise WeightsError(
            f"ImageNet weights for {design.architecture} cannot be had ({reason}); {THREE_WAYS}."
        ) from exc
    return net


def _published(url: str) -> Path:
    """torchvision's file, of torch's folder or downloaded into it; its name holds the start of its SHA-256."""
    from torch import hub

    path = Path(hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    told = _DIGEST.search(path.name)
    prefix = told.group(1) if told else ""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(url, str(path), prefix or None, progress=False)
        return path
    with path.open("rb") as file:
        if not hashlib.file_digest(file, "sha256").hexdigest().startswith(prefix):
            raise WeightsError(
                f"{path} is damaged: its SHA-256 does not begin with {prefix}, as its name says; delete the file, and "
                "it is downloaded again."
            )
    return path


def _renamed(state: State) -> State:
    return {_OLD_DENSENET.sub(r"\1\2", str(k).removeprefix("module.")): v for k, v in state.items()}


def _channel_file(folder: Path) -> Path:
    found = weights_files(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"{folder} holds none" if folder.is_dir() else "there is no such channel"
        raise WeightsError(
            f"weights=channel needs a .pth or .safetensors file in the 'weights' channel, and {what}; {THREE_WAYS}."
        )
    raise WeightsError(
        f"The weights channel holds {len(found)} files ({found[0].name}, {found[1].name}, …); leave one of them."
    )


def _read(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        raw = load_file(path) if path.suffix == ".safetensors" else storage.load(path)
    except (OSError, SafetensorError, ValueError) as exc:
        raise WeightsError(
            f"{path} cannot be read as weights ({first_line(exc)}); give a state_dict of torch or safetensors."
        ) from exc
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(raw, dict) and isinstance(raw.get(wrapper), dict):
            raw = raw[wrapper]
    if not isinstance(raw, dict) or not raw or not all(isinstance(v, Tensor) for v in raw.values()):
        raise WeightsError(f"{path} holds no state_dict; save one with torch.save(model.state_dict(), …).")
    return _renamed(raw)


def _load(network: Network, state: State, path: Path, design: Design) -> bool:
    """Load ``state`` into ``network``: strict but for the classifier; whether that was loaded too."""
    own = network.net.state_dict()
    head = network.head_path + "."
    body = {k for k in own if not k.startswith(head)}
    wrong = [k for k in body if k in state and state[k].shape != own[k].shape]
    missing = [k for k in body if k not in state and not k.endswith("num_batches_tracked")]
    foreign = [k for k in state if k not in own and not k.startswith(head)]
    if foreign:
        # A second network is made only where there may be a reason to: layers that our head replaced are no strangers.
        original = set(blank(design.architecture, design.image_size).state_dict())
        foreign = [k for k in foreign if k not in original]
    if wrong or missing or foreign:
        examples = [f"{k} has another shape" for k in wrong] + [f"{k} is missing" for k in missing]
        examples += [f"{k} is unknown" for k in foreign]
        raise WeightsError(
            f"{path.name} does not fit {design.architecture}: {', '.join(examples[:3])}"
            f"{', …' if len(examples) > 3 else ''}; give weights of that architecture, or set model to theirs."
        )
    classifier = _classifier(own, state, network.head_path)
    network.net.load_state_dict({**own, **{k: v for k, v in state.items() if k in body}, **classifier})
    return bool(classifier)


def _classifier(own: State, state: State, path: str) -> State:
    """What of ``state`` fits the head: our own head's layers, or torchvision's single linear layer."""
    keys = [k for k in own if k.startswith(path + ".")]
    single = {f"{path}.linear0.weight": f"{path}.weight", f"{path}.linear0.bias": f"{path}.bias"}
    for names in ({k: k for k in keys}, single):
        if set(names) == set(keys) and all(n in state and state[n].shape == own[k].shape for k, n in names.items()):
            return {k: state[n] for k, n in names.items()}
    return {}
