"""A stand-in for the docker client: notes what it was asked, runs "containers" as processes.

FAKE_DOCKER names the folder where it keeps its containers (a file each, holding a pid), the calls made
(calls.txt) and images (image files, each holding the label).
"""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

home = Path(os.environ["FAKE_DOCKER"])
arguments = sys.argv[1:]
with (home / "calls.txt").open("a") as calls:
    calls.write(json.dumps(arguments) + "\n")
verb = arguments[0]


def value(flag: str, default: str = "") -> str:
    return arguments[arguments.index(flag) + 1] if flag in arguments else default


def container(name: str) -> Path:
    return home / f"container-{name}"


def end(name: str, number: int) -> None:
    place = container(name)
    if place.exists():
        try:
            os.kill(int(place.read_text()), number)
        except ProcessLookupError:
            place.unlink(missing_ok=True)


if verb == "info":
    if (home / "down").exists():
        print("Cannot connect to the Docker daemon. Is it running?", file=sys.stderr)
        sys.exit(1)
elif verb == "version":
    print("20.10.24")
elif verb == "build":
    (home / f"image-{value('--tag')}").write_text(value("--label").partition("=")[2])
    print("built")
elif verb == "image":
    place = home / f"image-{arguments[-1]}"
    if not place.exists():
        sys.exit(1)
    print(place.read_text())
elif verb == "network":
    pass
elif verb == "port":
    print(f"127.0.0.1:{(home / 'port').read_text()}")
elif verb == "kill":
    for name in arguments[3:]:
        end(name, signal.SIGTERM)
elif verb == "rm":
    for name in arguments[3:]:
        end(name, signal.SIGKILL)
elif verb == "run" and value("--entrypoint") == "chown":
    pass  # only root could; the call is noted
elif verb == "run":
    rows = csv.reader(arguments[i + 1] for i, word in enumerate(arguments) if word == "--mount")
    mounts = [dict(word.partition("=")[::2] for word in row) for row in rows]
    base = next(mount["source"] for mount in mounts if mount["target"] == "/opt/ml")
    role = arguments[-1]
    given = dict(line.partition("=")[::2] for line in Path(value("--env-file")).read_text().splitlines())
    given |= {name: os.environ[name] for i, name in enumerate(arguments) if arguments[i - 1] == "--env"}
    # Of the client's own environment a container has nothing; the engine folder is the stand-in's own need.
    environment = {"PATH": os.environ["PATH"], "FAKE_DOCKER": str(home), **given,
                   "SAGEMAKER_BASE_DIR": base, "SERVE_BIND_HOST": "127.0.0.1"}  # fmt: skip
    if role == "serve":
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            environment["SAGEMAKER_BIND_TO_PORT"] = str(probe.getsockname()[1])
        # Whole or not at all: `port` may be asked for at any moment.
        (home / "port.partial").write_text(environment["SAGEMAKER_BIND_TO_PORT"])
        (home / "port.partial").replace(home / "port")
    script = Path(__file__).with_name(f"{role}.py")
    # The engine, not the client, is a container's parent.
    inside = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    container(value("--name")).write_text(str(inside.pid))
    status = inside.wait()
    container(value("--name")).unlink(missing_ok=True)
    sys.exit(status if status >= 0 else 128 - status)
else:
    print(f"unknown verb {verb}", file=sys.stderr)
    sys.exit(1)
