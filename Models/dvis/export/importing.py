"""Import of official checkpoints into a model folder: DVIS, MinVIS, VITA, GenVIS."""
from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..checkpoints.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from ..checkpoints.official import chosen_mode, load_strictly
from ..networks.config import Config
from ..networks.model import METHODS, Dvis, build
from .graphs import write_folder
from .manifest import About, ClassLabel, colour

# Shorter side of the input in the official configurations of DVIS and MinVIS.
SHORTER_SIDE = {("r50", "vis"): 360, ("swin-l", "vis"): 480, ("r50", "vps"): 720,
                ("swin-l", "vps"): 720, ("r50", "vss"): 480, ("swin-l", "vss"): 480}
# The same of VITA and GenVIS.
SHORTER_SIDE_OF_CLIPS = {"r50": 360, "swin-l": 448}
LARGEST_SIDE = 1333
# Frames of one run of the refiner or of VITA: no part depends on the length, memory does.
MAX_WINDOW = 1024


@dataclass(frozen=True)
class Request:
    """Arguments of an import; None stands for the official configuration."""
    checkpoint: Path
    arch: str
    task: str
    classes: Path
    out: Path
    method: str = "auto"
    mode: str = "auto"
    shorter_side: int | None = None
    largest_side: int | None = None
    max_window: int = MAX_WINDOW
    name: str | None = None
    version: str = "1.0.0"
    license: str = "that of the checkpoint"
    object_score: float | None = None
    overlap: float | None = None
    clip: int = 1              # frames of a clip of GenVIS


def run(request: Request) -> tuple[Dvis, str]:
    """Reads, checks and exports a checkpoint; returns the model and which weights were taken.

    Raises CheckpointError with a sentence for the user."""
    labels = read_classes(request.classes, request.task)
    source = read_checkpoint(request.checkpoint)
    tensors = source.tensors
    mode = chosen_mode(tensors, request.method, request.mode, request.checkpoint)
    if METHODS[mode] in ("vita", "genvis") and request.task != "vis":
        raise CheckpointError(f"{request.checkpoint}: a model of {METHODS[mode]} is for the task "
                              f"vis, not {request.task}.")
    if request.clip > 1 and mode != "genvis":
        raise CheckpointError(f"{request.checkpoint}: only GenVIS has clips of a chosen length, "
                              f"and this is a model of {METHODS[mode]}.")
    model = build(request.arch, mode, classes=len(labels)).eval()
    load_strictly(model, tensors, request.checkpoint)
    digest = sha256(request.checkpoint)
    thresholds = {"object_score": request.object_score, "overlap": request.overlap}
    panoptic = {name: value for name, value in thresholds.items() if value is not None}
    if panoptic and request.task != "vps":
        raise CheckpointError(f"{next(iter(panoptic))} is for the task vps, not {request.task}.")
    shorter_side = SHORTER_SIDE[request.arch, request.task]
    if model.vita_module is not None:
        shorter_side = SHORTER_SIDE_OF_CLIPS[request.arch]
    about = About(
        name=request.name or f"{model.method}-{request.arch}-{request.task}",
        version=request.version, task=request.task, classes=labels,
        matching="dvis" if model.method == "dvis" else "aligned",
        shorter_side=request.shorter_side or shorter_side,
        largest_side=request.largest_side or LARGEST_SIDE,
        max_window=request.max_window, license=request.license,
        weights_from=f"imported from {request.checkpoint.name}, sha256 {digest}; see MODEL_CARD.md",
        panoptic=panoptic, clip=request.clip)
    write_folder(model, request.out, about)
    taken = taken_text(source)
    text = card(model, about, request.checkpoint.name, digest, len(tensors), taken)
    (request.out / "MODEL_CARD.md").write_text(text)
    return model, taken


def taken_text(source: Checkpoint) -> str:
    """Which entry of the file the weights come from, and which others hold weights, too."""
    where = f"under {source.taken}" if source.taken else "at the top of the file"
    if not source.others:
        return f"the weights {where}"
    return f"the weights {where}; {', '.join(source.others)} of the file was not taken"


def read_classes(path: Path, task: str) -> tuple[ClassLabel, ...]:
    """Classes of a file: one name per line, or a JSON list of {"name", "kind", "color"}.

    `kind` is thing or stuff, `color` #rrggbb; both may be left out. Raises CheckpointError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip()[:1] in ("[", "{"):
            items = json.loads(text)
        else:
            items = [line.strip() for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: the classes cannot be read: {error}.") from error
    if not isinstance(items, list) or not items:
        raise CheckpointError(f"{path}: expected one class name a line, or a JSON list of classes.")
    labels = tuple(_label(path, index, item, "stuff" if task == "vss" else "thing")
                   for index, item in enumerate(items))
    names = [label.name for label in labels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CheckpointError(f"{path}: the class {twice[0]} stands there more than once.")
    kinds = [label.kind for label in labels]
    if task == "vps" and kinds != sorted(kinds, reverse=True):
        late = labels[max(index for index, kind in enumerate(kinds) if kind == "thing")].name
        raise CheckpointError(f"{path}: the thing {late} comes after stuff; a panoptic network has "
                              "its things first.")
    return labels


def _label(path: Path, index: int, item: object, kind: str) -> ClassLabel:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item,
                      dict) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise CheckpointError(f"{path}: class {index} has no name.")
    label = ClassLabel(item["name"].strip(), item.get("kind", kind),
                       str(item.get("color", colour(index))).lower())
    if label.kind not in ("thing", "stuff"):
        raise CheckpointError(f"{path}: the kind of class {label.name} is {label.kind}, expected "
                              "thing or stuff.")
    if not re.fullmatch("#[0-9a-f]{6}", label.color):
        raise CheckpointError(f"{path}: the color of class {label.name} is {label.color}, expected "
                              "#rrggbb.")
    return label


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def card(model: Dvis, about: About, source: str, digest: str, count: int, taken: str) -> str:
    """Text of MODEL_CARD.md: origin of the weights, and what was and was not checked."""
    config: Config = model.config
    parts = {"backbone": model.backbone, "segmenter's decoders": model.sem_seg_head,
             "tracker": model.tracker, "refiner": model.refiner,
             "video queries": model.vita_module}
    sizes = ", ".join(f"{name} {sum(v.numel() for v in part.state_dict().values()) / 1e6:.1f} M"
                      for name, part in parts.items() if part is not None)
    shape = (f"{config.queries} queries, {config.hidden} channels, "
             f"{config.decoder_layers} decoder layers")
    rule = (f"RGB, shorter side {about.shorter_side}, longer side at most {about.largest_side}, "
            "padded to multiples of 32")
    matching = {"dvis": "the official inverse permutation, which these weights were trained with",
                "aligned": "each slot takes the query matched to it"}[about.matching]
    if model.method == "genvis":
        matching = (f"not used: {config.clip_queries} slots go from clip to clip of {about.clip} "
                    "frames")
    kind = {"segmenter": "MinVIS: the segmenter, and matching alone between frames",
            "online": "DVIS online: segmenter and tracker",
            "offline": "DVIS offline: segmenter, tracker and refiner",
            "vita": "VITA: segmenter and video queries, behind the matching of MinVIS",
            "genvis": "GenVIS: segmenter and video queries from clip to clip"}[model.mode]
    names = ", ".join(label.name for label in about.classes)
    return f"""# {about.name} {about.version}

{kind}. Imported from a checkpoint, not trained here.

| | |
|---|---|
| Source | `{source}`, sha256 `{digest}` |
| Architecture | {config.name}: {shape} |
| Values | {sizes} |
| Task | {about.task}, {config.classes} classes: {names} |
| Input | {rule} |
| Matching | `{about.matching}`: {matching} |
| Licence | {about.license} |

## Checked at import

- Source in the file: {taken}.
- All {count} tensors were compared by name and shape; none was missing, none was left over but what
  no network reads, all values are finite. Nothing in the file was executed.
- `reference.json` and `reference.bin` hold small inputs and PyTorch's outputs for each graph;
  `dvis models verify` runs the graphs on them.

## Not checked

- The accuracy on any data set: run `dvis eval`.
- That the class names are those of the training: only their number can be compared.
- What the weights' licence allows.
"""
