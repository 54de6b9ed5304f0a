"""VITA: video queries that read the frame queries of a whole clip (VITA, section 3).

Parameters carry the names of the official checkpoints, where they are below `vita_module`.
"""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .layers import CrossAttentionLayer, FeedForwardLayer, Perceptron, SelfAttentionLayer, stacked


class VideoQueries(NamedTuple):
    """Answers of the heads for the video queries of B clips."""
    embeds: Tensor       # [B,cQ,C] after the norm
    logits: Tensor       # [B,cQ,K+1], the last is "no object"
    mask_embeds: Tensor  # [B,cQ,Cm], the same for all frames of the clip


class Vita(nn.Module):
    """Encoder of frame queries, decoder of cQ video queries, heads.

    The masks of a clip need their own mask features, which `vita_mask_features` makes of the map
    below those of the segmenter; `below`: channels of that map."""

    def __init__(self, config: Config, below: int):
        super().__init__()
        c, heads, inner = config.hidden, config.heads, config.feedforward
        self.input_proj_dec = nn.Linear(c, c)
        layers = config.vita_encoder_layers
        self.enc_self_attn = stacked(layers, SelfAttentionLayer, c, heads)
        self.enc_ffn = stacked(layers, FeedForwardLayer, c, inner)
        layers = config.vita_decoder_layers
        self.transformer_cross_attention_layers = stacked(layers, CrossAttentionLayer, c, heads)
        self.transformer_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.transformer_ffn_layers = stacked(layers, FeedForwardLayer, c, inner)
        self.query_feat = nn.Embedding(config.clip_queries, c)
        self.query_embed = nn.Embedding(config.clip_queries, c)
        self.fq_pos = nn.Embedding(config.queries, c)
        self.decoder_norm = nn.LayerNorm(c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)
        self.vita_mask_features = nn.Conv2d(below, config.mask_channels, 1)
        self.sim_embed_frame = nn.Linear(c, c)
        self.sim_embed_clip = nn.Linear(c, c)
        self.window = config.vita_window

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frame queries [T,fQ,C] of a video -> logits [cQ,K+1], mask embeddings [cQ,Cm], and the
        similarity embeddings of frame queries [T,fQ,C] and of video queries [cQ,C].

        A scalar product of these above 0 means the same object."""
        tokens = self.encode(frames.unsqueeze(0))
        video = self.heads(self.decode(self.query_feat.weight.unsqueeze(0), tokens)[-1])
        answers = (video.logits, video.mask_embeds, self.sim_embed_frame(tokens),
                   self.sim_embed_clip(video.embeds))
        return tuple(answer[0] for answer in answers)

    def encode(self, frames: Tensor) -> Tensor:
        """Frame queries [B,T,fQ,C] -> tokens of the same shape.

        Every layer attends within groups of `window` frames; in odd layers the groups are shifted
        by half a window. Without a window the whole clip is one group."""
        x = self.input_proj_dec(frames)
        shift = (self.window + 1) // 2
        for layer, (attend, feed) in enumerate(zip(self.enc_self_attn, self.enc_ffn)):
            x = feed(in_groups(attend, x, self.window, shift * (layer % 2)))
        return x

    def decode(self, query: Tensor, tokens: Tensor) -> list[Tensor]:
        """Raw video queries after every layer, from `query` [B,cQ,C] and tokens [B,T,fQ,C].

        Inference needs the last only."""
        values, position = tokens.flatten(1, 2), self.query_embed.weight
        keys = (tokens + self.fq_pos.weight).flatten(1, 2)
        outputs, x = [], query
        for cross, among, feed in zip(self.transformer_cross_attention_layers,
                                      self.transformer_self_attention_layers,
                                      self.transformer_ffn_layers):
            x = feed(among(cross(x, x + position, keys, values), position))
            outputs.append(x)
        return outputs

    def heads(self, x: Tensor) -> VideoQueries:
        """Answers for raw video queries [B,cQ,C]."""
        embeds = self.decoder_norm(x)
        return VideoQueries(embeds, self.class_embed(embeds), self.mask_embed(embeds))


def in_groups(attend: SelfAttentionLayer, x: Tensor, window: int, before: int) -> Tensor:
    """Attention of all tokens [B,T,fQ,C] within groups of `window` frames.

    The first group begins `before` frames before the clip. `window` 0: the clip is one group."""
    if not window:
        return attend(x.flatten(1, 2)).reshape(x.shape)
    batch, count, queries, channels = x.shape
    groups = (count + before + window - 1) // window
    around = (before, groups * window - before - count)
    tokens = F.pad(x, (0, 0, 0, 0, *around)).reshape(batch * groups, window * queries, channels)
    absent = F.pad(torch.zeros_like(x[..., 0]), (0, 0, *around), value=1.0)
    answers = attend(tokens, blocked=absent.reshape(batch * groups, 1, window * queries))
    answers = answers.reshape(batch, groups * window, queries, channels)
    return answers[:, before:before + count]


def folded(mask_embed: Perceptron, features: nn.Conv2d) -> Perceptron:
    """Head whose mask embeddings fit the map below a 1x1 convolution with a channel of ones.

    With features = A x + b, an embedding e gives e.(A x + b) = (A'e).x + (e.b): the head answers
    (A'e, e.b), [..,F+1] for F channels of the map x."""
    last = mask_embed.layers[2]
    weight = torch.cat((features.weight.flatten(1), features.bias[:, None]), 1).double()  # [Cm,F+1]
    head = Perceptron(last.in_features, weight.shape[1]).to(last.weight)
    with torch.no_grad():
        for mine, theirs in zip(head.layers[:2], mask_embed.layers[:2]):
            mine.load_state_dict(theirs.state_dict())
        head.layers[2].weight.copy_(weight.T @ last.weight.double())
        head.layers[2].bias.copy_(last.bias.double() @ weight)
    return head


def with_ones(fine: Tensor) -> Tensor:
    """Map [B,F,h,w] with a further channel of ones: what a `folded` head's embeddings fit."""
    return torch.cat((fine, torch.ones_like(fine[:, :1])), 1)
