"""Temporal refiner: corrects a clip with earlier and later frames (DVIS, section 3.2)."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .layers import CrossAttentionLayer, FeedForwardLayer, Perceptron, SelfAttentionLayer, stacked

SURE = 2.0   # not in DVIS, whose scores say which class, not how good the mask is
GROUP = 20   # queries that go through time together


class TemporalRefiner(nn.Module):
    """Layers of attention over time, convolution over time, and attention within frames."""

    def __init__(self, config: Config):
        super().__init__()
        c, layers, heads = config.hidden, config.refiner_layers, config.heads
        self.transformer_time_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.conv_short_aggregate_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv1d(c, c, 5), nn.ReLU(), nn.Conv1d(c, c, 3))
             for _ in range(layers)])
        self.conv_norms = stacked(layers, nn.LayerNorm, c)
        self.transformer_obj_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.transformer_cross_attention_layers = stacked(layers, CrossAttentionLayer, c, heads)
        self.transformer_ffn_layers = stacked(layers, FeedForwardLayer, c, config.feedforward)
        self.decoder_norm = nn.LayerNorm(c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)
        self.activation_proj = nn.Linear(c, 1)
        self.scores_quality = config.scores_quality

    def forward(self, instance: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Tracker embeddings and frame_forward memory [T,Q,C] -> clip logits [Q,K+1], mask
        embeddings [T,Q,Cm]."""
        logits, masks = self.heads(self.layers(instance.unsqueeze(1), memory.unsqueeze(1))[-1])
        return logits.squeeze(0), masks.squeeze(1)

    def layers(self, instance: Tensor, memory: Tensor) -> list[Tensor]:
        """Output after every layer for a batch of B clips, all tensors [T,B,Q,C].

        Inference needs the last only."""
        shape = instance.shape
        memory, x = memory.flatten(0, 1), instance
        outputs = []
        # Queries do not meet over time, nor do tokens in the perceptron: in groups, a long clip
        # needs a part of the memory.
        count = int(shape[1] * shape[2])
        group = count if self.training else min(GROUP, count)
        for time, conv, norm, among, cross, feed in zip(
                self.transformer_time_self_attention_layers, self.conv_short_aggregate_layers,
                self.conv_norms,
                self.transformer_obj_self_attention_layers, self.transformer_cross_attention_layers,
                self.transformer_ffn_layers):
            groups = x.flatten(1, 2).transpose(0, 1).split(group)            # over time: [B*Q,T,C]
            x = torch.cat([over_time(part, time, conv, norm) for part in groups]).transpose(0, 1)
            # Within a frame: [T*B,Q,C].
            x = among(x.reshape(shape[0] * shape[1], shape[2], shape[3]))
            x = torch.cat([feed(part) for part in cross(x, x, memory, memory).split(group, 1)],
                          1).reshape(shape)
            outputs.append(x)
        return outputs

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [T,B,Q,C] -> clip logits [B,Q,K+1], mask embeddings [T,B,Q,Cm]."""
        embeds = self.decoder_norm(x)
        weight = self.frame_weight(embeds).softmax(0)
        return self.class_embed((weight * embeds).sum(0)), self.mask_embed(embeds)

    def frame_weight(self, embeds: Tensor) -> Tensor:
        """Logits over time of the frames' weights in the clip's score, per query (eq. 5).

        Embeddings [T,..,C] -> [T,..,1]. Where scores are qualities, also SURE times the log odds
        of the frame's own class: a frame that shows the object surely has more weight."""
        weight = self.activation_proj(embeds)
        if self.scores_quality:
            logits = self.class_embed(embeds)
            weight = weight + SURE * (logits[..., :-1].amax(-1, True) - logits[..., -1:])
        return weight


def over_time(x: Tensor, time: SelfAttentionLayer, conv: nn.Sequential,
              norm: nn.LayerNorm) -> Tensor:
    """Queries [queries,T,C] after attention to all frames, then to the neighbours."""
    return nearby(time(x), conv, norm)


def nearby(x: Tensor, conv: nn.Sequential, norm: nn.LayerNorm) -> Tensor:
    """Queries [queries,T,C], each frame mixed with the three before and after it.

    At the ends the outermost frame stands for those that are missing."""
    y = conv[2](replicate(F.relu(conv[0](replicate(x.transpose(1, 2), 2))), 1))
    return norm(x + y.transpose(1, 2))


def replicate(x: Tensor, count: int) -> Tensor:
    """Tensor with the first and the last entry of its last axis repeated `count` times."""
    return torch.cat([x[..., :1]] * count + [x] + [x[..., -1:]] * count, -1)
