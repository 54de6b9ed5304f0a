"""Training of RefineVIS on a frozen segmenter: association and temporal refinement.

The refinement learns both of its uses: over whole clips, and frame by frame on its own answers.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints import weights
from ..data.footage import clip_source
from ..data.photos.photographs import Photographs
from ..networks.model import Dvis
from ..networks.refinevis import PERIOD
from . import losses
from .clips import Batch, ClipPool
from .contrastive import CONTRAST, COSINE, choose, contrastive_loss, cosine_loss
from .stage import Stage, device, run
from .tracker import MIX, quiet

CLIPS = 8                # clips in a batch
RATE = 5e-4
# Clips in the pool, before the first step, new ones a step without workers.
POOL = 400
START = 24
FRESH = 0.3
LENGTH = 20              # frames of a clip, at most
APART = 10               # frames between two that are compared, at most
# Share of the detections that the refinement does not get: it learns to fill gaps. RefineVIS noises
# the denoising queries of its segmenter instead, which this one has not.
DROPPED = 0.2
SEGMENTER = ("backbone", "sem_seg_head")


def load_segmenter(model: Dvis, folder: Path) -> None:
    """Loads the segmenter of a model folder of any method; raises WeightsError."""
    path = folder / weights.NAME
    tensors, _ = weights.read(path)
    wanted = {name: value for name, value in model.state_dict().items()
              if name.split(".")[0] in SEGMENTER}
    for name, value in wanted.items():
        if name not in tensors or tensors[name].shape != value.shape:
            raise weights.WeightsError(f"{path}: its segmenter is another one: '{name}' is missing "
                                       "or has another shape.")
    model.load_state_dict({name: tensors[name] for name in wanted}, strict=False)


@torch.no_grad()
def start_from_segmenter(model: Dvis) -> None:
    """Initialises the refinement so that it passes its embeddings on.

    Residuals add nothing, and the last norm undoes the first (see `tracker.copy_heads`)."""
    refinement, norm = model.refinevis.refinement, model.sem_seg_head.predictor.decoder_norm
    for layer in (refinement.attention, refinement.feed_forward):
        quiet(layer)
    spread = (norm.weight.square().mean() + norm.bias.var(unbiased=False)).sqrt()
    refinement.feed_forward.norm.weight.fill_(float(spread))
    refinement.feed_forward.norm.bias.fill_(float(norm.bias.mean()))


@torch.no_grad()
def match(model: Dvis, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Cost and mask IoU of queries and objects [B,T,Q,N], query of every object [B,T,N] or -1."""
    heads = model.sem_seg_head.predictor
    logits, masks = heads.class_embed(batch.embeds), heads.mask_embed(batch.embeds) @ batch.features
    labels = batch.labels[:, None].expand(-1, batch.embeds.shape[1], -1)
    cost = losses.matching_cost(logits, masks, labels, batch.masks, batch.known)
    weight = torch.ones_like(batch.masks[:, :, :1]) if batch.known is None \
        else batch.known[:, :, None]
    overlap = losses.mask_quality(masks[:, :, :, None], batch.masks[:, :, None], weight[:, :, None])
    assignment = losses.assign(cost.flatten(0, 1), batch.eligible.flatten(0, 1))
    return cost, overlap, assignment.unflatten(0, cost.shape[:2])


def association_loss(model: Dvis, batch: Batch, cost: Tensor, overlap: Tensor, assignment: Tensor,
                     frames: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Contrastive and cosine loss of the objects of one frame with the queries of another."""
    first, second = (model.refinevis.reid_embed_head(batch.embeds[:, t]) for t in frames)
    parts = []
    for row in range(len(first)):
        own = assignment[row, frames[0]]
        other = torch.where(own >= 0, assignment[row, frames[1]], -1)
        chosen = choose(cost[row, frames[1]], overlap[row, frames[1]], other)
        given = (first[row][own.clamp(min=0)], second[row], *chosen)
        parts.append(torch.stack((contrastive_loss(*given), cosine_loss(*given))))
    contrast, cosine = torch.stack(parts).mean(0)
    return contrast, cosine


def tracklets(batch: Batch, assignment: Tensor, dropped: float) -> tuple[Tensor, Tensor]:
    """Embeddings of the objects [T,B,N,C], zeros where one has no detection, and who has one [B,N].
    """
    seen = (assignment >= 0) & (torch.rand(assignment.shape, device=assignment.device) >= dropped)
    index = assignment.clamp(min=0)[..., None].expand(*assignment.shape, batch.embeds.shape[-1])
    embeds = batch.embeds.gather(2, index) * seen[..., None]
    return embeds.transpose(0, 1), seen.any(1)


def refinement_loss(model: Dvis, batch: Batch, refined: Tensor,
                    known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Class, mask and dice loss of refined embeddings [T,B,N,C] (RefineVIS, eq. 5).

    A tracklet shows its object in each frame in which it is visible, detected or not, and "no
    object" else. known bool [B,N]: tracklets that count."""
    heads = model.sem_seg_head.predictor
    refined = refined.transpose(0, 1)                                       # [B,T,N,C]
    shown = batch.visible & known[:, None]
    number = torch.arange(shown.shape[-1], device=shown.device).expand(shown.shape)
    labels = batch.labels[:, None].expand(shown.shape)
    class_part = losses.class_loss(
        heads.class_embed(refined).flatten(0, 1), torch.where(shown, number, -1).flatten(0, 1),
        labels.flatten(0, 1), ~known[:, None].expand(shown.shape).flatten(0, 1))
    frames = shown.nonzero(as_tuple=True)[:2]
    masks = torch.einsum("mc,mcp->mp", heads.mask_embed(refined[shown]), batch.features[frames])
    weight = None if batch.known is None else batch.known[frames]
    return (class_part, *losses.mask_losses(masks, batch.masks[shown], weight))


def loss(model: Dvis, batch: Batch, frames: tuple[int, int], start: int = 0,
         dropped: float = DROPPED) -> tuple[Tensor, dict[str, float]]:
    """All losses of a batch; `frames` are compared, and `start` is the number of the first."""
    found = match(model, batch)
    contrast, cosine = association_loss(model, batch, *found, frames)
    embeds, known = tracklets(batch, found[2], dropped)
    flat = embeds.flatten(1, 2)
    numbers = torch.arange(start, start + len(flat), device=flat.device, dtype=torch.float32)
    refinement = model.refinevis.refinement
    answers = (refinement(flat, numbers, flat, numbers), refinement.online(flat, numbers))
    parts = torch.stack([torch.stack(refinement_loss(model, batch, answer.view_as(embeds), known))
                         for answer in answers]).mean(0)
    total = CONTRAST * contrast + COSINE * cosine \
        + losses.CLASS * parts[0] + losses.MASK * parts[1] + losses.DICE * parts[2]
    names = ("contrast", "cosine", "class", "mask", "dice")
    return total, dict(zip(names, map(float, (contrast, cosine, *parts))))


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None,
          workers: int = 0, photographs: Photographs | None = None,
          real: float | None = None) -> None:
    """Trains the association and the refinement of a model whose segmenter is loaded."""
    torch.manual_seed(seed)
    start_from_segmenter(model)
    model.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)
    model.refinevis.requires_grad_(True)
    stage = Stage(folder / "refinevis.pt", {"refinevis": model.refinevis}, minutes, RATE)
    source = clip_source(model.config, MIX, extras, photographs, real)
    pool = ClipPool(model, LENGTH, False, POOL, START, seed + stage.steps, source, workers)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        frames = int(pool.random.integers(2, LENGTH + 1))
        first = int(pool.random.integers(frames))
        near = [t for t in range(frames) if 0 < abs(t - first) <= APART]
        return loss(model, pool.batch(CLIPS, frames), (first, int(pool.random.choice(near))),
                    int(pool.random.integers(PERIOD)))

    run(stage, "refinevis", step)
    pool.close()
