"""Annotated photographs: data sets in COCO format, read one part at a time.

A set is a folder with `instances.json` beside its images. A set whose annotations are all of one
class is taken to have only that class annotated: other objects in its images are unknown, so they
serve as backdrops only where there are no others.
"""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ...networks.config import COARSE_CLASSES, FINE_OF_COCO, REAL_CLASSES, coarse_class
from .masks import fill_polygon, read_polygons, read_run_lengths

PARTS = ("train", "val")
IGNORE = 255            # in instance maps: neither an object nor background
MOST_OBJECTS = 40       # of one photograph; further ones are ignored
# A box this close to the image's border, in pixels, belongs to a truncated object.
BORDER = 2
SMALLEST = 40           # shorter side of a cut-out in its photograph, in pixels
SMALLEST_OTHER = 24     # the same for what is not a person: few vehicles are larger
LONGEST = 4             # times its shorter side, at most
SPARSE = 0.3            # share of its box that a cut-out fills, at least
HIDDEN = 0.2            # share of its box that other objects may cover
# Share of the area in the largest polygon: an object in pieces is hidden by something.
ONE_PIECE = 0.9


@dataclass(frozen=True, eq=False)
class Instance:
    """One annotated object or crowd."""
    name: str                          # COCO's class name
    crowd: bool
    box: tuple[float, float, float, float]   # x, y, width, height in pixels
    area: float                        # pixels
    polygons: tuple[np.ndarray, ...]   # float64 [n,2]; empty where there are run lengths
    runs: np.ndarray | None            # mask of the whole image, bool [height,width]

    @property
    def label(self) -> int | None:
        """Index in REAL_CLASSES; None for an object of another class."""
        name = FINE_OF_COCO.get(self.name)
        return None if name is None else REAL_CLASSES.index(name)

    def mask(self, left: int, top: int, right: int, bottom: int, scale: int = 1) -> np.ndarray:
        """Mask of a window given in pixels of the image, bool [(bottom-top)*scale, ..].

        It is drawn `scale` times finer."""
        height, width = (bottom - top) * scale, (right - left) * scale
        if self.runs is not None:
            inside = self.runs[max(0, top):max(0, bottom), max(0, left):max(0, right)]
            whole = np.zeros((bottom - top, right - left), bool)
            whole[max(0, -top):, max(0, -left):][:inside.shape[0], :inside.shape[1]] = inside
            return whole.repeat(scale, 0).repeat(scale, 1)
        result = np.zeros((height, width), bool)
        for points in self.polygons:
            result |= fill_polygon((points - (left, top)) * scale, height, width)
        return result

    def window(self, margin: int) -> tuple[int, int, int, int]:
        """Whole pixels around the box: left, top, right, bottom; may reach beyond the image."""
        x, y, width, height = self.box
        return (int(np.floor(x)) - margin, int(np.floor(y)) - margin,
                int(np.ceil(x + width)) + margin, int(np.ceil(y + height)) + margin)


@dataclass(frozen=True, eq=False)
class Photograph:
    """Image of a set with its annotations."""
    path: Path
    identity: int                  # COCO's image id
    file_name: str                 # as `instances.json` has it
    width: int
    height: int
    coco_split: str | None         # "train2017" or "val2017", where known
    annotated: frozenset[str]      # those of COARSE_CLASSES whose objects are all annotated
    instances: tuple[Instance, ...]

    @property
    def complete(self) -> bool:
        """Whether every object of the classes is annotated."""
        return self.annotated == set(COARSE_CLASSES)

    def image(self) -> Image.Image:
        """The image, RGB.

        Raises ValueError where the file is not an image of the annotated size."""
        try:
            image = Image.open(self.path).convert("RGB")
        except OSError as error:
            raise ValueError(f"'{self.path}' is not a readable image: {error}") from None
        if image.size != (self.width, self.height):
            raise ValueError(f"'{self.path}' has {image.width}x{image.height} pixels, annotated "
                             "are "
                             f"{self.width}x{self.height}")
        return image

    def objects(self) -> list[Instance]:
        """Objects of REAL_CLASSES, largest first, in the order of the numbers in `ids`."""
        found = [instance for instance in self.instances if instance.label is not None
                 and not instance.crowd]
        return sorted(found, key=lambda instance: -instance.area)[:MOST_OBJECTS]

    def ids(self, scale: int = 1) -> np.ndarray:
        """Instance map uint8 [height*scale,width*scale].

        0 is background, n the n-th of `objects`, 255 ignored."""
        result = np.zeros((self.height * scale, self.width * scale), np.uint8)
        objects = self.objects()
        unclear = [(IGNORE, instance) for instance in self.instances
                   if instance.label is not None and instance not in objects]
        for number, instance in (*unclear, *enumerate(objects, 1)):
            left, top, right, bottom = self._window(instance)
            if left < right and top < bottom:
                where = result[top * scale:bottom * scale, left * scale:right * scale]
                where[instance.mask(left, top, right, bottom, scale)] = number
        return result

    def whole_objects(self) -> list[Instance]:
        """Objects of any class that can be cut out.

        They are large enough, not truncated, not in pieces, and hardly hidden."""
        cover = np.zeros((self.height, self.width), np.uint8)
        masks = []
        for instance in self.instances:
            left, top, right, bottom = self._window(instance)
            if left >= right or top >= bottom:
                continue
            mask = instance.mask(left, top, right, bottom)
            cover[top:bottom, left:right] += mask
            masks.append((instance, mask, (slice(top, bottom), slice(left, right))))
        return [instance for instance, mask, where in masks
                if self._is_whole(instance, mask) and mask.mean() >= SPARSE
                and (cover[where] > mask).mean() <= HIDDEN]

    def _window(self, instance: Instance) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what the instance covers, within the image."""
        if instance.runs is not None:
            return 0, 0, self.width, self.height
        left, top, right, bottom = instance.window(0)
        return max(0, left), max(0, top), min(self.width, right), min(self.height, bottom)

    def _is_whole(self, instance: Instance, mask: np.ndarray) -> bool:
        x, y, width, height = instance.box
        inside = (x >= BORDER and y >= BORDER and x + width <= self.width - BORDER
                  and y + height <= self.height - BORDER)
        sides = sorted((width, height))
        smallest = SMALLEST if instance.label == REAL_CLASSES.index("person") else SMALLEST_OTHER
        if instance.crowd or not instance.polygons or not inside or sides[0] < smallest:
            return False
        areas = [_area(points) for points in instance.polygons]
        # Some sets join the pieces of an object to one polygon that crosses itself: its area is not
        # that of its mask.
        in_pieces = max(areas) < ONE_PIECE * max(sum(areas), mask.sum())
        return sides[1] <= LONGEST * sides[0] and not in_pieces


@dataclass(frozen=True)
class Photographs:
    """One part of one or several sets."""
    part: str
    items: tuple[Photograph, ...] = field(repr=False)
    # COCO's class names by id.
    categories: dict[int, str] = field(default_factory=dict, repr=False)

    @cached_property
    def backdrops(self) -> list[Photograph]:
        """Photographs with every object annotated; all of them where there is none."""
        return [photograph for photograph in self.items if photograph.complete] or list(self.items)

    @cached_property
    def cutouts(self) -> dict[int | None, list[tuple[Photograph, Instance]]]:
        """Objects that can be cut out, by class; under None those of all other COCO classes."""
        found: dict[int | None, list[tuple[Photograph, Instance]]] = {}
        for photograph in self.items:
            for instance in photograph.whole_objects():
                found.setdefault(instance.label, []).append((photograph, instance))
        return found

    @staticmethod
    def load(folders: list[Path], part: str) -> Photographs:
        """One part ("train" or "val") of the sets in `folders`: each a set, or a folder of sets.

        Raises ValueError or FileNotFoundError with a sentence where a set is missing or broken."""
        if part not in PARTS:
            raise ValueError(f"'{part}' is not a part: expected {' or '.join(PARTS)}")
        sets = [found for folder in folders for found in _sets(Path(folder))]
        items: list[Photograph] = []
        categories: dict[int, str] = {}
        for found in sets:
            photographs, names = _read_set(found, part)
            items += photographs
            if any(categories.setdefault(identity, name) != name
                   for identity, name in names.items()):
                raise ValueError(f"'{found}' has other category ids than the sets before it")
        if not items:
            raise ValueError(f"no photographs of part '{part}' in "
                             f"{', '.join(str(folder) for folder in folders)}")
        return Photographs(part, tuple(items), categories)


def _area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _sets(folder: Path) -> list[Path]:
    if (folder / "instances.json").exists():
        return [folder]
    inside = sorted(file.parent for file in folder.glob("*/instances.json"))
    if not inside:
        raise FileNotFoundError(f"'{folder}' is not a set of photographs: neither it nor a folder "
                                "in it has an "
                                "instances.json (COCO format)")
    return inside


def _read_set(folder: Path, part: str) -> tuple[list[Photograph], dict[int, str]]:
    """Photographs of one part, and the names of the categories by id."""
    source = folder / "instances.json"
    try:
        file = json.loads(source.read_text(encoding="utf-8"))
        names = {category["id"]: category["name"] for category in file["categories"]}
        images = {image["id"]: image for image in file["images"]}
        annotations = file["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{source}' is not in COCO format: {type(error).__name__} "
                         f"{error}") from None
    if not annotations:
        raise ValueError(f"'{source}' has no annotations")
    seen: dict[int, list[Instance]] = {identity: [] for identity in images}
    for entry in annotations:
        try:
            image = images[entry["image_id"]]
            if image["part"] == part:
                seen[image["id"]].append(_instance(entry, names[entry["category_id"]], image))
        except KeyError as error:
            raise ValueError(f"'{source}', annotation {entry.get('id')}: {error} is missing or "
                             "unknown") from None
        except ValueError as error:
            raise ValueError(f"'{source}', annotation {entry.get('id')}: {error}") from None
    classes = {names[entry["category_id"]] for entry in annotations}
    annotated = frozenset(COARSE_CLASSES if len(classes) > 1
                          else filter(None, map(coarse_class, classes)))
    result = []
    for image in images.values():
        if image.get("part") not in PARTS:
            raise ValueError(f"'{source}', image {image['id']}: its part is neither "
                             f"{' nor '.join(PARTS)}")
        path = folder / image["file_name"]
        if image["part"] == part and not path.exists():
            raise FileNotFoundError(f"'{path}' is missing, '{source}' lists it")
        if image["part"] == part:
            result.append(Photograph(path, image["id"], image["file_name"], image["width"],
                                     image["height"], image.get("coco_split"), annotated,
                                     tuple(seen[image["id"]])))
    return result, names


def _instance(entry: dict, name: str, image: dict) -> Instance:
    segmentation = entry["segmentation"]
    runs, polygons = None, ()
    if isinstance(segmentation, dict):
        runs = read_run_lengths(segmentation, image["height"], image["width"])
    else:
        polygons = tuple(read_polygons(segmentation))
    box = tuple(float(side) for side in entry["bbox"])
    if len(box) != 4:
        raise ValueError("a box needs 4 numbers")
    return Instance(name, bool(entry.get("iscrowd", 0)), box, float(entry["area"]), polygons, runs)
