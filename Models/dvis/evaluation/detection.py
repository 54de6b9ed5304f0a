"""Detection on annotated photographs: COCO's measures, and precision, duplicates and scraps.

Classes are merged to COARSE_CLASSES before matching. Per image and class the 100 predictions of
highest score count; in this order each takes the free object that it overlaps most. Crowds and
objects below a size are neither right nor wrong: a prediction that takes one does not count, and a
crowd, overlapped by its share of the prediction, can be taken again.
"""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from ..data.photos.photographs import Instance, Photograph, Photographs
from ..networks.config import COARSE_CLASSES, coarse_class
from .metrics import THRESHOLDS

MOST = 100                  # predictions of an image and class
# IoU with a surer mask of its coarse class above which a published mask is a duplicate.
DUPLICATE = 0.5
# Share inside a surer mask of its coarse class above which it is a scrap of that one.
SCRAP = 0.8
# Pixels.
SIZES = (("small", 0.0, 32.0 ** 2), ("medium", 32.0 ** 2, 96.0 ** 2), ("large", 96.0 ** 2, np.inf))
KINDS = ("mask", "box")

# Score, class name, mask bool [height,width].
Prediction = tuple[float, str, np.ndarray]
Predict = Callable[[np.ndarray], list[Prediction]]        # of an image uint8 [height,width,3]


def on_images(predict: Predict) -> Callable[[Photograph], list[Prediction]]:
    """Predictor of photographs made of one of images."""
    return lambda photograph: predict(np.asarray(photograph.image()))


def evaluate_photographs(photographs: Photographs,
                         predict: Callable[[Photograph], list[Prediction]], score: float,
                         smallest: float = 0.0, coco_split: str | None = None) -> dict:
    """AP, AP50, and at `score`: precision, recall by size, duplicates, scraps.

    `smallest` is in pixels of area. Raises ValueError where no photograph is of the split."""
    items = [item for item in photographs.items if coco_split in (None, item.coco_split)]
    if not items:
        raise ValueError(f"no photographs of {coco_split} in part '{photographs.part}'")
    tallies = {kind: Tally() for kind in KINDS}
    published = Published()
    for photograph in items:
        answers = [(sure, coarse_class(name), mask)
                   for sure, name, mask in predict(photograph) if mask.any()]
        answers = sorted((answer for answer in answers if answer[1] is not None),
                         key=lambda answer: -answer[0])
        published.add(photograph, [answer for answer in answers if answer[0] >= score])
        for name in sorted(photograph.annotated):
            predicted = [answer for answer in answers if answer[1] == name][:MOST]
            truth = [one for one in photograph.instances if coarse_class(one.name) == name]
            for kind, tally in tallies.items():
                tally.add(name, np.array([sure for sure, _, _ in predicted]),
                          overlaps(kind, photograph, predicted, truth), truth, score, smallest)
    return {"images": len(items), "part": photographs.part, "coco_split": coco_split,
            "smallest": smallest, "score": score,
            **{kind: tally.result() for kind, tally in tallies.items()},
            "published": published.result()}


def overlaps(kind: str, photograph: Photograph, predicted: list[Prediction],
             truth: list[Instance]) -> np.ndarray:
    """IoU of masks or boxes [predictions, objects].

    For crowds it is the share of the prediction that lies inside."""
    crowd = np.array([one.crowd for one in truth], bool)
    if kind == "mask":
        shape = len(predicted), photograph.height * photograph.width
        masks = np.array([mask.ravel() for _, _, mask in predicted], np.float32).reshape(shape)
        true = np.array([one.mask(0, 0, photograph.width, photograph.height).ravel()
                         for one in truth], np.float32)
        true = true.reshape(len(truth), shape[1])
        shared, areas, true_areas = masks @ true.T, masks.sum(1), true.sum(1)
    else:
        boxes = np.array([box_of(mask) for _, _, mask in predicted], np.float64).reshape(-1, 1, 4)
        true = np.array([one.box for one in truth], np.float64).reshape(1, -1, 4)
        low = np.maximum(boxes[..., :2], true[..., :2])
        high = np.minimum(boxes[..., :2] + boxes[..., 2:], true[..., :2] + true[..., 2:])
        shared = np.maximum(high - low, 0).prod(-1)
        areas, true_areas = boxes[:, 0, 2:].prod(-1), true[0, :, 2:].prod(-1)
    whole = np.where(crowd, areas[:, None], areas[:, None] + true_areas - shared)
    return shared / np.maximum(whole, 1e-9)


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, width, height of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]


def match(iou: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, threshold: float) -> np.ndarray:
    """Object that each prediction takes, highest score first; -1 where there is none.

    Objects that count are taken before ignored ones."""
    free = np.ones(len(ignored), bool)
    taken = np.full(len(iou), -1, np.int64)
    for index, row in enumerate(iou):
        possible = np.flatnonzero((row >= threshold) & (free | crowd))
        counting = possible[~ignored[possible]]
        possible = counting if counting.size else possible
        if possible.size:
            taken[index] = possible[row[possible].argmax()]
            free[taken[index]] = False
    return taken


@dataclass
class Tally:
    """Answers and objects of all images for one kind of overlap."""
    answers: dict[str, list[tuple[float, np.ndarray, np.ndarray]]] = field(
        default_factory=lambda: defaultdict(list))
    objects: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    # Found, all.
    sizes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    # Right or wrong.
    sure: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, scores: np.ndarray, iou: np.ndarray, truth: list[Instance],
            score: float, smallest: float) -> None:
        """Adds one image and class, predictions with the highest score first."""
        crowd = np.array([one.crowd for one in truth], bool)
        ignored = crowd | np.array([one.area < smallest for one in truth], bool)
        self.objects[name] += int((~ignored).sum())
        # [levels, answers]
        taken = np.array([match(iou, ignored, crowd, threshold) for threshold in THRESHOLDS])
        silent = np.zeros_like(taken, bool)
        silent[taken >= 0] = ignored[taken[taken >= 0]]
        for index, sure in enumerate(scores):
            self.answers[name].append((float(sure), taken[:, index] >= 0, ~silent[:, index]))
        published = scores >= score
        self.sure[name] += list(taken[0, published & ~silent[0]] >= 0)
        found = set(taken[0, published])
        for index in np.flatnonzero(~ignored):
            size = self.sizes[next(size
                                   for size, low, high in SIZES if low <= truth[index].area < high)]
            size[0] += index in found
            size[1] += 1

    def result(self) -> dict:
        by_class = {}
        for name in COARSE_CLASSES:
            counting = lambda level: [(sure, hit[level])
                                      for sure, hit, counts in self.answers[name] if counts[level]]
            curve = [average_precision(counting(level), self.objects[name])
                     for level in range(len(THRESHOLDS))]
            known = self.objects[name] > 0
            by_class[name] = {"objects": self.objects[name], "ap50": round(curve[0], 4) if known
                              else None, "ap": round(float(np.mean(curve)), 4) if known else None,
                              "published": len(self.sure[name]),
                              "precision": _share(self.sure[name])}
        everything = [right for answers in self.sure.values() for right in answers]
        mean = lambda key: round(float(np.mean([c[key] for c in by_class.values() if c["objects"]]
                                               or [0])), 4)
        return {"classes": by_class, "ap50": mean("ap50"), "ap": mean("ap"),
                "published": len(everything), "precision": _share(everything),
                "recall": {size: {"objects": self.sizes[size][1], "found": self.sizes[size][0]}
                           for size, *_ in SIZES}}


def average_precision(answers: list[tuple[float, bool]], objects: int) -> float:
    """Mean over 101 recalls of the highest precision at that recall or a higher one.

    Predictions are (score, right)."""
    if not objects or not answers:
        return 0.0
    right = np.cumsum([right for _, right in sorted(answers, key=lambda answer: -answer[0])])
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(right / objects, np.linspace(0, 1, 101))
    return float(np.append(precision, 0.0)[at].mean())


@dataclass
class Published:
    """Counts of masks at the publishing threshold that repeat one of higher score."""
    masks: int = 0
    duplicates: int = 0
    scraps: int = 0
    empty_images: int = 0      # images without an object or crowd of the classes
    alarms: int = 0            # masks on them

    def add(self, photograph: Photograph, answers: list[Prediction]) -> None:
        """Adds one image, predictions with the highest score first, with coarse classes."""
        self.masks += len(answers)
        # Only a photograph with all classes annotated can be known to be empty.
        if photograph.annotated == set(COARSE_CLASSES) and all(one.label is None
                                                               for one in photograph.instances):
            self.empty_images += 1
            self.alarms += len(answers)
        for index, (_, name, mask) in enumerate(answers):
            surer = [other for _, other_name, other in answers[:index] if other_name == name]
            shared = [np.count_nonzero(mask & other) for other in surer]
            area = np.count_nonzero(mask)
            if any(part > DUPLICATE * (area + np.count_nonzero(other) - part)
                   for part, other in zip(shared, surer)):
                self.duplicates += 1
            elif any(part > SCRAP * area for part in shared):
                self.scraps += 1

    def result(self) -> dict:
        share = lambda part: round(part / self.masks, 4) if self.masks else None
        return {"masks": self.masks, "duplicates": self.duplicates,
                "duplicate_share": share(self.duplicates), "scraps": self.scraps,
                "scrap_share": share(self.scraps), "empty_images": self.empty_images,
                "alarms_on_empty_images": self.alarms}


def _share(answers: list[bool]) -> float | None:
    return round(float(np.mean(answers)), 4) if answers else None


def table(numbers: dict) -> str:
    """The numbers as Markdown."""
    show = lambda value: "-" if value is None else f"{value:.3f}"
    of = f", {numbers['coco_split']} only" if numbers["coco_split"] else ""
    lines = [f"{numbers['images']} images, part {numbers['part']}{of}; objects from "
             f"{numbers['smallest']:g} pixels; "
             f"published from score {numbers['score']:g}", "",
             "| | objects | mask AP50 | mask AP | box AP50 | box AP | precision of masks | of "
             "boxes |",
             "|---" * 8 + "|"]
    for name in COARSE_CLASSES:
        mask, box = (numbers[kind]["classes"][name] for kind in KINDS)
        values = (mask["ap50"], mask["ap"], box["ap50"], box["ap"], mask["precision"],
                  box["precision"])
        lines.append(f"| {name} | {mask['objects']} | " + " | ".join(map(show, values)) + " |")
    mask, box = (numbers[kind] for kind in KINDS)
    values = (mask["ap50"], mask["ap"], box["ap50"], box["ap"], mask["precision"], box["precision"])
    lines.append("| all | | " + " | ".join(map(show, values)) + " |")
    sizes = ", ".join(f"{size} {entry['found']} of {entry['objects']}"
                      for size, entry in mask["recall"].items())
    predicted = numbers["published"]
    lines += ["", f"found at the publishing threshold (mask IoU 0.5): {sizes}",
              f"published: {predicted['masks']} masks, {predicted['duplicates']} duplicates, "
              f"{predicted['scraps']} scraps; {predicted['alarms_on_empty_images']} on "
              f"{predicted['empty_images']} images without an object"]
    return "\n".join(lines)
