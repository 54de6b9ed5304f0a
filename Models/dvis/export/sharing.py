"""Model folders that stand beside another one and have links to the graphs that are equal there."""
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .interpreter import Interpreter
from .storage import load, save_reference

# Root mean square of the differences, as a share of the tensor's. The same weights that were
# rounded to float16 once more stay below it; single values may differ by more, where masked
# attention has its threshold.
TOLERANCE = 1e-2


class Reference:
    """Inputs and answers of a folder's graphs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tensors = json.loads((folder / "reference.json").read_text())["tensors"]
        self.values = np.fromfile(folder / "reference.bin", "<f4")

    def entries(self, graph: str) -> list[dict]:
        return [entry for entry in self.tensors if entry["graph"] == graph]

    def tensor(self, entry: dict) -> Tensor:
        first, shape = entry["offset"] // 4, entry["shape"]
        return torch.from_numpy(self.values[first:first + int(np.prod(shape))].reshape(shape))

    def save(self, others: dict[str, Reference]) -> None:
        """Writes the files again, with the answers of `others` for these graphs."""
        graphs = dict.fromkeys(entry["graph"] for entry in self.tensors)
        sources = [(graph, others.get(graph, self)) for graph in graphs]
        save_reference(self.folder, [(entry, source.tensor(entry).numpy())
                                     for graph, source in sources
                                     for entry in source.entries(graph)])


def share_graphs(folder: Path, other: Path) -> list[str]:
    """Replaces the graphs of `folder` that are equal in `other` by links; returns their names.

    A graph is equal that gives nearly the reference answers of `folder`; those of `other` replace
    them."""
    own, theirs = (json.loads((place / "manifest.json").read_text()) for place in (folder, other))
    reference, shared = Reference(folder), []
    for name, files in own["files"].items():
        entry = theirs["files"].get(name, {}).get("fp32")
        if entry is None or not _answers(reference, name, other / entry["path"]):
            continue
        path = folder / files["fp32"]["path"]
        path.unlink()
        path.symlink_to(os.path.relpath((other / entry["path"]).resolve(), folder.resolve()))
        files["fp32"]["sha256"] = entry["sha256"]
        shared.append(name)
    reference.save(dict.fromkeys(shared, Reference(other)))
    text = json.dumps(own, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n")
    return shared


def _answers(reference: Reference, graph: str, path: Path) -> bool:
    """Whether a file gives nearly the reference answers of a graph."""
    model = Interpreter(load(path))
    entries = reference.entries(graph)
    for case in {entry["case"] for entry in entries}:
        inputs, outputs = ({entry["name"]: reference.tensor(entry) for entry in entries
                            if entry["case"] == case and entry["role"] == role}
                           for role in ("input", "output"))
        if set(model.inputs) != set(inputs) or set(model.outputs) != set(outputs):
            return False
        found = model.run(inputs)
        for name, value in outputs.items():
            if found[name].shape != value.shape:
                return False
            if (found[name] - value).square().mean() > TOLERANCE ** 2 * value.square().mean():
                return False
    return True
