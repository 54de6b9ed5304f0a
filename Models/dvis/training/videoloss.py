"""Losses of video queries against the objects of a clip (VITA, section 3.4; GenVIS, section 3.1).

A tube is the mask of an object, or of a query, in all frames of a clip.
"""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import losses

# Weights of the losses, which matching has, too.
CLASS = 2.0
MASK = 5.0
DICE = 5.0
SIMILARITY = 0.5
NO_OBJECT = 0.1       # weight of "no object" in the class loss
UNCERTAIN = 0.75      # share of a mask's points that lie where the mask is least sure
BARRED = 1e6          # cost of what must not be assigned


def tube_cost(logits: Tensor, masks: Tensor, labels: Tensor, target: Tensor,
              weight: Tensor | None = None) -> Tensor:
    """Cost [R,Q,N] of every query for every object.

    logits [R,Q,K+1], masks [R,Q,P] at the points of all frames, labels [R,N], target [R,N,P],
    weight of the points [R,P]."""
    chance, cross_entropy, dice = losses.cost_parts(logits, masks, labels, target, weight)
    return MASK * cross_entropy + DICE * dice - CLASS * chance


def assign_new(cost: Tensor, valid: Tensor, slots: Tensor, frees_hidden: bool = False) -> Tensor:
    """Slot of every object after a clip, int64 [R,N], -1 for one that was not visible yet.

    Objects that are visible for the first time are assigned to free slots; the others keep theirs
    (GenVIS, "unified video label assignment"). cost [R,Q,N], valid bool [R,N]: visible in this
    clip, slots [R,N] before it. `frees_hidden`: a new object may take the slot of one that is not
    visible in this clip, as in the official code, where both may own it later."""
    result = slots.cpu().numpy().copy()
    costs, shown = cost.detach().float().cpu().numpy(), valid.cpu().numpy()
    for row, held in enumerate(result):
        new = np.flatnonzero(shown[row] & (held < 0))
        keeping = (held >= 0) & (shown[row] | (not frees_hidden))
        free = np.setdiff1d(np.arange(costs.shape[1]), held[keeping])
        if new.size and free.size:
            finite = np.nan_to_num(costs[row][np.ix_(free, new)], nan=BARRED, posinf=BARRED)
            chosen, columns = losses.linear_sum_assignment(finite)
            held[new[columns]] = free[chosen]
    return torch.from_numpy(result).to(cost.device)


def class_loss(logits: Tensor, assignment: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of all queries: logits [R,Q,K+1], assignment (-1: none) and labels [R,N]."""
    return losses.class_loss(logits, assignment, labels, no_object_weight=NO_OBJECT)


def hard_points(candidates: Tensor, count: int) -> Tensor:
    """Index [M,count] of the candidate points where a mask is least sure: logits [M,P]."""
    return candidates.detach().abs().topk(count, -1, largest=False).indices


def mask_losses(masks: Tensor, target: Tensor,
                weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy and dice of matched tubes [M,P]; weight of the points [M,P]."""
    cross_entropy, dice = losses.mask_losses(masks, target, weight)
    return cross_entropy / losses.MASK_FOCUS, dice


def similarity_loss(embeds: Tensor, objects: Tensor) -> Tensor:
    """Whether two queries are of the same object, over all pairs of a video, each with itself, too.

    embeds [R,M,C]: similarity embeddings of frame queries and of video queries side by side;
    objects int64 [R,M]: the object of each (-1: none). The logit of a pair is their product."""
    matched = objects >= 0
    pairs = matched.unsqueeze(1) & matched.unsqueeze(2)
    same = (objects.unsqueeze(1) == objects.unsqueeze(2)).to(embeds.dtype)
    each = F.binary_cross_entropy_with_logits(embeds @ embeds.transpose(1, 2), same,
                                              reduction="none")
    return (each * pairs).sum() / pairs.sum().clamp(min=1)
