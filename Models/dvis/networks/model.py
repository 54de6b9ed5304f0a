"""DVIS as a whole: segmenter, referring tracker, temporal refiner.

Parameters have the names of the official checkpoints.
"""
from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .config import SIZES, Config
from .refiner import TemporalRefiner
from .segmenter import BACKBONES, SemSegHead
from .selection import SelectionHead
from .tracker import ReferringTracker

# What a model of each mode has beside the segmenter. "segmenter" is MinVIS: neighbouring frames are
# matched, nothing is learned about time.
MODES = {"segmenter": (), "online": ("tracker",), "offline": ("tracker", "refiner")}


class Dvis(nn.Module):
    """Networks of a model; `tracker` and `refiner` are None where the mode has none."""

    def __init__(self, config: Config, mode: str = "offline"):
        super().__init__()
        self.config, self.mode = config, mode
        self.backbone = BACKBONES[config.backbone](config)
        self.sem_seg_head = (SelectionHead if config.pixel_decoder == "detector"
                             else SemSegHead)(config)
        self.tracker = ReferringTracker(config) if "tracker" in MODES[mode] else None
        self.refiner = TemporalRefiner(config) if "refiner" in MODES[mode] else None

    def segment(self, image: Tensor, narrow: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised image [B,3,H,W] -> frame_embeds [B,Q,C], mask_features [B,Cm,H/4,W/4],
        frame_logits [B,Q,K+1].

        `narrow`: the backbone computes in bfloat16 (training data only)."""
        if narrow:
            with torch.autocast(image.device.type, torch.bfloat16):
                maps = self.backbone(image)
            return self.sem_seg_head([level.float() for level in maps])
        return self.sem_seg_head(self.backbone(image))

    def normalise(self, frames: Tensor) -> Tensor:
        """Images uint8 [N,H,W,3] -> [N,3,H,W], mean 0 and deviation 1, channels last."""
        mean = frames.new_tensor(self.config.mean, dtype=torch.float32)
        std = frames.new_tensor(self.config.std, dtype=torch.float32)
        return ((frames.float() - mean) / std).permute(0, 3, 1, 2)


def build(size: str = "small", mode: str = "offline", **changes) -> Dvis:
    """Model of the size table.

    `changes` replaces entries of its line, such as the number of classes."""
    return Dvis(replace(SIZES[size], **changes), mode)
