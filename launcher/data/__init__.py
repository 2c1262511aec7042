"""Data sets on this machine: the generated demo set, and any folder turned into ImageFolder splits."""

from launcher.data.errors import DatasetError
from launcher.data.hands import generate as generate_fingers
from launcher.data.prepare import Prepared, prepare

__all__ = ["DatasetError", "Prepared", "generate_fingers", "prepare"]
