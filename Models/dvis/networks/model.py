"""Models as a whole: the segmenter with what a method adds to it.

Parameters have the names of the official checkpoints.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Callable

import torch
from torch import Tensor, nn

from .config import SIZES, Config
from .genvis import GenVis
from .refinevis import RefineVis
from .refiner import TemporalRefiner
from .segmenter import BACKBONES, SemSegHead
from .selection import SelectionHead
from .tracker import ReferringTracker
from .vita import Vita

# What a model of each mode has beside the segmenter. "segmenter" is MinVIS: neighbouring frames are
# matched, nothing is learned about time. "vita-online" is VITA behind the tracker of DVIS.
MODES = {"segmenter": (), "online": ("tracker",), "offline": ("tracker", "refiner"),
         "vita": ("vita_module",), "vita-online": ("tracker", "vita_module"),
         "genvis": ("vita_module",), "refinevis": ("refinevis",)}
METHODS = {"segmenter": "minvis", "online": "dvis", "offline": "dvis", "vita": "vita",
           "vita-online": "vita", "genvis": "genvis", "refinevis": "refinevis"}


class Dvis(nn.Module):
    """Networks of a model.

    `tracker`, `refiner`, `vita_module` and `refinevis` are None where the mode has none."""

    def __init__(self, config: Config, mode: str = "offline"):
        super().__init__()
        self.config, self.mode = config, mode
        self.backbone = BACKBONES[config.backbone](config)
        self.sem_seg_head = (SelectionHead if config.pixel_decoder == "detector"
                             else SemSegHead)(config)
        self.tracker = ReferringTracker(config) if "tracker" in MODES[mode] else None
        self.refiner = TemporalRefiner(config) if "refiner" in MODES[mode] else None
        self.refinevis = RefineVis(config) if "refinevis" in MODES[mode] else None
        self.vita_module = None
        if "vita_module" in MODES[mode] and not config.clip_queries:
            raise ValueError(f"the size {config.name} has no video queries")
        if "vita_module" in MODES[mode]:
            below = self.sem_seg_head.pixel_decoder.mask_features.in_channels
            self.vita_module = (GenVis if mode == "genvis" else Vita)(config, below)

    @property
    def method(self) -> str:
        """Method of the manifest."""
        return METHODS[self.mode]

    def segment(self, image: Tensor, narrow: bool = False, features: Callable[[Tensor], Tensor]
                | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised image [B,3,H,W] -> frame_embeds [B,Q,C], mask_features [B,Cm,H/4,W/4],
        frame_logits [B,Q,K+1].

        `narrow`: the backbone computes in bfloat16 (training data only). `features` makes the mask
        features of the map below them; without it they are those of the clip's masks where the
        model has such (VITA, GenVIS), else those of the frame's."""
        if features is None and self.vita_module is not None:
            features = self.vita_module.vita_mask_features
        more = () if features is None else (features,)
        if narrow:
            with torch.autocast(image.device.type, torch.bfloat16):
                maps = self.backbone(image)
            return self.sem_seg_head([level.float() for level in maps], *more)
        return self.sem_seg_head(self.backbone(image), *more)

    def normalise(self, frames: Tensor) -> Tensor:
        """Images uint8 [N,H,W,3] -> [N,3,H,W], mean 0 and deviation 1, channels last."""
        mean = frames.new_tensor(self.config.mean, dtype=torch.float32)
        std = frames.new_tensor(self.config.std, dtype=torch.float32)
        return ((frames.float() - mean) / std).permute(0, 3, 1, 2)


def build(size: str = "small", mode: str = "offline", **changes) -> Dvis:
    """Model of the size table.

    `changes` replaces entries of its line, such as the number of classes."""
    return Dvis(replace(SIZES[size], **changes), mode)
