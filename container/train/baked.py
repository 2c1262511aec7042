"""Used while the image is built: fetch torchvision's ImageNet weights into TORCH_HOME.

python baked.py resnet50,vgg16      # nothing for an empty list
"""

from __future__ import annotations

import sys


def bake(names: list[str]) -> None:
    """Download the default weights of each named classifier; the hash in the file's name is checked."""
    from torchvision import models

    for name in names:
        weights = models.get_model_weights(name).DEFAULT
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        sys.stdout.write(f"baked {name}: {weights}\n")


if __name__ == "__main__":
    bake([name.strip() for name in sys.argv[1].split(",") if name.strip()])
