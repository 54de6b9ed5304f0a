"""Stage 2: the referring tracker on the frozen segmenter's queries. An object keeps the slot it was given where it first appeared (eq. 3, 4)."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import losses
from .clips import LENGTH, Batch, ClipPool
from .model import Dvis
from .training import Stage, device, load_average, run

CLIPS = 8                      # clips in a batch
RATE, HEADS = 5e-4, ("class_embed", "mask_embed", "decoder_norm")   # copied heads learn more slowly
POOL, START, FRESH = 150, 20, 0.3   # clips in the pool, before the first step, new ones a step
SHORTEST = 5                   # frames of the first clips; they grow to LENGTH
SWAPPED, SHUFFLED = 0.25, 0.15   # shares of clips whose matching is wrong now and then, or always
MIX = {"light": 0.05, "everyday": 0.4, "heavy": 0.55}


def start_from_segmenter(model: Dvis) -> None:
    """The tracker begins as one that passes its matched queries on: copied heads, residuals that add nothing."""
    predictor, tracker = model.sem_seg_head.predictor, model.tracker
    copy_heads(predictor, tracker)
    for layer in (*tracker.transformer_cross_attention_layers, *tracker.transformer_self_attention_layers, *tracker.transformer_ffn_layers):
        quiet(layer)


@torch.no_grad()
def copy_heads(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Class and mask heads as they are. The norm before them undoes the norms of the silent layers, which standardise what `source` gave:
    a vector w z + b with z standardised has about the mean of b and the variance mean(w^2) + var(b)."""
    target.class_embed.load_state_dict(source.class_embed.state_dict())
    target.mask_embed.load_state_dict(source.mask_embed.state_dict())
    weight, bias = source.decoder_norm.weight, source.decoder_norm.bias
    target.decoder_norm.weight.fill_(float((weight.square().mean() + bias.var(unbiased=False)).sqrt()))
    target.decoder_norm.bias.fill_(float(bias.mean()))


def quiet(layer: torch.nn.Module) -> None:
    """Zeroes the last linear map of a residual branch."""
    last = getattr(layer, "multihead_attn", None) or getattr(layer, "self_attn", None)
    last = layer.linear2 if last is None else last.out_proj
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)


def disturb(embeds: Tensor, random: np.random.Generator) -> Tensor:
    """Matched queries [B,T,Q,C] with wrong matches after the first frame in some clips: lasting swaps, or no order at all."""
    count, frames, queries = embeds.shape[:3]
    order = np.tile(np.arange(queries), (count, frames, 1))
    for row in range(count):
        kind = random.random()
        if kind < SWAPPED:
            for t in np.flatnonzero(random.random(frames) < 0.2):
                if t > 0:
                    a, b = random.integers(queries, size=2)
                    order[row, t:, [a, b]] = order[row, t:, [b, a]]
        elif kind < SWAPPED + SHUFFLED:
            for t in range(1, frames):
                order[row, t] = random.permutation(queries)
    index = torch.from_numpy(order).to(embeds.device)
    return embeds.gather(2, index[..., None].expand_as(embeds))


def slots(logits: Tensor, masks: Tensor, batch: Batch) -> Tensor:
    """Slot of every object [B,N] (-1 = never seen): matched where it first appears, among slots that no earlier object holds.

    logits [B,T,Q,K+1], masks [B,T,Q,P]."""
    frames = logits.shape[1]
    labels = batch.labels[:, None].expand(-1, frames, -1)
    cost = losses.matching_cost(logits, masks, labels, batch.masks).cpu().numpy()     # [B,T,Q,N]
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


def forward(model: Dvis, batch: Batch, random: np.random.Generator) -> Tensor:
    """Raw output of every layer for all frames [L,B,T,Q,C]."""
    matched = disturb(batch.embeds, random)
    reference, outputs = batch.embeds[:, 0], []
    for t in range(batch.embeds.shape[1]):
        first = torch.full((len(reference),), float(t == 0), device=reference.device)
        layers = model.tracker.layers(batch.embeds[:, t], matched[:, t], reference, first)
        reference = layers[-1]
        outputs.append(torch.stack(layers))
    return torch.stack(outputs, 2)


def loss(model: Dvis, batch: Batch, random: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
    """The paper's losses of every layer and frame, each object against its own slot."""
    step = model.tracker.heads(forward(model, batch, random))
    layers, count, frames = step.logits.shape[:3]
    with torch.no_grad():
        held = slots(step.logits[-1], step.mask_embeds[-1] @ batch.features, batch)
    shown = batch.visible & (held >= 0)[:, None]                                              # [B,T,N]
    assignment = torch.where(shown, held[:, None], torch.full_like(held, -1)[:, None])
    wide = lambda x: x[None].expand(layers, *x.shape).flatten(0, 2)
    labels = batch.labels[:, None].expand(-1, frames, -1)
    says = losses.class_loss(step.logits.flatten(0, 2), wide(assignment), wide(labels))
    index = held.clamp(min=0)[None, :, None, :, None].expand(layers, -1, frames, -1, step.mask_embeds.shape[-1])
    chosen = step.mask_embeds.gather(3, index) @ batch.features                               # [L,B,T,N,P]
    cross_entropy, dice = losses.mask_losses(chosen[:, shown].flatten(0, 1), batch.masks[shown].repeat(layers, 1))
    with torch.no_grad():
        rows = shown.nonzero(as_tuple=True)
        right = step.logits[-1][rows[0], rows[1], assignment[rows]].argmax(-1) == labels[rows]
    total = losses.CLASS * says + losses.MASK * cross_entropy + losses.DICE * dice
    return total, {"class": float(says), "mask": float(cross_entropy), "dice": float(dice), "right class": float(right.float().mean())}


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None, further: bool = False) -> None:
    """`further`: the tracker is trained already and goes on."""
    torch.manual_seed(seed)
    for part in ("backbone", "sem_seg_head"):
        load_average(getattr(model, part), folder / "segmenter.pt", part)
    if not further:
        start_from_segmenter(model)
    model.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)
    model.tracker.requires_grad_(True)
    stage = Stage(folder / "tracker.pt", {"tracker": model.tracker}, minutes, RATE, HEADS)
    pool = ClipPool(model, POOL, START, seed + stage.steps, MIX, extras)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        longest = min(LENGTH, SHORTEST + int(stage.progress * 2 * (LENGTH - SHORTEST)))
        frames = int(pool.random.integers(SHORTEST, longest + 1))
        return loss(model, pool.batch(CLIPS, frames), pool.random)

    run(stage, "tracker", step)
