"""Segmenter: image -> Q query embeddings and a map of mask features.

This is Mask2Former's image model.
"""
from __future__ import annotations

from typing import Callable, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .deformable import DeformablePixelDecoder
from .detector import CspBackbone
from .layers import (ConvNorm, CrossAttentionLayer, FeedForwardLayer, Perceptron,
                     SelfAttentionLayer, sine_position, stacked)
from .resnet import ResNet
from .swin import Swin


class Segments(NamedTuple):
    """Output of the heads after one decoder layer.

    Several groups of queries may run side by side in training."""
    embeds: Tensor   # [B,Q,C], normed
    logits: Tensor   # [B,Q,K+1], the last is "no object"
    masks: Tensor    # [B,Q,h,w] logits at a quarter of the resolution, or [B,Q,P] at chosen cells


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, 3, stride)
        self.conv2 = ConvNorm(outputs, outputs, 3)
        self.shortcut = ConvNorm(inputs, outputs, 1,
                                 stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.shortcut is None else self.shortcut(x)
        return F.relu(short + self.conv2(F.relu(self.conv1(x))))


class CompactBackbone(nn.Module):
    """Small residual network with outputs at strides 4, 8, 16 and 32."""

    def __init__(self, config: Config):
        super().__init__()
        first = config.backbone_widths[0]
        self.stem = nn.ModuleDict({"conv1": ConvNorm(3, 24, 3, 2),
                                   "conv2": ConvNorm(24, first, 3, 2)})
        inputs = first
        for level, (width,
                    blocks) in enumerate(zip(config.backbone_widths, config.backbone_blocks), 2):
            stage = [BasicBlock(inputs if index == 0 else width, width,
                                2 if index == 0 and level > 2 else 1) for index in range(blocks)]
            setattr(self, f"res{level}", nn.Sequential(*stage))
            inputs = width

    def forward(self, image: Tensor) -> list[Tensor]:
        x = F.relu(self.stem["conv2"](F.relu(self.stem["conv1"](image))))
        maps = []
        for stage in (self.res2, self.res3, self.res4, self.res5):
            x = stage(x)
            maps.append(x)
        return maps


class FpnPixelDecoder(nn.Module):
    """Top-down pyramid.

    Three maps of C channels at strides 32, 16, 8 and the mask features at stride 4."""

    FINE = 64  # channels at stride 4

    def __init__(self, config: Config):
        super().__init__()
        fine, *coarse = config.backbone_widths
        self.input_proj = nn.ModuleList([ConvNorm(width, config.hidden, 1)
                                         for width in reversed(coarse)])
        self.output = nn.ModuleList([ConvNorm(config.hidden, config.hidden, 3) for _ in coarse])
        self.adapter_1 = ConvNorm(fine, self.FINE, 1)
        self.reduce = nn.Conv2d(config.hidden, self.FINE, 1, bias=False)
        self.layer_1 = ConvNorm(self.FINE, self.FINE, 3)
        self.mask_features = nn.Conv2d(self.FINE, config.mask_channels, 1)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        """Backbone maps -> maps at strides 32, 16, 8 [B,C,h,w], mask features [B,Cm,H/4,W/4], the
        map below them."""
        levels: list[Tensor] = []
        for project, output, source in zip(self.input_proj, self.output, reversed(maps[1:])):
            x = project(source)
            if levels:
                x = x + F.interpolate(levels[-1], scale_factor=2.0, mode="bilinear",
                                      align_corners=False)
            levels.append(F.relu(output(F.relu(x))))
        x = self.adapter_1(maps[0]) + F.interpolate(self.reduce(levels[-1]), scale_factor=2.0,
                                                    mode="bilinear", align_corners=False)
        fine = F.relu(self.layer_1(F.relu(x)))
        return levels, self.mask_features(fine), fine


class QueryHeads(nn.Module):
    """Heads of a decoder: `decoder_norm`, `class_embed`, `mask_embed`."""

    def _masks(self, embeds: Tensor, mask_features: Tensor) -> Tensor:
        product = self.mask_embed(embeds) @ mask_features.flatten(2)
        return product.reshape(product.shape[0], product.shape[1], mask_features.shape[2],
                               mask_features.shape[3])

    def _heads(self, x: Tensor, mask_features: Tensor) -> Segments:
        embeds = self.decoder_norm(x)
        return Segments(embeds, self.class_embed(embeds), self._masks(embeds, mask_features))


class MaskedDecoder(QueryHeads):
    """Decoder of Q queries with masked attention.

    Each query attends to the maps only where its own mask of the layer before lies."""

    def __init__(self, config: Config):
        super().__init__()
        c, layers, heads = config.hidden, config.decoder_layers, config.heads
        self.transformer_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.transformer_cross_attention_layers = stacked(layers, CrossAttentionLayer, c, heads)
        self.transformer_ffn_layers = stacked(layers, FeedForwardLayer, c, config.feedforward)
        self.decoder_norm = nn.LayerNorm(c)
        self.query_feat = nn.Embedding(config.queries, c)
        self.query_embed = nn.Embedding(config.queries, c)
        self.level_embed = nn.Embedding(3, c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)

    def forward(self, levels: list[Tensor], mask_features: Tensor, extra: tuple[Tensor, Tensor]
                | None = None, points: Tensor | None = None) -> list[Segments]:
        """The heads' answers before the first and after every layer.

        `extra` = (features, positions), each [G*Q,C]: further groups of queries for training;
        attention stays within a group. `points` [P]: the cells at which masks are answered; all
        without it."""
        keys, values = self._memory(levels)
        feat, position = self.query_feat.weight, self.query_embed.weight
        queries = feat.shape[0]
        if extra is not None:
            feat, position = torch.cat((feat, extra[0])), torch.cat((position, extra[1]))
        x = feat.unsqueeze(0).expand(mask_features.shape[0], -1, -1)
        chosen = mask_features if points is None else mask_features.flatten(2)[:, :, None, points]
        answers = [self._heads(x, chosen)]
        for layer in range(len(self.transformer_ffn_layers)):
            with torch.no_grad():
                masks = self._masks(answers[-1].embeds, mask_features)
            x = self._layer(layer, x, position, keys, values, masks, queries)
            answers.append(self._heads(x, chosen))
        return answers

    def embed(self, levels: list[Tensor], mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """Output of the segmenter: embeddings [B,Q,C] (normed) and logits [B,Q,K+1].

        Both are those of the last layer."""
        keys, values = self._memory(levels)
        position = self.query_embed.weight
        x = self.query_feat.weight.unsqueeze(0) + torch.zeros_like(mask_features[:, :1, 0, :1])
        for layer in range(len(self.transformer_ffn_layers)):
            masks = self._masks(self.decoder_norm(x), mask_features)
            x = self._layer(layer, x, position, keys, values, masks, position.shape[0])
        embeds = self.decoder_norm(x)
        return embeds, self.class_embed(embeds)

    def _memory(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        values = [level.flatten(2).transpose(1, 2) + self.level_embed.weight[index]
                  for index, level in enumerate(levels)]
        return [value + sine_position(level) for value, level in zip(values, levels)], values

    def _layer(self, layer: int, x: Tensor, position: Tensor, keys, values, masks: Tensor,
               queries: int) -> Tensor:
        level = layer % 3
        blocked = attention_mask(masks, coarser(layer))
        x = self.transformer_cross_attention_layers[layer](x, x + position, keys[level],
                                                           values[level], blocked)
        if x.shape[1] == queries:
            x = self.transformer_self_attention_layers[layer](x, position)
        else:
            groups = (x.shape[1] // queries, queries)
            alone = self.transformer_self_attention_layers[layer](
                x.unflatten(1, groups).flatten(0, 1),
                position.unflatten(0, groups).repeat(len(x), 1, 1))
            x = alone.unflatten(0, (len(x), -1)).flatten(1, 2)
        return self.transformer_ffn_layers[layer](x)


def attention_mask(masks: Tensor, factor: int) -> Tensor:
    """Mask logits [B,Q,h,w] -> 1 where a query must not look, [B,Q,(h/factor)*(w/factor)].

    A row without any open cell has all cells open."""
    small = shrink(masks.detach(), factor).flatten(2)
    blocked = (small < 0).to(masks.dtype)
    return blocked * (blocked.amin(-1, keepdim=True) < 1).to(masks.dtype)


def coarser(layer: int) -> int:
    """Factor by which the level of a layer is coarser than the mask features."""
    return 2 ** (3 - layer % 3)


def shrink(masks: Tensor, factor: int) -> Tensor:
    """Mask logits [B,Q,h,w] at the resolution of a level that is `factor` times coarser."""
    return F.interpolate(masks, scale_factor=1 / factor, mode="bilinear", align_corners=False)


BACKBONES = {"compact": CompactBackbone, "csp": CspBackbone, "resnet": ResNet, "swin": Swin}
PIXEL_DECODERS = {"fpn": FpnPixelDecoder, "deformable": DeformablePixelDecoder}


class SemSegHead(nn.Module):
    """Pixel decoder and decoder."""

    def __init__(self, config: Config):
        super().__init__()
        self.pixel_decoder = PIXEL_DECODERS[config.pixel_decoder](config)
        self.predictor = MaskedDecoder(config)

    def forward(self, maps: list[Tensor], features: Callable[[Tensor], Tensor]
                | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Backbone maps -> frame_embeds [B,Q,C], mask_features [B,Cm,H/4,W/4], frame_logits
        [B,Q,K+1].

        `features`: makes the mask features that are returned of the map below the decoder's own."""
        levels, mask_features, fine = self.pixel_decoder(maps)
        embeds, logits = self.predictor.embed(levels, mask_features)
        return embeds, mask_features if features is None else features(fine), logits

    def thresholded(self, maps: list[Tensor]) -> list[Tensor]:
        """The mask logits [B,Q,h,w] of which masked attention takes the sign, by layer."""
        levels, mask_features, _ = self.pixel_decoder(maps)
        answers = self.predictor(levels, mask_features)[:-1]
        return [shrink(answer.masks, coarser(layer)) for layer, answer in enumerate(answers)]
