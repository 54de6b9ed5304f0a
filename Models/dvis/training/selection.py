"""Stage 1 for real cameras: pixel decoder and queries on the frozen detector's features.

Queries are supervised in two groups: the detector's own boxes, matched one to one, and noised true
boxes among random ones (as in DN-DETR and Mask DINO), so that every object teaches, also those that
the detector misses. The class target of a matched query is the IoU of its mask, so that the score
expresses how good the mask is (as in varifocal loss).
"""
from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.photos.photographs import Photographs
from ..data.photos.stills import Still, Stills
from ..networks.config import REAL_CLASSES
from ..networks.detector import COCO_CLASSES, STRIDES, Proposals, class_logits, overlap
from ..networks.model import Dvis
from ..networks.segmenter import Segments
from ..networks.selection import FINE
from .stage import Stage, device, run
from .targets import Targets, make_targets
from .workers import Workers

IMAGES = 8              # in a batch
RATE = 6e-4
FURTHER = 1 / 3         # of the rate, for weights that are trained already
CLASS, MASK, DICE, DENSE = 2.0, 4.0, 4.0, 0.4
EARLIER = 0.5           # weight of the losses of all layers but the last
NO_OBJECT = 0.5         # weight of queries without an object in the class loss
KNOWN = 0.3             # cells with a smaller share of ignored pixels count
LEAST_BOX = 0.2         # IoU of query and object boxes below which they are never matched
DUPLICATE = 0.5         # box IoU from which an unmatched query learns the object's mask, too ...
DUPLICATE_WEIGHT = 0.35   # ... with this weight
# Weight of cells far from the box; further weight of cells on other objects.
FAR = 0.15
OTHERS = 1.5


class Dense(nn.Module):
    """Class, centre and extent of the object at every cell at stride 4.

    This head only serves the training."""

    def __init__(self, classes: int):
        super().__init__()
        self.classes = classes
        self.head = nn.Conv2d(FINE, classes + 1 + 4, 1)

    def forward(self, fine: Tensor, targets: Targets, complete: Tensor) -> Tensor:
        best, which = targets.masks.max(1)
        solid, ground = best > 0.5, (best < 0.2) & (targets.ignore < KNOWN)
        rows = torch.arange(len(which), device=fine.device)[:, None, None]
        goal = torch.where(solid, targets.labels[rows, which], torch.full_like(which, self.classes))
        answer = self.head(fine)
        logs = answer[:, :self.classes + 1].log_softmax(1)
        surprise = -logs.gather(1, goal[:, None])[:, 0]
        surprise = torch.where(complete[:, None, None] | solid, surprise,
                               -torch.logsumexp(logs[:, 1:], 1))
        mean = lambda values, where: (values * where).sum() / where.sum().clamp(min=1)
        height, width = fine.shape[2:]
        place = torch.stack(torch.meshgrid((torch.arange(width, device=fine.device) + 0.5) / width,
                                           (torch.arange(height, device=fine.device) + 0.5)
                                           / height, indexing="xy"))
        box = targets.boxes[rows, which].permute(0, 3, 1, 2)
        gap = (answer[:, self.classes + 1:]
               - torch.cat((box[:, :2] - place, box[:, 2:]), 1)).abs().sum(1)
        return 2 * mean(surprise, solid) + mean(surprise, ground) + 2 * mean(gap, solid)


def true_boxes(targets: Targets) -> tuple[Tensor, Tensor]:
    """Corners x0, y0, x1, y1 of the objects' masks as shares of the image [B,N,4].

    Also which objects have any cell."""
    solid = targets.masks > 0.5

    def span(seen: Tensor) -> tuple[Tensor, Tensor]:
        count = seen.shape[-1]
        index = torch.arange(count, device=seen.device)
        first = torch.where(seen, index, torch.full_like(index, count)).amin(-1)
        last = torch.where(seen, index, torch.full_like(index, -1)).amax(-1)
        return first.float() / count, (last + 1).float() / count

    (left, right), (top, bottom) = span(solid.any(2)), span(solid.any(3))
    return torch.stack((left, top, right, bottom), -1), solid.flatten(2).any(-1) & targets.visible


def corners(boxes: Tensor) -> Tensor:
    """Corners of boxes given by centre and extent."""
    return torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), -1)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """1 at cells within boxes [..,4] (centre and extent), [..,height*width]."""
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    across = ((x - boxes[..., 0:1]).abs() < boxes[..., 2:3] / 2 + 0.5 / width).float()
    down = ((y - boxes[..., 1:2]).abs() < boxes[..., 3:4] / 2 + 0.5 / height).float()
    return (down[..., :, None] * across[..., None, :]).flatten(-2)


def noised(boxes: Tensor, present: Tensor, features: Tensor, answers: Tensor, size: tuple[int, int],
           count: int) -> tuple[Proposals, Tensor]:
    """Second group of `count` queries, and the object of each, int64 [B,count], -1 for random
    boxes.

    Each true box (corners [B,N,4], present [B,N]) occurs once, shifted and scaled at random, then
    come random boxes. They have the detector's features and answers of the cell that would propose
    them."""
    height, width = size
    batch, place = len(boxes), boxes.device
    some = lambda *shape: torch.rand(*shape, device=place)
    made = torch.cat((some(batch, count, 2), torch.exp(some(batch, count, 2) * 2.2 - 3.2)), -1)
    owner = torch.full((batch, count), -1, device=place)
    objects = min(boxes.shape[1], count)
    first = boxes[:, :objects]
    extent = first[..., 2:] - first[..., :2]
    shifted = torch.cat(((first[..., :2] + first[..., 2:]) / 2 + (some(batch, objects, 2) - 0.5)
                         * 0.35 * extent,
                         extent * torch.exp((some(batch, objects, 2) - 0.5) * 0.6)), -1)
    there = present[:, :objects]
    made[:, :objects] = torch.where(there[..., None], shifted, made[:, :objects])
    number = torch.arange(objects, device=place).expand(batch, -1)
    owner[:, :objects] = torch.where(there, number, owner[:, :objects])
    made = made.clamp(1e-3, 1.0)
    x, y = made[..., 0] * width, made[..., 1] * height
    side = (made[..., 2] * width * made[..., 3] * height).sqrt()
    # Anchors of 5 cells.
    level = torch.stack([(side / (5 * stride)).log().abs() for stride in STRIDES], -1).argmin(-1)
    cells = [(height // stride) * (width // stride) for stride in STRIDES]
    base = torch.tensor([0, cells[0], cells[0] + cells[1]], device=place)[level]
    stride = torch.tensor(STRIDES, device=place)[level]
    columns, rows = (torch.div(total, stride, rounding_mode="floor") for total in (width, height))
    column = torch.minimum((x / stride).long(), columns - 1)
    row = torch.minimum((y / stride).long(), rows - 1)
    index = base + row * columns + column
    pick = lambda values: values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))
    return Proposals(made, class_logits(pick(answers[..., :COCO_CLASSES]), REAL_CLASSES),
                     pick(features)), owner


class Goals(NamedTuple):
    """Training targets of the queries. Q counts both groups; P cells at stride 4."""
    object: Tensor      # int64 [B,Q]: the object of a matched query, -1
    quality: Tensor     # float [B,Q]: IoU of a matched query's mask with it
    label: Tensor       # int64 [B,Q]
    excused: Tensor     # bool [B,Q]: unmatched and mostly on ignored ground
    rows: Tensor        # int64 [M]: image ...
    queries: Tensor     # ... query ...
    masks: Tensor       # ... mask float [M,P] ...
    # ... and weight [M] of all that learn a mask: matched queries and duplicates.
    weight: Tensor
    cells: Tensor       # float [M,P]: weight of their cells


@torch.no_grad()
def goals(answer: Segments, proposals: Proposals, owner: Tensor, targets: Targets) -> Goals:
    """Targets of both groups.

    The first is matched by class, mask and box; the objects of the second are given."""
    own = answer.logits.shape[1] - owner.shape[1]
    boxes, present = true_boxes(targets)
    height, width = targets.masks.shape[2:]
    known = (targets.ignore < KNOWN).float().flatten(1)
    truth = targets.masks.flatten(2) * known[:, None]
    masks = answer.masks.flatten(2)
    chance = answer.logits.softmax(-1).gather(
        -1, targets.labels[:, None].expand(-1, masks.shape[1], -1))
    soft, true = masks.sigmoid() * known[:, None], truth.transpose(1, 2)
    dice = 1 - (2 * (soft @ true) + 1) / (soft.sum(-1, keepdim=True) + truth.sum(-1)[:, None] + 1)
    hard, solid = (masks > 0).float() * known[:, None], (truth > 0.5).float()
    common = hard @ solid.transpose(1, 2)
    iou = common / (hard.sum(-1, keepdim=True) + solid.sum(-1)[:, None] - common).clamp(min=1)
    near = overlap(corners(proposals.boxes), boxes) * present[:, None]
    cost = (-3 * chance + 4 * dice - 4 * near - 2 * iou)[:, :own].cpu().numpy()
    matched = torch.full(masks.shape[:2], -1, device=masks.device)
    for row in range(len(cost)):
        objects = np.flatnonzero(present[row].cpu().numpy())
        queries, columns = linear_sum_assignment(cost[row][:, objects])
        for query, found in zip(queries, objects[columns]):
            if near[row, query, found] > LEAST_BOX:
                matched[row, query] = int(found)
    matched[:, own:] = owner
    best, which = near.max(-1)
    taught = torch.where((matched < 0) & (best > DUPLICATE), which, matched)
    index = matched.clamp(min=0)
    within = inside(proposals.boxes, height, width)
    lost = (within * (1 - known)[:, None]).sum(-1) > 0.4 * within.sum(-1)
    rows, queries = (taught >= 0).nonzero(as_tuple=True)
    objects = taught[rows, queries]
    wider = torch.cat((proposals.boxes[..., :2], 1.6 * proposals.boxes[..., 2:] + 0.03),
                      -1)[rows, queries]
    others = (truth.sum(1)[rows] - truth[rows, objects]).clamp(0, 1)
    cells = (FAR + (1 - FAR) * inside(wider, height, width) + OTHERS * others) * known[rows]
    weight = torch.where(matched[rows, queries] >= 0, 1.0, DUPLICATE_WEIGHT)
    return Goals(matched, iou.gather(2, index[..., None])[..., 0], targets.labels.gather(1, index),
                 (matched < 0) & lost, rows, queries, truth[rows, objects], weight, cells)


def loss(answers: list[Segments], found: Goals,
         complete: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Class, mask and dice loss after every layer for one set of goals."""
    has = (found.object >= 0).float()
    free = (1 - has) * (~found.excused).float()
    mean = lambda values: (values * found.weight).sum() / found.weight.sum().clamp(min=1)
    total, person = answers[0].logits.new_zeros(()), REAL_CLASSES.index("person")
    for number, answer in enumerate(answers, 1):
        logs = answer.logits.log_softmax(-1)
        right = logs.gather(-1, found.label[..., None])[..., 0]
        matched = -(found.quality * right + (1 - found.quality) * logs[..., -1])
        # Where only persons are annotated, an unmatched query may be anything but a person.
        not_person = -torch.log1p(-logs[..., person].exp().clamp(max=0.9999))
        unmatched = torch.where(complete[:, None], -logs[..., -1], not_person)
        class_part = ((matched * has).sum() + NO_OBJECT
                      * (unmatched * free).sum()) / (has.sum() + 0.1 * free.sum() + 1)
        masks = answer.masks.flatten(2)[found.rows, found.queries]
        each = F.binary_cross_entropy_with_logits(masks, found.masks, reduction="none")
        cross_entropy = mean((each * found.cells).sum(1) / found.cells.sum(1).clamp(min=1))
        soft = masks.sigmoid() * (found.cells > 0)
        dice = mean(1 - (2 * (soft * found.masks).sum(1) + 1)
                    / (soft.sum(1) + found.masks.sum(1) + 1))
        weight = 1.0 if number == len(answers) else EARLIER
        total = total + weight * (CLASS * class_part + MASK * cross_entropy + DICE * dice)
    own = found.object[:, :found.object.shape[1] // 2] >= 0
    quality = found.quality[:, :own.shape[1]][own]
    guessed = answers[-1].logits[:, :own.shape[1], :-1].argmax(-1) == found.label[:, :own.shape[1]]
    return total, {"class": float(class_part), "mask": float(cross_entropy), "dice": float(dice),
                   "iou": float(quality.mean()), "iou50": float((quality > 0.5).float().mean()),
                   "right": float(guessed[own].float().mean())}


class StillFeed:
    """Batches of training images, made by processes of their own; one is always fetched ahead."""

    def __init__(self, photographs: Photographs, seed: int, workers: int):
        arguments = [(photographs, seed + number) for number in range(workers)]
        self.workers = Workers(_batches, arguments, ahead=3)
        self.ahead = self.workers.next()

    def next(self) -> list[Still]:
        ready, self.ahead = self.ahead, self.workers.next()
        return ready


def _batches(photographs: Photographs, seed: int) -> Iterator[list[Still]]:
    stills = Stills(photographs, seed)
    while True:
        yield stills.batch(IMAGES)


def train(model: Dvis, folder: Path, minutes: float, photographs: Photographs, seed: int = 0,
          workers: int = 1, further: bool = False) -> None:
    """Trains pixel decoder and decoder; backbone and detector stay as they are."""
    place, head = device(), model.sem_seg_head
    torch.manual_seed(seed)
    dense = Dense(model.config.classes)
    model.to(place, memory_format=torch.channels_last).eval().requires_grad_(False)
    for module in (head.pixel_decoder, head.predictor, dense.to(place)):
        module.train().requires_grad_(True)
    stage = Stage(folder / "segmenter.pt",
                  {"backbone": model.backbone, "sem_seg_head": head, "dense": dense}, minutes,
                  RATE * (FURTHER if further else 1))
    feed = StillFeed(photographs, seed + stage.steps, workers)
    names, count = REAL_CLASSES, model.config.queries

    def step() -> tuple[Tensor, dict[str, float]]:
        stills = feed.next()
        images = model.normalise(
            torch.from_numpy(np.stack([still.image for still in stills])).to(place))
        targets = make_targets(
            torch.from_numpy(np.stack([still.ids for still in stills])).to(place),
            [still.labels for still in stills])
        complete = torch.tensor([still.complete for still in stills], device=place)
        with torch.no_grad(), torch.autocast(place.type, torch.bfloat16):
            maps = model.backbone(images.contiguous(memory_format=torch.channels_last))
            neck = head.detector.neck(maps)
        with torch.no_grad():
            fine, neck = maps[0].float(), [level.float() for level in neck]
            own = head.detector.propose(neck, count, names)
            more, owner = noised(*true_boxes(targets), *head.detector.head(neck), images.shape[2:],
                                 count)
            proposals = Proposals(*(torch.cat(pair, 1) for pair in zip(own, more)))
        levels, features, below = head.pixel_decoder(fine, neck)
        answers = head.predictor(levels, features, proposals, count)
        query, parts = loss(answers, goals(answers[-1], proposals, owner, targets), complete)
        side = dense(below, targets, complete)
        return query + DENSE * side, {"dense": float(side), **parts}

    run(stage, "segmenter", step)
    feed.workers.close()
