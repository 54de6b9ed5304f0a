"""Weights file of a model folder, `weights.safetensors`: all parameters and statistics.

Every stage of training can continue from it. A file with `base` in its metadata, a folder relative
to its own, takes the parts of the model that `parts` names from the weights there. The format is
that of the safetensors library (8 bytes length, JSON header, raw values), written here because
Debian has no package of that library. Values are float16: a tenth of a percent, far below what a
training step changes.
"""
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

NAME = "weights.safetensors"
KINDS = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
HEADER_LIMIT = 16 << 20      # bytes
HALF_LARGEST = 65504.0


class WeightsError(Exception):
    """Error: the file is missing, damaged, or of another model."""


def save(model: nn.Module, path: Path, about: dict[str, str], base: Path | None = None) -> None:
    """Writes the state of `model`, floating-point values as float16.

    `about` becomes the file's metadata. `base`: folder whose equal parts the file refers to."""
    shared: set[str] = set()
    if base is not None:
        shared = _shared_parts(model, read(base / NAME)[0])
        about = {**about, "base": os.path.relpath(base.resolve(), path.parent.resolve()),
                 "parts": " ".join(sorted(shared))}
    header: dict[str, dict] = {"__metadata__": about}
    parts, place = [], 0
    for name, value in model.state_dict().items():
        if name.split(".")[0] in shared:
            continue
        array = value.detach().cpu().numpy()
        if array.dtype == np.float32:
            if np.abs(array).max(initial=0) > HALF_LARGEST:
                raise WeightsError(f"{name} has values beyond float16")
            array = array.astype(np.float16)
        kind = next((kind for kind, dtype in KINDS.items() if array.dtype == dtype), None)
        if kind is None:
            raise WeightsError(f"{name} has the type {array.dtype}, which the file cannot hold")
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [place, place + len(data)]}
        parts.append(data)
        place += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
    fresh.replace(path)


def _shared_parts(model: nn.Module, known: dict[str, Tensor]) -> set[str]:
    """Parts of a model of which every tensor is stored in `known` as it would be here."""
    shared = {name.split(".")[0] for name in model.state_dict()}
    for name, value in model.state_dict().items():
        value = value.detach().cpu()
        stored = value.half().float() if value.dtype == torch.float32 else value
        if name not in known or not torch.equal(known[name], stored):
            shared.discard(name.split(".")[0])
    return shared


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, floating-point ones as float32, those of a base too, and the metadata."""
    tensors, about = _read(path)
    if "base" in about:
        parts = about.get("parts", "").split()
        base, _ = _read(path.parent / about["base"] / NAME)
        tensors.update((name, value) for name, value in base.items()
                       if name.split(".")[0] in parts)
    return tensors, about


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}.") from None
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or not 0 < length <= min(HEADER_LIMIT, len(data) - 8):
            raise ValueError("its header does not fit into it")
        header = json.loads(data[8:8 + length])
        about = header.pop("__metadata__", {})
        return {name: _tensor(name, entry, memoryview(data)[8 + length:])
                for name, entry in header.items()}, about
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}.") from None


def _tensor(name: str, entry: dict, values: memoryview) -> Tensor:
    dtype, shape = np.dtype(KINDS[entry["dtype"]]).newbyteorder("<"), entry["shape"]
    first, last = entry["data_offsets"]
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if not 0 <= first <= last <= len(values) or last - first != size:
        raise ValueError(f"'{name}' lies outside of it")
    array = np.frombuffer(values[first:last], dtype).reshape(shape)
    return torch.from_numpy(array.astype(np.float32 if dtype.kind == "f" else np.int64))


def load(model: nn.Module, path: Path, without: str | None = None) -> dict[str, str]:
    """Loads a file into `model`, which must have exactly its tensors; returns the metadata.

    `without`: part of the model that keeps its values; of the file its other parts count then."""
    found, about = read(path)
    wanted = model.state_dict()
    if without is not None:
        parts = {name for name, part in model.named_children() if part is not None} - {without}
        found, wanted = ({name: value for name, value in tensors.items()
                          if name.split(".")[0] in parts} for tensors in (found, wanted))
    strange = sorted(found.keys() ^ wanted.keys())
    wrong = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    if strange or wrong:
        if wrong:
            name = wrong[0]
            reason = (f"'{name}' has shape {list(found[name].shape)}, "
                      f"this model has {list(wanted[name].shape)}")
        else:
            place = "the file" if strange[0] in found else "this model"
            reason = f"'{strange[0]}' is only in {place}"
        raise WeightsError(f"{path}: weights of another model "
                           f"({about.get('size', 'unknown size')}): {reason}.")
    model.load_state_dict(found, strict=without is None)
    return about


def has_part(path: Path, part: str) -> bool:
    """Whether a file has tensors of this part of a model."""
    return any(name.startswith(f"{part}.") for name in read(path)[0])
