"""Serving ResNet50: our handler beside the stock sagemaker-inference handler, behind the same model server.

    python benchmarks/serving.py [--requests 60] [--rounds 5] [--throughput]

One picture of 640 × 427 pixels, posted as JPEG over loopback on a connection that stays open. The
servers run beside each other, all idle but the one that is asked; they are asked in turn, round after
round, so that what else the machine does falls on all alike. A figure is the median of the rounds'.

The peer is what the toolkit's documentation shows: DefaultHandlerService with an inference.py of
torchvision's ResNet50 in fp32, eager, and Pillow preprocessing. It runs twice: as it comes (the model
server gives a worker OMP_NUM_THREADS=1), and with as many threads as there are cores.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from container.serve import server  # noqa: E402
from container.serve.settings import cores  # noqa: E402
from tests.serve import artifacts  # noqa: E402
from tests.serve.running import Serving, until  # noqa: E402

STOCK = """
import io
import json

import torch
import torchvision
from PIL import Image
from torchvision import transforms

prepare = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])


def model_fn(model_dir):
    torch.manual_seed(0)
    return torchvision.models.resnet50(weights=None).eval()


def input_fn(data, content_type):
    return prepare(Image.open(io.BytesIO(data)).convert("RGB")).unsqueeze(0)


def predict_fn(data, model):
    with torch.inference_mode():
        return torch.softmax(model(data), 1)


def output_fn(prediction, accept):
    values, indices = prediction.topk(5)
    return json.dumps({"probabilities": values[0].tolist(), "classes": indices[0].tolist()})
"""


def photograph() -> bytes:
    """A JPEG of 640 × 427 with as much detail as a photograph has: about 90 KiB."""
    rng = np.random.default_rng(0)
    picture = Image.new("RGB", (640, 427), (128, 128, 128))
    for cells in (8, 40, 200):
        shape = (max(1, cells * 427 // 640), cells, 3)
        layer = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).resize(
            (640, 427), Image.Resampling.BICUBIC
        )
        picture = Image.blend(picture, layer, 0.4)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()


@dataclass
class Target:
    """A server under test and the times it took, in milliseconds, a list a round."""

    name: str
    port: int
    rounds: list[list[float]]

    def measure(self, body: bytes, requests: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        times = []
        for number in range(requests + 3):
            began = time.perf_counter()
            connection.request("POST", "/invocations", body, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.name} answered {answer.status}")
            if number >= 3:
                times.append((time.perf_counter() - began) * 1000)
        connection.close()
        self.rounds.append(times)

    def quantile(self, part: float) -> float:
        """The median of the rounds' quantiles."""
        return statistics.median(sorted(r)[int(len(r) * part)] for r in self.rounds)


def _low_port() -> int:
    """A free port that the model server takes: it refuses those from 32767 on."""
    while port := random.randrange(20_000, 32_000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextlib.contextmanager
def stock(folder: Path, threads: int | None) -> Iterator[int]:
    """The toolkit's own handler in the same model server, alone on a private port; the port."""
    port = _low_port()
    (folder / "model" / "code").mkdir(parents=True)
    (folder / "model" / "code" / "inference.py").write_text(STOCK)
    properties = {
        "inference_address": f"http://127.0.0.1:{port}",
        "management_address": f"http://127.0.0.1:{_low_port()}",
        "default_service_handler": "sagemaker_inference.default_handler_service",
        "default_workers_per_model": 1,
        "enable_envvars_config": "true",
        "decode_input_request": "false",
    }
    (folder / "config.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
    (folder / "log4j2.xml").write_text(server._LOG)
    spec = Path(sys.prefix) / "lib" / "python3.11" / "site-packages"
    command = [
        str(server.find_java()),
        f"-Dmodel_server_home={spec}",
        f"-Dlog4j.configurationFile=file://{folder}/log4j2.xml",
        f"-Djava.io.tmpdir={folder}",
        "-cp",
        f"{spec}/mms/frontend/*",
        "com.amazonaws.ml.mms.ModelServer",
        *("--python", sys.executable, "-f", f"{folder}/config.properties", "-s", "/"),
        *("-m", f"model={folder}/model"),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "model" / "code"),
        "SAGEMAKER_BASE_DIR": str(folder),
        **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield port
    finally:
        server.stop(process)


def throughput(port: int, body: bytes, clients: int, seconds: float) -> tuple[float, float]:
    """Images a second with ``clients`` asking without pause, and the p95 in milliseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def ask() -> None:
        one = Target("", port, [])
        while time.perf_counter() < end:
            one.measure(body, 5)
        times.extend(t for r in one.rounds for t in r)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Three requests of each eight are for warming up, and count for the rate all the same.
    return len(times) * 8 / 5 / (time.perf_counter() - began), sorted(times)[int(len(times) * 0.95)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Serving ResNet50 beside the stock handler")
    parser.add_argument("--requests", type=int, default=40, help="requests a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8, help="length of the throughput runs")
    options = parser.parse_args()
    body = photograph()
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        targets = []
        for precision in ("int8", "bf16", "fp32"):
            artifacts.resnet50(base / precision / "model", precision=precision)
            one = Serving(base / precision, base / f"{precision}.log")
            stack.callback(one.kill)
            targets.append(Target(f"ours, {precision}", one.ready().port, []))
        for name, threads in (("stock, torch eager fp32", None), (f"stock, with {cores()} threads", cores())):
            folder = base / f"stock{threads or ''}"
            port = stack.enter_context(stock(folder, threads))
            target = Target(name, port, [])
            until(lambda target=target: _answers(target, body), 60)
            targets.append(target)
        for target in targets:
            target.rounds.clear()
        for _ in range(options.rounds):
            for target in targets:
                target.measure(body, options.requests)
        _table(targets, len(body))
        print(f"\n{'throughput':<28}{'clients':>8}{'images/s':>10}{'p95 ms':>9}")
        for mode in ("latency", "throughput"):
            one = Serving(base / "int8", base / f"{mode}.log", SERVE_MODE=mode)
            stack.callback(one.kill)
            for clients in (1, 2, 4, 8):
                rate, p95 = throughput(one.ready().port, body, clients, options.seconds)
                print(f"{'ours, int8, ' + mode:<28}{clients:>8}{rate:>10.1f}{p95:>9.1f}")
            one.end()
        for target in targets[3:4]:
            rate, p95 = throughput(target.port, body, 4, options.seconds)
            print(f"{target.name:<28}{4:>8}{rate:>10.1f}{p95:>9.1f}")


def _answers(target: Target, body: bytes) -> bool:
    try:
        target.measure(body, 1)
    except (OSError, RuntimeError, http.client.HTTPException):
        return False
    return True


def _table(targets: list[Target], size: int) -> None:
    best = targets[0].quantile(0.5)
    print(f"ResNet50, {cores()} cores, one JPEG of 640 × 427 ({size // 1024} KiB), one client, milliseconds")
    print(f"{'':<28}{'p50':>8}{'p95':>8}{'ratio':>8}")
    for target in targets:
        p50 = target.quantile(0.5)
        print(f"{target.name:<28}{p50:>8.1f}{target.quantile(0.95):>8.1f}{p50 / best:>8.2f}")


if __name__ == "__main__":
    main()
