"""Referring tracker: keeps every object in its slot from frame to frame (DVIS, section 3.1)."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from .config import Config
from .layers import CrossAttentionLayer, FeedForwardLayer, Perceptron, SelfAttentionLayer, stacked


class Step(NamedTuple):
    """One frame's tracker output."""
    embeds: Tensor       # [B,Q,C] after the norm
    reference: Tensor    # [B,Q,C] the next frame's reference: the raw output before the norm
    logits: Tensor       # [B,Q,K+1]
    mask_embeds: Tensor  # [B,Q,Cm]


class ReferringTracker(nn.Module):
    """Layers that refer the queries of a frame to the slots of the frame before."""

    def __init__(self, config: Config):
        super().__init__()
        c, layers, heads = config.hidden, config.tracker_layers, config.heads
        self.transformer_self_attention_layers = stacked(layers, SelfAttentionLayer, c, heads)
        self.transformer_cross_attention_layers = stacked(layers, CrossAttentionLayer, c, heads)
        self.transformer_ffn_layers = stacked(layers, FeedForwardLayer, c, config.feedforward)
        self.decoder_norm = nn.LayerNorm(c)
        self.class_embed = nn.Linear(c, config.classes + 1)
        self.mask_embed = Perceptron(c, config.mask_channels)
        self.remembers = config.remembers

    def forward(self, frame: Tensor, matched: Tensor, reference: Tensor, is_first: Tensor) -> Step:
        """Step of one frame.

        Segmenter queries E, the same matched to the slots A, the last frame's reference L (all
        [B,Q,C]), is_first [B] 1 or 0."""
        step = self.heads(self.layers(frame, matched, reference, is_first)[-1])
        return step._replace(reference=self.refer(step.reference, step.logits, reference, is_first))

    def refer(self, x: Tensor, logits: Tensor, reference: Tensor, is_first: Tensor) -> Tensor:
        """Reference for the next frame, of x, reference [B,Q,C] and logits [B,Q,K+1].

        It is the raw output x (DVIS). In a model that remembers it is x by the probability that the
        slot has an object, and the old reference for the rest, so that objects that left the image
        are not forgotten."""
        if not self.remembers:
            return x
        absent = logits.softmax(-1)[..., -1:] * (1 - is_first.view(-1, 1, 1))
        return x + absent * (reference - x)

    def layers(self, frame: Tensor, matched: Tensor, reference: Tensor,
               is_first: Tensor) -> list[Tensor]:
        """Raw output [B,Q,C] after every layer; inference needs the last only.

        First frame: identity = query = own output, starting with E. Otherwise the identity starts
        with A and the query is L in every layer."""
        first = is_first.view(-1, 1, 1)
        x = first * frame + (1 - first) * matched
        held = (1 - first) * reference
        outputs = []
        for cross, among, feed in self._layers():
            x = feed(among(cross(x, first * x + held, frame, frame)))
            outputs.append(x)
        return outputs

    def frame_forward(self, frame: Tensor) -> Tensor:
        """Memory for the refiner [N,Q,C], normed, in the segmenter's order.

        Every frame [N,Q,C] is treated as a first frame."""
        x = frame
        for cross, among, feed in self._layers():
            x = feed(among(cross(x, x, frame, frame)))
        return self.decoder_norm(x)

    def heads(self, x: Tensor) -> Step:
        embeds = self.decoder_norm(x)
        return Step(embeds, x, self.class_embed(embeds), self.mask_embed(embeds))

    def _layers(self):
        return zip(self.transformer_cross_attention_layers, self.transformer_self_attention_layers,
                   self.transformer_ffn_layers)


def match(last: np.ndarray, current: np.ndarray, rule: str = "aligned") -> np.ndarray:
    """Query of `current` [Q,C] that continues each slot of `last` [Q,C].

    It has the least sum of 1 - cosine (DVIS, eq. 1). With the rule "dvis" the inverse of that
    permutation, which is what the official code gathers by and its checkpoints were trained with.
    """
    unit = [x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-6) for x in (last, current)]
    cost = np.nan_to_num(1 - unit[0] @ unit[1].T)
    return linear_sum_assignment(cost if rule == "aligned" else cost.T)[1]


def align(frames: np.ndarray, rule: str = "aligned") -> np.ndarray:
    """Query of each slot in every frame of embeddings [T,Q,C], int64 [T,Q]: a chain of `match`."""
    order = np.empty(frames.shape[:2], np.int64)
    order[0] = np.arange(frames.shape[1])
    for t in range(1, len(frames)):
        order[t] = match(frames[t - 1][order[t - 1]], frames[t], rule)
    return order


def track(tracker: ReferringTracker, frames: Tensor, rule: str = "aligned") -> list[Step]:
    """Steps of the tracker over a whole clip [T,Q,C], exactly as in a live stream."""
    order = torch.from_numpy(align(frames.detach().float().cpu().numpy(), rule)).to(frames.device)
    return follow(tracker, frames, frames.gather(1, order[..., None].expand_as(frames)))


def follow(tracker: ReferringTracker, frames: Tensor, matched: Tensor) -> list[Step]:
    """Steps as of `track` for queries that are matched already: frames and matched [T,Q,C]."""
    steps: list[Step] = []
    for t, (own, mine) in enumerate(zip(frames.split(1), matched.split(1))):
        first = torch.full((1,), float(t == 0), device=frames.device)
        steps.append(tracker(own, mine, steps[-1].reference if steps else own, first))
    return steps
