"""Training targets made of instance maps, and variations of the images."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.photos.photographs import IGNORE


@dataclass
class Targets:
    """Padded objects of a batch of B images.

    N is the largest number of objects of a video in it."""
    labels: Tensor    # int64 [B,N]
    masks: Tensor     # float [B,N,h,w]: the share of each cell of 4x4 pixels that the object covers
    visible: Tensor   # bool [B,N]
    # float [B,h,w]: the share of each cell that is neither an object nor background
    ignore: Tensor

    @property
    def boxes(self) -> Tensor:
        """Centre x, centre y, width, height as shares of the image [B,N,4].

        They follow from the first and second moments of the masks."""
        h, w = self.masks.shape[2:]
        total = self.masks.sum((2, 3)).clamp(min=1e-3)
        y = (torch.arange(h, device=self.masks.device) + 0.5) / h
        x = (torch.arange(w, device=self.masks.device) + 0.5) / w
        columns, rows = self.masks.sum(2), self.masks.sum(3)
        cx, cy = (columns * x).sum(-1) / total, (rows * y).sum(-1) / total
        sx = ((columns * (x - cx[..., None]) ** 2).sum(-1) / total).sqrt()
        sy = ((rows * (y - cy[..., None]) ** 2).sum(-1) / total).sqrt()
        return torch.stack((cx, cy, 4 * sx, 4 * sy), -1)

    def colours(self, images: Tensor) -> Tensor:
        """Mean normalised colour of every object, from images [B,3,H,W] -> [B,N,3]."""
        small = F.avg_pool2d(images, 4)
        total = torch.einsum("bnhw,bchw->bnc", self.masks, small)
        return total / self.masks.sum((2, 3)).clamp(min=1e-3)[..., None]


def make_targets(ids: Tensor, labels: list[np.ndarray]) -> Targets:
    """Targets at a quarter of the resolution.

    ids: instance maps uint8 [B,H,W] (255: ignored); labels: each image's classes."""
    count = max(1, max(len(label) for label in labels))
    padded = torch.zeros(len(labels), count, dtype=torch.long)
    for row, label in enumerate(labels):
        padded[row, :len(label)] = torch.from_numpy(label)
    numbers = torch.arange(1, count + 1, device=ids.device, dtype=ids.dtype)
    one_hot = ids[:, None] == numbers[:, None, None]
    masks = F.avg_pool2d(one_hot.float(), 4)
    ignore = F.avg_pool2d((ids == IGNORE).float()[:, None], 4)[:, 0]
    return Targets(padded.to(ids.device), masks, masks.sum((2, 3)) >= 1, ignore)


def vary(images: Tensor, random: np.random.Generator, group: int) -> Tensor:
    """Images [N,3,H,W] with changed colours, the same for each run of `group` images.

    Channel order, contrast and brightness change; some are slightly blurred."""
    groups = len(images) // group
    orders = torch.from_numpy(np.stack([random.permutation(3) if random.random() < 0.5
                                        else np.arange(3) for _ in range(groups)]))
    orders = orders.repeat_interleave(group, 0)

    def factors(low: float, high: float) -> Tensor:
        drawn = random.uniform(low, high, (groups, 3, 1, 1)).astype(np.float32)
        return torch.from_numpy(drawn).repeat_interleave(group, 0).to(images.device)

    gain, shift = factors(0.75, 1.25), factors(-0.3, 0.3)
    images = images[torch.arange(len(images))[:, None], orders.to(images.device)]
    images = images * gain + shift
    if random.random() < 0.25:
        size = images.shape[2:]
        small = F.interpolate(images, scale_factor=random.uniform(0.5, 0.8), mode="bilinear",
                              align_corners=False)
        images = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return images
