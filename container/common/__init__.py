"""The contracts shared by training, serving and the launcher.

Standard library and numpy only at import time; no torch, no OpenVINO.
"""
