"""Mask2Former head whose queries are the boxes of a pretrained detector.

This is query selection, as in Mask DINO 3.2. Mask features carry constant cosine channels of the
place, so that a mask embedding can keep its mask inside its box without further knowledge of the
image.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import REAL_CLASSES, Config
from .detector import NECK, Detector, Proposals, enlarge
from .layers import (ConvNorm, CrossAttentionLayer, FeedForwardLayer, Perceptron,
                     SelfAttentionLayer, sine_position, stacked)
from .segmenter import QueryHeads, Segments, attention_mask, coarser, shrink

FINE = 64            # channels at strides 8 and 4 below the mask features
SCORE_LIMIT = 8.0    # logits of the detector are limited to this size before they enter a query
WIDEN = 0.55         # half of a box, with a rim of a tenth


class DetectorPixelDecoder(nn.Module):
    """Pixel decoder of the detector's own features.

    Maps for attention at strides 32, 16, 8 [B,C,h,w] and mask features [B,Cm,H/4,W/4]."""

    def __init__(self, config: Config):
        super().__init__()
        self.place_channels = config.place_channels
        self.input_proj = nn.ModuleList([ConvNorm(NECK, config.hidden, 1) for _ in range(3)])
        self.layer_2 = ConvNorm(NECK, FINE, 3)
        self.adapter_1 = ConvNorm(config.backbone_widths[0], FINE, 1)
        self.layer_1 = ConvNorm(FINE, FINE, 3)
        self.layer_0 = ConvNorm(FINE, FINE, 3)      # a residual that begins as nothing
        nn.init.zeros_(self.layer_0.norm.weight)
        self.mask_features = nn.Conv2d(FINE, config.mask_channels - sum(config.place_channels), 1)

    def forward(self, fine: Tensor, neck: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        """`fine` at stride 4, `neck` at strides 8, 16, 32 -> maps, mask features, the map below
        them."""
        levels = [F.relu(project(x)) for project, x in zip(self.input_proj, reversed(neck))]
        x = F.relu(self.adapter_1(fine) + enlarge(F.relu(self.layer_2(neck[0]))))
        x = F.relu(self.layer_1(x))
        x = F.relu(x + self.layer_0(x))
        features = self.mask_features(x)
        return levels, torch.cat((features, place(features, self.place_channels)), 1), x


def place(features: Tensor, counts: tuple[int, int]) -> Tensor:
    """Cosines of the place, a basis of functions of it.

    cos(pi f u) for f = 1 .. counts[0], u = 0 .. 1 across the width, then the same along the height.
    """
    ones = torch.ones_like(features[:, :1])
    parts = []
    for axis, count in ((3, counts[0]), (2, counts[1])):
        steps = ones.cumsum(axis)
        total = steps[:, :, :, -1:] if axis == 3 else steps[:, :, -1:]
        angle = (steps - 0.5) / total * math.pi
        parts.append(torch.cat([(angle * frequency).cos() for frequency in range(1, count + 1)], 1))
    return torch.cat(parts, 1)


def box_waves(boxes: Tensor, counts: tuple[int, int]) -> Tensor:
    """Weights of the `place` channels that draw boxes [B,Q,4], [B,Q,sum(counts)].

    Across and along the box they make a bump of height 1: the cosine series of the box's indicator,
    smoothed by Fejer's factors, divided by its value at the centre."""
    parts = []
    for axis, count in enumerate(counts):
        centre, half = boxes[..., axis, None], boxes[..., axis + 2, None].clamp(min=0.5 / count) / 2
        frequency = torch.arange(1, count + 1, device=boxes.device, dtype=boxes.dtype)
        # sin(pi f (c + h)) - sin(pi f (c - h)) = 2 cos(pi f c) sin(pi f h)
        weight = 4 * (1 - frequency
                      / (count + 1)) / (math.pi * frequency) * (math.pi * frequency * half).sin()
        waves = weight * (math.pi * frequency * centre).cos()
        peak = 2 * half + (waves * (math.pi * frequency * centre).cos()).sum(-1, keepdim=True)
        parts.append(waves / peak.clamp(min=0.05))
    return torch.cat(parts, -1)


def box_position(boxes: Tensor, channels: int) -> Tensor:
    """Sine encoding of boxes [B,Q,4].

    First the centre as `sine_position` encodes cells [B,Q,C], then the extent [B,Q,C/2]."""
    half = channels // 2

    def encode(value: Tensor, width: int) -> Tensor:
        index = torch.arange(width, device=boxes.device)
        wavelength = 10000.0 ** (2 * torch.div(index, 2, rounding_mode="floor") / width)
        angle = (value * (2 * math.pi)).unsqueeze(-1) / wavelength
        return torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), -1).flatten(2)

    x, y, width, height = boxes.unbind(-1)
    return torch.cat((encode(y, half), encode(x, half), encode(width, half // 2),
                      encode(height, half // 2)), -1)


class SelectedDecoder(QueryHeads):
    """Decoder whose queries begin as boxes.

    Masked attention lies within the box first, then within the own mask."""

    def __init__(self, config: Config):
        super().__init__()
        c, layers, heads = config.hidden, config.decoder_layers, config.heads
        self.transformer_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.transformer_cross_attention_layers = stacked(layers, CrossAttentionLayer, c, heads)
        self.transformer_ffn_layers = stacked(layers, FeedForwardLayer, c, config.feedforward)
        self.decoder_norm = nn.LayerNorm(c)
        self.level_embed = nn.Embedding(3, c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)
        self.content = nn.Linear(NECK + config.classes + 4, c)      # what the detector saw
        self.where = nn.Linear(c + c // 2, c)                       # where it is, as content
        # Where it is, as position of queries.
        self.position = nn.Linear(c + c // 2, c)
        self.content_norm = nn.LayerNorm(c)
        self.place_channels = config.place_channels
        # Past the layers.
        self.recall = nn.Linear(config.classes + c + c // 2 + sum(config.place_channels), c)
        with torch.no_grad():
            self.recall.weight.zero_()
            self.recall.bias.zero_()
            self.position.weight.zero_()
            self.position.weight[:, :c].copy_(torch.eye(c))
            self.position.bias.zero_()

    def forward(self, levels: list[Tensor], mask_features: Tensor, proposals: Proposals,
                group: int = 0) -> list[Segments]:
        """The heads' answers before the first and after every layer.

        With `group`, queries attend to each other within groups of that many (training only)."""
        queries, recalled = self.queries(proposals), self._recall(proposals)
        blocked = None
        if group and proposals.boxes.shape[1] > group:
            number = torch.div(torch.arange(proposals.boxes.shape[1], device=mask_features.device),
                               group, rounding_mode="floor")
            blocked = (number[:, None] != number[None]).float()[None]
        answers = [self._heads(queries[0] + recalled, mask_features)]
        for x in self._layers(levels, mask_features, proposals.boxes, queries, recalled, blocked):
            answers.append(self._heads(x + recalled, mask_features))
        return answers

    def embed(self, levels: list[Tensor], mask_features: Tensor,
              proposals: Proposals) -> tuple[Tensor, Tensor]:
        """Output of the segmenter: embeddings [B,Q,C] (normed) and logits [B,Q,K+1].

        Both are those of the last layer."""
        recalled = self._recall(proposals)
        *_, x = self._layers(levels, mask_features, proposals.boxes, self.queries(proposals),
                             recalled, None)
        embeds = self.decoder_norm(x + recalled)
        return embeds, self.class_embed(embeds)

    def queries(self, proposals: Proposals) -> tuple[Tensor, Tensor]:
        """Content and position of the queries, both [B,Q,C]."""
        where = box_position(proposals.boxes, self.class_embed.in_features)
        seen = torch.cat((proposals.features, proposals.scores.clamp(-SCORE_LIMIT, SCORE_LIMIT),
                          proposals.boxes), -1)
        return self.content_norm(self.content(seen) + self.where(where)), self.position(where)

    def _recall(self, proposals: Proposals) -> Tensor:
        """Detector scores and box, added before the heads [B,Q,C].

        What the layers change, they add to it."""
        where = box_position(proposals.boxes, self.class_embed.in_features)
        drawn = box_waves(proposals.boxes, self.place_channels)
        return self.recall(torch.cat((proposals.scores.clamp(-SCORE_LIMIT, SCORE_LIMIT), where,
                                      drawn), -1))

    def _layers(self, levels, mask_features, boxes, queries, recalled, blocked):
        """Raw queries after each layer."""
        x, position = queries
        values = [level.flatten(2).transpose(1, 2) + self.level_embed.weight[i]
                  for i, level in enumerate(levels)]
        keys = [value + sine_position(level) for value, level in zip(values, levels)]
        layers = zip(self.transformer_cross_attention_layers,
                     self.transformer_self_attention_layers, self.transformer_ffn_layers)
        for index, (cross, among, feed) in enumerate(layers):
            level = index % 3
            if index == 0:
                hidden = outside(boxes, levels[level])
            else:
                hidden = attention_mask(self._masks(self.decoder_norm(x + recalled), mask_features),
                                        coarser(index))
            x = cross(x, x + position, keys[level], values[level], hidden)
            q = x + position
            x = among.norm(x + among.self_attn(q, q, x, blocked))
            x = feed(x)
            yield x


def outside(boxes: Tensor, level: Tensor) -> Tensor:
    """1 where a cell of the level [B,C,h,w] lies outside of a box [B,Q,4] with its rim, [B,Q,h*w].

    The cells that the centre touches are always inside."""
    ones = torch.ones_like(level[:, :1])
    columns, rows = ones.cumsum(3), ones.cumsum(2)
    width, height = columns[:, :, :1, -1:], rows[:, :, -1:, :1]
    x, y = ((columns - 0.5) / width).flatten(2), ((rows - 0.5) / height).flatten(2)
    left = (x - boxes[..., 0:1]).abs() - WIDEN * boxes[..., 2:3] - 0.5 / width.flatten(2)
    top = (y - boxes[..., 1:2]).abs() - WIDEN * boxes[..., 3:4] - 0.5 / height.flatten(2)
    return (torch.maximum(left, top) > 0).to(level.dtype)


class SelectionHead(nn.Module):
    """Detector, pixel decoder and decoder of the model for real cameras."""

    def __init__(self, config: Config):
        super().__init__()
        self.queries = config.queries
        self.detector = Detector()
        self.pixel_decoder = DetectorPixelDecoder(config)
        self.predictor = SelectedDecoder(config)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Backbone maps -> frame_embeds [B,Q,C], mask_features [B,Cm,H/4,W/4], frame_logits
        [B,Q,K+1]."""
        levels, mask_features, proposals = self._see(maps)
        embeds, logits = self.predictor.embed(levels, mask_features, proposals)
        return embeds, mask_features, logits

    def thresholded(self, maps: list[Tensor]) -> list[Tensor]:
        """Mask logits [B,Q,h,w] of which masked attention takes the sign, by layer.

        The first layer attends to boxes and has none."""
        answers = self.predictor(*self._see(maps))[1:-1]
        return [shrink(answer.masks, coarser(layer)) for layer, answer in enumerate(answers, 1)]

    def _see(self, maps: list[Tensor]) -> tuple[list[Tensor], Tensor, Proposals]:
        neck = self.detector.neck(maps)
        levels, mask_features, _ = self.pixel_decoder(maps[0], neck)
        return levels, mask_features, self.detector.propose(neck, self.queries, REAL_CLASSES)
