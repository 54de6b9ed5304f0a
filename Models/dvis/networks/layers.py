"""Building blocks of the three networks.

Everything is post-norm and batch-first: tokens are [batch, tokens, channels].

Parameters carry the names of the official DVIS checkpoints. Attention is written as plain matrix
products, so that it exports cleanly.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Added to the score of a blocked key; finite, so that a fully blocked row stays defined.
BLOCKED = -1e4


class Attention(nn.Module):
    """Multi-head attention with packed query, key and value projections."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor,
                blocked: Tensor | None = None) -> Tensor:
        """query [B,N,C], key and value [B,M,C], blocked float [B,N or 1,M] -> [B,N,C].

        1 in `blocked` means that the query must not attend to the key."""
        score, v = self._score(query, key, value)
        if blocked is not None:
            score = score + blocked.unsqueeze(1) * BLOCKED
        mixed = (score.softmax(-1) @ v).transpose(1, 2)
        return self.out_proj(mixed.flatten(2))

    def part(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to some of the keys, before the last projection [B,N,C].

        Also the logarithm of its weight beside attention to other keys [B,N,heads]."""
        score, v = self._score(query, key, value)
        peak = score.amax(-1, keepdim=True)
        share = (score - peak).exp()
        total = share.sum(-1, keepdim=True)
        mixed = (share @ v / total).transpose(1, 2).flatten(2)
        return mixed, (peak + total.log()).squeeze(-1).transpose(1, 2)

    def _score(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of each query and key [B,heads,N,M], and the values [B,heads,M,C/heads]."""
        (wq, wk, wv), (bq, bk, bv) = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q = self._split(F.linear(query, wq, bq))
        k = self._split(F.linear(key, wk, bk))
        v = self._split(F.linear(value, wv, bv))
        return (q * (self.out_proj.in_features / self.heads) ** -0.5) @ k.transpose(-1, -2), v

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads,
                         self.out_proj.in_features // self.heads).transpose(1, 2)


class SelfAttentionLayer(nn.Module):
    """Attention among the tokens, added and normalised."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.self_attn = Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, position: Tensor | None = None,
                blocked: Tensor | None = None) -> Tensor:
        q = x if position is None else x + position
        return self.norm(x + self.self_attn(q, q, x, blocked))


class CrossAttentionLayer(nn.Module):
    """Attention of a query to a memory, added to an identity and normalised.

    The identity may differ from the query (DVIS, eq. 2)."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.multihead_attn = Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, identity: Tensor, query: Tensor, key: Tensor, value: Tensor,
                blocked: Tensor | None = None) -> Tensor:
        return self.norm(identity + self.multihead_attn(query, key, value, blocked))


class FeedForwardLayer(nn.Module):
    """Two-layer perceptron, added and normalised."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.linear1 = nn.Linear(channels, inner)
        self.linear2 = nn.Linear(inner, channels)
        self.norm = nn.LayerNorm(channels)
        for linear in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.linear2(F.relu(self.linear1(x))))


class Perceptron(nn.Module):
    """Three linear layers with ReLU between them."""

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(channels, channels), nn.Linear(channels, channels),
                                     nn.Linear(channels, out)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


def stacked(count: int, kind: type[nn.Module], *arguments) -> nn.ModuleList:
    """`count` modules of one kind, each built from the same arguments."""
    return nn.ModuleList([kind(*arguments) for _ in range(count)])


class ConvNorm(nn.Conv2d):
    """Convolution without bias, then batch normalisation (as submodule `norm`)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


def sine_position(feature: Tensor) -> Tensor:
    """Two-dimensional sine encoding of a map [B,C,h,w] -> [1,h*w,C].

    Channels are (y, x), sine and cosine interleaved, normalised to 2 pi."""
    half = feature.shape[1] // 2
    ones = torch.ones_like(feature[:1, 0])
    index = torch.arange(half, device=feature.device)
    wavelength = 10000.0 ** (2 * torch.div(index, 2, rounding_mode="floor") / half)
    parts = []
    for axis in (1, 2):
        place = ones.cumsum(axis)
        last = place[:, -1:, :] if axis == 1 else place[:, :, -1:]
        angle = (place / (last + 1e-6) * (2 * math.pi)).unsqueeze(-1) / wavelength
        parts.append(torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), -1).flatten(3))
    return torch.cat(parts, 3).flatten(1, 2)
