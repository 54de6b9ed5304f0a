"""Training images for the segmenter of real cameras, made of annotated photographs.

Cases that a semantic segmentation cannot solve are frequent: mosaics of photographs, cut-outs of
one class side by side and over each other, copies of one cut-out.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...networks.config import REAL_CLASSES
from .photographs import IGNORE, Photograph, Photographs
from .realclips import draw_look
from .realscenes import draw_noise, sense
from .sprites import Similarity, Sprite, cut
from .walls import draw_barrier, draw_wall

# Height and width, one per batch.
SIZES = ((224, 384), (224, 384), (256, 448), (288, 512), (288, 384))
# Shares of images with several photographs, with cut-outs in front.
MOSAIC = 0.3
PASTED = 0.55
# Share of photographs shown whole, as the service shows a camera's frame.
WHOLE = 0.2
ZOOM = (0.7, 2.6)                   # against the whole photograph
TURNED, TURN = 0.3, 0.08            # share of photographs turned, deviation in radians
# Least longer side of a cut-out in pixels; at most 0.8 of the height.
PASTED_SIZE = 22
ENLARGED = 1.6                      # of a cut-out, at most
# Shares of images whose cut-outs are of one class; are copies of one.
ONE_CLASS = 0.7
COPIES = 0.2
WALL, BARRIER = 0.05, 0.25          # shares of drawn surfaces, and of images with one in front
FEW_PEOPLE = 0.35                   # share of photographs on which only persons are annotated
MOST_OBJECTS = 20
SMALLEST_AREA = 64                  # pixels below which an object is ignored
# Of photographs with vehicles or animals, persons, neither.
WEIGHTS = {"other": 2.5, "person": 1.2, "empty": 0.8}


@dataclass(frozen=True)
class Still:
    """Training image with its instance map."""
    image: np.ndarray     # uint8 [H,W,3]
    ids: np.ndarray       # uint8 [H,W]: 0 background, n the n-th object, 255 ignore
    labels: np.ndarray    # int64 [N], indices in REAL_CLASSES
    complete: bool        # False: objects other than persons may be unlabelled


class Stills:
    """Endless source of training images. Photographs are decoded once and kept."""

    def __init__(self, photographs: Photographs, seed: int):
        self.random = np.random.default_rng([seed, 43])
        self.items = [(item, item.image(), Image.fromarray(item.ids()))
                      for item in photographs.items]
        weights = np.array([self._weight(item) for item, _, _ in self.items])
        partial = np.array([not item.complete for item, _, _ in self.items])
        for part, share in ((partial, FEW_PEOPLE), (~partial, 1 - FEW_PEOPLE)):
            if weights[part].sum():
                weights[part] *= share / weights[part].sum()
        self.weights = weights / weights.sum()
        images = {id(item): image for item, image, _ in self.items}
        self.sprites = {label: [cut(photograph, instance, images[id(photograph)])
                                for photograph, instance in found]
                        for label, found in photographs.cutouts.items() if label is not None}

    @staticmethod
    def _weight(item: Photograph) -> float:
        labels = {instance.label for instance in item.objects()}
        person = REAL_CLASSES.index("person")
        return WEIGHTS["other" if labels - {person} else "person" if labels
                       else "empty"] if item.complete else 1.0

    def batch(self, count: int) -> list[Still]:
        """`count` images of one size."""
        height, width = SIZES[self.random.integers(len(SIZES))]
        return [self.draw(height, width) for _ in range(count)]

    def draw(self, height: int, width: int) -> Still:
        """One image of a size, with its truth."""
        random = self.random
        image, ids = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.int32)
        labels: list[int] = []
        complete = True
        for top, bottom, left, right in self._cells(height, width):
            whole = self._photograph(image[top:bottom, left:right], ids[top:bottom, left:right],
                                     labels)
            complete = complete and whole
        if random.random() < PASTED and self.sprites:
            self._paste(image, ids, labels)
        if random.random() < BARRIER:
            draw_barrier(random, image, ids)
        kept, numbers = self._renumber(ids, labels)
        look = draw_look(random)
        noise = draw_noise(random, look.noise, height, width)
        return Still(sense(image, look, random, 0, noise), numbers, kept, complete)

    def _cells(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Cells of an image: one, two or four."""
        random = self.random
        if random.random() >= MOSAIC:
            return [(0, height, 0, width)]
        column = int(random.uniform(0.35, 0.65) * width)
        row = int(random.uniform(0.35, 0.65) * height) if random.random() < 0.6 else height
        return [(top, bottom, left, right) for top, bottom in ((0, row), (row, height))
                if bottom > top for left, right in ((0, column), (column, width))]

    def _photograph(self, image: np.ndarray, ids: np.ndarray, labels: list[int]) -> bool:
        """Draws a photograph into a cell; returns whether all its objects are annotated."""
        random = self.random
        if random.random() < WALL:
            image[:] = draw_wall(random, *ids.shape)
            return True
        item, source, numbers = self.items[random.choice(len(self.items), p=self.weights)]
        height, width = ids.shape
        whole = random.random() < WHOLE
        fit = min(width / item.width, height / item.height)
        scale = fit if whole else fit * np.exp(random.uniform(*np.log(ZOOM)))
        turn = random.normal(0, TURN) if not whole and random.random() < TURNED else 0.0
        room = complex(width - item.width * scale, height - item.height * scale)
        shift = 0j if whole else complex(random.uniform(min(0, room.real), max(0, room.real)),
                                         random.uniform(min(0, room.imag), max(0, room.imag)))
        centre = complex(width, height) / 2
        place = Similarity(np.exp(1j * turn), centre) @ Similarity(scale, shift - centre)
        level = max(1, int(0.6 / scale + 0.5)) if scale < 0.6 else 1     # against aliasing
        small = source.reduce(level) if level > 1 else source
        back = place.inverse()
        warped = small.transform((width, height), Image.Transform.AFFINE,
                                 (Similarity(1 / level, 0) @ back).affine(),
                                 Image.Resampling.BILINEAR, fillcolor=(self._rim(),) * 3)
        found = numbers.transform((width, height), Image.Transform.AFFINE, back.affine(),
                                  Image.Resampling.NEAREST)
        flip = -1 if random.random() < 0.5 else 1
        image[:] = np.asarray(warped)[:, ::flip]
        fresh = np.asarray(found)[:, ::flip].astype(np.int32)
        ids[:] = np.where((fresh > 0) & (fresh < IGNORE), fresh + len(labels),
                          np.where(fresh == IGNORE, -1, 0))
        labels += [instance.label for instance in item.objects()]
        return item.complete

    def _rim(self) -> int:
        """Grey around a photograph that does not fill its cell."""
        return 114 if self.random.random() < 0.6 else int(self.random.integers(0, 256))

    def _paste(self, image: np.ndarray, ids: np.ndarray, labels: list[int]) -> None:
        """Draws cut-outs in front: of one class near each other, or of any class anywhere."""
        random, (height, width) = self.random, ids.shape
        classes = list(self.sprites)
        one = random.random() < ONE_CLASS
        if one:
            classes = [classes[random.integers(len(classes))]]
        near = complex(random.uniform(0.1, 0.9) * width, random.uniform(0.2, 0.9) * height)
        copied: tuple[int, Sprite] | None = None
        copies = random.random() < COPIES
        for _ in range(random.integers(1, 6)):
            label = classes[random.integers(len(classes))]
            sprite = self.sprites[label][random.integers(len(self.sprites[label]))]
            if copies and copied is not None:
                label, sprite = copied
            copied = label, sprite
            if random.random() < 0.5:
                sprite = sprite.mirrored()
            sprite = sprite.coloured(random.uniform(0.7, 1.2) * random.uniform(0.93, 1.07, 3))
            box = sprite.size
            side = np.exp(random.uniform(np.log(PASTED_SIZE), np.log(0.8 * height)))
            scale = min(side / max(box.real, box.imag), ENLARGED)
            spread = complex(random.normal(0, 0.8) * box.real,
                             random.normal(0, 0.3) * box.imag) * scale
            centre = near + spread if one else complex(random.uniform(0, 1) * width,
                                                       random.uniform(0, 1) * height)
            labels.append(label)
            place = Similarity(scale * np.exp(1j * random.normal(0, 0.05)), 0)
            sprite.paint(image, ids, Similarity(1, centre - place(box / 2)) @ place, len(labels))

    @staticmethod
    def _renumber(ids: np.ndarray, labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Classes and instance map uint8 of the largest objects, in order.

        Small objects and those beyond MOST_OBJECTS become IGNORE."""
        area = np.bincount(np.maximum(ids, 0).ravel(), minlength=len(labels) + 1)[1:]
        order = [index for index in np.argsort(-area, kind="stable")
                 if area[index] >= SMALLEST_AREA][:MOST_OBJECTS]
        table = np.full(len(labels) + 2, IGNORE, np.uint8)      # the last stands for -1
        table[0] = 0
        table[np.array(order, int) + 1] = np.arange(1, len(order) + 1)
        return np.array([labels[index] for index in order], np.int64), table[ids]
