"""ONNX files: declared output shapes, and weights stored as float16.

Needs the `onnx` package (Debian: python3-onnx).
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STORED_HALF = 256    # values from which a float16 tensor is worth one more node
REFERENCE = ("Inputs and PyTorch's answers of the graphs: little-endian float32, "
             "offsets in bytes into reference.bin.")


def declare_outputs(model: onnx.ModelProto, outputs: dict[str, list[int | str]]) -> None:
    """Declares the outputs, whose dimensions PyTorch's exporter loses: name -> dimensions.

    A string is the name of a dynamic dimension."""
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                              for name, shape in outputs.items())


def save_reference(folder: Path, tensors: Iterable[tuple[dict, np.ndarray]]) -> None:
    """Writes reference.json and reference.bin: the entry and the values of each tensor."""
    entries, parts, place = [], [], 0
    for entry, values in tensors:
        entries.append({**entry, "shape": list(values.shape), "offset": place})
        parts.append(np.ascontiguousarray(values, "<f4").tobytes())
        place += len(parts[-1])
    (folder / "reference.bin").write_bytes(b"".join(parts))
    index = {"about": REFERENCE, "tensors": entries}
    (folder / "reference.json").write_text(json.dumps(index, indent=1) + "\n")


def store_half(model: onnx.ModelProto) -> None:
    """Stores the constant float32 tensors that float16 holds exactly as float16.

    Each gets a Cast to float32, which runtimes compute once when they load the file. What the
    graph computes stays the same."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < STORED_HALF:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.array_equal(half, values):
            name, stored = tensor.name, f"{tensor.name}.half"
            casts.append(helper.make_node("Cast", [stored], [name], name=f"{name}.cast",
                                          to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(half, stored))
    nodes = onnx.GraphProto(node=[*casts, *model.graph.node]).node
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def load(path: Path) -> onnx.ModelProto:
    """A model file; weights stored as float16 behind a Cast become float32 constants."""
    model = onnx.load(str(path))
    stored = {tensor.name: tensor for tensor in model.graph.initializer
              if tensor.data_type == TensorProto.FLOAT16}
    casts = [node for node in model.graph.node if node.op_type == "Cast"
             and node.input[0] in stored and node.attribute[0].i == TensorProto.FLOAT]
    for node in casts:
        tensor = stored[node.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    return model
