"""Source of the frames for tracker and refiner: rendered scenes and clips of photographs."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..networks.config import (COARSE_OF_FINE, REAL_CLASSES, SHAPE_CLASSES, SHAPES_MODEL_CLASSES,
                               Config, class_names)
from .drawn.cutouts import Cutouts
from .drawn.scenes import EVALUATION_SEEDS, HEIGHT, WIDTH
from .photos.photographs import IGNORE, Photographs
from .photos.realclips import STRIDES, make_clip
from .pools import SPAN, draw_scene

REAL = 0.6                    # share of clips made of photographs, where there are any
ASPECTS = (16 / 9, 4 / 3)     # of clips made of photographs
# Shorter and largest side, and share, of clips below a larger input size: cheaper.
SMALLER = (224, 384)
SMALL_CLIPS = 0.6


@dataclass(frozen=True)
class Footage:
    """Frames with their truth."""
    images: np.ndarray     # uint8 [T,H,W,3]
    ids: np.ndarray        # uint8 [T,H,W]: 0 background, n the n-th object, 255 ignore
    labels: np.ndarray     # int64 [N]: classes of the model


@dataclass(frozen=True)
class ClipSource:
    """Mix of clips for a model whose classes are `classes`.

    Objects of other classes are background."""
    mix: dict[str, float]                       # share of each tier among rendered clips
    extras: Cutouts | None = None               # for rendered clips
    photographs: Photographs | None = None
    real: float = 0.0                           # share of clips made of photographs
    classes: tuple[str, ...] = SHAPES_MODEL_CLASSES
    shorter_side: int = HEIGHT                  # input rule of the model, in pixels
    largest_side: int = WIDTH

    def draw(self, random: np.random.Generator, length: int) -> Footage:
        """A clip of `length` frames that no evaluation uses."""
        sides = self.shorter_side, self.largest_side
        if self.shorter_side > SMALLER[0] and random.random() < SMALL_CLIPS:
            sides = SMALLER
        if self.real and random.random() < self.real:
            height, width = frame_size(float(random.choice(ASPECTS)), *sides)
            seed = int(random.integers(EVALUATION_SEEDS, 2 ** 40))
            images, ids, labels = make_clip(self.photographs, seed, length, height, width)
            return relabel(images, ids, labels, REAL_CLASSES, self.classes)
        scene = draw_scene(random, self.mix, self.extras)
        start = int(random.integers(0, SPAN))
        stride = int(random.choice(len(STRIDES), p=STRIDES)) + 1
        height, width = frame_size(WIDTH / HEIGHT, *sides)
        pairs = [scene.frame(start + stride * index, height, width) for index in range(length)]
        images, ids = np.stack([image for image, _ in pairs]), np.stack([ids for _, ids in pairs])
        names = SHAPES_MODEL_CLASSES
        if self.extras is not None:
            names = SHAPE_CLASSES + self.extras.classes
        if names == self.classes:
            return Footage(images, ids, scene.labels)
        return relabel(images, ids, scene.labels, names, self.classes)


def clip_source(config: Config, mix: dict[str, float], extras: Cutouts | None,
                photographs: Photographs | None, real: float | None) -> ClipSource:
    """Clip source of a model; `real` defaults to REAL where photographs are given."""
    share = 0.0 if photographs is None else REAL if real is None else real
    names = class_names(config)
    if extras is not None and names[0] not in SHAPE_CLASSES:
        # A scene of nothing but shapes has no object of the model's classes.
        extras = replace(extras, share=1.0)
    return ClipSource(mix, extras, photographs, share, names, config.shorter_side,
                      config.largest_side)


def frame_size(aspect: float, shorter_side: int, largest_side: int) -> tuple[int, int]:
    """Height and width of about this aspect ratio (>= 1) within the input rule, multiples of 32."""
    width = min(aspect * shorter_side, largest_side)
    return shorter_side // 32 * 32, int(width / 32 + 0.5) * 32


def class_table(names: tuple[str, ...], classes: tuple[str, ...]) -> np.ndarray:
    """Index in `classes` of each of `names`.

    It is the index of its coarse class where the name is not among them, or -1."""
    own = [name if name in classes else COARSE_OF_FINE.get(name) for name in names]
    return np.array([classes.index(name) if name in classes else -1 for name in own], np.int64)


def relabel(images: np.ndarray, ids: np.ndarray, labels: np.ndarray, names: tuple[str, ...],
            classes: tuple[str, ...]) -> Footage:
    """Footage whose classes `names` became `classes`.

    Objects of no class or in no frame lose their number."""
    fresh = class_table(names, classes)[labels]
    seen = np.bincount(ids.ravel(), minlength=IGNORE + 1)[1:len(labels) + 1] > 0
    kept = np.flatnonzero((fresh >= 0) & seen)
    numbers = np.zeros(IGNORE + 1, np.uint8)
    numbers[kept + 1] = np.arange(1, len(kept) + 1)
    numbers[IGNORE] = IGNORE
    return Footage(images, numbers[ids], fresh[kept])
