"""Cut-outs and backdrops for rendered scenes, from photographs with YOLO-style polygons.

The cut-outs are people, vehicles and animals; photographs without any are backdrops.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...networks.config import COARSE_CLASSES, COARSE_OF_FINE, FINE_OF_COCO, SHAPE_CLASSES
from .scenes import HEIGHT, MARGIN, WIDTH, Thing

SCENES = 0.2       # share of scenes with anything real
OBJECTS = 0.6      # share of real objects in such a scene
BACKDROPS = 0.5    # share of photographs as backdrop in such a scene
LARGEST = 112      # longer side of a stored cut-out in pixels
SMALLEST = 40      # shorter side of a cut-out in its photograph
HELD_OUT = 5       # every fifth photograph is kept for evaluation


NAMES = {**dict(enumerate(("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train",
                           "truck", "boat"))),
         **dict(enumerate(("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear",
                           "zebra", "giraffe"), 14))}


def group(coco: int, classes: tuple[str, ...] = COARSE_CLASSES) -> int | None:
    """Label in scenes of one of the 80 COCO classes, numbered from 0; None for any other object.

    After the shapes come `classes`, coarse or fine ones."""
    fine = FINE_OF_COCO.get(NAMES.get(coco, ""))
    if fine is None:
        return None
    return len(SHAPE_CLASSES) + classes.index(fine if fine in classes else COARSE_OF_FINE[fine])


@dataclass(frozen=True)
class Cutouts:
    """Cut-outs by class, and backdrops."""
    sprites: dict[int, list[np.ndarray]]   # class -> RGBA float32 [h,w,4], alpha 0..1
    photographs: list[np.ndarray]          # uint8, the size of a backdrop
    share: float = SCENES                  # of scenes with anything real
    classes: tuple[str, ...] = COARSE_CLASSES   # the labels from len(SHAPE_CLASSES) on

    @staticmethod
    def load(folders: Path | list[Path], held_out: bool = False,
             classes: tuple[str, ...] = COARSE_CLASSES) -> Cutouts:
        """One part of the photographs, for training or held out, of sets or folders of sets."""
        sprites: dict[int, list[np.ndarray]] = {}
        photographs = []
        for folder, path in _images([folders] if isinstance(folders, Path) else folders, held_out):
            image = Image.open(path).convert("RGB")
            objects = read_polygons(next((folder / "labels").rglob(path.stem + ".txt"), None),
                                    image.size, classes)
            for label, points in objects:
                sprite = cut(image, points) if label is not None else None
                if sprite is not None:
                    sprites.setdefault(label, []).append(sprite)
            if all(label is None for label, _ in objects):
                photographs.append(np.array(image.resize((WIDTH + 2 * MARGIN,
                                                            HEIGHT + 2 * MARGIN), Image.BILINEAR)))
        if not sprites:
            raise FileNotFoundError(f"no cut-outs in '{folders}': expected images/**/NAME.jpg and "
                                    "labels/**/NAME.txt")
        return Cutouts(sprites, photographs, classes=classes)

    def backdrop(self, random: np.random.Generator, drawn: np.ndarray) -> np.ndarray:
        """The drawn backdrop, or a photograph in a share of the cases."""
        if not self.photographs or random.random() >= BACKDROPS:
            return drawn
        return self.photographs[random.integers(len(self.photographs))]

    def thing(self, random: np.random.Generator, drawn: Thing) -> Thing:
        """The drawn thing, or a cut-out with its motion in a share of the cases.

        A cut-out is upright, at most a little tilted."""
        if random.random() >= OBJECTS:
            return drawn
        label = list(self.sprites)[random.integers(len(self.sprites))]
        sprite = self.sprites[label][random.integers(len(self.sprites[label]))]
        if random.random() < 0.5:
            sprite = sprite[:, ::-1]
        return replace(drawn, label=label, sprite=sprite, texture=None,
                       stretch=sprite.shape[1] / sprite.shape[0], angle=random.uniform(-0.2, 0.2),
                       spin=0.0, radius=1.15 * drawn.radius)


def _images(folders: list[Path], held_out: bool) -> list[tuple[Path, Path]]:
    """Sets and the images of one part of them."""
    sets = [found for folder in folders
            for found in ([folder] if (folder / "images").exists()
                          else sorted(part.parent for part in folder.glob("*/images")))]
    return [(found, path) for found in sets
            for index, path in enumerate(sorted((found / "images").rglob("*.jpg")))
            if (index % HELD_OUT == HELD_OUT - 1) == held_out]


def read_polygons(path: Path | None, size: tuple[int, int],
                  classes: tuple[str, ...] = COARSE_CLASSES) -> list[
    tuple[int | None, list[tuple[float, float]]]]:
    """Objects of lines `class x1 y1 x2 y2 ...` (relative): label and points in pixels."""
    if path is None:
        return []
    objects = []
    for line in path.read_text().splitlines():
        first, *numbers = line.split()
        values = [float(number) for number in numbers]
        objects.append((group(int(first), classes),
                        [(x * size[0], y * size[1]) for x, y in zip(values[0::2], values[1::2])]))
    return objects


def cut(image: Image.Image, points: list[tuple[float, float]]) -> np.ndarray | None:
    """Content of a polygon with a transparent rim, RGBA float32 [h,w,4].

    None where it is too small, thin or sparse."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left = int(min(xs)) - 2
    top = int(min(ys)) - 2
    right = int(max(xs)) + 3
    bottom = int(max(ys)) + 3
    width, height = right - left, bottom - top
    if min(width, height) < SMALLEST or max(width, height) > 3 * min(width, height):
        return None
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=255)
    if np.asarray(mask).mean() < 0.35 * 255:
        return None
    colour = image.crop((left, top, right, bottom))
    scale = min(1.0, LARGEST / max(width, height))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    rgb = np.asarray(colour.resize(size, Image.BILINEAR), np.float32)
    alpha = np.asarray(mask.resize(size, Image.BILINEAR), np.float32)[..., None] / 255
    return np.concatenate((rgb, alpha), 2)
