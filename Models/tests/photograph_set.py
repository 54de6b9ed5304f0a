"""Writes small sets of annotated photographs in COCO format, as the tests need them."""
import json
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}, {"id": 18, "name": "dog"},
              {"id": 64, "name": "potted plant"}]
COLOURS = {"person": (210, 30, 30), "car": (30, 30, 220), "dog": (220, 200, 20),
           "potted plant": (50, 60, 50)}
GROUND = (100, 120, 100)


def rectangle(left, top, right, bottom):
    """A polygon in COCO's form."""
    return [[left, top, right, top, right, bottom, left, bottom]]


class SetWriter:
    """A set being made; `write` puts it on disk."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = {"categories": CATEGORIES, "images": [], "annotations": []}
        (folder / "images").mkdir(parents=True)

    def photograph(self, objects, part="train", size=(320, 240), coco_split="val2017"):
        """`objects`: (class name, left, top, right, bottom), painted in the colour of their class.
        """
        width, height = size
        number = len(self.file["images"]) + 1
        image = np.full((height, width, 3), GROUND, np.uint8)
        for name, left, top, right, bottom in objects:
            image[top:bottom, left:right] = COLOURS[name]
            self.annotation(number, name, rectangle(left, top, right, bottom),
                            [left, top, right - left, bottom - top],
                            (right - left) * (bottom - top))
        Image.fromarray(image).save(self.folder / f"images/{number}.png")
        self.file["images"].append({"id": number, "file_name": f"images/{number}.png",
                                    "width": width, "height": height, "part": part,
                                    "coco_split": coco_split})
        return number

    def annotation(self, image, name, segmentation, box, area, crowd=0):
        category = next(entry["id"] for entry in CATEGORIES if entry["name"] == name)
        self.file["annotations"].append({"id": len(self.file["annotations"]) + 1, "image_id": image,
                                         "category_id": category, "iscrowd": crowd,
                                         "segmentation": segmentation, "bbox": box, "area": area})

    def crowd(self, image, name, left, top, right, bottom):
        entry = next(entry for entry in self.file["images"] if entry["id"] == image)
        mask = np.zeros((entry["height"], entry["width"]), int)
        mask[top:bottom, left:right] = 1
        flat = mask.T.ravel()
        ends = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]))
        counts = np.diff(ends).tolist()
        runs = {"size": list(mask.shape), "counts": counts if flat[0] == 0 else [0, *counts]}
        self.annotation(image, name, runs, [left, top, right - left, bottom - top], int(mask.sum()),
                        crowd=1)

    def write(self) -> Path:
        (self.folder / "instances.json").write_text(json.dumps(self.file))
        return self.folder


def street(folder: Path, part="train") -> Path:
    """Persons, cars, a dog, a plant, and an image without any of them."""
    photos = SetWriter(folder)
    photos.photograph([("person", 40, 60, 100, 190), ("car", 160, 120, 280, 190)], part)
    photos.photograph([("dog", 120, 100, 200, 160)], part)
    photos.photograph([("potted plant", 100, 80, 170, 200)], part)
    photos.photograph([], part)
    return photos.write()
