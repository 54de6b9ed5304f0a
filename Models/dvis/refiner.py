"""The temporal refiner: corrects a whole clip with what comes before and after (DVIS, section 3.2)."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .layers import CrossAttentionLayer, FeedForwardLayer, Perceptron, SelfAttentionLayer


class TemporalRefiner(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        c, layers = config.hidden, range(config.refiner_layers)
        self.transformer_time_self_attention_layers = nn.ModuleList([SelfAttentionLayer(c, config.heads) for _ in layers])
        self.conv_short_aggregate_layers = nn.ModuleList([
            nn.Sequential(nn.Conv1d(c, c, 5), nn.ReLU(), nn.Conv1d(c, c, 3)) for _ in layers])
        self.conv_norms = nn.ModuleList([nn.LayerNorm(c) for _ in layers])
        self.transformer_obj_self_attention_layers = nn.ModuleList([SelfAttentionLayer(c, config.heads) for _ in layers])
        self.transformer_cross_attention_layers = nn.ModuleList([CrossAttentionLayer(c, config.heads) for _ in layers])
        self.transformer_ffn_layers = nn.ModuleList([FeedForwardLayer(c, config.feedforward) for _ in layers])
        self.decoder_norm = nn.LayerNorm(c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)
        self.activation_proj = nn.Linear(c, 1)

    def forward(self, instance: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Tracker embeddings and frame_forward memory, both [T,Q,C] -> logits [Q,K+1] of the clip and mask embeddings [T,Q,Cm]."""
        return self.layers(instance, memory)[-1]

    def layers(self, instance: Tensor, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """`forward` after every layer; inference needs the last only."""
        x = instance
        answers = []
        for time, conv, norm, among, cross, feed in zip(
                self.transformer_time_self_attention_layers, self.conv_short_aggregate_layers, self.conv_norms,
                self.transformer_obj_self_attention_layers, self.transformer_cross_attention_layers, self.transformer_ffn_layers):
            x = time(x.transpose(0, 1))                                              # [Q,T,C]
            y = x.transpose(1, 2)                                                    # [Q,C,T]
            y = conv[2](replicate(F.relu(conv[0](replicate(y, 2))), 1))
            x = norm((x.transpose(1, 2) + y).transpose(1, 2)).transpose(0, 1)        # [T,Q,C]
            x = among(x)
            x = feed(cross(x, x, memory, memory))
            answers.append(self.heads(x))
        return answers

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embeds = self.decoder_norm(x)
        weight = self.activation_proj(embeds).softmax(0)                             # over time, per query (eq. 5)
        return self.class_embed((weight * embeds).sum(0)), self.mask_embed(embeds)


def replicate(x: Tensor, count: int) -> Tensor:
    """Repeats the first and the last entry of the last axis `count` times."""
    return torch.cat([x[..., :1]] * count + [x] + [x[..., -1:]] * count, -1)
