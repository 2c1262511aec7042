"""A stand-in for the training container's `train`: a second of work, every way of ending."""

import json
import os
import signal
import sys
import time
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
hyperparameters = json.loads((base / "input/config/hyperparameters.json").read_text())
host = json.loads((base / "input/config/resourceconfig.json").read_text())["current_host"]
mode = os.environ.get("FAKE_MODE", "complete")


def on_term(_number: int, _frame: object) -> None:
    if host == os.environ.get("FAKE_SLOW_HOST"):
        time.sleep(1)
    (base / "checkpoints" / "last").write_text("terminated")
    print("terminated", flush=True)
    sys.exit(1)


if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, on_term)
for variable, file in (("FAKE_RULES", "rules.json"), ("FAKE_PROFILE_RULES", "profile/rules.json")):
    if variable in os.environ:
        (base / "output/data" / file).parent.mkdir(parents=True, exist_ok=True)
        (base / "output/data" / file).write_text(os.environ[variable])
for name in ("debughookconfig.json", "tensorboardoutputconfig.json"):
    config = base / "input/config" / name
    if config.exists():
        # A container sees the folder elsewhere than this process, which stands in for one.
        folder = Path(json.loads(config.read_text())["LocalPath"])
        if folder.is_dir():
            (folder / "written").write_text(name)
channels = sorted(p.name for p in (base / "input/data").iterdir())
print(f"channels {' '.join(channels)}", flush=True)
for epoch in range(1, 3):
    print(f"progress stage=train round={epoch} rounds=2 done=10 total=10 rate=5.0 loss=0.5", flush=True)
    print(f"epoch={epoch} train:loss=0.5 validation:loss={1 / epoch:.4f} validation:accuracy=0.9", flush=True)
if mode in ("wait", "stubborn"):
    if os.environ.get("FAKE_CHILD"):
        import subprocess

        # A grandchild in a session of its own, as a server's or torchrun's workers may be.
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
        print(f"child {child.pid}", flush=True)
    print("waiting", flush=True)
    time.sleep(300)
if mode == "show":
    print("saw", json.dumps({name: os.environ.get(name) for name in ("TOKEN", "LINES", "DOCKER_HOST")}), flush=True)
if mode == "meet":
    print("meets at", os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT"), flush=True)
if mode == "lose":
    lost = base.parent / "algo-1/output/failure"
    if host == "algo-1":
        lost.write_text(os.environ["FAKE_LOSS"])
        sys.exit(1)
    # Its own reason comes after the others have noticed.
    while not lost.exists():
        time.sleep(0.05)
    time.sleep(1)
    mode = "fail"
if mode == "fail":
    (base / "output").mkdir(exist_ok=True)
    (base / "output/failure").write_text("The learning rate is too high; lower --lr.")
    sys.exit(1)
if mode == "blame":
    data = base / "input/data"
    (base / "output/failure").write_text(f"{data / 'train/a/1.jpg'} is no picture, {data / 'trainer'} is none.")
    sys.exit(1)
if mode == "crash":
    print("Segmentation fault, sort of", flush=True)
    print("and no end of line", end="", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "abort":
    print("Segmentation fault, sort of", flush=True)
    sys.exit(3)
if "FAKE_KEPT" in os.environ:
    print(os.environ["FAKE_KEPT"], flush=True)
print("test:loss=0.4 test:accuracy=0.95", flush=True)
manifest = {"precision": "int8", "inference_precision": "f32", "hyperparameters": hyperparameters}
(base / "model/manifest.json").write_text(json.dumps(manifest))
(base / "output/data/metrics.json").write_text("{}")
(base / "output/data/report.html").write_text("<p>The page of a job.</p>")
