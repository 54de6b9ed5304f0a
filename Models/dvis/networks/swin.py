"""Swin Transformer, as Mask2Former builds it (Liu et al. 2021).

Attention lies within windows that shift by half a window from block to block. Every size is taken
from the maps themselves, so that the exported graph takes images of any size.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config

# Added to the score of two cells that the shift brought into one window from different sides of the
# image.
APART = -100.0


class WindowAttention(nn.Module):
    """Multi-head attention among the cells of a window.

    Every relative place has a learned bias."""

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_index(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, apart: Tensor | None) -> Tensor:
        """x [B*windows,N,C], apart [windows,N,N] is added to the scores -> [B*windows,N,C]."""
        cells, channels = self.window ** 2, self.proj.in_features
        q, k, v = self.qkv(x).reshape(-1, cells, 3, self.heads,
                                      channels // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        score = (q * (channels // self.heads) ** -0.5) @ k.transpose(-1, -2)
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.reshape(cells, cells, self.heads)
        score = score + bias.permute(2, 0, 1)
        if apart is not None:
            score = (score.reshape(-1, apart.shape[0], self.heads, cells, cells)
                     + apart.unsqueeze(1)).reshape(-1, self.heads, cells, cells)
        return self.proj((score.softmax(-1) @ v).transpose(1, 2).reshape(-1, cells, channels))


def relative_index(window: int) -> Tensor:
    """Row of the bias table for every pair of cells of a window, int64 [N,N]."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    place = torch.stack((y.flatten(), x.flatten()))
    apart = place[:, :, None] - place[:, None, :] + window - 1
    return apart[0] * (2 * window - 1) + apart[1]


class Mlp(nn.Module):
    """Two-layer perceptron."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Attention within windows and a perceptron, both pre-norm.

    Every second block shifts its windows by half a window."""

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor, apart: Tensor) -> Tensor:
        """Map [B,h,w,C] -> the same shape."""
        x = x + self._attend(self.norm1(x), apart)
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, apart: Tensor) -> Tensor:
        height, width, window = x.shape[1], x.shape[2], self.window
        # Zeros take part in the attention, as in the official code.
        x = F.pad(x, (0, 0, 0, missing(width, window), 0, missing(height, window)))
        padded = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = self.attn(to_windows(x, window), apart if self.shift else None)
        x = from_windows(x, window, padded)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, :height, :width]


def missing(size: int, multiple: int) -> int:
    """Difference of `size` to the next multiple."""
    return (multiple - size % multiple) % multiple


def to_windows(x: Tensor, window: int) -> Tensor:
    """Map [B,h,w,C], h and w multiples of the window -> [B*windows,window*window,C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def from_windows(x: Tensor, window: int, shape: tuple[int, int, int, int]) -> Tensor:
    """The way back to a map [B,h,w,C] of that shape."""
    batch, height, width, channels = shape
    x = x.reshape(batch, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(batch, height, width, channels)


def shift_mask(x: Tensor, window: int) -> Tensor:
    """Map [B,h,w,C] -> for its shifted windows [windows,N,N]: 0 for neighbours in the image, else
    APART.

    The shift carries the first rows and columns to the far end. A shifted map so has three bands
    each way: the whole windows before the last, the part of the last window that belongs there, and
    what the shift carried over."""
    ones = F.pad(torch.ones_like(x[:1, :, :, :1]),
                 (0, 0, 0, missing(x.shape[2], window), 0, missing(x.shape[1], window)), value=1.0)
    bands = []
    for axis in (1, 2):
        place = ones.cumsum(axis)                                             # 1 .. size
        left = place.flip(axis)                                               # size .. 1
        bands.append((left <= window).to(x.dtype) + (left <= window // 2).to(x.dtype))
    region = to_windows(bands[0] * 3 + bands[1], window)                      # [windows,N,1]
    return (region.transpose(1, 2) != region).to(x.dtype) * APART


class PatchMerging(nn.Module):
    """Step that merges four neighbouring cells into one of twice the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B,h,w,C] -> [B,ceil(h/2),ceil(w/2),2*C]."""
        x = F.pad(x, (0, 0, 0, missing(x.shape[2], 2), 0, missing(x.shape[1], 2)))
        corners = (x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2])
        return self.reduction(self.norm(torch.cat(corners, -1)))


class SwinStage(nn.Module):
    """Blocks of one resolution, and the step down to the next."""

    def __init__(self, channels: int, blocks: int, heads: int, window: int, last: bool):
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList([SwinBlock(channels, heads, window, window // 2 if index % 2
                                               else 0) for index in range(blocks)])
        self.downsample = None if last else PatchMerging(channels)

    def forward(self, x: Tensor) -> Tensor:
        apart = shift_mask(x, self.window)
        for block in self.blocks:
            x = block(x, apart)
        return x


class PatchEmbed(nn.Module):
    """Embedding of 4 x 4 pixels as one cell."""

    PATCH = 4

    def __init__(self, channels: int):
        super().__init__()
        self.proj = nn.Conv2d(3, channels, self.PATCH, self.PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """[B,3,H,W] -> [B,H/4,W/4,C]."""
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class Swin(nn.Module):
    """Backbone with outputs [B,C,h,w] at strides 4, 8, 16 and 32, each through a norm of its own.

    Sides of the image are multiples of 32."""

    def __init__(self, config: Config):
        super().__init__()
        widths, count = config.backbone_widths, len(config.backbone_widths)
        self.patch_embed = PatchEmbed(widths[0])
        stages = zip(widths, config.backbone_blocks, config.backbone_heads)
        self.layers = nn.ModuleList([SwinStage(*stage, config.backbone_window, index == count - 1)
                                     for index, stage in enumerate(stages)])
        for index, width in enumerate(widths):
            setattr(self, f"norm{index}", nn.LayerNorm(width))

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.patch_embed(image)
        maps = []
        for stage, norm in zip(self.layers, (self.norm0, self.norm1, self.norm2, self.norm3)):
            x = stage(x)
            maps.append(norm(x).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                x = stage.downsample(x)
        return maps
