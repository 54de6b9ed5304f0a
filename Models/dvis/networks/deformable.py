"""Mask2Former's pixel decoder: deformable attention over three levels, then a step to stride 4.

The sampling is plain grid_sample, and every size is taken from the maps themselves, so that the
exported graph takes images of any size.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .layers import sine_position

GROUPS = 32   # of every group normalisation here
LEVELS = 3
POINTS = 4    # sampled of every level by every head


class ConvGroupNorm(nn.Conv2d):
    """Convolution without bias, then group normalisation (as submodule `norm`)."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, 1, kernel // 2, bias=False)
        self.norm = nn.GroupNorm(GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


def cells(feature: Tensor) -> tuple[Tensor, Tensor]:
    """Centres of the cells of a map [B,C,h,w] as shares of it [h*w,2], and its size [2].

    Both are (x, y)."""
    ones = torch.ones_like(feature[0, 0])
    place = torch.stack((ones.cumsum(1), ones.cumsum(0)), -1)
    size = place[-1, -1]
    return ((place - 0.5) / size).flatten(0, 1), size


class DeformableAttention(nn.Module):
    """Attention of every token to a few places of each level (Deformable DETR, eq. 3).

    The token itself gives their offsets and weights."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.sampling_offsets = nn.Linear(channels, heads * LEVELS * POINTS * 2)
        self.attention_weights = nn.Linear(channels, heads * LEVELS * POINTS)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self._reset()

    def _reset(self) -> None:
        """Initial values: heads look in different directions, points lie at growing distance.

        All have equal weight."""
        for linear in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(linear.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for linear in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        ways = torch.stack((angle.cos(), angle.sin()), -1)
        ways = ways / ways.abs().amax(-1, keepdim=True)
        steps = torch.arange(1.0, POINTS + 1)
        with torch.no_grad():
            offsets = ways[:, None, None] * steps[:, None]
            self.sampling_offsets.bias.copy_(offsets.expand(-1, LEVELS, -1, -1).flatten())

    def forward(self, query: Tensor, source: Tensor, centres: Tensor, sizes: list[Tensor],
                shapes: list[tuple[int, int]]) -> Tensor:
        """query and source [B,N,C] (cells of all levels), centres [N,2] -> [B,N,C].

        Of each level, sizes has its size (x, y) as tensor and shapes has (h, w) as integers."""
        batch, tokens, channels = query.shape
        value = self.value_proj(source).transpose(1, 2)
        value = value.reshape(batch * self.heads, channels // self.heads, tokens)
        weight = self.attention_weights(query).reshape(batch, tokens, self.heads,
                                                       LEVELS * POINTS).softmax(-1)
        weight = weight.permute(0, 2, 3, 1).reshape(batch * self.heads, 1, LEVELS * POINTS, tokens)
        offset = self.sampling_offsets(query).reshape(batch, tokens, self.heads, LEVELS * POINTS, 2)
        offset = offset.permute(0, 2, 3, 1,
                                4).reshape(batch * self.heads, LEVELS * POINTS, tokens, 2)
        # Points stand before tokens and each level is summed on its own: long rows, and all samples
        # never exist at once.
        mixed, start = 0, 0
        for level, (size, (height, width)) in enumerate(zip(sizes, shapes)):
            points = slice(level * POINTS, (level + 1) * POINTS)
            place = centres + offset[:, points] / size
            stop = start + height * width
            image = value[:, :, start:stop].reshape(batch * self.heads, channels // self.heads,
                                                      height, width)
            sampled = F.grid_sample(image, 2 * place - 1, mode="bilinear", padding_mode="zeros",
                                    align_corners=False)
            # [B*heads,C/heads,N]
            mixed = mixed + (sampled * weight[:, :, points]).sum(2)
            start = stop
        return self.output_proj(mixed.reshape(batch, channels, tokens).transpose(1, 2))


class DeformableLayer(nn.Module):
    """Deformable attention and a perceptron, each added and normalised."""

    def __init__(self, channels: int, heads: int, inner: int):
        super().__init__()
        self.self_attn = DeformableAttention(channels, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, inner)
        self.linear2 = nn.Linear(inner, channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, position: Tensor, *places) -> Tensor:
        x = self.norm1(x + self.self_attn(x + position, x, *places))
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))


class DeformableEncoder(nn.Module):
    """The layers over the cells of all levels at once."""

    def __init__(self, config: Config):
        super().__init__()
        self.level_embed = nn.Parameter(torch.empty(LEVELS, config.hidden))
        nn.init.normal_(self.level_embed)
        layers = [DeformableLayer(config.hidden, config.heads, config.pixel_feedforward)
                  for _ in range(config.pixel_layers)]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """[B,C,h,w] of every level -> the same shapes."""
        x = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], 1)
        position = torch.cat([sine_position(level) + self.level_embed[index]
                              for index, level in enumerate(maps)], 1)
        centres, sizes = zip(*map(cells, maps))
        shapes = [(level.shape[2], level.shape[3]) for level in maps]
        for layer in self.encoder["layers"]:
            x = layer(x, position, torch.cat(centres), sizes, shapes)
        levels, start = [], 0
        for height, width in shapes:
            stop = start + height * width
            level = x[:, start:stop].transpose(1, 2)
            levels.append(level.reshape(x.shape[0], x.shape[2], height, width))
            start = stop
        return levels


class DeformablePixelDecoder(nn.Module):
    """Pixel decoder: maps at strides 32, 16, 8 and mask features at stride 4."""

    def __init__(self, config: Config):
        super().__init__()
        fine, *coarse = config.backbone_widths
        c = config.hidden
        self.input_proj = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(width, c, 1), nn.GroupNorm(GROUPS, c))
             for width in reversed(coarse)])
        self.transformer = DeformableEncoder(config)
        self.adapter_1 = ConvGroupNorm(fine, c, 1)
        self.layer_1 = ConvGroupNorm(c, c, 3)
        self.mask_features = nn.Conv2d(c, config.mask_channels, 1)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        """Backbone maps -> maps at strides 32, 16, 8 [B,C,h,w], mask features [B,Cm,H/4,W/4], the
        map below them."""
        levels = self.transformer([project(source)
                                   for project, source in zip(self.input_proj, reversed(maps[1:]))])
        x = self.adapter_1(maps[0]) + F.interpolate(levels[-1], scale_factor=2.0, mode="bilinear",
                                                    align_corners=False)
        fine = F.relu(self.layer_1(x))
        return levels, self.mask_features(fine), fine
