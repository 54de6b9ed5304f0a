"""Stage 1: the segmenter on pairs of frames.

First dense losses only, then queries; small images first; from light to heavy scenes.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.pools import VideoPool
from ..networks.model import Dvis
from ..networks.segmenter import FpnPixelDecoder, Segments
from . import losses
from .stage import Stage, device, run
from .targets import Targets, make_targets, vary

PAIRS = 8              # pairs of frames in a batch
# Groups of queries beside the real one, each matched on its own (training only).
GROUPS = 1
RATE = 8e-4
# Share of the budget with dense losses only: query training takes off once the dense classes are
# right (80 % at stride 16).
DENSE_UNTIL = 0.15
SMALL_UNTIL = 0.6     # share of the budget with images of this size
SMALL = (96, 160)
FURTHER_RATE, FURTHER_SMALL_UNTIL = 6e-4, 0.1
POOL, START, FRESH = 300, 40, 0.6   # videos in the pool, before the first step, new ones a step
FRAMES = 6             # of a video
POINTS = 768           # random cells on which masks are compared


class Helpers(nn.Module):
    """Heads that only serve the training.

    Dense predictions on every map; colour and box of an object; more groups of queries."""

    def __init__(self, model: Dvis):
        super().__init__()
        config = model.config
        self.classes = config.classes
        widths = [config.hidden] * 3 + [FpnPixelDecoder.FINE]
        self.dense = nn.ModuleList([nn.Conv2d(width, config.classes + 1 + 4, 1)
                                    for width in widths])
        self.looks = nn.Linear(config.hidden, 7)
        self.query_feat = nn.Embedding(GROUPS * config.queries, config.hidden)
        self.query_embed = nn.Embedding(GROUPS * config.queries, config.hidden)

    @torch.no_grad()
    def start_queries(self, model: Dvis) -> None:
        """Initialises the groups beside the model's own queries."""
        for group, own in ((self.query_feat, model.sem_seg_head.predictor.query_feat),
                           (self.query_embed, model.sem_seg_head.predictor.query_embed)):
            group.weight.copy_(own.weight.repeat(GROUPS, 1) + 0.1 * torch.randn_like(group.weight))

    def dense_loss(self, maps: list[Tensor], targets: Targets) -> tuple[Tensor, dict[str, float]]:
        """Loss of class, offset to the object's centre, and extent at every cell.

        Objects and background have the same weight."""
        total, right = maps[0].new_zeros(()), {}
        boxes = targets.boxes
        for head, feature in zip(self.dense, maps):
            factor = targets.masks.shape[-1] // feature.shape[-1]
            cover = F.avg_pool2d(targets.masks, factor) if factor > 1 else targets.masks
            best, which = cover.max(1)
            solid = best > 0.5
            rows = torch.arange(len(which), device=which.device)[:, None, None]
            goal = torch.where(solid, targets.labels[rows, which],
                               torch.full_like(which, self.classes))
            answer = head(feature).float()
            each = F.cross_entropy(answer[:, :self.classes + 1], goal, reduction="none")
            total = total + 2 * (each * solid).sum() / solid.sum().clamp(min=1)
            total = total + (each * ~solid).sum() / (~solid).sum().clamp(min=1)
            box = boxes[rows, which].permute(0, 3, 1, 2)
            h, w = feature.shape[2:]
            place = torch.stack(torch.meshgrid((torch.arange(w, device=box.device) + 0.5) / w,
                                               (torch.arange(h, device=box.device) + 0.5) / h,
                                               indexing="xy"))
            wanted = torch.cat((box[:, :2] - place, box[:, 2:]), 1)
            gap = (answer[:, self.classes + 1:] - wanted).abs().sum(1)
            total = total + 2 * (gap * solid).sum() / solid.sum().clamp(min=1)
            right[f"right{h}"] = float((answer[:, :self.classes].argmax(1)
                                        == goal)[solid].float().mean())
        return total / len(maps), right

    def query_loss(self, answers: list[Segments], targets: Targets, points: Tensor,
                   images: Tensor, queries: int) -> tuple[Tensor, dict[str, float]]:
        """The paper's losses after every layer and for every group.

        Contrast, colour and box on the last layer."""
        layers, batch = len(answers), len(images)
        logits = torch.stack([answer.logits for answer in answers])
        masks = torch.stack([answer.masks for answer in answers]).flatten(3)
        groups = logits.shape[2] // queries
        # [L,B,G,Q,.]
        logits = logits.unflatten(2, (groups, queries))
        masks = masks.unflatten(2, (groups, queries))
        # [B,N,P]
        goal = targets.masks.flatten(2)[..., points]
        with torch.no_grad():
            cost = losses.matching_cost(logits.flatten(2, 3), masks.flatten(2, 3),
                                        targets.labels.expand(layers, -1, -1),
                                        goal.expand(layers, -1, -1, -1))
            cost = cost.unflatten(2, (groups, queries)).flatten(0, 2)
        wide = lambda x: x[None, :, None].expand(layers, batch, groups, *x.shape[1:]).flatten(0, 2)
        # [L*B*G,N]
        assignment = losses.assign(cost, wide(targets.visible))
        class_part = losses.class_loss(logits.flatten(0, 2), assignment, wide(targets.labels))
        rows, objects = (assignment >= 0).nonzero(as_tuple=True)
        chosen = masks.flatten(0, 2)[rows, assignment[rows, objects]]
        cross_entropy, dice = losses.mask_losses(chosen, goal[(rows // groups) % batch, objects])
        # [B,G,N]
        last = assignment.unflatten(0, (layers, batch, groups))[-1]
        embeds = answers[-1].embeds.unflatten(1, (groups, queries))
        contrast = losses.contrast(embeds[0::2].flatten(0, 1), embeds[1::2].flatten(0, 1),
                                   last[0::2].flatten(0, 1), last[1::2].flatten(0, 1))
        rows, group, objects = (last >= 0).nonzero(as_tuple=True)
        looks = self.looks(embeds[rows, group, last[rows, group, objects]])
        wanted = torch.cat((targets.colours(images), targets.boxes * 4), -1)[rows, objects]
        looks_loss = F.smooth_l1_loss(looks, wanted) if len(rows) else looks.sum() * 0
        total = losses.CLASS * class_part + losses.MASK * cross_entropy + losses.DICE * dice
        total = total + contrast + looks_loss
        with torch.no_grad():
            predicted = logits[-1][rows, group, last[rows, group, objects]].argmax(-1)
            right = (predicted == targets.labels[rows, objects]).float().mean()
        parts = {"right": right, "class": class_part, "mask": cross_entropy, "dice": dice,
                 "contrast": contrast, "looks": looks_loss}
        return total, {name: float(value) for name, value in parts.items()}


def mix(progress: float, further: bool) -> dict[str, float]:
    """Share of each tier among new videos.

    A model that is trained further has learned the easy ones."""
    if further:
        return {"light": 0.05, "everyday": 0.5 - 0.1 * progress, "heavy": 0.45 + 0.1 * progress}
    light = max(0.0, 0.6 - 1.5 * progress)
    heavy = 0.05 + 0.25 * progress
    return {"light": light, "everyday": 1 - light - heavy, "heavy": heavy}


def train(model: Dvis, folder: Path, minutes: float, seed: int = 0, extras=None,
          further: bool = False) -> None:
    """Trains the segmenter of a run.

    `further`: the model is trained already; no dense beginning, small images only for a while,
    smaller steps."""
    place = device()
    torch.manual_seed(seed)
    helpers = Helpers(model)
    if further:
        helpers.start_queries(model)
    rate, dense_until, small_until = RATE, DENSE_UNTIL, SMALL_UNTIL
    if further:
        rate, dense_until, small_until = FURTHER_RATE, 0.0, FURTHER_SMALL_UNTIL
    for module in (model, helpers):
        module.to(place, memory_format=torch.channels_last).train()
    stage = Stage(folder / "segmenter.pt", {"backbone": model.backbone,
                                            "sem_seg_head": model.sem_seg_head, "helpers": helpers},
                  minutes, rate)
    pool = VideoPool(POOL, START, FRAMES, seed + stage.steps,
                     lambda progress: mix(progress, further), extras)

    def step() -> tuple[Tensor, dict[str, float]]:
        pool.freshen(FRESH, stage.progress)
        apart = stage.progress < dense_until
        images, ids, labels = pool.pairs(PAIRS, apart)
        images, ids = model.normalise(images.to(place)), ids.to(place)
        if stage.progress < small_until:
            images = F.interpolate(images, size=SMALL, mode="bilinear", align_corners=False,
                                     antialias=True)
            ids = F.interpolate(ids[:, None].float(), size=SMALL,
                                mode="nearest-exact")[:, 0].to(torch.uint8)
        images = vary(images, pool.random,
                        1 if apart else 2).contiguous(memory_format=torch.channels_last)
        targets = make_targets(ids, labels)
        with torch.autocast(place.type, torch.bfloat16):
            levels, mask_features, fine = model.sem_seg_head.pixel_decoder(model.backbone(images))
        levels = [level.float() for level in levels]
        mask_features = mask_features.float()
        fine = fine.float()
        dense, right = helpers.dense_loss([*levels, fine], targets)
        if apart:
            return dense, {"dense": float(dense), **right}
        points = torch.from_numpy(pool.random.choice(mask_features[0, 0].numel(), POINTS,
                                                     replace=False)).to(place)
        answers = model.sem_seg_head.predictor(
            levels, mask_features, (helpers.query_feat.weight, helpers.query_embed.weight), points)
        query, parts = helpers.query_loss(answers, targets, points, images, model.config.queries)
        return 0.5 * dense + query, {"dense": float(dense), **right, **parts}

    run(stage, "segmenter", step)
