"""A stand-in for the serving container's `serve`: answers /ping and /invocations on loopback."""

import json
import os
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
if not (base / "model/manifest.json").is_file():
    print("Error: there is no manifest.json in the model", file=sys.stderr, flush=True)
    sys.exit(1)
if os.environ.get("FAKE_MODE") == "mute":
    import time

    time.sleep(300)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"die":
            os._exit(3)
        if body == b"bad":
            self.answer(400, {"error": {"code": "BadInput", "message": "These bytes are no image."}})
            return
        top = [{"label": "bee", "index": 1, "probability": 0.9}, {"label": "ant", "index": 0, "probability": 0.1}]
        seen = {"type": self.headers["Content-Type"], "options": self.headers["X-Amzn-SageMaker-Custom-Attributes"]}
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
