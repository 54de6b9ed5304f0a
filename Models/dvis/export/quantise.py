"""Graphs of fewer bits: float16, and eight-bit integers in QuantizeLinear / DequantizeLinear pairs.

Inputs and outputs stay float32. Needs the `onnx` package (Debian: python3-onnx).
"""
from __future__ import annotations

import re
from typing import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# A quarter of what half precision holds: room for other images.
HALF_LIMIT = 16384.0
COMPUTED_IN_HALF = {"Conv", "MatMul", "Gemm"}
FOLLOWS_ITS_INPUTS = {"Relu", "MaxPool", "Add", "Mul", "Reshape", "Transpose", "Concat", "Slice",
                      "Squeeze", "Unsqueeze", "Flatten", "Split", "Identity"}
# ONNX Runtime computes them in eight bits.
CARRIERS = {"Add", "Concat", "MaxPool", "AveragePool", "LeakyRelu", "Resize"}
# The other inputs are integers.
FIRST_INPUT_ONLY = {"Reshape", "Slice", "Squeeze", "Unsqueeze", "Split"}


class Graph:
    """ONNX graph with the look-ups that the two conversions need."""

    def __init__(self, model: onnx.ModelProto):
        self.model, self.graph = model, model.graph
        constants = {tensor.name: tensor for tensor in self.graph.initializer}
        for node in self.graph.node:  # the exporter shares equal weights through Identity nodes
            if node.op_type == "Identity" and node.input[0] in constants:
                constants[node.output[0]] = constants[node.input[0]]
            elif node.op_type == "Constant":
                value = numpy_helper.to_array(node.attribute[0].t)
                constants[node.output[0]] = numpy_helper.from_array(value, node.output[0])
        self.constants = constants
        self.inputs = {value.name for value in self.graph.input}
        self.outputs = {value.name for value in self.graph.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def weight(self, name: str) -> np.ndarray | None:
        """float32 constant of this name, or None."""
        tensor = self.constants.get(name)
        if tensor is None or tensor.data_type != TensorProto.FLOAT:
            return None
        return numpy_helper.to_array(tensor)

    def after_relu(self, name: str) -> str:
        """Output of the Relu that alone reads this tensor, otherwise the tensor itself."""
        readers = self.consumers.get(name, [])
        alone = name not in self.outputs and len(readers) == 1
        return readers[0].output[0] if alone and readers[0].op_type == "Relu" else name

    def rewritten(self, nodes: Iterable[onnx.NodeProto],
                  added: Iterable[onnx.TensorProto]) -> onnx.ModelProto:
        """Model of these nodes, with the constants they use and no others."""
        nodes = list(nodes)
        used = {name for node in nodes for name in node.input} | self.outputs
        nodes = [node for node in nodes if node.op_type not in ("Identity", "Constant")
                 or any(name in used for name in node.output)]
        used = {name for node in nodes for name in node.input} | self.outputs
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        del result.graph.node[:], result.graph.value_info[:]
        kept = [tensor for tensor in (*self.graph.initializer, *added) if tensor.name in used]
        del result.graph.initializer[:]
        result.graph.node.extend(nodes)
        result.graph.initializer.extend(kept)
        onnx.checker.check_model(result)
        return result


# ---- half precision


def half(model: onnx.ModelProto, peaks: dict[str, float]) -> onnx.ModelProto:
    """Model with products, and the nodes that only carry them on, in float16.

    Norms, softmax, positions and sampling stay float32. `peaks`: largest magnitude seen of every
    tensor; a product near the end of float16's range stays float32, too."""
    graph = Graph(model)
    narrow: dict[str, str] = {}      # tensor -> its float16 form
    wide_from: set[str] = set()      # tensors made in float16
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []

    def narrowed(name: str) -> str:
        value = graph.weight(name)
        if value is not None:
            # Shared weights are written once.
            name = graph.constants[name].name
        if name not in narrow:
            narrow[name] = f"{name}.fp16"
            if value is not None:
                added.append(numpy_helper.from_array(value.astype(np.float16), narrow[name]))
            else:
                nodes.append(helper.make_node("Cast", [name], [narrow[name]],
                                              name=f"{name}.to_fp16", to=TensorProto.FLOAT16))
        return narrow[name]

    def fits(node: onnx.NodeProto) -> bool:
        constants = [value for value in map(graph.weight, node.input) if value is not None]
        seen = [peaks.get(name, 0) for name in (*node.input, *node.output)]
        return max(*seen, *(np.abs(value).max(initial=0) for value in constants)) <= HALF_LIMIT

    def is_half(node: onnx.NodeProto) -> bool:
        if node.op_type in COMPUTED_IN_HALF:
            return fits(node)
        if node.op_type not in FOLLOWS_ITS_INPUTS:
            return False
        data = node.input[:1] if node.op_type in FIRST_INPUT_ONLY else node.input
        made = [name for name in data if name in wide_from]
        return bool(made) and all(name in wide_from or graph.weight(name) is not None
                                  for name in data) and fits(node)

    for node in graph.graph.node:
        if not is_half(node):
            nodes.append(node)
            continue
        data = len(node.input) if node.op_type not in FIRST_INPUT_ONLY else 1
        new = onnx.NodeProto()
        new.CopyFrom(node)
        inputs = [narrowed(name) if index < data and name else name
                  for index, name in enumerate(node.input)]
        del new.input[:], new.output[:]
        new.input.extend(inputs)
        new.output.extend(f"{name}.fp16" for name in node.output)
        nodes.append(new)
        for name in node.output:
            narrow[name] = f"{name}.fp16"
            wide_from.add(name)
            # For readers in float32; without one it is removed below.
            nodes.append(helper.make_node("Cast", [narrow[name]], [name], name=f"{name}.to_fp32",
                                          to=TensorProto.FLOAT))
    used = {name for node in nodes for name in node.input} | graph.outputs
    return graph.rewritten((node for node in nodes if node.op_type != "Cast"
                            or node.output[0] in used), added)


# ---- eight bits


class Plan:
    """Selection of the nodes that compute in eight bits, and of the tensors rounded for them."""

    def __init__(self, model: onnx.ModelProto, keep: str = ""):
        """Selects the products with constant weights.

        Those whose node name matches the regular expression `keep` stay float, and so do the
        convolutions at both ends: that of the image, whose few channels leave rounding no room, and
        those that make an output of the graph."""
        self.graph = graph = Graph(model)
        self.products = [node for node in graph.graph.node if self._wanted(node, keep)]
        self.points = dict.fromkeys(node.input[0] for node in self.products)
        # ONNX Runtime has an eight-bit convolution only where its output is rounded, too; a Relu
        # between them costs nothing.
        self.hidden = {graph.after_relu(node.output[0])
                       for node in self.products if node.op_type == "Conv"}
        self.points.update(dict.fromkeys(sorted(self.hidden)))
        makers = {name: node for node in graph.graph.node for name in node.output}
        # Nodes between that go along in eight bits, by id.
        self.carriers: set[int] = set()
        # Tensor -> the one whose range it shares.
        self.same: dict[str, str] = {}
        for name in list(self.points):
            self._carry(name, makers)

    def _carry(self, name: str, makers: dict[str, onnx.NodeProto]) -> bool:
        """Whether a tensor is available in eight bits.

        It is if it is rounded already, or if a carrier makes it of such tensors; then it is rounded
        and planned, too."""
        node = makers.get(name)
        if node is not None and node.op_type == "Relu":
            node = makers.get(node.input[0], node)
        carries = node is not None and node.op_type in CARRIERS
        if not carries or self.graph.after_relu(node.output[0]) != name:
            return name in self.points
        given = node.input if node.op_type in ("Add", "Concat") else node.input[:1]
        if id(node) not in self.carriers:
            if name not in self.points and node.op_type in ("Add", "Resize"):
                return False
            if not all([self._carry(i, makers) for i in given]):
                return name in self.points
            self.carriers.add(id(node))
            self.points[name] = None
            if node.op_type == "MaxPool":
                self.same[name] = node.input[0]
        return True

    def _wanted(self, node: onnx.NodeProto, keep: str) -> bool:
        weight_of, outputs = self.graph.weight, self.graph.outputs
        if node.op_type not in COMPUTED_IN_HALF or len(node.input) < 2:
            return False
        if weight_of(node.input[0]) is not None:
            return False
        if keep and re.search(keep, node.name):
            return False
        weight = weight_of(node.input[1])
        if weight is None or (node.op_type == "MatMul" and weight.ndim != 2):
            return False
        if node.op_type == "Gemm" and any(a.name in ("alpha", "beta") and a.f != 1
                                          or a.name == "transA" and a.i for a in node.attribute):
            return False
        if node.op_type != "MatMul" and len(node.input) > 2 and weight_of(node.input[2]) is None:
            return False
        made = node.output[0]
        inner = node.input[0] not in self.graph.inputs and made not in outputs
        return node.op_type != "Conv" or inner and self.graph.after_relu(made) not in outputs


def int8(plan: Plan, ranges: dict[str, tuple[float, float]]) -> onnx.ModelProto:
    """The planned model: int8 weights per output channel, uint8 activations per tensor.

    Weights are symmetric. `ranges`: lowest and highest value of each point."""
    graph = plan.graph
    products = {id(node) for node in plan.products}
    added: dict[str, onnx.TensorProto] = {}
    scales: dict[str, float] = {}
    # Weights that stand dequantised already.
    ready: set[str] = set()
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: np.ndarray) -> str:
        added.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def point(name: str) -> None:
        low, high = ranges[plan.same.get(name, name)]
        scale, zero = activation_scale(low, high)
        scales[name] = scale
        parameters = [constant(f"{name}.scale", np.float32(scale)),
                      constant(f"{name}.zero", np.uint8(zero))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}.q"],
                                      name=f"{name}.quantise"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}.q", *parameters],
                                      [f"{name}.dq"], name=f"{name}.dequantise"))

    def weight(name: str, axis: int) -> tuple[str, np.ndarray]:
        # Shared weights are written once.
        original = graph.constants[name].name
        values, scale = weight_values(graph.weight(name), axis)
        parameters = [constant(f"{original}.q", values), constant(f"{original}.scale", scale),
                      constant(f"{original}.zero", np.zeros(scale.shape, np.int8))]
        if original not in ready:
            ready.add(original)
            nodes.append(helper.make_node("DequantizeLinear", parameters, [f"{original}.dq"],
                                          name=f"{original}.dequantise", axis=axis))
        return f"{original}.dq", scale

    def bias(name: str, scale: np.ndarray, node: str) -> str:
        limit = np.iinfo(np.int32)
        values = np.clip(np.rint(graph.weight(name).astype(np.float64) / scale), limit.min,
                         limit.max).astype(np.int32)
        parameters = [constant(f"{node}.bias", values),
                      constant(f"{node}.bias.scale", scale.astype(np.float32))]
        nodes.append(helper.make_node("DequantizeLinear", parameters, [f"{node}.bias.dq"],
                                      name=f"{node}.bias.dequantise", axis=0))
        return f"{node}.bias.dq"

    for value in graph.graph.input:
        if value.name in plan.points:
            point(value.name)
    for node in graph.graph.node:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        if id(node) in products:
            axis = 0 if node.op_type == "Conv" or any(a.name == "transB" and a.i
                                                      for a in node.attribute) else 1
            new.input[0] = f"{node.input[0]}.dq"
            new.input[1], scale = weight(node.input[1], axis)
            if node.op_type != "MatMul" and len(node.input) > 2 and node.input[2]:
                new.input[2] = bias(node.input[2], scale.astype(np.float64) * scales[node.input[0]],
                                    node.output[0])
        else:
            for index, name in enumerate(node.input):
                if name in plan.hidden or (id(node) in plan.carriers and name in plan.points):
                    new.input[index] = f"{name}.dq"
        nodes.append(new)
        for name in node.output:
            if name in plan.points:
                point(name)
    return graph.rewritten(nodes, added.values())


def activation_scale(low: float, high: float) -> tuple[float, int]:
    """Step and zero point of uint8 over [low, high], widened to hold 0.

    Zero must be exact because padding consists of it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, int(round(-low / scale))


def weight_values(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 values from -127 to 127 and the float32 step of each output channel."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    peak = np.abs(weight).max(others, keepdims=True)
    scale = np.where(peak > 0, peak / 127, 1).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.reshape(-1)


def best_range(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Range inside [low, high] that rounds these values with the least squared error.

    Both ends shrink together, then each on its own."""
    def error(ends: tuple[float, float]) -> float:
        scale, zero = activation_scale(*ends)
        return float(np.square((np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale
                               - values).sum())

    low, high = min(low, 0.0), max(high, 0.0)
    shares = np.linspace(0.2, 1, 17)
    best = min(((low * share, high * share) for share in shares), key=error)
    if low < 0 < high:
        best = min(((best[0], high * share) for share in shares), key=error)
        best = min(((low * share, best[1]) for share in shares), key=error)
    return float(best[0]), float(best[1])
