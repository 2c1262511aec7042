#!/usr/bin/env python3
"""Drive training, endpoints and predictions, in AWS or on this machine.

python launch.py demo
python launch.py train --local --preset demo --data demo-data
"""

from launcher.cli.root import root

if __name__ == "__main__":
    root(prog_name="launch.py")
