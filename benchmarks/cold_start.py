"""Cold starts under immediate load: the time to the first 200, and every request after it.

    python benchmarks/cold_start.py [--starts 20] [--image byoc-serve]

ResNet50 in int8. Clients ask without pause from before the server is started. What counts as failed is
any request begun after the first 200 of /ping that was not answered with 200. With ``--image`` the
server is a container of that image, else a process.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from container.serve import samples  # noqa: E402
from tests.serve import artifacts  # noqa: E402
from tests.serve.running import Serving, ask, free_port  # noqa: E402

CLIENTS = 4
LOADED_SECONDS = 2.0


@contextlib.contextmanager
def process(base: Path) -> Iterator[int]:
    """The server as a process; its port."""
    one = Serving(base, base / "serve.log")
    try:
        yield one.port
    finally:
        one.end()


@contextlib.contextmanager
def container(image: str, base: Path) -> Iterator[int]:
    """The server as a container; its port."""
    port = free_port()
    command = [
        "docker",
        "run",
        "-d",
        "-p",
        f"127.0.0.1:{port}:8080",
        "-v",
        f"{base}/model:/opt/ml/model:ro",
        image,
        "serve",
    ]
    began = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield port
    finally:
        subprocess.run(["docker", "rm", "-f", began], check=True, capture_output=True)


def start_once(begin: Callable[[], contextlib.AbstractContextManager[int]], body: bytes) -> tuple[float, int, int]:
    """(seconds to the first 200, requests after it, those of them that failed)."""
    ports: list[int] = []
    seen: list[tuple[float, int]] = []
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            at = time.monotonic()
            try:
                status = ask(ports[0], "POST", "/invocations", body, Content_Type="image/jpeg").status if ports else 0
            except OSError:
                status = 0
            seen.append((at, status))
            if not ports or status == 0:
                time.sleep(0.005)

    clients = [threading.Thread(target=hammer) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    began = time.monotonic()
    try:
        with begin() as port:
            ports.append(port)
            first = _first_answer(port, began)
            time.sleep(LOADED_SECONDS)
            stop.set()
            for client in clients:
                client.join()
    finally:
        stop.set()
    after = [status for at, status in seen if at >= first]
    return first - began, len(after), sum(status != 200 for status in after)


def _first_answer(port: int, began: float) -> float:
    while time.monotonic() < began + 60:
        try:
            if ask(port, "GET", "/ping", timeout=10).status == 200:
                return time.monotonic()
        except OSError:
            time.sleep(0.005)
    raise TimeoutError("no answer to /ping within 60 s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Cold starts under immediate load")
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--image", help="run this image instead of a process")
    options = parser.parse_args()
    body = samples.jpeg()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        artifacts.resnet50(base / "model")
        begin = (lambda: container(options.image, base)) if options.image else (lambda: process(base))
        results = [start_once(begin, body) for _ in range(options.starts)]
    times = sorted(seconds for seconds, _, _ in results)
    what = f"docker run {options.image}" if options.image else "process"
    print(f"{len(results)} cold starts ({what}), ResNet50 int8, {CLIENTS} clients from before the start")
    print(f"first /ping 200 after     median {statistics.median(times):.2f} s, worst {times[-1]:.2f} s")
    print(f"requests after it         {sum(count for _, count, _ in results)}")
    print(f"of them failed            {sum(failed for _, _, failed in results)}")


if __name__ == "__main__":
    main()
