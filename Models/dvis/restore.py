"""Trainable weights from an exported model folder: a shipped model can be trained further without its checkpoints.

An exported graph has lost most parameter names, its linear maps are transposed and its batch norms folded into the convolutions before them.
The way back needs no knowledge of the exporter: a twin of the model with distinct random weights is exported in the same way, every
constant of its graph is recognised by value among its parameters, and the folder's constants are read at the same places.
"""
from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .export import export, graphs
from .layers import ConvNorm
from .model import Dvis
from .protobuf import initializers
from .training import device


def restore(model: Dvis, folder: Path, batches: list[Tensor]) -> None:
    """Loads the weights of an exported folder into `model`, which must have the folder's size. `batches` (pictures, normalised [B,3,H,W]) give batch norms
    the statistics that training needs; what the networks compute does not change. Raises ValueError where the graphs do not fit."""
    twin = copy.deepcopy(model).cpu().eval()
    _scramble(twin)
    state = {name: torch.full_like(value, float("nan")) for name, value in twin.state_dict().items() if value.dtype.is_floating_point}
    with tempfile.TemporaryDirectory() as place:
        export(twin, Path(place), "0")
        for graph in (graph for graph in graphs(twin) if (folder / f"{graph}.onnx").exists()):
            _copy(twin.state_dict(), state, initializers(Path(place) / f"{graph}.onnx"), initializers(folder / f"{graph}.onnx"), graph)
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            state[f"{name}.running_mean"], state[f"{name}.running_var"] = torch.zeros_like(module.running_mean), torch.ones_like(module.running_var) - module.eps
            state[f"{name}.weight"] = torch.ones_like(module.weight)
    lost = [name for name, value in state.items() if value.isnan().any()]
    if lost:
        raise ValueError(f"'{folder}' does not hold {lost[0]}" + (f" and {len(lost) - 1} more" if len(lost) > 1 else ""))
    model.load_state_dict(state, strict=False)
    if batches:
        _unfold(model, batches)


def _scramble(model: nn.Module) -> None:
    """Distinct random weights; batch norms that only add, so that folding leaves the convolutions as they are."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1)
                module.running_mean.zero_()
                module.running_var.fill_(1 - module.eps)


def _copy(twin: dict[str, Tensor], state: dict[str, Tensor], known: list[np.ndarray], wanted: list[np.ndarray], graph: str) -> None:
    """Takes each constant of `wanted` to where the constant at the same place of `known` was found in `twin`."""
    if [value.shape for value in known] != [value.shape for value in wanted]:
        raise ValueError(f"{graph}.onnx was made by another exporter or for another size: its constants do not line up")
    places: dict[bytes, list[tuple[str, int, bool]]] = {}
    for name, value in twin.items():
        if not value.dtype.is_floating_point:
            continue
        rows = value.shape[0] // 3 if "in_proj" in name else 1 if "level_embed" in name else value.shape[0]
        for start in range(0, value.shape[0], rows):
            part = value[start:start + rows]
            places.setdefault(_key(part.numpy()), []).append((name, start, False))
            if part.ndim == 2 and min(part.shape) > 1:
                places.setdefault(_key(part.t().numpy()), []).append((name, start, True))
    for twin_value, value in zip(known, wanted):
        for name, start, transposed in places.get(_key(twin_value), []):
            target = state[name]
            rows = target.shape[0] // 3 if "in_proj" in name else 1 if "level_embed" in name else target.shape[0]
            part = torch.from_numpy(np.array(value))
            target[start:start + rows] = (part.t() if transposed else part).reshape(target[start:start + rows].shape)


def _key(value: np.ndarray) -> bytes:
    """Equal for arrays whose numbers agree to float rounding, whatever their outer shape."""
    return str(value.size).encode() + np.round(value.ravel()[:8].astype(np.float64), 5).tobytes()


@torch.no_grad()
def _unfold(model: Dvis, batches: list[Tensor]) -> None:
    """Gives each batch norm the statistics of its input, and the weights with which it then computes what it did before."""
    sums: dict[nn.Module, list[Tensor]] = {}

    def watch(norm, inputs):
        value = inputs[0].double()
        sums.setdefault(norm, []).append(torch.stack((value.mean((0, 2, 3)), value.square().mean((0, 2, 3)))))

    norms = [module.norm for module in model.modules() if isinstance(module, ConvNorm)]
    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]
    model.to(device()).eval()
    for pictures in batches:
        model.segment(pictures.to(device()))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = torch.stack(sums[norm]).mean(0)
        variance = (square - mean * mean).clamp(min=1e-6)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean.float())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
