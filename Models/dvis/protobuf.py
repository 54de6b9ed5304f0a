"""Just enough protocol buffers to declare the dimensions of an ONNX graph's outputs, which PyTorch's exporter loses sight of."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import numpy as np

GRAPH, INITIALIZER, OUTPUT = 7, 5, 12   # ModelProto.graph, GraphProto.initializer, GraphProto.output
FLOAT = 1                    # TensorProto.FLOAT


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


def initializers(path: Path) -> list[np.ndarray]:
    """The constant float tensors of a model file's graph, in order."""
    graph = next(value for number, _, value in fields(path.read_bytes()) if number == GRAPH)
    found = []
    for number, _, value in fields(graph):
        if number == INITIALIZER:
            parts = list(fields(value))
            if next((part for number, _, part in parts if number == 2), 0) == FLOAT:
                raw = next(part for number, _, part in parts if number == 9)
                found.append(np.frombuffer(raw, "<f4").reshape([part for number, _, part in parts if number == 1]))
    return found
