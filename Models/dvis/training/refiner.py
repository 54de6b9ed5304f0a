"""Stage 3: the temporal refiner on the frozen tracker's output.

Objects are matched over the whole clip (DVIS, eq. 6 and 7).
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..data.footage import clip_source
from ..data.photos.photographs import Photographs
from ..networks.model import Dvis
from . import losses
from .clips import Batch, ClipPool
from .losses import NO_OBJECT
from .selection import NO_OBJECT as QUALITY_NO_OBJECT
from .stage import Stage, device, load_before, run
from .tracker import HEADS, MIX, copy_heads, quiet

CLIPS = 6                 # clips in a batch
RATE = 1.5e-4             # more moves the masks, which are right from the start
# Clips in the pool, before the first step, new ones a step without workers.
POOL = 400
START = 24
FRESH = 0.3
LENGTH = 40               # frames of a clip
WHOLE = 0.3               # share of steps with whole clips; the others have any length
# From this share of the budget on the refiner's own answer is matched, before the tracker's.
OWN_MATCH_FROM = 0.5

# Where scores are qualities, a clip's score is what the refiner adds at first: its class head and
# the weights of frames learn alone, then everything else, too, at SLOW of their rate.
SCORES = ("class_embed", "activation_proj")
SCORES_RATE = 1e-3
SCORES_ALONE = 0.6        # share of the budget
SLOW = 0.1
WINDOW = 20               # frames of a clip: the window of the service
SHORTEST = 5


def start_from_tracker(model: Dvis) -> None:
    """Initialises the refiner so that it passes the tracker's answer on.

    Heads are copied, residuals add nothing, learned weights of frames are the same."""
    refiner = model.refiner
    copy_heads(model.tracker, refiner)
    for layers in (refiner.transformer_time_self_attention_layers,
                   refiner.transformer_obj_self_attention_layers,
                   refiner.transformer_cross_attention_layers, refiner.transformer_ffn_layers):
        for layer in layers:
            quiet(layer)
    for last in (*(conv[2] for conv in refiner.conv_short_aggregate_layers),
                 refiner.activation_proj):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)


def tracked(model: Dvis, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Outputs of the frozen tracker for a batch.

    Embeddings and memory [T,B,Q,C], mean logits [B,Q,K+1], mask embeddings [T,B,Q,Cm], chance of
    an object in each frame [B,Q,T]."""
    config = model.config
    embeds, memory, logits, mask_embeds = batch.tracked.transpose(0, 1).split(
        (config.hidden, config.hidden, config.classes + 1, config.mask_channels), -1)
    shown = 1 - logits.softmax(-1)[..., -1].permute(1, 2, 0)
    return embeds, memory, logits.mean(0), mask_embeds, shown


def tubes(mask_embeds: Tensor, batch: Batch) -> Tensor:
    """Mask logits of whole clips: [.., T,B,Q,Cm] -> [.., B,Q,T*P]."""
    masks = mask_embeds.transpose(-4, -3) @ batch.features                    # [.., B,T,Q,P]
    return masks.transpose(-3, -2).flatten(-2)


def loss(model: Dvis, batch: Batch, own_match: bool,
         scores_alone: bool = False) -> tuple[Tensor, dict[str, float]]:
    """Class and tube losses after every layer, for one assignment over the clip.

    `scores_alone`: after the last layer only; the layers before it do not learn."""
    instance, memory, online, online_masks, shown = tracked(model, batch)
    with torch.set_grad_enabled(not scores_alone):
        outputs = torch.stack(model.refiner.layers(instance, memory))         # [L,T,B,Q,C]
    outputs = outputs[-1:] if scores_alone else outputs
    logits, mask_embeds = zip(*(model.refiner.heads(output) for output in outputs))
    # [L,B,Q,K+1], [L,B,Q,T*P]
    logits = torch.stack(logits)
    masks = tubes(torch.stack(mask_embeds), batch)
    goal = batch.masks.transpose(1, 2).flatten(2)                             # [B,N,T*P]
    with torch.no_grad():
        predicted = (logits[-1], masks[-1]) if own_match else (online, tubes(online_masks, batch))
        known = None if batch.ignore is None else batch.known.flatten(1)      # [B,T*P]
        assignment = losses.assign(losses.matching_cost(*predicted, batch.labels, goal, known),
                                   batch.eligible.any(1))
        excused = None
        if batch.ignore is not None:
            excused = losses.mostly_in(masks[-1], batch.ignore.flatten(1))
    layers = len(outputs)
    wide = lambda x: x[None].expand(layers, *x.shape).flatten(0, 1)
    quality = None
    if model.config.scores_quality:
        points = batch.weight[:, None] if known is None else batch.weight[:, None] * batch.known
        index = assignment.clamp(min=0)
        own = masks[-1].detach().gather(1, index[..., None].expand(-1, -1, goal.shape[-1]))
        apart = lambda x: x.unflatten(-1, (len(instance), -1))                # [B,N,T,P]
        sure = shown.gather(1, index[..., None].expand(-1, -1, len(instance)))
        quality = losses.clip_quality(apart(own), apart(goal), points[:, None], sure)
    class_part = losses.class_loss(logits.flatten(0, 1), wide(assignment), wide(batch.labels),
                                   None if excused is None else wide(excused),
                                   None if quality is None else wide(quality),
                                   QUALITY_NO_OBJECT if model.config.scores_quality else NO_OBJECT)
    rows, objects = (assignment >= 0).nonzero(as_tuple=True)
    chosen = masks[:, rows, assignment[rows, objects]]
    weight = None if known is None else known[rows].repeat(layers, 1)
    cross_entropy, dice = losses.mask_losses(chosen.flatten(0, 1),
                                             goal[rows, objects].repeat(layers, 1), weight)
    right = logits[-1][rows, assignment[rows, objects]].argmax(-1) == batch.labels[rows, objects]
    total = losses.CLASS * class_part + losses.MASK * cross_entropy + losses.DICE * dice
    return total, {"class": float(class_part), "mask": float(cross_entropy), "dice": float(dice),
                   "right class": float(right.float().mean())}


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None,
          further: bool = False, workers: int = 0, photographs: Photographs | None = None,
          real: float | None = None) -> None:
    """Trains the refiner of a run; for 0 minutes it is saved as it begins.

    `further`: it is trained already and continues; `real`: share of clips made of `photographs`."""
    torch.manual_seed(seed)
    load_before(model, folder, "refiner", further)
    if not further:
        start_from_tracker(model)
    model.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)
    scores_first = model.config.scores_quality
    length, shortest = (WINDOW, SHORTEST) if scores_first else (LENGTH, 1)
    rate, slow, factor = RATE, HEADS, 0.3
    if scores_first:
        slow = tuple(name for name, _ in model.refiner.named_children() if name not in SCORES)
        rate, factor = SCORES_RATE, SLOW
    stage = Stage(folder / "refiner.pt", {"refiner": model.refiner}, minutes, rate, slow, factor)
    if not minutes:
        return stage.save()
    source = clip_source(model.config, MIX, extras, photographs, real)
    pool = ClipPool(model, length, True, POOL, START, seed + stage.steps, source, workers)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        whole = pool.random.random() < WHOLE
        frames = length if whole else int(pool.random.integers(shortest, length + 1))
        alone = scores_first and stage.progress < SCORES_ALONE
        for name, part in model.refiner.named_children():
            part.requires_grad_(not alone or name in SCORES)
        own_match = stage.progress >= OWN_MATCH_FROM
        return loss(model, pool.batch(CLIPS, frames), own_match, alone)

    run(stage, "refiner", step)
    pool.close()
