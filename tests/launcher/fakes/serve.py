"""A stand-in for the serving container's `serve`: answers /ping and /invocations on loopback."""

import json
import os
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
if not (base / "model/manifest.json").is_file():
    print("Error: there is no manifest.json in the model", file=sys.stderr, flush=True)
    sys.exit(1)
if os.environ.get("FAKE_MODE") == "mute":
    time.sleep(300)

# With FAKE_MODE=together a batch's requests are answered once as many stand here as are to come at once.
together = threading.Barrier(int(os.environ.get("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "1")))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"die":
            os._exit(3)
        if body == b"wait":
            time.sleep(300)
        if body == b"fail":
            self.answer(500, {"error": {"code": "ModelError", "message": "The model is at a loss."}})
            return
        if os.environ.get("FAKE_MODE") == "together":
            together.wait(timeout=20)
        if body == b"bad":
            self.answer(400, {"error": {"code": "BadInput", "message": "These bytes are no image."}})
            return
        top = [{"label": "bee", "index": 1, "probability": 0.9}, {"label": "ant", "index": 0, "probability": 0.1}]
        seen = {"type": self.headers["Content-Type"], "options": self.headers["X-Amzn-SageMaker-Custom-Attributes"]}
        if body == b"batch":
            seen = {
                name: value
                for name, value in os.environ.items()
                if name.startswith(("SAGEMAKER_BATCH", "SAGEMAKER_MAX"))
            }
            seen |= {"type": self.headers["Content-Type"], "together": together.parties}
        if body == b"installer":
            seen = {"uv": shutil.which("uv"), "index": os.environ.get("UV_DEFAULT_INDEX")}
        if body == b"code":
            seen = {path.name: path.read_text() for path in (base / "model/code").rglob("*") if path.is_file()}
        self.answer(200, {"predictions": [{**top[0], "top_k": top, "seen": seen}]})

    def answer(self, status: int, document: object) -> None:
        payload = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, flush=True)


ThreadingHTTPServer((os.environ["SERVE_BIND_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
