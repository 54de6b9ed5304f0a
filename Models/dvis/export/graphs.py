"""Export of a model folder: ONNX graphs, manifest, reference answers."""
from __future__ import annotations

import copy
import hashlib
import inspect
import json
import warnings
from pathlib import Path
from typing import Callable

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ..checkpoints import weights
from ..networks.layers import ConvNorm
from ..networks.model import Dvis
from .manifest import FIRST_QUERY, About, manifest, own_model
from .modules import graphs
from .sharing import share_graphs
from .storage import declare_outputs, save_reference, store_half

OPSET = 16
# PyTorch 2 has a second exporter, which its later versions take by default.
TRACING = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
# Random images, of which the one farthest from the thresholds of masked attention is the reference.
CANDIDATES = 8


def export(model: Dvis, folder: Path, version: str, quality: dict | None = None,
           max_window: int = 20, service: dict | None = None, clip: int = 1,
           max_clip: int | None = None, base: Path | None = None) -> None:
    """Writes the folder of a model trained here, with its weights for further training.

    Graphs store float16 values, which halves the files; they compute in float32. `base`: folder
    whose equal graphs and weights are not written once more."""
    write_folder(rounded(model), folder,
                 own_model(model, version, quality or {}, max_window, service, clip, max_clip),
                 store_half)
    weights.save(model, folder / weights.NAME, {"size": model.config.name, "version": version},
                 base)
    if base is not None:
        share_graphs(folder, base)


@torch.no_grad()
def rounded(model: Dvis) -> Dvis:
    """Copy of a model that computes nearly the same from float16 values.

    Batch norms are folded into their convolutions before every value is rounded."""
    model = copy.deepcopy(model).cpu().float().eval()
    for layer in model.modules():
        if isinstance(layer, ConvNorm):
            norm = layer.norm
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            layer.weight.mul_(scale[:, None, None, None])
            norm.bias.sub_(norm.running_mean * scale)
            norm.weight.fill_(1)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
    for value in model.parameters():
        value.copy_(value.half())
    return model


def write_folder(model: Dvis, folder: Path, about: About,
                 finish: Callable[[onnx.ModelProto], None] = lambda graph: None) -> None:
    """Writes the graphs, manifest.json and reference.{json,bin}; of GenVIS also the first query.

    `finish` may change each graph before it is saved."""
    folder.mkdir(parents=True, exist_ok=True)
    model = copy.deepcopy(model).cpu().float().eval().to(memory_format=torch.contiguous_format)
    files, tensors = {}, []
    references = reference_inputs(model)
    for name, (kind, inputs, outputs, axes) in graphs(model).items():
        # the exporter puts back the mode it finds
        module = kind(model).eval()
        path = folder / f"{name}.onnx"
        for number, values in enumerate(references[name], 1):
            with torch.no_grad():
                answers = module(*values)
            answers = (answers,) if isinstance(answers, Tensor) else tuple(answers)
            if number == 1:
                graph = traced(module, path, dict(zip(inputs, values)), dict(zip(outputs, answers)),
                               axes)
                finish(graph)
                onnx.save(graph, str(path))
                files[name] = {"fp32": {"path": path.name,
                                        "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}
            for role, names, found in (("input", inputs, values), ("output", outputs, answers)):
                for tensor, value in zip(names, found):
                    entry = {"graph": name, "case": number, "role": role, "name": tensor}
                    tensors.append((entry, value.numpy()))
    save_reference(folder, tensors)
    if model.method == "genvis":
        first = model.vita_module.first_query().detach()
        (folder / FIRST_QUERY).write_bytes(np.ascontiguousarray(first.numpy(), "<f4").tobytes())
    text = json.dumps(manifest(model, about, files), indent=2)
    (folder / "manifest.json").write_text(text + "\n")


def traced(module: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: dict[str, Tensor],
           axes: dict) -> onnx.ModelProto:
    """ONNX model of a module, also in the file `path`.

    `axes`: tensor or "*" -> axis -> name of a dynamic axis."""
    dynamic = {name: axes.get(name, axes["*"]) for name in (*inputs, *outputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, tuple(inputs.values()), str(path), opset_version=OPSET,
                          input_names=list(inputs), output_names=list(outputs),
                          dynamic_axes=dynamic, do_constant_folding=True, **TRACING)
    model = onnx.load(str(path))
    shapes = {name: [dynamic[name].get(axis, size) for axis, size in enumerate(value.shape)]
              for name, value in outputs.items()}
    declare_outputs(model, shapes)
    return model


def reference_inputs(model: Dvis) -> dict[str, list[tuple[Tensor, ...]]]:
    """Small seeded inputs of every graph, of one or more cases.

    They are images of two sizes, a clip of three frames, one new and one running stream; of GenVIS
    two streams and one, of VITA a clip of two groups of frames and one frame."""
    random = np.random.default_rng(20)
    queries = (model.config.queries, model.config.hidden)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(random.standard_normal(shape).astype(np.float32))

    def images(*shape: int) -> Tensor:
        return max((normal(*shape) for _ in range(CANDIDATES)),
                   key=lambda image: mask_margin(model, image))

    layer, few = torch.tensor([model.config.refiner_layers - 1.0]), (3, model.config.hidden)
    step = (normal(2, *queries), normal(2, *queries), normal(2, *queries), torch.tensor([1.0, 0.0]))
    first, second = (32, 64), (96, 32)
    if model.config.pixel_decoder == "detector":    # whose candidates need that many cells
        first, second = (128, 160), (160, 128)
    clip, window = (model.config.clip_queries, model.config.hidden), model.config.vita_window
    return {
        "segmenter": [(images(2, 3, *first),), (images(1, 3, *second),)],
        "tracker": [step],
        "matcher": [step],
        "frame_forward": [(normal(2, *queries),)],
        "refiner": [(normal(3, *queries), normal(3, *queries))],
        "refiner_attention": [(layer, normal(3, *few), normal(4, *few))],
        "refiner_layer": [(layer, normal(3, *few), normal(3, *few), normal(3, *few))],
        "refiner_heads": [(normal(3, *few),)],
        "clip": [(normal(2, 3, *queries), normal(2, *clip)),
                 (normal(1, 1, *queries), normal(1, *clip))],
        "associate": [(normal(2, *queries),)],
        "refine": [(normal(3, *few), torch.arange(3.0), normal(3, *few), torch.arange(3.0)),
                   (normal(1, *few), torch.tensor([1023.0]), normal(4, *few),
                    torch.arange(1020.0, 1024.0))],
        "vita": [(normal(window + 2, *queries),), (normal(1, *queries),)],
    }


def mask_margin(model: Dvis, image: Tensor) -> float:
    """Smallest distance of a mask logit from the threshold of masked attention, over all layers.

    The answer has a step there: a logit on the other side opens or closes a cell. Two correct
    runtimes agree closely only away from it."""
    with torch.no_grad():
        return min(masks.abs().min().item()
                   for masks in model.sem_seg_head.thresholded(model.backbone(image)))
