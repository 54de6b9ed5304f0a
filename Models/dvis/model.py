"""DVIS as a whole: segmenter, referring tracker, temporal refiner under the parameter names of the official checkpoints."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import SIZES, Config
from .refiner import TemporalRefiner
from .segmenter import BACKBONES, SemSegHead
from .tracker import ReferringTracker


class Dvis(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.backbone = BACKBONES[config.backbone](config)
        self.sem_seg_head = SemSegHead(config)
        self.tracker = ReferringTracker(config)
        self.refiner = TemporalRefiner(config)

    def segment(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised image [B,3,H,W] -> frame_embeds [B,Q,C], mask_features [B,Cm,H/4,W/4], frame_logits [B,Q,K+1]."""
        levels, mask_features, _ = self.sem_seg_head.pixel_decoder(self.backbone(image))
        embeds, logits = self.sem_seg_head.predictor.embed(levels, mask_features)
        return embeds, mask_features, logits

    def normalise(self, frames: Tensor) -> Tensor:
        """Pictures uint8 [N,H,W,3] -> [N,3,H,W], mean 0 and deviation 1, channels last."""
        mean, std = frames.new_tensor(self.config.mean, dtype=torch.float32), frames.new_tensor(self.config.std, dtype=torch.float32)
        return ((frames.float() - mean) / std).permute(0, 3, 1, 2)


def build(size: str = "small") -> Dvis:
    return Dvis(SIZES[size])
