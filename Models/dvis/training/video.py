"""Training of VITA's and GenVIS's video queries on the frozen segmenter.

A clip of GenVIS is one of several in a video, and an object keeps the slot it was given in the
first; for VITA the video is one clip.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..data.footage import clip_source
from ..data.photos.photographs import Photographs
from ..networks.model import Dvis
from .clips import Batch, ClipPool
from .stage import Stage, device, load_before, run
from .tracker import HEADS, MIX, copy_heads
from .videostep import loss

VIDEOS = 8                 # in a batch
RATE = 5e-4
# Clips in the pool, before the first step, new ones a step without workers.
POOL = 200
START = 24
FRESH = 0.3
LENGTH = 40                # frames of a clip in the pool
SPAN = (3, 16)             # clips of GenVIS in a video, at first and at last
CLIPS = (1, 3)             # frames of a clip of GenVIS: online and semi-online
FRAMES = (5, 24)           # of a video of VITA
STRIDES = (1, 2, 3)        # between the frames of a video


def start_from_segmenter(model: Dvis) -> None:
    """Initialises the heads and the clip's mask features with those of the segmenter."""
    head, module = model.sem_seg_head, model.vita_module
    copy_heads(head.predictor, module)
    module.vita_mask_features.load_state_dict(head.pixel_decoder.mask_features.state_dict())


def draw(model: Dvis, pool: ClipPool, progress: float) -> tuple[Batch, int]:
    """Batch of videos and the frames of their clips; videos grow with the progress 0..1."""
    random = pool.random
    shortest, longest = FRAMES if model.method == "vita" else SPAN
    longest = shortest + round(min(1.0, 2 * progress) * (longest - shortest))
    frames, length = int(random.integers(shortest, longest + 1)), 1
    if model.method == "genvis":
        length = int(random.choice(CLIPS))
        frames = min(frames, LENGTH // length) * length
    strides = [stride for stride in STRIDES if (frames - 1) * stride < LENGTH]
    return pool.batch(VIDEOS, frames, int(random.choice(strides))), length


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None,
          further: bool = False, workers: int = 0, photographs: Photographs | None = None,
          real: float | None = None, fresh: bool = True) -> None:
    """Trains the video queries of a run; arguments as of the tracker's training.

    `further`: the weights of the segmenter were given; `fresh`: those of the video queries not."""
    torch.manual_seed(seed)
    load_before(model, folder, model.method, further)
    if fresh:
        start_from_segmenter(model)
    model.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)
    model.vita_module.requires_grad_(True)
    # Those of the segmenter, so that one graph serves every method.
    model.vita_module.vita_mask_features.requires_grad_(False)
    stage = Stage(folder / f"{model.method}.pt", {"vita_module": model.vita_module}, minutes, RATE,
                  HEADS)
    source = clip_source(model.config, MIX, extras, photographs, real)
    pool = ClipPool(model, LENGTH, False, POOL, START, seed + stage.steps, source, workers)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        return loss(model, *draw(model, pool, stage.progress))

    run(stage, model.method, step)
    pool.close()
