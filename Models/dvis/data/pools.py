"""A rolling pool of rendered training videos and the targets made of their instance maps."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .drawn.scenes import EVALUATION_SEEDS, HEIGHT, WIDTH, Scene, make_scene
from .photos.photographs import IGNORE

SPAN = 60  # training frames lie within the first frames of a scene


@dataclass
class Video:
    pictures: np.ndarray   # uint8 [S,H,W,3]
    ids: np.ndarray        # uint8 [S,H,W]
    labels: np.ndarray     # int64 [N]


@dataclass
class Targets:
    """Padded objects of a batch of B pictures; N is the largest number of objects of a video in it."""
    labels: Tensor    # int64 [B,N]
    masks: Tensor     # float [B,N,h,w]: the share of each cell of 4x4 pixels that the object covers
    visible: Tensor   # bool [B,N]
    ignore: Tensor    # float [B,h,w]: the share of each cell that is neither an object nor background

    @property
    def boxes(self) -> Tensor:
        """Centre x, centre y, width, height relative to the picture, from the masks' first and second moments [B,N,4]."""
        h, w = self.masks.shape[2:]
        total = self.masks.sum((2, 3)).clamp(min=1e-3)
        y = (torch.arange(h, device=self.masks.device) + 0.5) / h
        x = (torch.arange(w, device=self.masks.device) + 0.5) / w
        columns, rows = self.masks.sum(2), self.masks.sum(3)
        cx, cy = (columns * x).sum(-1) / total, (rows * y).sum(-1) / total
        sx = ((columns * (x - cx[..., None]) ** 2).sum(-1) / total).sqrt()
        sy = ((rows * (y - cy[..., None]) ** 2).sum(-1) / total).sqrt()
        return torch.stack((cx, cy, 4 * sx, 4 * sy), -1)

    def colours(self, pictures: Tensor) -> Tensor:
        """Mean normalised colour of every object, from pictures [B,3,H,W] -> [B,N,3]."""
        small = F.avg_pool2d(pictures, 4)
        return torch.einsum("bnhw,bchw->bnc", self.masks, small) / self.masks.sum((2, 3)).clamp(min=1e-3)[..., None]


def make_targets(ids: Tensor, labels: list[np.ndarray]) -> Targets:
    """Instance maps uint8 [B,H,W] (255: ignore) and each picture's classes -> targets at a quarter of the resolution."""
    count = max(1, max(len(label) for label in labels))
    padded = torch.zeros(len(labels), count, dtype=torch.long)
    for row, label in enumerate(labels):
        padded[row, :len(label)] = torch.from_numpy(label)
    one_hot = ids[:, None] == torch.arange(1, count + 1, device=ids.device, dtype=ids.dtype)[:, None, None]
    masks = F.avg_pool2d(one_hot.float(), 4)
    ignore = F.avg_pool2d((ids == IGNORE).float()[:, None], 4)[:, 0]
    return Targets(padded.to(ids.device), masks, masks.sum((2, 3)) >= 1, ignore)


def draw_scene(random: np.random.Generator, mix: dict[str, float], extras=None) -> Scene:
    """A training scene of a tier drawn by its share."""
    tier = str(random.choice(list(mix), p=np.array(list(mix.values())) / sum(mix.values())))
    return make_scene(tier, int(random.integers(EVALUATION_SEEDS, 2 ** 40)), extras)


class RollingPool:
    """Items that are made anew one by one while they are used."""

    def __init__(self, size: int, start: int, make: Callable[[float], object]):
        """`make(progress)` makes an item; `start` of them before the first use, `size` of them at most."""
        self.size, self.start, self.make = size, start, make
        self.items: list = []
        self.next, self.due = 0, 0.0

    def freshen(self, share: float, progress: float) -> None:
        """Adds `share` items on average, three times as many while the pool grows; the oldest give way when it is full."""
        self.due += share if len(self.items) >= self.size else 3 * share if self.items else self.start
        while self.due >= 1:
            self.due -= 1
            self.add(self.make(progress))

    def add(self, item) -> None:
        if len(self.items) < self.size:
            self.items.append(item)
        else:
            self.items[self.next] = item
            self.next = (self.next + 1) % self.size


class VideoPool(RollingPool):
    """Videos of S frames spread over their scenes. `mix(progress)` gives each tier's share of new ones."""

    def __init__(self, size: int, start: int, frames: int, seed: int, mix: Callable[[float], dict[str, float]], extras=None):
        super().__init__(size, start, self.render)
        self.frames, self.mix, self.extras = frames, mix, extras
        self.random = np.random.default_rng([seed, 77])

    def render(self, progress: float) -> Video:
        """One fresh video, never from an evaluation seed."""
        scene = draw_scene(self.random, self.mix(progress), self.extras)
        times = sorted(self.random.choice(SPAN, self.frames, replace=False))
        pairs = [scene.frame(int(t), HEIGHT, WIDTH) for t in times]
        return Video(np.stack([p for p, _ in pairs]), np.stack([i for _, i in pairs]), scene.labels)

    def pairs(self, count: int, apart: bool = False) -> tuple[Tensor, Tensor, list[np.ndarray]]:
        """`count` pairs of frames of one video each, neighbours in the batch: uint8 [2n,H,W,3], uint8 [2n,H,W], classes; `apart`: of any videos."""
        pictures, ids, labels = [], [], []
        for index in self.random.integers(len(self.items), size=2 * count if apart else count):
            video = self.items[index]
            chosen = self.random.choice(len(video.pictures), 1 if apart else 2, replace=False)
            flip = self.random.random() < 0.5
            for frame in chosen:
                step = -1 if flip else 1
                pictures.append(video.pictures[frame][:, ::step])
                ids.append(video.ids[frame][:, ::step])
                labels.append(video.labels)
        return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(ids)), labels


def vary(pictures: Tensor, random: np.random.Generator, group: int) -> Tensor:
    """Colour changes [N,3,H,W], the same for each run of `group` pictures: channel order, contrast, brightness; a slight blur for some."""
    groups = len(pictures) // group
    orders = torch.from_numpy(np.stack([random.permutation(3) if random.random() < 0.5 else np.arange(3) for _ in range(groups)]))
    orders = orders.repeat_interleave(group, 0)
    gain = torch.from_numpy(random.uniform(0.75, 1.25, (groups, 3, 1, 1)).astype(np.float32)).repeat_interleave(group, 0)
    shift = torch.from_numpy(random.uniform(-0.3, 0.3, (groups, 3, 1, 1)).astype(np.float32)).repeat_interleave(group, 0)
    pictures = pictures[torch.arange(len(pictures))[:, None], orders.to(pictures.device)] * gain.to(pictures.device) + shift.to(pictures.device)
    if random.random() < 0.25:
        size = pictures.shape[2:]
        small = F.interpolate(pictures, scale_factor=random.uniform(0.5, 0.8), mode="bilinear", align_corners=False)
        pictures = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return pictures
