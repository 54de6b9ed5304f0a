"""Refiner in steps, for videos of any length: the steps together compute `TemporalRefiner`.

Attention over time needs every frame, but its keys may come in blocks: the answer of each block has
a weight, and the weighted mean of the answers is the whole. The rest of a layer needs a frame and
MARGIN neighbours, and the score of the clip is again a weighted mean over blocks. The caller keeps
what lies between the steps where there is room.
"""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .refiner import TemporalRefiner, nearby

MARGIN = 3   # frames on either side that the convolutions over time look at


class Numbered(nn.Module):
    """Modules of one form as one module, with the weights of the module of a given number."""

    def __init__(self, modules: nn.ModuleList):
        super().__init__()
        self.one = copy.deepcopy(modules[0])
        self.places = []
        for name, _ in list(self.one.named_parameters()):
            path, _, weight = name.rpartition(".")
            owner, stack = self.one.get_submodule(path), name.replace(".", "_")
            delattr(owner, weight)   # from here on no parameter, but what is put there
            self.register_buffer(stack, torch.stack([module.get_parameter(name).detach()
                                                     for module in modules]))
            self.places.append((owner, weight, stack))

    def forward(self, number: Tensor) -> nn.Module:
        """The module of `number`, float [1] as all tensors of the service are."""
        for owner, weight, stack in self.places:
            setattr(owner, weight, getattr(self, stack).index_select(0, number.long()).squeeze(0))
        return self.one


class Attention(nn.Module):
    """Attention over time in one layer, to a block of the frames."""

    def __init__(self, refiner: TemporalRefiner):
        super().__init__()
        self.time = Numbered(refiner.transformer_time_self_attention_layers)

    def forward(self, layer: Tensor, embeds: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
        """embeds [T,q,C] of some frames and queries, block [S,q,C] of the same queries -> [T,q,C].

        Also the logarithm of its weight beside other blocks [T,q,heads]."""
        keys = block.transpose(0, 1)
        mixed, weight = self.time(layer).self_attn.part(embeds.transpose(0, 1), keys, keys)
        return mixed.transpose(0, 1), weight.transpose(0, 1)


class Layer(nn.Module):
    """Rest of a layer for consecutive frames.

    Where the video continues beyond them, the outer MARGIN frames are wrong."""

    def __init__(self, refiner: TemporalRefiner):
        super().__init__()
        self.time = Numbered(refiner.transformer_time_self_attention_layers)
        self.conv = Numbered(refiner.conv_short_aggregate_layers)
        self.norm = Numbered(refiner.conv_norms)
        self.among = Numbered(refiner.transformer_obj_self_attention_layers)
        self.cross = Numbered(refiner.transformer_cross_attention_layers)
        self.feed = Numbered(refiner.transformer_ffn_layers)

    def forward(self, layer: Tensor, embeds: Tensor, mixed: Tensor, memory: Tensor) -> Tensor:
        """Input of the layer, output of attention over time, and memory, all [T,Q,C] -> the layer's
        output."""
        time = self.time(layer)
        x = time.norm(embeds + time.self_attn.out_proj(mixed))
        x = nearby(x.transpose(0, 1), self.conv(layer), self.norm(layer)).transpose(0, 1)
        x = self.among(layer)(x)
        return self.feed(layer)(self.cross(layer)(x, x, memory, memory))


class Heads(nn.Module):
    """Heads after the last layer, for a block of frames."""

    def __init__(self, refiner: TemporalRefiner):
        super().__init__()
        self.refiner = refiner

    def forward(self, embeds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[T,Q,C] -> logits [Q,K+1] of these frames, mask embeddings [T,Q,Cm].

        Between them the logarithm of the frames' weight beside other blocks [Q,1]."""
        logits, masks = self.refiner.heads(embeds.unsqueeze(1))
        activation = self.refiner.frame_weight(self.refiner.decoder_norm(embeds))
        peak = activation.amax(0)
        return logits.squeeze(0), peak + (activation - peak).exp().sum(0).log(), masks.squeeze(1)
