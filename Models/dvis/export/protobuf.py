"""Just enough protocol buffers for two changes of ONNX files: dimensions of outputs, which PyTorch's exporter loses sight of, and
weights stored as float16."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import numpy as np

GRAPH, NODE, INITIALIZER, OUTPUT = 7, 1, 5, 12   # ModelProto.graph, GraphProto.node, initializer and output
DIMS, DATA_TYPE, NAME, RAW = 1, 2, 8, 9          # of TensorProto
FLOAT, HALF = 1, 10                              # TensorProto.FLOAT, FLOAT16
STORED_HALF = 256                                # values from which a tensor is worth a node more


def declare_outputs(path: Path, outputs: dict[str, list[int | str]]) -> None:
    """Rewrites the declared outputs of a model file: name -> dimensions, a string for a dynamic one."""
    model = b""
    for number, kind, value in fields(path.read_bytes()):
        if number == GRAPH:
            graph = b"".join(encode(*field) for field in fields(value) if field[0] != OUTPUT)
            value = graph + b"".join(encode(OUTPUT, 2, value_info(name, shape)) for name, shape in outputs.items())
        model += encode(number, kind, value)
    path.write_bytes(model)


def value_info(name: str, shape: list[int | str]) -> bytes:
    """ValueInfoProto of a float tensor."""
    dimensions = b"".join(encode(1, 2, encode(2, 2, size.encode()) if isinstance(size, str) else encode(1, 0, size)) for size in shape)
    tensor = encode(1, 0, FLOAT) + encode(2, 2, dimensions)
    return encode(1, 2, name.encode()) + encode(2, 2, encode(1, 2, tensor))


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of every field in order."""
    place = 0
    while place < len(data):
        key, place = read_varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = read_varint(data, place)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, place = read_varint(data, place)
            value, place = data[place:place + size], place + size
        yield key >> 3, kind, value


def encode(number: int, kind: int, value: int | bytes) -> bytes:
    """One field."""
    key = varint(number << 3 | kind)
    if kind == 0:
        return key + varint(value)
    return key + (varint(len(value)) if kind == 2 else b"") + value


def varint(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        shift, place = shift + 7, place + 1
        if data[place - 1] < 128:
            return value, place


def store_half(path: Path) -> None:
    """Rewrites a model file so that the constant float tensors that float16 holds exactly are stored so, each with a Cast to
    float32 behind it, which runtimes compute once when they load the file. What the graph computes stays the same."""
    model = b""
    for number, kind, value in fields(path.read_bytes()):
        if number == GRAPH:
            casts, rest = b"", b""
            for field in fields(value):
                half = _half(field[2]) if field[0] == INITIALIZER else None
                if half is not None:
                    casts += encode(NODE, 2, half[1])
                    field = (INITIALIZER, 2, half[0])
                rest += encode(*field)
            value = casts + rest
        model += encode(number, kind, value)
    path.write_bytes(model)


def _half(tensor: bytes) -> tuple[bytes, bytes] | None:
    """A TensorProto as float16 and the NodeProto that casts it back; None where that would lose or not save anything."""
    parts = list(fields(tensor))
    one = {number: value for number, _, value in parts}
    if one.get(DATA_TYPE) != FLOAT or RAW not in one or len(one[RAW]) < 4 * STORED_HALF:
        return None
    values = np.frombuffer(one[RAW], "<f4")
    with np.errstate(over="ignore"):
        short = values.astype("<f2")
    if not np.array_equal(short.astype("<f4"), values):
        return None
    name = one[NAME]
    changed = {DATA_TYPE: HALF, NAME: name + b".half", RAW: short.tobytes()}
    stored = b"".join(encode(number, kind, changed.get(number, value)) for number, kind, value in parts)
    to = encode(1, 2, b"to") + encode(3, 0, FLOAT) + encode(20, 0, 2)        # AttributeProto: name, i, type INT
    node = encode(1, 2, name + b".half") + encode(2, 2, name) + encode(3, 2, name + b".cast") + encode(4, 2, b"Cast")
    return stored, node + encode(5, 2, to)
