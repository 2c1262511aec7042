"""Data sets on this machine: generated ones, and any known layout turned into ImageFolder splits."""

from launcher.data.breeds import generate as generate_dogs
from launcher.data.errors import DatasetError
from launcher.data.hands import generate as generate_fingers
from launcher.data.prepare import Prepared, prepare
from launcher.data.samples import Choice
from launcher.data.shelves import generate as generate_bins

__all__ = ["Choice", "DatasetError", "Prepared", "generate_bins", "generate_dogs", "generate_fingers", "prepare"]
