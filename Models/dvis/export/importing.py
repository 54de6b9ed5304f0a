"""Brings official DVIS and MinVIS checkpoints into a model folder: strictly by name and shape, nothing missing, nothing left over."""
from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.checkpoint import CheckpointError, read_checkpoint, shape_text
from ..networks.config import Config
from ..networks.model import Dvis, build
from .graphs import write_folder
from .manifest import About, ClassLabel, colour

# The loss keeps its class weights in the checkpoint; no network reads them.
LOSS_WEIGHT = "criterion.empty_weight"

# Shorter side of the input in the official configurations.
SHORTER_SIDE = {("r50", "vis"): 360, ("swin-l", "vis"): 480, ("r50", "vps"): 720, ("swin-l", "vps"): 720, ("r50", "vss"): 480, ("swin-l", "vss"): 480}
LARGEST_SIDE = 1333
MAX_WINDOW = 1024      # frames of one refiner run: nothing in it knows the length, memory grows with its square
SHOWN = 4              # tensors named of each kind of mistake


@dataclass(frozen=True)
class Request:
    """What the user asks for; None = as the official configuration has it."""
    checkpoint: Path
    arch: str
    task: str
    classes: Path
    out: Path
    mode: str = "auto"
    shorter_side: int | None = None
    largest_side: int | None = None
    max_window: int = MAX_WINDOW
    name: str | None = None
    version: str = "1.0.0"
    license: str = "that of the checkpoint"


def run(request: Request) -> Dvis:
    """Reads, checks, exports. Raises CheckpointError with a sentence for the user."""
    labels = read_classes(request.classes, request.task)
    tensors = read_checkpoint(request.checkpoint)
    mode = mode_of(tensors) if request.mode == "auto" else request.mode
    model = build(request.arch, mode, classes=len(labels)).eval()
    load_strictly(model, tensors, request.checkpoint)
    digest = sha256(request.checkpoint)
    about = About(
        name=request.name or f"{'minvis' if mode == 'segmenter' else 'dvis'}-{request.arch}-{request.task}", version=request.version, task=request.task, classes=labels,
        matching="aligned" if mode == "segmenter" else "dvis",
        shorter_side=request.shorter_side or SHORTER_SIDE[request.arch, request.task], largest_side=request.largest_side or LARGEST_SIDE,
        max_window=request.max_window, license=request.license, weights_from=f"imported from {request.checkpoint.name}, sha256 {digest}; see MODEL_CARD.md")
    write_folder(model, request.out, about)
    (request.out / "MODEL_CARD.md").write_text(card(model, about, request.checkpoint.name, digest, len(tensors)))
    return model


def mode_of(tensors: dict[str, Tensor]) -> str:
    """What kind of checkpoint this is, by the parts it has."""
    if any(name.startswith("refiner.") for name in tensors):
        return "offline"
    return "online" if any(name.startswith("tracker.") for name in tensors) else "segmenter"


def load_strictly(model: Dvis, tensors: dict[str, Tensor], path: Path) -> None:
    """Sets every tensor of the model from the checkpoint; `tensors` is used up. Raises CheckpointError naming tensors and shapes."""
    tensors = {name.replace("static_query", "query_feat"): tensor for name, tensor in tensors.items()}   # its name in early Mask2Former checkpoints
    expected = {**model.state_dict(), LOSS_WEIGHT: torch.empty(model.config.classes + 1)}
    missing = [f"{name} {shape_text(tensor.shape)}" for name, tensor in expected.items() if name not in tensors]
    left = [f"{name} {shape_text(tensor.shape)}" for name, tensor in tensors.items() if name not in expected]
    common = [(name, tensors[name], wanted) for name, wanted in expected.items() if name in tensors]
    shapes = [f"{name} is {shape_text(found.shape)}, expected {shape_text(wanted.shape)}" for name, found, wanted in common if found.shape != wanted.shape]
    mistakes = [text for text in (_several("missing", missing), _several("left over", left), _several("of another shape", shapes)) if text]
    if mistakes:
        config = model.config
        wanted = f"{config.name}, {model.mode}, with {config.classes} classes"
        raise CheckpointError(f"{path}: the checkpoint does not fit {wanted}: {'; '.join(mistakes)}. {_reason(model, tensors)}".rstrip())
    for name, found, wanted in common:
        if found.dtype.is_floating_point != wanted.dtype.is_floating_point:
            raise CheckpointError(f"{path}: {name} holds {str(found.dtype).removeprefix('torch.')}, expected {str(wanted.dtype).removeprefix('torch.')}.")
        if not torch.isfinite(found).all():
            raise CheckpointError(f"{path}: {name} holds numbers that are not finite.")
        if not wanted.dtype.is_floating_point and not torch.equal(found.to(wanted.dtype), wanted):
            raise CheckpointError(f"{path}: {name} is not the table that a window of {model.config.backbone_window} gives.")
    del tensors[LOSS_WEIGHT]
    model.load_state_dict(tensors)


def _several(what: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{what}: {', '.join(items[:SHOWN])}{more}"


def _reason(model: Dvis, tensors: dict[str, Tensor]) -> str:
    """The likeliest cause, as advice."""
    config, found = model.config, mode_of(tensors)
    backbone = "swin-l" if "backbone.patch_embed.proj.weight" in tensors else "r50" if "backbone.stem.conv1.weight" in tensors else None
    if "sem_seg_head.predictor.query_feat.weight" not in tensors:
        return "It is no checkpoint of DVIS or MinVIS."
    if backbone is not None and backbone != config.name:
        return f"Its backbone is that of {backbone}: give --arch {backbone}."
    if found != model.mode:
        has = {"offline": "a tracker and a refiner", "online": "a tracker and no refiner", "segmenter": "neither tracker nor refiner"}[found]
        return f"It has {has}: give --mode {found}, or the {model.mode} checkpoint."
    if LOSS_WEIGHT in tensors and len(tensors[LOSS_WEIGHT]) != config.classes + 1:
        return f"It knows {len(tensors[LOSS_WEIGHT]) - 1} classes: give their names."
    return ""


def read_classes(path: Path, task: str) -> tuple[ClassLabel, ...]:
    """One name a line, or a JSON list of {"name", "kind": thing|stuff, "color": #rrggbb}; kind and colour may be left out. Raises CheckpointError."""
    try:
        text = path.read_text(encoding="utf-8")
        items = json.loads(text) if text.lstrip()[:1] in ("[", "{") else [{"name": line.strip()} for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: the classes cannot be read: {error}.") from error
    if not isinstance(items, list) or not items:
        raise CheckpointError(f"{path}: expected one class name a line, or a JSON list of classes.")
    labels = tuple(_label(path, index, item, "stuff" if task == "vss" else "thing") for index, item in enumerate(items))
    names = [label.name for label in labels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CheckpointError(f"{path}: the class {twice[0]} stands there more than once.")
    kinds = [label.kind for label in labels]
    if task == "vps" and kinds != sorted(kinds, reverse=True):
        late = labels[max(index for index, kind in enumerate(kinds) if kind == "thing")].name
        raise CheckpointError(f"{path}: the thing {late} comes after stuff; a panoptic network has its things first.")
    return labels


def _label(path: Path, index: int, item: object, kind: str) -> ClassLabel:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise CheckpointError(f"{path}: class {index} has no name.")
    label = ClassLabel(item["name"].strip(), item.get("kind", kind), str(item.get("color", colour(index))).lower())
    if label.kind not in ("thing", "stuff"):
        raise CheckpointError(f"{path}: the kind of class {label.name} is {label.kind}, expected thing or stuff.")
    if not re.fullmatch("#[0-9a-f]{6}", label.color):
        raise CheckpointError(f"{path}: the color of class {label.name} is {label.color}, expected #rrggbb.")
    return label


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def card(model: Dvis, about: About, source: str, digest: str, count: int) -> str:
    """MODEL_CARD.md: where the weights are from, and what was and was not checked."""
    config: Config = model.config
    parts = {"backbone": model.backbone, "segmenter's decoders": model.sem_seg_head, "tracker": model.tracker, "refiner": model.refiner}
    sizes = ", ".join(f"{name} {sum(v.numel() for v in part.state_dict().values()) / 1e6:.1f} M" for name, part in parts.items() if part is not None)
    rule = {"dvis": "the official inverse permutation, which these weights were trained with", "aligned": "each slot takes the query matched to it"}[about.matching]
    kind = {"segmenter": "MinVIS: the segmenter, and matching alone between frames", "online": "DVIS online: segmenter and tracker",
            "offline": "DVIS offline: segmenter, tracker and refiner"}[model.mode]
    names = ", ".join(label.name for label in about.classes)
    return f"""# {about.name} {about.version}

{kind}. Imported from a checkpoint, not trained here.

| | |
|---|---|
| Source | `{source}`, sha256 `{digest}` |
| Architecture | {config.name}: {config.queries} queries, {config.hidden} channels, {config.decoder_layers} decoder layers |
| Values | {sizes} |
| Task | {about.task}, {config.classes} classes: {names} |
| Input | RGB, shorter side {about.shorter_side}, longer side at most {about.largest_side}, padded to multiples of 32 |
| Matching | `{about.matching}`: {rule} |
| Licence | {about.license} |

## Checked at import

- All {count} tensors of the file were taken by name and shape; none was missing, none was left over, all values are finite. Nothing in the file was executed.
- `reference.json` and `reference.bin` hold small inputs and what PyTorch answers to them, for each graph; `dvis models verify` runs the graphs on them.

## Not checked

- The accuracy on any data set: run `dvis eval`.
- That the class names are the ones the weights were trained with: only their number can be compared.
- What the weights' licence allows.
"""
