"""Clips for tracker and refiner: the frozen segmenter's features, made once and used several times."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import SPAN, RollingPool, draw_scene, make_targets, vary
from .model import Dvis
from .tracker import align

LENGTH = 40        # frames of a stored clip
POINTS = 512       # random cells of a frame on which masks are compared
STRIDES = (0.6, 0.25, 0.15)   # shares of clips of every frame, every second, every third: faster motion, longer gaps


@dataclass
class Clip:
    """One clip; queries stand in the order of their slots (matched from frame to frame)."""
    embeds: Tensor     # float [T,Q,C]
    features: Tensor   # half [T,Cm,P]: mask features of all P cells
    masks: Tensor      # uint8 [T,N,P]: share of a cell that the object covers, 0..255
    labels: Tensor     # int64 [N]


@dataclass
class Batch:
    """B clips of T frames; N objects padded."""
    embeds: Tensor     # [B,T,Q,C]
    features: Tensor   # [B,T,Cm,P'] at the chosen points
    masks: Tensor      # [B,T,N,P'] 0..1
    visible: Tensor    # bool [B,T,N]
    eligible: Tensor   # bool [B,T,N]: visible enough to be given a slot
    labels: Tensor     # int64 [B,N]


class ClipPool(RollingPool):
    """Clips of `LENGTH` frames. `mix` gives each tier's share."""

    def __init__(self, model: Dvis, size: int, start: int, seed: int, mix: dict[str, float], extras=None):
        super().__init__(size, start, self.render)
        self.model, self.mix, self.extras = model, mix, extras
        self.random = np.random.default_rng([seed, 78])

    @torch.no_grad()
    def render(self, progress: float) -> Clip:
        scene = draw_scene(self.random, self.mix, self.extras)
        start, stride = int(self.random.integers(0, SPAN)), int(self.random.choice(len(STRIDES), p=STRIDES)) + 1
        pairs = [scene.frame(start + stride * index) for index in range(LENGTH)]
        place = next(self.model.parameters()).device
        pictures = self.model.normalise(torch.from_numpy(np.stack([picture for picture, _ in pairs])).to(place))
        pictures = vary(pictures, self.random, LENGTH).contiguous(memory_format=torch.channels_last)
        embeds, features, _ = self.model.segment(pictures)
        order = torch.from_numpy(align(embeds.cpu().numpy())).to(place)
        targets = make_targets(torch.from_numpy(np.stack([ids for _, ids in pairs])), [scene.labels] * LENGTH)
        return Clip(embeds.gather(1, order[..., None].expand_as(embeds)), features.flatten(2).half(),
                    (targets.masks.flatten(2) * 255).round().to(torch.uint8).to(place), targets.labels[0].to(place))

    def batch(self, count: int, frames: int) -> Batch:
        """Random parts of random clips at random points."""
        clips = [self.items[index] for index in self.random.integers(len(self.items), size=count)]
        starts = self.random.integers(0, LENGTH - frames + 1, size=count)
        points = torch.from_numpy(self.random.choice(clips[0].features.shape[-1], POINTS, replace=False)).to(clips[0].embeds.device)
        objects = max(len(clip.labels) for clip in clips)
        place = clips[0].embeds.device
        masks = torch.zeros(count, frames, objects, POINTS, device=place)
        area = torch.zeros(count, frames, objects, device=place)
        labels = torch.zeros(count, objects, dtype=torch.long, device=place)
        for row, (clip, start) in enumerate(zip(clips, starts)):
            part = clip.masks[start:start + frames]
            masks[row, :, :len(clip.labels)] = part[..., points].float() / 255
            area[row, :, :len(clip.labels)] = part.float().sum(-1) / 255
            labels[row, :len(clip.labels)] = clip.labels
        return Batch(torch.stack([clip.embeds[start:start + frames] for clip, start in zip(clips, starts)]),
                     torch.stack([clip.features[start:start + frames][..., points].float() for clip, start in zip(clips, starts)]),
                     masks, area >= 1, area >= 4, labels)
