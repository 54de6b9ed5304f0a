"""Matching and losses of Mask2Former and DVIS (eq. 3-7): class, mask cross-entropy, dice.

Also a contrastive loss on the embeddings.
"""
from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

# As weights and in the matching; a high class weight keeps an object with the query that claims it
CLASS = 5.0
MASK = 5.0
DICE = 5.0
# The mask cross-entropy is averaged over a quarter of the image, since objects are small.
MASK_FOCUS = 4.0
NO_OBJECT = 0.3       # weight of "no object" in the class loss
TEMPERATURE = 0.1     # of the contrastive loss
EXCUSED = -100        # class goal of a query that the class loss leaves out


def matching_cost(logits: Tensor, masks: Tensor, labels: Tensor, target: Tensor,
                  weight: Tensor | None = None) -> Tensor:
    """Cost [*,Q,N] of every query for every object; arguments as of `cost_parts`."""
    chance, cross_entropy, dice = cost_parts(logits, masks, labels, target, weight)
    return MASK * MASK_FOCUS * cross_entropy + DICE * dice - CLASS * chance


def cost_parts(logits: Tensor, masks: Tensor, labels: Tensor, target: Tensor,
               weight: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Probability of the object's class, mean mask cross-entropy, and dice, each [*,Q,N].

    logits [*,Q,K+1], masks [*,Q,P] logits, labels [*,N], target [*,N,P], weight of the points
    [*,P]."""
    pixels = masks.shape[-1]
    if weight is not None:
        weight = weight.unsqueeze(-2)
        pixels, target = weight.sum(-1, keepdim=True).clamp(min=1), target * weight
    probability = logits.softmax(-1)
    index = labels.unsqueeze(-2).expand(*probability.shape[:-1], labels.shape[-1])
    transposed = target.transpose(-1, -2)
    outside, inside = F.softplus(masks), masks.sigmoid()
    if weight is not None:
        outside, inside = outside * weight, inside * weight
    cross_entropy = (outside.sum(-1, keepdim=True) - masks @ transposed) / pixels
    dice = 1 - (2 * (inside @ transposed)
                + 1) / (inside.sum(-1, keepdim=True) + target.sum(-1).unsqueeze(-2) + 1)
    return probability.gather(-1, index), cross_entropy, dice


def assign(cost: Tensor, valid: Tensor) -> Tensor:
    """Least-cost query of every valid object, int64 [R,N], -1 where there is no object.

    cost [R,Q,N], valid [R,N]."""
    cost_array, valid_array = cost.detach().float().cpu().numpy(), valid.cpu().numpy()
    result = np.full(valid_array.shape, -1, np.int64)
    for row in range(len(result)):
        objects = np.flatnonzero(valid_array[row])
        if objects.size:
            finite = np.nan_to_num(cost_array[row][:, objects], nan=1e4, posinf=1e4, neginf=-1e4)
            queries, columns = linear_sum_assignment(finite)
            result[row, objects[columns]] = queries
    return torch.from_numpy(result).to(cost.device)


def class_loss(logits: Tensor, assignment: Tensor, labels: Tensor, excused: Tensor | None = None,
               quality: Tensor | None = None, no_object_weight: float = NO_OBJECT) -> Tensor:
    """Cross-entropy of all queries.

    Those without an object must give "no object", except where `excused`. With `quality` the class
    of an object is right by that share and "no object" by the rest, so that scores express how good
    masks are. logits [R,Q,K+1], assignment and labels [R,N], excused bool [R,Q], quality [R,N]
    0..1."""
    no_object = logits.shape[-1] - 1
    goal = torch.full(logits.shape[:2], no_object, dtype=torch.long, device=logits.device)
    rows, objects = (assignment >= 0).nonzero(as_tuple=True)
    queries = assignment[rows, objects]
    goal[rows, queries] = labels[rows, objects]
    weight = torch.ones(no_object + 1, device=logits.device)
    weight[-1] = no_object_weight
    if excused is not None:
        goal[excused & (goal == no_object)] = EXCUSED
    if quality is None:
        return F.cross_entropy(logits.flatten(0, 1), goal.flatten(), weight, ignore_index=EXCUSED)
    share = torch.ones(goal.shape, device=logits.device)
    share[rows, queries] = quality[rows, objects]
    logs = logits.log_softmax(-1)
    each = -(share * logs.gather(-1, goal.clamp(min=0)[..., None])[..., 0] + (1 - share)
             * logs[..., -1])
    counts = weight[goal.clamp(min=0)] * (goal != EXCUSED)
    return (each * counts).sum() / counts.sum()


def mask_quality(masks: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """IoU [*] of mask logits with objects at weighted points: masks, target, weight [*,P]."""
    predicted, true = (masks > 0).float() * weight, (target > 0.5).float()
    common = (predicted * true).sum(-1)
    return common / (predicted.sum(-1) + (true * weight).sum(-1) - common).clamp(min=1e-3)


def clip_quality(masks: Tensor, target: Tensor, weight: Tensor, shown: Tensor) -> Tensor:
    """Mean IoU [*] of an object's masks in a clip, weighted by the chance that they are shown.

    masks, target [*,T,P], weight of the points [*,T,P], shown [*,T]. Frames in which neither has
    a point do not count."""
    either = ((masks > 0) | (target > 0.5)) * weight
    shown = shown * (either.sum(-1) > 0)
    iou = mask_quality(masks, target, weight)
    return (shown * iou).sum(-1) / shown.sum(-1).clamp(min=1e-3)


def mostly_in(masks: Tensor, ignore: Tensor) -> Tensor:
    """Whether more than half of a predicted mask lies in ignored cells, bool [*,Q].

    Mask logits [*,Q,P], ignore [*,P]."""
    inside = masks.sigmoid()
    return (inside * ignore.unsqueeze(-2)).sum(-1) > 0.5 * inside.sum(-1)


def mask_losses(masks: Tensor, target: Tensor,
                weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy and dice of matched pairs, each [M,P]; weight of the points [M,P]."""
    if not len(masks):
        zero = masks.sum() * 0
        return zero, zero
    if weight is None:
        cross_entropy = F.binary_cross_entropy_with_logits(masks, target) * MASK_FOCUS
        inside = masks.sigmoid()
    else:
        each = F.binary_cross_entropy_with_logits(masks, target, weight, reduction="sum")
        cross_entropy = each / weight.sum().clamp(min=1) * MASK_FOCUS
        inside, target = masks.sigmoid() * weight, target * weight
    dice = 1 - (2 * (inside * target).sum(-1) + 1) / (inside.sum(-1) + target.sum(-1) + 1)
    return cross_entropy, dice.mean()


def contrast(first: Tensor, second: Tensor, first_query: Tensor, second_query: Tensor) -> Tensor:
    """InfoNCE on the cosine (IDOL; RefineVIS, eq. 3).

    The query of an object in one frame must find its query among all of another frame. Embeddings
    [R,Q,C], queries of the same objects [R,N] (-1 = not visible)."""
    first, second = F.normalize(first, dim=-1), F.normalize(second, dim=-1)
    rows, objects = ((first_query >= 0) & (second_query >= 0)).nonzero(as_tuple=True)
    if not len(rows):
        return first.sum() * 0
    a, b = first_query[rows, objects], second_query[rows, objects]
    forward = (first[rows, a].unsqueeze(1) * second[rows]).sum(-1) / TEMPERATURE
    backward = (second[rows, b].unsqueeze(1) * first[rows]).sum(-1) / TEMPERATURE
    return 0.5 * (F.cross_entropy(forward, b) + F.cross_entropy(backward, a))
