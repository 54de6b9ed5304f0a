"""RefineVIS on a segmenter: association head and temporal attention refinement (TAR).

The class and mask heads of the refinement are those of the segmenter.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import Config
from .layers import CrossAttentionLayer, FeedForwardLayer, Perceptron

WINDOW = 10      # frames that the refinement sees (RefineVIS, table 3)
# Frames after which the encoding of frame numbers repeats; not in RefineVIS, whose videos end.
PERIOD = 1024


class TemporalRefinement(nn.Module):
    """Attention over the frames of a tracklet, then a feed-forward layer (RefineVIS, eq. 4)."""

    def __init__(self, config: Config):
        super().__init__()
        c = config.hidden
        self.attention = CrossAttentionLayer(c, config.heads)
        self.feed_forward = FeedForwardLayer(c, 4 * c)
        self.register_buffer("harmonics", harmonics(c), persistent=False)

    def forward(self, query: Tensor, query_frames: Tensor, window: Tensor,
                window_frames: Tensor) -> Tensor:
        """Embeddings of N tracklets in T frames, refined [T,N,C].

        query [T,N,C], window [W,N,C] with the frames that they attend to, frame numbers [T] and
        [W]. A tracklet has zeros in a frame without a detection."""
        query_place, window_place = self.encode(query_frames), self.encode(window_frames)
        x, y = query.transpose(0, 1), window.transpose(0, 1)
        x = self.attention(x, x + query_place, y + window_place, y)
        return self.feed_forward(x).transpose(0, 1)

    def encode(self, frames: Tensor) -> Tensor:
        """Sine encoding of frame numbers [T] -> [T,C]; it repeats after PERIOD frames."""
        angle = frames[:, None] * self.harmonics
        return torch.cat((angle.sin(), angle.cos()), -1)

    def online(self, embeds: Tensor, frames: Tensor) -> Tensor:
        """The same frame by frame [T,N,C], as in a stream: earlier frames are refined already."""
        refined: list[Tensor] = []
        for t in range(len(embeds)):
            first = max(0, t - WINDOW + 1)
            window = torch.stack((*refined[first:], embeds[t]))
            refined.append(self(embeds[t:t + 1], frames[t:t + 1], window, frames[first:t + 1])[0])
        return torch.stack(refined)


class RefineVis(nn.Module):
    """Networks that RefineVIS adds to a segmenter."""

    def __init__(self, config: Config):
        super().__init__()
        self.reid_embed_head = Perceptron(config.hidden, config.hidden)
        self.refinement = TemporalRefinement(config)


def harmonics(channels: int) -> Tensor:
    """Angular frequencies per frame [channels/2].

    They are whole multiples of that of PERIOD, spaced as in a sine encoding up to one radian."""
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float64) / max(1, half - 1)
    return ((PERIOD / (2 * math.pi)) ** steps).round().mul(2 * math.pi / PERIOD).float()
