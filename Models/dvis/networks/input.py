"""Input of the segmenter: a frame resized, normalised and padded, as the service does it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .config import Config


@dataclass(frozen=True)
class InputRule:
    """Rule that makes a model's input of a frame; lengths in pixels."""
    shorter_side: int
    largest_side: int
    mean: tuple[float, ...]          # per channel of the input, 0..255
    std: tuple[float, ...]
    divisor: int = 32                # of the sides of the input
    channel_order: str = "rgb"       # or "bgr"
    fixed: tuple[int, int] | None = None   # height and width of a graph of one size

    @staticmethod
    def of(config: Config) -> InputRule:
        """Rule of a model trained here."""
        return InputRule(config.shorter_side, config.largest_side, config.mean, config.std)

    @staticmethod
    def read(entry: dict, fixed: tuple[int, int] | None = None) -> InputRule:
        """Rule of the manifest's entry `input`."""
        return InputRule(**entry, fixed=fixed)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a frame within the input."""
        scale = min(self.shorter_side / min(height, width),
                    self.largest_side / max(height, width))
        sides = [max(1, int(side * scale + 0.5)) for side in (height, width)]
        if self.fixed is not None:
            sides = [min(side, limit) for side, limit in zip(sides, self.fixed)]
        return sides[0], sides[1]

    def fit(self, frame: np.ndarray) -> Tensor:
        """Frame uint8 RGB [H,W,3] -> normalised input [1,3,h,w], padded with zeros."""
        height, width = self.resized(*frame.shape[:2])
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(small, np.float32)
        if self.channel_order == "bgr":
            pixels = pixels[..., ::-1]
        normal = (pixels - np.float32(self.mean)) / np.float32(self.std)
        planes = torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None]
        full = self.fixed or [-(-side // self.divisor) * self.divisor for side in (height, width)]
        return F.pad(planes, (0, full[1] - width, 0, full[0] - height))
