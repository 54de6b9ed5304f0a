"""Rolling pools of training data, and the pool of rendered videos."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch
from torch import Tensor

from .drawn.scenes import EVALUATION_SEEDS, HEIGHT, WIDTH, Scene, make_scene

SPAN = 60  # training frames lie within the first frames of a scene


@dataclass
class Video:
    """Frames of a rendered video with their truth."""
    images: np.ndarray   # uint8 [S,H,W,3]
    ids: np.ndarray        # uint8 [S,H,W]
    labels: np.ndarray     # int64 [N]


def draw_scene(random: np.random.Generator, mix: dict[str, float], extras=None) -> Scene:
    """Training scene of a tier, which is drawn by its share."""
    tier = str(random.choice(list(mix), p=np.array(list(mix.values())) / sum(mix.values())))
    return make_scene(tier, int(random.integers(EVALUATION_SEEDS, 2 ** 40)), extras)


class RollingPool:
    """Pool of items that are replaced one by one while they are used."""

    def __init__(self, size: int, start: int, make: Callable[[float], object]):
        """`make(progress)` makes an item.

        `start` of them before the first use, `size` of them at most."""
        self.size, self.start, self.make = size, start, make
        self.items: list = []
        self.next, self.due = 0, 0.0

    def freshen(self, share: float, progress: float) -> None:
        """Adds `share` items on average, three times as many while the pool grows.

        The oldest give way when it is full."""
        if not self.items:
            self.due += self.start
        else:
            self.due += share if len(self.items) >= self.size else 3 * share
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
    """Videos of S frames spread over their scenes.

    `mix(progress)` gives each tier's share of new ones."""

    def __init__(self, size: int, start: int, frames: int, seed: int,
                 mix: Callable[[float], dict[str, float]], extras=None):
        super().__init__(size, start, self.render)
        self.frames, self.mix, self.extras = frames, mix, extras
        self.random = np.random.default_rng([seed, 77])

    def render(self, progress: float) -> Video:
        """A new video, never from an evaluation seed."""
        scene = draw_scene(self.random, self.mix(progress), self.extras)
        times = sorted(self.random.choice(SPAN, self.frames, replace=False))
        pairs = [scene.frame(int(t), HEIGHT, WIDTH) for t in times]
        return Video(np.stack([p for p, _ in pairs]), np.stack([i for _, i in pairs]), scene.labels)

    def pairs(self, count: int, apart: bool = False) -> tuple[Tensor, Tensor, list[np.ndarray]]:
        """`count` pairs of frames, neighbours in the batch: uint8 [2n,H,W,3], uint8 [2n,H,W],
        classes.

        Both frames of a pair are of one video; with `apart` every frame is of any video."""
        images, ids, labels = [], [], []
        for index in self.random.integers(len(self.items), size=2 * count if apart else count):
            video = self.items[index]
            chosen = self.random.choice(len(video.images), 1 if apart else 2, replace=False)
            flip = self.random.random() < 0.5
            for frame in chosen:
                step = -1 if flip else 1
                images.append(video.images[frame][:, ::step])
                ids.append(video.ids[frame][:, ::step])
                labels.append(video.labels)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(ids)), labels
