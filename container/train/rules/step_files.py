"""A step's tensors in smdebug's files: the bytes that its own writer makes of them, in a fraction of its time.

smdebug builds protocol buffers in pure Python (protobuf 3.20 has nothing faster for Python 3.11), and starts a thread
and opens two files while the training waits: 5 ms for a step of which only the loss is saved. Here a record is put
together by hand, and another process writes the files while the training goes on (``disk.py``).

disk = Disk()
writer = StepWriter(disk, Path("tensors"), step=12, worker="worker_0")
writer.write_tensor(values, "loss", mode=ModeKeys.TRAIN, mode_step=12)
writer.close()
disk.close()
"""

from __future__ import annotations

import json
import struct
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from smdebug.core.locations import IndexFileLocationUtils, TensorFileLocation
from smdebug.core.modes import MODE_PLUGIN_NAME, MODE_STEP_PLUGIN_NAME, ModeKeys
from smdebug.core.tfevent.proto.types_pb2 import DataType
from smdebug.core.tfevent.summary import make_numpy_array
from smdebug.core.tfevent.util import _NP_DATATYPE_TO_PROTO_DATATYPE
from smdebug.core.tfrecord.record_writer import CHECKSUM_MAGIC_BYTES, masked_crc32c

from container.train.rules.disk import Disk


class StepWriter:
    """What smdebug's hook takes for its ``FileWriter``, of one step."""

    def __init__(self, disk: Disk, folder: Path, *, step: int, worker: str) -> None:
        self._disk, self._folder, self._step, self._worker = disk, folder, step, worker
        self._records: list[bytes] = []
        self._tensors: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._meta: dict[str, Any] = {}
        self._length = 0

    def write_tensor(
        self, tdata: Any, tname: str, *, mode: ModeKeys, mode_step: int, timestamp: float | None = None
    ) -> None:
        """Keep ``tdata``, a number or an array of them, under the name ``tname``."""
        metadata = _metadata(mode.value, mode_step)
        event = _event(make_numpy_array(tdata), tname, self._step, timestamp or time.time(), metadata)
        record = b"".join((_header(len(event)), event, _FOOTER))
        self._tensors.append({"tensorname": tname, "start_idx": self._length, "length": len(record)})
        self._records.append(record)
        self._length += len(record)
        if "event_file_name" not in self._meta:
            location = TensorFileLocation(self._step, self._worker).get_file_location()
            self._meta = {"mode": mode.name, "mode_step": mode_step, "event_file_name": location}

    def write_shape(
        self, name: str, shape: tuple[int, ...], mode: ModeKeys, mode_step: int, original_name: str | None = None
    ) -> None:
        """Keep the shape of a tensor that is not saved itself."""
        self._shapes.append({"tensorname": name, "originalname": original_name or name, "shape": tuple(shape)})
        self._meta = self._meta or {"mode": mode.name, "mode_step": mode_step}

    def flush(self) -> None:
        """Nothing: a step's files appear when it is closed."""

    def close(self) -> None:
        """Have the step's files written. Raises what has kept an earlier step's from it."""
        if not self._meta:
            return
        index = {"meta": self._meta, "tensor_payload": self._tensors, "shape_payload": self._shapes}
        index_file = Path(IndexFileLocationUtils.get_index_key_for_step(str(self._folder), self._step, self._worker))
        files = {index_file: json.dumps(index).encode()}
        if name := self._meta.get("event_file_name"):
            # Whoever finds the index looks for what it names.
            files = {self._folder / name: b"".join(self._records), **files}
        self._disk.tell(files)


# What follows is the wire format (https://protobuf.dev/programming-guides/encoding) of TensorFlow's messages Event,
# Summary, SummaryMetadata and TensorProto, whose field numbers are in smdebug/core/tfevent/proto.


def _event(values: np.ndarray, name: str, step: int, wall_time: float, metadata: bytes) -> bytes:
    if values.dtype not in _TYPES:
        raise TypeError(f"tensors of {values.dtype} cannot be saved")
    tag = name.encode()
    dimensions = [_bytes(2, _number(1, size) + _bytes(2, tag + f"_{size}".encode())) for size in values.shape]
    tensor = (
        _TYPES[values.dtype] + _bytes(2, b"".join(dimensions)) + (_bytes(4, values.tobytes()) if values.size else b"")
    )
    value = _bytes(1, tag) + _bytes(8, tensor) + _bytes(9, metadata)
    return b"\x09" + struct.pack("<d", wall_time) + _number(2, step) + _bytes(5, _bytes(1, value))


def _metadata(mode: int, mode_step: int) -> bytes:
    plugins = ((MODE_STEP_PLUGIN_NAME, mode_step), (MODE_PLUGIN_NAME, mode))
    return b"".join(
        _bytes(1, _bytes(1, plugin.encode()) + _bytes(2, str(content).encode())) for plugin, content in plugins
    )


def _bytes(field: int, content: bytes) -> bytes:
    """A field of text, bytes or a message; ``field`` is below 16."""
    return bytes((field << 3 | 2,)) + _varint(len(content)) + content


def _number(field: int, number: int) -> bytes:
    """A field of a number, which is left out where it is 0."""
    return bytes((field << 3,)) + _varint(number) if number else b""


def _varint(number: int) -> bytes:
    """``number``, not negative, in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


@cache
def _header(length: int) -> bytes:
    packed = struct.pack("Q", length)
    return packed + struct.pack("I", masked_crc32c(packed))


# In place of a checksum of the record, as smdebug has it.
_FOOTER = struct.pack("I", masked_crc32c(CHECKSUM_MAGIC_BYTES))

_TYPES = {dtype: _number(1, DataType.Value(name)) for dtype, name in _NP_DATATYPE_TO_PROTO_DATATYPE.items()}
