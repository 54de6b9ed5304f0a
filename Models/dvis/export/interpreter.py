"""Evaluation of an ONNX graph with torch that shows every tensor inside.

It has the operators that PyTorch's exporter writes for these networks. ONNX's own reference
evaluator came with version 1.13 of the `onnx` package, and Debian 12 has 1.12. It is about as fast
as PyTorch itself.
"""
from __future__ import annotations

from collections import Counter
from typing import Callable

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

DTYPES = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64,
          9: torch.bool, 10: torch.float16, 11: torch.float64}


class Interpreter:
    """One model, loaded once. Tensors that no later node needs are freed while it runs."""

    def __init__(self, model: onnx.ModelProto):
        self.constants = {tensor.name: as_torch(tensor) for tensor in model.graph.initializer}
        self.inputs = [value.name
                       for value in model.graph.input if value.name not in self.constants]
        self.outputs = [value.name for value in model.graph.output]
        self.nodes = [(node, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute})
                      for node in model.graph.node]
        unknown = sorted({node.op_type for node, _ in self.nodes} - set(OPERATORS))
        if unknown:
            raise ValueError("the graph has operators that cannot be evaluated here: "
                             f"{', '.join(unknown)}")

    @torch.no_grad()
    def run(self, inputs: dict[str, Tensor],
            observe: Callable[[str, Tensor], None] | None = None) -> dict[str, Tensor]:
        """Outputs of the graph by name.

        `observe(name, value)` is called with every input and every tensor that a node makes."""
        values: dict[str, Tensor] = {**self.constants,
                                     **{name: inputs[name] for name in self.inputs}}
        waiting = Counter(name for node, _ in self.nodes
                          for name in node.input if name not in self.constants)
        waiting.update(self.outputs)
        if observe:
            for name in self.inputs:
                observe(name, values[name])
        for node, attributes in self.nodes:
            answers = _apply(node.op_type, attributes,
                             [values[name] if name else None for name in node.input])
            for name, answer in zip(node.output, answers):
                values[name] = answer
                if observe and name:
                    observe(name, answer)
            for name in node.input:
                if name in waiting:
                    waiting[name] -= 1
                    if waiting[name] == 0:
                        values.pop(name, None)
        return {name: values[name] for name in self.outputs}


def _apply(operator: str, attributes: dict, operands: list[Tensor | None]) -> tuple[Tensor, ...]:
    """Outputs of one node.

    float16 is computed in float32 and rounded, as on GPUs: torch's CPU has few float16 operators.
    """
    narrow = operator != "Cast" and any(value is not None and value.dtype == torch.float16
                                        for value in operands)
    if narrow:
        operands = [value.float() if value is not None and value.dtype == torch.float16 else value
                    for value in operands]
    answers = OPERATORS[operator](attributes, *operands)
    answers = answers if isinstance(answers, (tuple, list)) else (answers,)
    return tuple(answer.half() if narrow and answer.dtype == torch.float32 else answer
                 for answer in answers)


def as_torch(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).copy())


def _conv(a, x, w, b=None):
    dims = w.dim() - 2
    pads = a.get("pads", [0] * 2 * dims)
    if pads[:dims] != pads[dims:]:
        x = F.pad(x, [pads[i + j * dims] for i in reversed(range(dims)) for j in (0, 1)])
        pads = [0] * 2 * dims
    strides, dilations = (list(a.get(name, [1] * dims)) for name in ("strides", "dilations"))
    convolve = (F.conv1d, F.conv2d)[dims - 1]
    return convolve(x, w, b, strides, list(pads[:dims]), dilations, a.get("group", 1))


def _gemm(a, x, w, c=None):
    x, w = x.t() if a.get("transA") else x, w.t() if a.get("transB") else w
    y = a.get("alpha", 1.0) * (x @ w)
    return y if c is None else y + a.get("beta", 1.0) * c


def _max_pool(a, x):
    pads = a.get("pads", [0, 0, 0, 0])
    return F.max_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]), pads[:2],
                        a.get("dilations", [1, 1]), bool(a.get("ceil_mode", 0)))


def _average_pool(a, x):
    if any(a.get("pads", [])):
        raise ValueError("AveragePool with padding cannot be evaluated here")
    return F.avg_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]))


def _top_k(a, x, count):
    return tuple(x.topk(int(count), a.get("axis", -1), bool(a.get("largest", 1)),
                        bool(a.get("sorted", 1))))


def _resize(a, x, roi=None, scales=None, sizes=None):
    mode = a.get("mode", b"nearest").decode()
    how = a.get("coordinate_transformation_mode", b"half_pixel").decode()
    known = {"linear": ("half_pixel", "pytorch_half_pixel"), "nearest": ("asymmetric",)}
    if how not in known.get(mode, (how,)):
        raise ValueError(f"Resize with mode {mode} and coordinates {how} cannot be evaluated here")
    options = {"mode": "nearest"}
    if mode == "linear":
        options = {"mode": "bilinear", "align_corners": False}
    if sizes is not None and sizes.numel():
        return F.interpolate(x, size=[int(s) for s in sizes[2:]], **options)
    return F.interpolate(x, scale_factor=[float(s) for s in scales[2:]],
                         recompute_scale_factor=False, **options)


def _grid_sample(a, x, grid):
    mode = a.get("mode", b"bilinear").decode()
    return F.grid_sample(x, grid, "bicubic" if mode == "bicubic" else mode,
                         a.get("padding_mode", b"zeros").decode(), bool(a.get("align_corners", 0)))


def _slice(a, x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    index = [slice(None)] * x.dim()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes, steps):
        if step < 0:  # torch has no such slices
            end = end if end >= -x.shape[axis] else None
            places = range(*slice(start, end, step).indices(x.shape[axis]))
            x = x.index_select(axis, torch.tensor(places, dtype=torch.int64))
        else:
            index[axis] = slice(start, min(end, x.shape[axis]), step)
    return x[tuple(index)]


def _gather(a, x, index):
    axis = a.get("axis", 0) % x.dim()
    index = torch.where(index < 0, index + x.shape[axis], index)
    return x.index_select(axis, index.reshape(-1)).reshape((*x.shape[:axis], *index.shape,
                                                            *x.shape[axis + 1:]))


def _reshape(a, x, shape):
    return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape.tolist())])


def _split(a, x, sizes=None):
    axis = a.get("axis", 0)
    return x.split(x.shape[axis] // 2 if sizes is None else sizes.tolist(), axis)


def _squeeze(a, x, axes=None):
    for axis in sorted(((i % x.dim()) for i in axes.tolist()),
                       reverse=True) if axes is not None else [i for i in reversed(range(x.dim()))
                                                               if x.shape[i] == 1]:
        x = x.squeeze(axis)
    return x


def _unsqueeze(a, x, axes):
    rank = x.dim() + len(axes)
    for axis in sorted(i % rank for i in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def _reduce(function):
    def apply(a, x, axes=None):
        axes = axes.tolist() if axes is not None else a.get("axes", list(range(x.dim())))
        return function(x, list(axes), bool(a.get("keepdims", 1)))
    return apply


def _divide(a, x, y):
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _pad(a, x, pads, value=None):
    rank, pads = x.dim(), pads.tolist()
    flat = [pads[i + j * rank] for i in reversed(range(rank)) for j in (0, 1)]
    mode = {"edge": "replicate"}.get(a.get("mode", b"constant").decode(),
                                     a.get("mode", b"constant").decode())
    if mode == "constant":
        return F.pad(x, flat, value=0.0 if value is None else value.item())
    while len(flat) > 2 * (rank - 2) and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    return F.pad(x, flat, mode=mode)


def _along(x: Tensor, values: Tensor, axis: int) -> Tensor:
    """Scale or zero point per channel, shaped to multiply x."""
    return values.reshape([-1 if i == axis % x.dim() else 1
                           for i in range(x.dim())]) if values.numel() > 1 else values


def _quantise(a, x, scale, zero=None):
    low, high = (-128, 127) if zero is not None and zero.dtype == torch.int8 else (0, 255)
    shift = 0 if zero is None else _along(x, zero, a.get("axis", 1)).float()
    return ((x / _along(x, scale, a.get("axis", 1))).round()
            + shift).clamp(low, high).to(torch.uint8 if zero is None else zero.dtype)


def _dequantise(a, x, scale, zero=None):
    shift = 0 if zero is None else _along(x, zero, a.get("axis", 1)).float()
    return (x.float() - shift) * _along(x, scale, a.get("axis", 1))


def _instance_norm(a, x, scale, bias):
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


def _constant_of_shape(a, shape):
    value = as_torch(a["value"]) if "value" in a else torch.zeros(1)
    return torch.full(shape.tolist(), value.item(), dtype=value.dtype)


def _clip(a, x, low=None, high=None):
    return x.clamp(None if low is None else low.item(), None if high is None else high.item())


def _batch_norm(a, x, weight, bias, mean, var):
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, a.get("epsilon", 1e-5))


def _arange(a, start, end, step):
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


def _flatten(a, x):
    return x.reshape(int(np.prod(x.shape[:a.get("axis", 1)])), -1)


# Each function takes the node's attributes by name, then its inputs.
OPERATORS: dict[str, Callable] = {
    "Abs": lambda a, x: x.abs(),
    "Add": lambda a, x, y: x + y,
    "And": lambda a, x, y: x & y,
    "ArgMax": lambda a, x: x.argmax(a.get("axis", 0), bool(a.get("keepdims", 1))),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda a, x: x.to(DTYPES[a["to"]]),
    "Ceil": lambda a, x: x.ceil(),
    "Clip": _clip,
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Constant": lambda a: as_torch(a["value"]),
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Cos": lambda a, x: x.cos(),
    "CumSum": lambda a, x, axis: x.cumsum(int(axis)),
    "DequantizeLinear": _dequantise,
    "Div": _divide,
    "Equal": lambda a, x, y: x == y,
    "Erf": lambda a, x: x.erf(),
    "Exp": lambda a, x: x.exp(),
    "Expand": lambda a, x, shape: x.expand(torch.broadcast_shapes(x.shape, shape.tolist())),
    "Flatten": _flatten,
    "Floor": lambda a, x: x.floor(),
    "Gather": _gather,
    "GatherElements": lambda a, x, index: x.gather(a.get("axis", 0), index),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "Greater": lambda a, x, y: x > y,
    "GreaterOrEqual": lambda a, x, y: x >= y,
    "GridSample": _grid_sample,
    "Identity": lambda a, x: x,
    "InstanceNormalization": _instance_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "Less": lambda a, x, y: x < y,
    "LessOrEqual": lambda a, x, y: x <= y,
    "Log": lambda a, x: x.log(),
    "MatMul": lambda a, x, y: x @ y,
    "Max": lambda a, x, y: torch.maximum(x, y),
    "MaxPool": _max_pool,
    "Min": lambda a, x, y: torch.minimum(x, y),
    "Mod": lambda a, x, y: torch.fmod(x, y) if a.get("fmod") else torch.remainder(x, y),
    "Mul": lambda a, x, y: x * y,
    "Neg": lambda a, x: -x,
    "Not": lambda a, x: ~x,
    "Or": lambda a, x, y: x | y,
    "Pad": _pad,
    "Pow": lambda a, x, y: x.pow(y),
    "QuantizeLinear": _quantise,
    "Range": _arange,
    "Reciprocal": lambda a, x: 1 / x,
    "ReduceMax": _reduce(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMean": _reduce(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMin": _reduce(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "Relu": lambda a, x: F.relu(x),
    "Reshape": _reshape,
    "Resize": _resize,
    "Round": lambda a, x: x.round(),
    "Shape": lambda a, x: torch.tensor(x.shape, dtype=torch.int64),
    "Sigmoid": lambda a, x: x.sigmoid(),
    "Sin": lambda a, x: x.sin(),
    "Slice": _slice,
    "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
    "Split": _split,
    "Sqrt": lambda a, x: x.sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda a, x, y: x - y,
    "Tanh": lambda a, x: x.tanh(),
    "Tile": lambda a, x, repeats: x.repeat(*repeats.tolist()),
    "TopK": _top_k,
    "Transpose": lambda a, x: x.permute(a.get("perm", list(reversed(range(x.dim()))))),
    "Unsqueeze": _unsqueeze,
    "Where": lambda a, c, x, y: torch.where(c, x, y),
    "Xor": lambda a, x, y: x ^ y,
}
