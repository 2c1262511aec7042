"""The neural network itself: a torchvision architecture with our normalization before it and our head on it.

Needs torch. Training builds it; the serving image's torch engine rebuilds it from an artifact.

    network = build(Design("resnet50", head=(256,), dropout=(0.2,), class_count=12))
    network(torch.zeros(1, 224, 224, 3, dtype=torch.uint8)).shape        # (1, 12): raw logits
"""

from container.network.design import Design, build, from_artifact
from container.network.modules import Head, Network, Normalize

__all__ = ["Design", "Head", "Network", "Normalize", "build", "from_artifact"]
