"""The pretrained detector NanoDet-g: backbone, feature pyramid and head.

Upstream: RangiLyu/nanodet `config/nanodet-g.yml` (Apache-2.0), trained on COCO train2017 at
416x416. `checkpoints.nanodet` reads its published weights.
"""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import COARSE_CLASSES, COARSE_OF_FINE, Config

SLOPE = 0.1                        # of LeakyReLU, everywhere
PLANES, PAIRS = (32, 64, 128, 256), (1, 2, 2, 3)
WIDTHS = tuple(2 * planes for planes in PLANES)   # res2 .. res5: a stage puts out twice its width
NECK = 128                         # channels of the pyramid and of the head
STRIDES = (8, 16, 32)
COCO_CLASSES = 80
# Of COCO's 80 classes, by number, those that each of REAL_CLASSES stands for.
COCO_OF_CLASS = {"person": (0,), "bicycle": (1,), "motorcycle": (3,), "car": (2,), "bus": (5,),
                 "truck": (7,), "vehicle": (4, 6, 8), "animal": tuple(range(14, 24))}
# Of each distance; the expectation over the bins is the distance in strides.
BINS = 11
CANDIDATES = 200                   # cells that compete before suppression
# IoU of boxes of one group from which the weaker one is suppressed.
OVERLAP = 0.6
# What that takes off its logits, where it is needed to fill the count.
SUPPRESSED = 10.0


class ConvLeaky(nn.Module):
    """3x3 convolution with bias, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), SLOPE)


class Pair(nn.Module):
    """Two convolutions of half the width, both kept."""

    def __init__(self, planes: int):
        super().__init__()
        self.first = ConvLeaky(planes, planes // 2)
        self.second = ConvLeaky(planes // 2, planes // 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        return torch.cat([self.second(first), first], 1)


class CspStage(nn.Module):
    """Cross-stage-partial block: its first convolution also bypasses the others."""

    def __init__(self, inputs: int, planes: int, pairs: int, stride: int):
        super().__init__()
        self.enter = ConvLeaky(inputs, planes, stride)
        self.pairs = nn.Sequential(*(Pair(planes) for _ in range(pairs)))
        self.leave = ConvLeaky(planes, planes)

    def forward(self, x: Tensor) -> Tensor:
        past = self.enter(x)
        return torch.cat([self.leave(self.pairs(past)), past], 1)


class CspBackbone(nn.Module):
    """Backbone: maps of WIDTHS channels at strides 4, 8, 16 and 32.

    The input is a normalised RGB image [B,3,H,W]."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.stem = ConvLeaky(3, PLANES[0], 2)
        inputs = PLANES[0]
        for level, (planes, pairs) in enumerate(zip(PLANES, PAIRS), 2):
            setattr(self, f"res{level}", CspStage(inputs, planes, pairs, 1 if level == 2 else 2))
            inputs = 2 * planes

    def forward(self, image: Tensor) -> list[Tensor]:
        x = F.max_pool2d(self.stem(image), 3, 2, 1)
        maps = []
        for stage in (self.res2, self.res3, self.res4, self.res5):
            x = stage(x)
            maps.append(x)
        return maps


class Proposals(NamedTuple):
    """The detector's Q best boxes of each image, most confident first."""
    boxes: Tensor      # [B,Q,4] centre x, centre y, width, height as shares of the image
    scores: Tensor     # [B,Q,K] logits of the model's classes
    features: Tensor   # [B,Q,NECK] the head's feature at the cell that proposes the box


class Detector(nn.Module):
    """Path aggregation over strides 8, 16, 32 and one head per level."""

    def __init__(self):
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(width, NECK, 1) for width in WIDTHS[1:]])
        self.tower = nn.ModuleList([ConvLeaky(NECK, NECK) for _ in STRIDES])
        self.out = nn.ModuleList([nn.Conv2d(NECK, COCO_CLASSES + 4 * BINS, 1) for _ in STRIDES])

    def neck(self, maps: list[Tensor]) -> list[Tensor]:
        """res2 .. res5 -> maps of NECK channels at strides 8, 16, 32."""
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.lateral, maps[1:]))
        middle = middle + enlarge(coarse)
        fine = fine + enlarge(middle)
        middle = middle + F.avg_pool2d(fine, 2)
        return [fine, middle, coarse + F.avg_pool2d(middle, 2)]

    def head(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Neck maps -> features [B,N,NECK] and answers [B,N,80 + 4*BINS] of all N cells.

        The cells are ordered stride by stride, row by row."""
        towers = [tower(level) for tower, level in zip(self.tower, levels)]
        answers = [out(tower) for out, tower in zip(self.out, towers)]
        return tuple(torch.cat([x.flatten(2).transpose(1, 2) for x in part], 1)
                     for part in (towers, answers))

    def propose(self, levels: list[Tensor], count: int, classes: tuple[str, ...]) -> Proposals:
        """The `count` best boxes after suppression among boxes of one coarse class.

        As in YOLACT's fast NMS, a box is suppressed when any more confident one of its group
        overlaps it. Suppressed boxes come last, with lowered scores."""
        features, answers = self.head(levels)
        scores = class_logits(answers[..., :COCO_CLASSES], classes)
        best, cells = scores.amax(-1).topk(CANDIDATES, 1)
        pick = lambda x, index: x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
        scores = pick(scores, cells)
        everywhere = grid(levels) + torch.zeros_like(answers[..., :3])
        corners = decode(pick(answers[..., COCO_CLASSES:], cells), pick(everywhere, cells))
        groups = torch.tensor([COARSE_CLASSES.index(COARSE_OF_FINE[name]) for name in classes],
                              device=scores.device)
        group = groups.float()[scores.argmax(-1)]
        same = (group[:, :, None] == group[:, None]).float()
        order = torch.arange(CANDIDATES, device=scores.device)
        stronger = (order[:, None] > order[None]).float()
        covered = (overlap(corners, corners) * same * stronger).amax(-1) > OVERLAP
        penalty = SUPPRESSED * covered.float()
        kept = (best - 10 * penalty).topk(count, 1)[1]
        height, width = levels[0].shape[2] * STRIDES[0], levels[0].shape[3] * STRIDES[0]
        x0, y0, x1, y1 = pick(corners, kept).unbind(-1)
        boxes = torch.stack(((x0 + x1) / (2 * width), (y0 + y1) / (2 * height), (x1 - x0) / width,
                             (y1 - y0) / height), -1)
        return Proposals(boxes, pick(scores - penalty[..., None], kept),
                         pick(pick(features, cells), kept))


def enlarge(x: Tensor) -> Tensor:
    """Map twice as high and wide, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def class_logits(answers: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Logits of COCO's classes [..,80] -> of the model's [..,K].

    Each is that of the most confident of its COCO classes."""
    parts = []
    for name in classes:
        first, *more = COCO_OF_CLASS[name]
        part = answers[..., first]
        for index in more:
            part = torch.maximum(part, answers[..., index])
        parts.append(part)
    return torch.stack(parts, -1)


def grid(levels: list[Tensor]) -> Tensor:
    """Centre x, centre y and stride of all cells in pixels [1,N,3].

    Sizes stay dynamic in an export."""
    cells = []
    for level, stride in zip(levels, STRIDES):
        ones = torch.ones_like(level[:1, 0])
        x, y = (ones.cumsum(2) - 0.5) * stride, (ones.cumsum(1) - 0.5) * stride
        cells.append(torch.stack((x, y, ones * stride), -1).flatten(1, 2))
    return torch.cat(cells, 1)


def decode(distances: Tensor, cells: Tensor) -> Tensor:
    """Corners x0, y0, x1, y1 in pixels of distance bins [B,N,4*BINS] at cells [B,N,3].

    Distances are left, top, right, bottom."""
    bins = distances.reshape(distances.shape[0], distances.shape[1], 4, BINS).softmax(-1)
    reach = (bins * torch.arange(BINS, device=bins.device,
                                 dtype=bins.dtype)).sum(-1) * cells[..., 2:]
    return torch.cat((cells[..., :2] - reach[..., :2], cells[..., :2] + reach[..., 2:]), -1)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes with corners [B,Q,4] and [B,N,4] -> [B,Q,N]."""
    a, b = first[:, :, None], second[:, None]
    sides = (torch.minimum(a[..., 2:],
                           b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    area = (first[..., 2] - first[..., 0]) * (first[..., 3] - first[..., 1])
    other = area if second is first else (second[..., 2]
                                          - second[..., 0]) * (second[..., 3] - second[..., 1])
    return shared / (area[:, :, None] + other[:, None] - shared).clamp(min=1e-6)
