"""Official checkpoints of DVIS, MinVIS, VITA and GenVIS as weights of a model.

Strictly by name and shape: nothing is missing, nothing is left over but what no network reads.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..networks.model import METHODS, Dvis
from .checkpoint import CheckpointError, shape_text

# Losses keep their class weights in the checkpoint; no network reads them.
LOSS_WEIGHT = "criterion.empty_weight"
# Further entries that no network reads: the normalisation of the input, which the manifest states,
# and the counters of batch norms.
PIXEL_STATISTICS = ("pixel_mean", "pixel_std")
COUNTER = ".num_batches_tracked"

# Tensors that only one backbone has.
SIGNS = {"swin-l": "backbone.patch_embed.proj.weight", "r50": "backbone.stem.conv1.weight"}
NAMES = {"segmenter": "MinVIS", "online": "DVIS", "offline": "DVIS", "vita": "VITA",
         "genvis": "GenVIS"}
UNKNOWN = "It is not a checkpoint of DVIS, MinVIS, VITA or GenVIS."
GENVIS_PARTS = {f"vita_module.pre_{what}_embed_{kind}" for what in ("query", "memory")
                for kind in "kv"}
SHOWN = 4              # tensors named of each kind of mistake


def loss_weights(method: str) -> tuple[str, ...]:
    """Names of the class weights that the losses of a method leave in its checkpoints."""
    of_clips = {"vita": ("vita",), "genvis": ("vita", "genvis")}.get(method, ())
    return (LOSS_WEIGHT, *(f"{name}_{LOSS_WEIGHT}" for name in of_clips))


def mode_of(tensors: dict[str, Tensor]) -> str:
    """Kind of a checkpoint by its parts: a key of networks.model.MODES."""
    parts = {".".join(name.split(".")[:depth]) for name in tensors for depth in (1, 2)}
    if "vita_module" in parts:
        # What GenVIS adds to VITA is the carried query and the memory.
        return "genvis" if GENVIS_PARTS & parts else "vita"
    if "refiner" in parts:
        return "offline"
    return "online" if "tracker" in parts else "segmenter"


def chosen_mode(tensors: dict[str, Tensor], method: str, mode: str, path: Path) -> str:
    """Mode of the model for a checkpoint; `method` and `mode` are what it must be, or "auto".

    Raises CheckpointError where they do not go together, or the checkpoint is of another method."""
    found = mode_of(tensors)
    if method not in ("auto", METHODS[mode if mode != "auto" else found]):
        if mode != "auto":
            raise CheckpointError(f"the mode {mode} is one of {METHODS[mode]}, not of {method}.")
        _require_segmenter(tensors, path)
        raise CheckpointError(f"{path}: it is a checkpoint of {NAMES[found]}: give --method "
                              f"{METHODS[found]}, or a checkpoint of {method}.")
    return found if mode == "auto" else mode


def _require_segmenter(tensors: dict[str, Tensor], path: Path) -> None:
    if not any(name.startswith("sem_seg_head.predictor.") for name in tensors):
        raise CheckpointError(f"{path}: {UNKNOWN}")


def load_strictly(model: Dvis, tensors: dict[str, Tensor], path: Path) -> None:
    """Loads every tensor of the model from the checkpoint.

    Raises CheckpointError that names tensors and shapes."""
    # Its name in early Mask2Former checkpoints.
    tensors = {name.replace("static_query", "query_feat"): tensor
               for name, tensor in tensors.items()
               if name not in PIXEL_STATISTICS and not name.endswith(COUNTER)}
    unread = {name: torch.empty(model.config.classes + 1)
              for name in loss_weights(model.method) if name in tensors}
    expected = {**model.state_dict(), **unread}
    missing = [f"{name} {shape_text(tensor.shape)}"
               for name, tensor in expected.items() if name not in tensors]
    left = [f"{name} {shape_text(tensor.shape)}"
            for name, tensor in tensors.items() if name not in expected]
    common = [(name, tensors[name], wanted) for name, wanted in expected.items() if name in tensors]
    shapes = [f"{name} is {shape_text(found.shape)}, expected {shape_text(wanted.shape)}"
              for name, found, wanted in common if found.shape != wanted.shape]
    mistakes = [text for text in (_several("missing", missing), _several("left over", left),
                                  _several("of another shape", shapes)) if text]
    if mistakes:
        config = model.config
        wanted = f"{config.name}, {model.mode}, with {config.classes} classes"
        raise CheckpointError(f"{path}: the checkpoint does not fit {wanted}: "
                              f"{'; '.join(mistakes)}. {_reason(model, tensors)}".rstrip())
    for name, found, wanted in common:
        if found.dtype.is_floating_point != wanted.dtype.is_floating_point:
            raise CheckpointError(f"{path}: {name} holds "
                                  f"{str(found.dtype).removeprefix('torch.')}, expected "
                                  f"{str(wanted.dtype).removeprefix('torch.')}.")
        if not torch.isfinite(found).all():
            raise CheckpointError(f"{path}: {name} holds numbers that are not finite.")
        if not wanted.dtype.is_floating_point and not torch.equal(found.to(wanted.dtype), wanted):
            raise CheckpointError(f"{path}: {name} is not the table that a window of "
                                  f"{model.config.backbone_window} gives.")
    model.load_state_dict({name: tensor for name, tensor in tensors.items() if name not in unread})


def _several(what: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{what}: {', '.join(items[:SHOWN])}{more}"


def _reason(model: Dvis, tensors: dict[str, Tensor]) -> str:
    """Likeliest cause of a mismatch, as advice."""
    config, found = model.config, mode_of(tensors)
    backbone = next((name for name, sign in SIGNS.items() if sign in tensors), None)
    if "sem_seg_head.predictor.query_feat.weight" not in tensors:
        return UNKNOWN
    if backbone is not None and backbone != config.name:
        return f"Its backbone is that of {backbone}: give --arch {backbone}."
    if METHODS[found] != model.method and {found, model.mode} & {"vita", "genvis"}:
        return f"It is a checkpoint of {NAMES[found]}: give --method {METHODS[found]}."
    if found != model.mode:
        has = {"offline": "a tracker and a refiner", "online": "a tracker and no refiner",
               "segmenter": "neither tracker nor refiner"}[found]
        return f"It has {has}: give --mode {found}, or the {model.mode} checkpoint."
    if LOSS_WEIGHT in tensors and len(tensors[LOSS_WEIGHT]) != config.classes + 1:
        return f"It knows {len(tensors[LOSS_WEIGHT]) - 1} classes: give their names."
    return ""
