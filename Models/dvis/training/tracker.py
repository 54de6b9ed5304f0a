"""Stage 2: the referring tracker on the frozen segmenter's queries.

An object keeps the slot it was given where it first appeared (eq. 3, 4).
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.footage import clip_source
from ..data.photos.photographs import Photographs
from ..networks.model import Dvis
from . import losses
from .clips import Batch, ClipPool
from .stage import Stage, device, load_before, run

CLIPS = 8                      # clips in a batch
# Copied heads learn more slowly; GENTLE where scores are qualities.
RATE = 5e-4
GENTLE = 1.5e-4
HEADS = ("class_embed", "mask_embed", "decoder_norm")
# Clips in the pool, before the first step, new ones a step without workers.
POOL = 400
START = 24
FRESH = 0.3
LENGTH, SHORTEST = 40, 5       # frames of a clip, and of the first ones
MIX = {"light": 0.05, "everyday": 0.4, "heavy": 0.55}


def start_from_segmenter(model: Dvis) -> None:
    """Initialises the tracker so that it passes its matched queries on.

    Heads are copied, residuals add nothing."""
    predictor, tracker = model.sem_seg_head.predictor, model.tracker
    copy_heads(predictor, tracker)
    for layer in (*tracker.transformer_cross_attention_layers,
                  *tracker.transformer_self_attention_layers, *tracker.transformer_ffn_layers):
        quiet(layer)


@torch.no_grad()
def copy_heads(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Copies class and mask heads.

    The norm before them undoes the norms of the silent layers, which standardise what `source`
    gave: a vector w z + b with z standardised has about the mean of b and the variance mean(w^2) +
    var(b)."""
    target.class_embed.load_state_dict(source.class_embed.state_dict())
    target.mask_embed.load_state_dict(source.mask_embed.state_dict())
    weight, bias = source.decoder_norm.weight, source.decoder_norm.bias
    target.decoder_norm.weight.fill_(float((weight.square().mean()
                                            + bias.var(unbiased=False)).sqrt()))
    target.decoder_norm.bias.fill_(float(bias.mean()))


def quiet(layer: torch.nn.Module) -> None:
    """Zeroes the last linear map of a residual branch."""
    last = getattr(layer, "multihead_attn", None) or getattr(layer, "self_attn", None)
    last = layer.linear2 if last is None else last.out_proj
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)


def slots(logits: Tensor, masks: Tensor, batch: Batch) -> Tensor:
    """Slot of every object [B,N] (-1 = never seen).

    It is matched where it first appears, among slots that no earlier object holds. logits
    [B,T,Q,K+1], masks [B,T,Q,P]."""
    frames = logits.shape[1]
    labels = batch.labels[:, None].expand(-1, frames, -1)
    # [B,T,Q,N]
    cost = losses.matching_cost(logits, masks, labels, batch.masks, batch.known).cpu().numpy()
    eligible = batch.eligible.cpu().numpy()
    result = np.full(batch.labels.shape, -1, np.int64)
    for row in range(len(result)):
        for t in range(frames):
            new = np.flatnonzero(eligible[row, t] & (result[row] < 0))
            if new.size:
                free = np.setdiff1d(np.arange(cost.shape[2]), result[row])
                queries, columns = losses.linear_sum_assignment(cost[row, t][np.ix_(free, new)])
                result[row, new[columns]] = free[queries]
    return torch.from_numpy(result).to(logits.device)


def forward(model: Dvis, batch: Batch) -> Tensor:
    """Raw output of every layer for all frames [L,B,T,Q,C]."""
    reference, outputs = batch.embeds[:, 0], []
    for t in range(batch.embeds.shape[1]):
        first = torch.full((len(reference),), float(t == 0), device=reference.device)
        layers = model.tracker.layers(batch.embeds[:, t], batch.embeds[:, t], reference, first)
        reference = model.tracker.refer(layers[-1], model.tracker.heads(layers[-1]).logits,
                                        reference, first)
        outputs.append(torch.stack(layers))
    return torch.stack(outputs, 2)


def loss(model: Dvis, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """The paper's losses of every layer and frame, each object against its own slot."""
    step = model.tracker.heads(forward(model, batch))
    layers, count, frames = step.logits.shape[:3]
    with torch.no_grad():
        # [B,T,Q,P]
        masks = step.mask_embeds[-1] @ batch.features
        held = slots(step.logits[-1], masks, batch)
        # [B,T,Q]
        excused = None if batch.ignore is None else losses.mostly_in(masks, batch.ignore)
    # [B,T,N]
    shown = batch.visible & (held >= 0)[:, None]
    assignment = torch.where(shown, held[:, None], torch.full_like(held, -1)[:, None])
    wide = lambda x: x[None].expand(layers, *x.shape).flatten(0, 2)
    labels = batch.labels[:, None].expand(-1, frames, -1)
    index = held.clamp(min=0)[None, :, None, :, None].expand(layers, -1, frames, -1,
                                                             step.mask_embeds.shape[-1])
    # [L,B,T,N,P]
    chosen = step.mask_embeds.gather(3, index) @ batch.features
    quality = None
    if model.config.scores_quality:
        points = batch.weight[:, None]
        points = points if batch.ignore is None else points * batch.known
        quality = losses.mask_quality(chosen[-1].detach(), batch.masks, points[:, :, None])
    class_part = losses.class_loss(step.logits.flatten(0, 2), wide(assignment), wide(labels),
                                   None if excused is None else wide(excused),
                                   None if quality is None else wide(quality))
    weight = None
    if batch.ignore is not None:
        weight = batch.known[shown.nonzero(as_tuple=True)[:2]].repeat(layers, 1)
    cross_entropy, dice = losses.mask_losses(chosen[:, shown].flatten(0, 1),
                                             batch.masks[shown].repeat(layers, 1), weight)
    with torch.no_grad():
        rows = shown.nonzero(as_tuple=True)
        right = step.logits[-1][rows[0], rows[1], assignment[rows]].argmax(-1) == labels[rows]
    total = losses.CLASS * class_part + losses.MASK * cross_entropy + losses.DICE * dice
    return total, {"class": float(class_part), "mask": float(cross_entropy), "dice": float(dice),
                   "right class": float(right.float().mean())}


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None,
          further: bool = False, workers: int = 0, photographs: Photographs | None = None,
          real: float | None = None) -> None:
    """Trains the tracker of a run; for 0 minutes it is saved as it begins, equal to matching.

    `further`: it is trained already and continues; `workers` processes render clips meanwhile;
    `real`: share of clips made of `photographs`."""
    torch.manual_seed(seed)
    load_before(model, folder, "tracker", further)
    if not further:
        start_from_segmenter(model)
    model.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)
    model.tracker.requires_grad_(True)
    stage = Stage(folder / "tracker.pt", {"tracker": model.tracker}, minutes,
                  GENTLE if model.config.scores_quality else RATE, HEADS)
    if not minutes:
        return stage.save()
    source = clip_source(model.config, MIX, extras, photographs, real)
    pool = ClipPool(model, LENGTH, False, POOL, START, seed + stage.steps, source, workers)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        longest = LENGTH if further else min(LENGTH, SHORTEST
                                             + int(stage.progress * 2 * (LENGTH - SHORTEST)))
        return loss(model, pool.batch(CLIPS, int(pool.random.integers(SHORTEST, longest + 1))))

    run(stage, "tracker", step)
    pool.close()
