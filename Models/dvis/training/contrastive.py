"""Losses of the association: an object's query finds its queries in another frame (IDOL)."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CONTRAST, COSINE = 2.0, 3.0        # weights of the two losses
CANDIDATES = 10                    # queries of an object whose overlap says how many are positive
NEGATIVES = 10                     # negatives of the cosine loss per positive
# Shares of the queries: 10 and 100 of IDOL's 300.
POSITIVE, NEAR = 1 / 30, 1 / 3


def choose(cost: Tensor, overlap: Tensor, assignment: Tensor) -> tuple[Tensor, Tensor]:
    """Positive and negative queries of every object, bool [N,Q] each.

    Positive are as many of the cheapest queries as the overlaps of the best ones sum up to (dynamic
    k), at most POSITIVE of all; negative those outside the cheapest NEAR, and those assigned to
    other objects. cost, overlap [Q,N], assignment [N] (-1: not visible, neither positive nor
    negative)."""
    queries, objects = cost.shape
    most, near = -(-queries * POSITIVE // 1), int(queries * NEAR)
    found = overlap.topk(min(CANDIDATES, queries), 0).values.sum(0)
    count = found.floor().clamp(1, most)
    rank = cost.argsort(0).argsort(0)                                    # [Q,N]
    positive = (rank < count).T
    negative = (rank >= max(near, 1)).T
    for number in range(objects):
        others = torch.cat((assignment[:number], assignment[number + 1:]))
        others = others[others >= 0]
        negative[number, others], positive[number, others] = True, False
        own = assignment[number]
        if own < 0:
            positive[number], negative[number] = False, False
        else:
            positive[number, own], negative[number, own] = True, False
    return positive, negative & ~positive


def contrastive_loss(key: Tensor, queries: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """log(1 + sum+ sum- exp(v k- - v k+)), the mean over objects (RefineVIS, eq. 3).

    Embeddings key [N,C] of the objects in one frame and queries [Q,C] of another; positive and
    negative bool [N,Q]. Objects without both do not count."""
    use = positive.any(1) & negative.any(1)
    if not use.any():
        return key.sum() * 0
    product = key[use] @ queries.T
    none = torch.full_like(product, float("-inf"))
    wrong = torch.where(negative[use], product, none).logsumexp(1)
    right = torch.where(positive[use], -product, none).logsumexp(1)
    return F.softplus(wrong + right).mean()


def cosine_loss(key: Tensor, queries: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Squared error of the cosines, which are 1 for positives and 0 for negatives.

    Of the negatives, NEGATIVES per positive are drawn. Tensors as in `contrastive_loss`."""
    cosine = F.normalize(key, dim=-1) @ F.normalize(queries, dim=-1).T
    errors = []
    for row, right, wrong in zip(cosine, positive, negative):
        if not right.any() or not wrong.any():
            continue
        others = wrong.nonzero()[:, 0]
        drawn = others[torch.randperm(len(others), device=others.device)]
        drawn = drawn[:NEGATIVES * int(right.sum())]
        errors += [(row[right] - 1).square(), row[drawn].square()]
    return torch.cat(errors).mean() if errors else cosine.sum() * 0
