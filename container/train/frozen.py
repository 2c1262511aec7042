"""A body that no job changes: what tells it from others, and its form for OpenVINO, made at most once a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from container.common.images import Pixels
from container.network import Network
from container.train import conversion
from container.train.digests import digest_of
from container.train.tail import FeatureMap, last_feature_map


class FrozenBody:
    """The body of ``network``, which is at its first weights and stays there.

    ``digest`` stands for everything that shapes a feature inside the network: frozen weights and normalization.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._converted: tuple[FeatureMap | None, Any] | None = None
        # By its number of threads.
        self._runners: dict[int, conversion.Runner] = {}
        head, normalize = network.head_path + ".", network.normalize
        tensors = {k: v for k, v in network.net.state_dict().items() if not k.startswith(head)}
        self.digest = digest_of(tensors | {"normalize.scale": normalize.scale, "normalize.shift": normalize.shift})

    def converted(self, images: Pixels) -> tuple[FeatureMap | None, Any]:
        """The last feature map and the OpenVINO model of a network that is on the CPU; a few ``images`` to follow."""
        if self._converted is None:
            self._converted = converted(self._network, images)
        return self._converted

    def runner(self, images: Pixels) -> conversion.Runner:
        """What computes features on a CPU, with as many threads as torch would take.

        A third quicker than torch for a ResNet50, three times as quick for a MobileNetV2, and just what the exported
        model computes. Raises ArtifactError where it does not give the network's own features for ``images``.
        """
        threads = torch.get_num_threads()
        if threads not in self._runners:
            found = conversion.Runner(self.converted(images)[1], threads=threads)
            with torch.no_grad():
                expected = self._network.features(torch.from_numpy(images)).numpy()
            conversion.check_equal(found(images), expected, "features")
            self._runners[threads] = found
        return self._runners[threads]


def converted(network: Network, images: Pixels) -> tuple[FeatureMap | None, Any]:
    """The last feature map of ``network``, in evaluation mode on the CPU, and its body as an OpenVINO model."""
    example = torch.from_numpy(np.ascontiguousarray(images[:2]))
    feature_map = last_feature_map(network, example)
    return feature_map, conversion.convert(network, feature_map, example)
