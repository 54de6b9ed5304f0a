"""GenVIS: VITA's module clip by clip, its video queries handed on, with a memory of each slot.

The index of a slot is the identity of its object (GenVIS, section 3.2). The memory stays outside of
the network: a clip gives what is added to it, and what reads it for the next clip.
"""
from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import Config
from .vita import Vita


class ClipStep(NamedTuple):
    """Answer for one clip of B streams; all [B,cQ,C] but logits and mask embeddings."""
    embeds: Tensor        # after the norm
    reference: Tensor     # raw output, the state that is handed on
    logits: Tensor        # [B,cQ,K+1]
    mask_embeds: Tensor   # [B,cQ,Cm], the same for all frames of the clip
    memory_key: Tensor    # entry of the memory that this clip adds
    memory_value: Tensor
    read_key: Tensor      # with which the next clip reads the memory
    next_query: Tensor    # what the next clip starts from, without what it reads


class GenVis(Vita):
    """VITA's module with the projections of the carried query and of the memory.

    A clip is one group of the encoder."""

    def __init__(self, config: Config, below: int):
        super().__init__(replace(config, vita_window=0), below)
        self.pre_query_embed_k = nn.Linear(config.hidden, config.hidden)
        self.pre_query_embed_v = nn.Linear(config.hidden, config.hidden)
        self.pre_memory_embed_k = nn.Linear(config.hidden, config.hidden)
        self.pre_memory_embed_v = nn.Linear(config.hidden, config.hidden)

    def forward(self, frames: Tensor, query: Tensor) -> ClipStep:
        """Step of one clip: frame queries [B,n,fQ,C], query [B,cQ,C].

        The query is `first_query`, or the last step's `next_query` plus what `read` gives."""
        return self.step(self.decode(query, self.encode(frames))[-1])

    def step(self, x: Tensor) -> ClipStep:
        """Answers for the raw output [B,cQ,C] of a decoder layer."""
        video = self.heads(x)
        return ClipStep(video.embeds, x, video.logits, video.mask_embeds,
                        self.pre_memory_embed_k(video.embeds),
                        self.pre_memory_embed_v(video.embeds), self.pre_query_embed_k(x),
                        x + self.pre_query_embed_v(x))

    def first_query(self) -> Tensor:
        """Query [cQ,C] of the first clip of a stream."""
        return self.query_feat.weight + self.pre_query_embed_v(self.query_feat.weight)


def read(read_key: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What each slot reads of its own past: read_key [B,cQ,C], memory [B,M,cQ,C] -> [B,cQ,C].

    The weights are a softmax over the M clips of plain scalar products (not scaled)."""
    weights = (read_key.unsqueeze(1) * keys).sum(-1, keepdim=True).softmax(1)
    return (weights * values).sum(1)


def follow(network: GenVis, frames: Tensor, length: int) -> list[ClipStep]:
    """Steps of all clips of `length` frames of videos [B,T,fQ,C]; the last may be shorter."""
    query = network.first_query().expand(len(frames), -1, -1)
    steps: list[ClipStep] = []
    for clip in frames.split(length, 1):
        steps.append(network(clip, query))
        keys, values = (torch.stack([getattr(step, name) for step in steps], 1)
                        for name in ("memory_key", "memory_value"))
        query = steps[-1].next_query + read(steps[-1].read_key, keys, values)
    return steps
