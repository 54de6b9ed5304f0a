"""Clips for what learns about time: the frozen segmenter's features, made once, used several times.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

from ..data.footage import ClipSource
from ..data.pools import RollingPool
from ..networks.config import Config
from ..networks.model import Dvis
from ..networks.tracker import align, follow
from .losses import assign
from .targets import Targets, make_targets, vary
from .videoloss import tube_cost
from .workers import Workers

POINTS = 512       # random cells of a frame on which masks are compared
CELLS = 2560       # cells of a frame that a clip keeps, at most: all of a frame of 256 x 160 pixels
# Share of the kept cells among those that an object covers at some time, where there are enough.
OBJECTS = 0.6


@dataclass
class Clip:
    """Clip whose queries are in the order of their slots (matched from frame to frame).

    For a model of video queries they are as the segmenter gives them, and `features` is the map
    below the mask features."""
    embeds: Tensor     # float [T,Q,C]
    features: Tensor   # half [T,Cm,P]: mask features of P cells, all or random ones
    masks: Tensor      # uint8 [T,N,P]: share of a cell that the object covers, 0..255
    labels: Tensor     # int64 [N]
    area: Tensor       # float [T,N]: cells that the object covers in the whole frame
    # uint8 [T,P]: share of a cell that is neither an object nor background, 0..255
    ignore: Tensor
    weight: Tensor     # float [P]: cells of the frame that each of the P stands for
    # float [T,Q,2C+K+1+Cm]: the frozen tracker's embeddings, memory, logits and mask embeddings;
    # [T,Q,0] where the tracker is trained
    tracked: Tensor
    # int64 [T,N]: the query of each object, -1 where it has none; [T,0] in the order of slots
    queries: Tensor


@dataclass
class Batch:
    """B clips of T frames; N objects padded."""
    embeds: Tensor     # [B,T,Q,C]
    features: Tensor   # [B,T,Cm,P'] at the chosen points
    masks: Tensor      # [B,T,N,P'] 0..1
    visible: Tensor    # bool [B,T,N]
    eligible: Tensor   # bool [B,T,N]: visible enough to be given a slot
    labels: Tensor     # int64 [B,N]
    weight: Tensor     # [B,P']: cells of the frame that each point stands for
    tracked: Tensor    # [B,T,Q,..] as in a clip
    queries: Tensor | None = None  # int64 [B,T,N] as in a clip
    ignore: Tensor | None = None   # [B,T,P'] 0..1, None where nothing is ignored

    @property
    def known(self) -> Tensor | None:
        """Weight of the points in mask losses [B,T,P']."""
        return None if self.ignore is None else 1 - self.ignore


class ClipPool(RollingPool):
    """Pool of clips of `length` frames.

    `source` draws their frames; `tracked`: with the outputs of the tracker. `workers` processes
    render all the time, however fast the training is."""

    def __init__(self, model: Dvis, length: int, tracked: bool, size: int, start: int, seed: int,
                 source: ClipSource, workers: int = 0):
        def make(progress: float) -> Clip:
            return self.put(render(model, length, tracked, self.random, source))

        super().__init__(size, start, make)
        self.length = length
        self.random = np.random.default_rng([seed, 78])
        self.place = next(model.parameters()).device
        weights = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
        arguments = [(model.config, model.mode, weights, length, tracked, [seed, 79 + number],
                      source) for number in range(workers)]
        self.workers = Workers(_clips, arguments, ahead=2) if workers else None

    def freshen(self, share: float, progress: float) -> None:
        """Adds clips as any pool does.

        With workers it takes the clips that are ready and waits only for the first ones."""
        if self.workers is None:
            return super().freshen(share, progress)
        while len(self.items) < self.start or not self.workers.empty():
            self.add(self.put(Clip(*map(torch.from_numpy, self.workers.next()))))

    def put(self, clip: Clip) -> Clip:
        """The clip on the device of the training."""
        return Clip(*(part.to(self.place) for part in vars(clip).values()))

    def close(self) -> None:
        if self.workers is not None:
            self.workers.close()

    def batch(self, count: int, frames: int, stride: int = 1) -> Batch:
        """Random parts of random clips at random points, of every `stride`-th frame."""
        clips = [self.items[index] for index in self.random.integers(len(self.items), size=count)]
        span = (frames - 1) * stride + 1
        starts = self.random.integers(0, self.length - span + 1, size=count)
        parts = [slice(start, start + span, stride) for start in starts]
        place = clips[0].embeds.device
        cells = sorted({clip.features.shape[-1] for clip in clips})
        points = {size: torch.from_numpy(self.random.choice(size, POINTS, replace=False)).to(place)
                  for size in cells}
        chosen = [points[clip.features.shape[-1]] for clip in clips]
        objects = max(len(clip.labels) for clip in clips)
        masks = torch.zeros(count, frames, objects, POINTS, device=place)
        area = torch.zeros(count, frames, objects, device=place)
        queries = torch.full((count, frames, objects), -1, device=place)
        labels = torch.zeros(count, objects, dtype=torch.long, device=place)
        for row, (clip, some) in enumerate(zip(clips, parts)):
            number = len(clip.labels)
            masks[row, :, :number] = clip.masks[some][..., chosen[row]].float() / 255
            area[row, :, :number] = clip.area[some]
            queries[row, :, :clip.queries.shape[1]] = clip.queries[some]
            labels[row, :number] = clip.labels

        def part(name: str) -> list[Tensor]:
            return [getattr(clip, name)[some] for clip, some in zip(clips, parts)]

        def at_points(name: str) -> Tensor:
            return torch.stack([value[..., some].float()
                                for value, some in zip(part(name), chosen)])

        ignore = at_points("ignore") / 255
        weight = torch.stack([clip.weight[some] for clip, some in zip(clips, chosen)])
        return Batch(torch.stack(part("embeds")), at_points("features"), masks, area >= 1,
                     area >= 4, labels, weight, torch.stack(part("tracked")), queries,
                     ignore if ignore.any() else None)


@torch.no_grad()
def render(model: Dvis, length: int, tracked: bool, random: np.random.Generator,
           source: ClipSource) -> Clip:
    """New clip of `length` frames of a training scene, segmented, its queries matched.

    With `tracked` it has the outputs of the tracker."""
    of_videos = model.vita_module is not None
    below = {"features": lambda fine: fine} if of_videos else {}
    footage = source.draw(random, length)
    place = next(model.parameters()).device
    images = model.normalise(torch.from_numpy(footage.images).to(place))
    images = vary(images, random, length).contiguous(memory_format=torch.channels_last)
    segments = [model.segment(part, narrow=True, **below) for part in images.split(20)]
    embeds, features, logits = (torch.cat(part) for part in zip(*segments))
    targets = make_targets(torch.from_numpy(footage.ids), [footage.labels] * length)
    queries = targets.labels[:, :0]
    if of_videos:
        queries = frame_matches(model, embeds, logits, features, targets)
    else:
        order = torch.from_numpy(align(embeds.cpu().numpy())).to(place)
        embeds = embeds.gather(1, order[..., None].expand_as(embeds))
    features = features.flatten(2)
    masks, ignore = ((share.flatten(-2) * 255).round().to(torch.uint8)
                     for share in (targets.masks, targets.ignore))
    area = masks.float().sum(-1) / 255
    weight = torch.ones(features.shape[-1])
    if features.shape[-1] > CELLS:
        some, weight = choose_cells(masks.amax((0, 1)).numpy() > 0, random)
        features, masks, ignore = features[..., some.to(place)], masks[..., some], ignore[..., some]
    return Clip(embeds, features.half(), masks, targets.labels[0], area, ignore, weight,
                _track(model, embeds) if tracked else embeds[..., :0], queries)


def frame_matches(model: Dvis, embeds: Tensor, logits: Tensor, fine: Tensor,
                  targets: Targets) -> Tensor:
    """Query of every visible object of a frame, int64 [T,N], by the segmenter's own answers.

    embeds [T,Q,C], logits [T,Q,K+1], the map below the mask features [T,F,h,w]."""
    head = model.sem_seg_head
    features = head.pixel_decoder.mask_features(fine).flatten(2)
    masks = head.predictor.mask_embed(embeds) @ features
    place = embeds.device
    cost = tube_cost(logits, masks, targets.labels.to(place), targets.masks.flatten(2).to(place))
    return assign(cost.cpu(), targets.visible)


def choose_cells(covered: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """CELLS of the cells, and how many cells each stands for.

    They are denser where an object is at some time (covered, bool [P])."""
    parts = [np.flatnonzero(covered), np.flatnonzero(~covered)]
    count = min(round(OBJECTS * CELLS), len(parts[0]))
    counts = [count, min(CELLS - count, len(parts[1]))]
    counts[0] = CELLS - counts[1]
    chosen = [random.choice(part, number, replace=False) for part, number in zip(parts, counts)]
    weights = [np.full(number, len(part) / max(1, number), np.float32)
               for part, number in zip(parts, counts)]
    return torch.from_numpy(np.concatenate(chosen)), torch.from_numpy(np.concatenate(weights))


def _track(model: Dvis, matched: Tensor) -> Tensor:
    """The tracker over matched queries [T,Q,C]."""
    steps = follow(model.tracker, matched, matched)
    embeds, logits, mask_embeds = (torch.cat([getattr(step, name) for step in steps])
                                   for name in ("embeds", "logits", "mask_embeds"))
    return torch.cat((embeds, model.tracker.frame_forward(matched), logits, mask_embeds), -1)


def _clips(config: Config, mode: str, weights: dict[str, np.ndarray], length: int, tracked: bool,
           seed: list[int], source: ClipSource) -> Iterator[tuple]:
    """Clips without end, as arrays: tensors in a queue would hold a file descriptor each."""
    model = Dvis(config, mode)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    model.to(memory_format=torch.channels_last).eval()
    random = np.random.default_rng(seed)
    while True:
        yield tuple(part.numpy()
                    for part in vars(render(model, length, tracked, random, source)).values())
