"""Ties of VITA's video queries to the slots of a tracker in front, by two measures.

A video query has no identity beyond its clip; the service ties it to a slot by the similarity
heads (VITA, eq. 6). The paper ties clips by mask IoU. Both are counted here on videos of evaluation
seeds: the objects of slot and video query are known from the truth.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..data.drawn.scenes import make_scene
from ..networks.model import Dvis
from ..networks.tracker import align
from .metrics import CONFIDENT, OVERLAP
from .videos import foreground, one_hot

WINDOW = 20         # frames in a clip
LEAST_IOU = 0.3     # mean mask IoU from which slot and video query are tied
MEASURES = ("similarity heads", "mask IoU")


@dataclass
class Ties:
    """Counts of slots that show an object for which a video query was found, too."""
    right: int = 0
    wrong: int = 0      # tied to a video query of another object, or of none
    missing: int = 0    # not tied
    false: int = 0      # slots without such a video query that were tied all the same


@torch.no_grad()
def count(model: Dvis, tier: str, videos: int, frames: int,
          first_seed: int = 100_000) -> dict[str, Ties]:
    """Ties by measure, over `videos` scenes of a tier; the front is MinVIS."""
    model.eval()
    own = model.sem_seg_head.pixel_decoder.mask_features
    clips = model.vita_module.vita_mask_features
    both = lambda below: torch.stack((own(below), clips(below)), 1)
    found = {name: Ties() for name in MEASURES}
    for seed in range(first_seed, first_seed + videos):
        scene = make_scene(tier, seed, None)
        images, ids = scene.clip(0, frames)
        parts = [model.segment(model.normalise(chunk), features=both)
                 for chunk in torch.from_numpy(images).split(10)]
        embeds, features, logits = (torch.cat(part) for part in zip(*parts))
        order = torch.from_numpy(align(embeds.numpy()))
        truth = one_hot(ids[:, 2::4, 2::4], len(scene.labels))
        for first in range(0, frames, WINDOW):
            clip = slice(first, first + WINDOW)
            _count_clip(model, embeds[clip], features[clip], logits[clip], order[clip], truth[clip],
                        found)
    return found


def _count_clip(model: Dvis, embeds: Tensor, features: Tensor, logits: Tensor, order: Tensor,
                truth: Tensor, found: dict[str, Ties]) -> None:
    """Adds the ties of a clip; `features` [T,2,Cm,h,w] of the frames' heads and of the clip's."""
    pick = lambda x: x.gather(1, order[..., None].expand(-1, -1, x.shape[-1]))
    shown = foreground(pick(logits)).sum(-1)                                            # [T,S]
    queries, mask_embeds, frame_similarity, query_similarity = model.vita_module(embeds)
    sure = foreground(queries).sum(-1)                                                  # [V]
    of_frames, of_clip = features.flatten(3).unbind(1)
    slot_masks = model.sem_seg_head.predictor.mask_embed(pick(embeds)) @ of_frames > 0  # [T,S,P]
    query_masks = mask_embeds @ of_clip > 0                                             # [T,V,P]
    slot_masks = (slot_masks & (shown > CONFIDENT)[..., None]).float()
    query_masks = query_masks.float()

    slot_object = _objects(slot_masks, truth, shown.amax(0) > CONFIDENT)
    query_object = _objects(query_masks, truth, sure > CONFIDENT)
    appearance = ((shown[..., None] * pick(frame_similarity)).sum(0)
                  / shown.sum(0)[:, None].clamp(min=1e-9))                              # [S,C]
    heads = (appearance @ query_similarity.T).sigmoid() - 0.5
    overlap = _iou(slot_masks, query_masks, shown > CONFIDENT) - LEAST_IOU
    for name, likeness in zip(MEASURES, (heads, overlap)):
        reward = likeness.clamp(min=0) * shown.amax(0)[:, None] * sure
        slots, tied = linear_sum_assignment(-reward.numpy())
        tied = {slot: query for slot, query in zip(slots, tied) if likeness[slot, query] > 0}
        _compare(found[name], tied, slot_object, query_object)


def _objects(masks: Tensor, truth: Tensor, confident: Tensor) -> np.ndarray:
    """Object of each tube [T,N,P], int [N]; -1: none, or it is not confident."""
    common = torch.einsum("tnp,tmp->nm", masks, truth)
    either = masks.sum((0, 2))[:, None] + truth.sum((0, 2))[None] - common
    best, index = (common / either.clamp(min=1)).max(1)
    return torch.where((best >= OVERLAP) & confident, index, torch.full_like(index, -1)).numpy()


def _iou(slots: Tensor, queries: Tensor, counted: Tensor) -> Tensor:
    """Mean IoU [S,V] over the frames in which the slot is shown, bool [T,S]."""
    common = slots @ queries.transpose(1, 2)
    either = slots.sum(-1)[:, :, None] + queries.sum(-1)[:, None] - common
    weight = counted.float()[..., None]
    return (common / either.clamp(min=1) * weight).sum(0) / weight.sum(0).clamp(min=1)


def _compare(ties: Ties, tied: dict[int, int], slot_object: np.ndarray,
             query_object: np.ndarray) -> None:
    available = set(query_object.tolist()) - {-1}
    for slot, thing in enumerate(slot_object):
        query = tied.get(slot)
        if thing < 0:
            continue
        if thing not in available:
            ties.false += query is not None
        elif query is None:
            ties.missing += 1
        elif query_object[query] == thing:
            ties.right += 1
        else:
            ties.wrong += 1


def table(found: dict[str, Ties]) -> str:
    """The counts as a Markdown table."""
    lines = ["| tied by | right | wrong | missing | tied without a video query |", "|---" * 5 + "|"]
    return "\n".join(lines + [f"| {name} | {ties.right} | {ties.wrong} | {ties.missing} | "
                              f"{ties.false} |" for name, ties in found.items()])
