"""Stage 1: the segmenter on pairs of frames. First dense losses only, then queries; small pictures first; from light to heavy scenes."""
from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import losses
from .data import Pool, Targets, make_targets, vary
from .model import Dvis
from .segmenter import FpnPixelDecoder, Segments
from .training import Stage, device

PAIRS = 8              # pairs of frames in a batch
GROUPS = 1             # groups of queries beside the real one, each matched on its own (training only)
RATE = 8e-4
DENSE_UNTIL = 0.15     # share of the budget with dense losses only: query training takes off once the dense classes are right (80 % at stride 16)
SMALL_UNTIL = 0.6     # share of the budget with pictures of this size
SMALL = (96, 160)
POOL, FRAMES, FRESH = 300, 6, 0.6   # videos in the pool, frames of each, new videos a step
START = 40             # in the pool before the first step


class Helpers(nn.Module):
    """Heads that only help training: dense predictions on every map; colour and box of an object; more groups of queries."""

    def __init__(self, model: Dvis):
        super().__init__()
        config = model.config
        self.classes = config.classes
        widths = [config.hidden] * 3 + [FpnPixelDecoder.FINE]
        self.dense = nn.ModuleList([nn.Conv2d(width, config.classes + 1 + 4, 1) for width in widths])
        self.looks = nn.Linear(config.hidden, 7)
        self.query_feat = nn.Embedding(GROUPS * config.queries, config.hidden)
        self.query_embed = nn.Embedding(GROUPS * config.queries, config.hidden)

    def dense_loss(self, maps: list[Tensor], targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Class of every cell (objects and background weigh the same), offset to the object's centre, its extent."""
        total, right = maps[0].new_zeros(()), {}
        boxes = targets.boxes
        for head, feature in zip(self.dense, maps):
            factor = targets.masks.shape[-1] // feature.shape[-1]
            cover = F.avg_pool2d(targets.masks, factor) if factor > 1 else targets.masks
            best, which = cover.max(1)
            solid = best > 0.5
            rows = torch.arange(len(which), device=which.device)[:, None, None]
            goal = torch.where(solid, targets.labels[rows, which], torch.full_like(which, self.classes))
            answer = head(feature).float()
            each = F.cross_entropy(answer[:, :self.classes + 1], goal, reduction="none")
            total = total + 2 * (each * solid).sum() / solid.sum().clamp(min=1) + (each * ~solid).sum() / (~solid).sum().clamp(min=1)
            box = boxes[rows, which].permute(0, 3, 1, 2)
            h, w = feature.shape[2:]
            place = torch.stack(torch.meshgrid((torch.arange(w, device=box.device) + 0.5) / w, (torch.arange(h, device=box.device) + 0.5) / h, indexing="xy"))
            wanted = torch.cat((box[:, :2] - place, box[:, 2:]), 1)
            gap = (answer[:, self.classes + 1:] - wanted).abs().sum(1)
            total = total + 2 * (gap * solid).sum() / solid.sum().clamp(min=1)
            right[f"right{h}"] = float((answer[:, :self.classes].argmax(1) == goal)[solid].float().mean())
        return total / len(maps), right

    def query_loss(self, answers: list[Segments], targets: Targets, pictures: Tensor, queries: int) -> tuple[Tensor, dict[str, float]]:
        """The paper's losses after every layer and for every group; contrast, colour and box on the last layer."""
        layers, batch = len(answers), len(pictures)
        logits = torch.stack([answer.logits for answer in answers])
        masks = torch.stack([answer.masks for answer in answers]).flatten(3)
        groups = logits.shape[2] // queries
        logits, masks = logits.unflatten(2, (groups, queries)), masks.unflatten(2, (groups, queries))   # [L,B,G,Q,.]
        goal = targets.masks.flatten(2)                                                                  # [B,N,P]
        with torch.no_grad():
            cost = losses.matching_cost(logits.flatten(2, 3), masks.flatten(2, 3), targets.labels.expand(layers, -1, -1), goal.expand(layers, -1, -1, -1))
            cost = cost.unflatten(2, (groups, queries)).flatten(0, 2)
        wide = lambda x: x[None, :, None].expand(layers, batch, groups, *x.shape[1:]).flatten(0, 2)
        assignment = losses.assign(cost, wide(targets.visible))                                          # [L*B*G,N]
        says = losses.class_loss(logits.flatten(0, 2), assignment, wide(targets.labels))
        rows, objects = (assignment >= 0).nonzero(as_tuple=True)
        chosen = masks.flatten(0, 2)[rows, assignment[rows, objects]]
        cross_entropy, dice = losses.mask_losses(chosen, goal[(rows // groups) % batch, objects])
        last = assignment.unflatten(0, (layers, batch, groups))[-1]                                      # [B,G,N]
        embeds = answers[-1].embeds.unflatten(1, (groups, queries))
        contrast = losses.contrast(embeds[0::2].flatten(0, 1), embeds[1::2].flatten(0, 1), last[0::2].flatten(0, 1), last[1::2].flatten(0, 1))
        rows, group, objects = (last >= 0).nonzero(as_tuple=True)
        looks = self.looks(embeds[rows, group, last[rows, group, objects]])
        wanted = torch.cat((targets.colours(pictures), targets.boxes * 4), -1)[rows, objects]
        looks_loss = F.smooth_l1_loss(looks, wanted) if len(rows) else looks.sum() * 0
        total = losses.CLASS * says + losses.MASK * cross_entropy + losses.DICE * dice + contrast + looks_loss
        with torch.no_grad():
            said = logits[-1][rows, group, last[rows, group, objects]].argmax(-1)
            right = (said == targets.labels[rows, objects]).float().mean()
        parts = {"right": right, "class": says, "mask": cross_entropy, "dice": dice, "contrast": contrast, "looks": looks_loss}
        return total, {name: float(value) for name, value in parts.items()}


def mix(progress: float) -> dict[str, float]:
    """Share of each tier among new videos."""
    light = max(0.0, 0.6 - 1.5 * progress)
    heavy = 0.05 + 0.25 * progress
    return {"light": light, "everyday": 1 - light - heavy, "heavy": heavy}


def train(model: Dvis, run: Path, minutes: float, seed: int = 0, extras=None) -> None:
    place = device()
    torch.manual_seed(seed)
    helpers = Helpers(model)
    for module in (model, helpers):
        module.to(place, memory_format=torch.channels_last).train()
    stage = Stage(run / "segmenter.pt", {"backbone": model.backbone, "sem_seg_head": model.sem_seg_head, "helpers": helpers}, minutes, RATE)
    pool = Pool(POOL, FRAMES, seed + stage.steps, consecutive=False, extras=extras)
    pool.refresh(START, mix(stage.progress))
    due, shown, sums, images = 0.0, time.monotonic(), {}, 0
    while stage.progress < 1:
        due += FRESH if len(pool.videos) >= POOL else 3 * FRESH
        pool.refresh(int(due), mix(stage.progress))
        due -= int(due)
        apart = stage.progress < DENSE_UNTIL
        pictures, ids, labels = pool.pairs(PAIRS, apart)
        pictures, ids = model.normalise(pictures.to(place)), ids.to(place)
        if stage.progress < SMALL_UNTIL:
            pictures = F.interpolate(pictures, size=SMALL, mode="bilinear", align_corners=False, antialias=True)
            ids = F.interpolate(ids[:, None].float(), size=SMALL, mode="nearest-exact")[:, 0].to(torch.uint8)
        pictures = vary(pictures, pool.random, 1 if apart else 2).contiguous(memory_format=torch.channels_last)
        targets = make_targets(ids, labels)
        levels, mask_features, fine = model.sem_seg_head.pixel_decoder(model.backbone(pictures))
        dense, right = helpers.dense_loss([*levels, fine], targets)
        loss, parts = dense, {"dense": float(dense), **right}
        if stage.progress >= DENSE_UNTIL:
            answers = model.sem_seg_head.predictor(levels, mask_features, (helpers.query_feat.weight, helpers.query_embed.weight))
            query, more = helpers.query_loss(answers, targets, pictures, model.config.queries)
            loss, parts = 0.5 * dense + query, {**parts, **more}
        stage.step(loss)
        images += len(pictures)
        for name, value in parts.items():
            sums.setdefault(name, []).append(value)
        if time.monotonic() - shown > 20:
            line = " ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in sums.items())
            print(f"segmenter {100 * stage.progress:5.1f} % step {stage.steps} {images / (time.monotonic() - shown):.0f} img/s pool {len(pool.videos)} {line}", flush=True)
            shown, sums, images = time.monotonic(), {}, 0
        stage.save_sometimes()
    stage.save()
