"""One step of training of VITA's and GenVIS's video queries: a batch of videos and its loss.

Dimensions: M clips, L decoder layers, B videos, N objects, n frames of a clip, P points of a frame.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..networks.genvis import read
from ..networks.model import Dvis
from ..networks.vita import Vita, VideoQueries
from . import videoloss
from .clips import Batch

CANDIDATES = 3   # points of a frame for one on which the masks of a tube are compared


def forward(model: Dvis, embeds: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Raw video queries after every layer [M,L,B,cQ,C] and tokens [B,T,fQ,C].

    Frame queries [B,T,fQ,C] make M clips of `length` frames of GenVIS, or one of VITA."""
    module = model.vita_module
    if model.method == "vita":
        tokens = module.encode(embeds)
        start = module.query_feat.weight.expand(len(embeds), -1, -1)
        return torch.stack(module.decode(start, tokens))[None], tokens
    query = module.first_query().expand(len(embeds), -1, -1)
    tokens, outputs, keys, values = [], [], [], []
    for clip in embeds.split(length, 1):
        tokens.append(module.encode(clip))
        outputs.append(torch.stack(module.decode(query, tokens[-1])))
        step = module.step(outputs[-1][-1])
        keys.append(step.memory_key)
        values.append(step.memory_value)
        query = step.next_query + read(step.read_key, torch.stack(keys, 1), torch.stack(values, 1))
    return torch.stack(outputs), torch.cat(tokens, 1)


def in_clips(x: Tensor, count: int) -> Tensor:
    """Frames [B,T,..] -> [M,B,T/M,..] of `count` clips M."""
    return x.unflatten(1, (count, -1)).transpose(0, 1)


def tubes(mask_embeds: Tensor, features: Tensor) -> Tensor:
    """Mask logits [M,L,B,X,n,P] of mask embeddings [M,L,B,X,Cm] with features [M,B,n,Cm,P]."""
    together = mask_embeds.transpose(1, 2).flatten(2, 3).unsqueeze(2)         # [M,B,1,L*X,Cm]
    masks = (together @ features).unflatten(3, (mask_embeds.shape[1], -1))
    return masks.permute(0, 3, 1, 4, 2, 5)


@dataclass
class Goal:
    """Objects of the clips of a batch; rows R are decoder layers and videos, L*B."""
    labels: Tensor        # int64 [R,N]
    masks: Tensor         # [M,R,N,n,P]
    visible: Tensor       # bool [M,R,N]
    eligible: Tensor      # bool [M,R,N]: visible enough to be given a slot
    known: Tensor | None  # weight of the points [M,R,n,P], None where all count

    @staticmethod
    def of(batch: Batch, clips: int, layers: int) -> Goal:
        wide = lambda x: in_clips(x, clips).repeat(1, layers, *[1] * (x.dim() - 1))
        return Goal(batch.labels.repeat(layers, 1), wide(batch.masks).transpose(2, 3),
                    wide(batch.visible).any(2), wide(batch.eligible).any(2),
                    None if batch.ignore is None else wide(batch.known))


@torch.no_grad()
def assign(video: VideoQueries, features: Tensor, goal: Goal) -> Tensor:
    """Query of every object in every clip, int64 [M,R,N], -1 where it is not visible."""
    masks = tubes(video.mask_embeds, features)
    assignment, slots = [], torch.full_like(goal.labels, -1)
    for clip, logits in enumerate(video.logits):
        cost = videoloss.tube_cost(logits.flatten(0, 1), masks[clip].flatten(0, 1).flatten(2),
                                   goal.labels, goal.masks[clip].flatten(2),
                                   None if goal.known is None else goal.known[clip].flatten(1))
        slots = videoloss.assign_new(cost, goal.eligible[clip], slots)
        assignment.append(torch.where(goal.visible[clip], slots, torch.full_like(slots, -1)))
    return torch.stack(assignment)


def loss(model: Dvis, batch: Batch, length: int) -> tuple[Tensor, dict[str, float]]:
    """Class, mask and similarity losses of all clips, for every decoder layer its own slots."""
    module = model.vita_module
    raw, tokens = forward(model, batch.embeds, length)
    clips, layers, videos = raw.shape[:3]
    video, goal = module.heads(raw), Goal.of(batch, clips, layers)
    project = module.vita_mask_features
    features = project.weight.flatten(1) @ batch.features + project.bias[:, None]
    features = in_clips(features, clips)                                      # [M,B,n,Cm,P]
    assignment = assign(video, features, goal)
    logits, labels = video.logits.flatten(0, 2), goal.labels.repeat(clips, 1)
    class_part = videoloss.class_loss(logits, assignment.flatten(0, 1), labels)
    rows, objects = (assignment.flatten(0, 1) >= 0).nonzero(as_tuple=True)
    queries = assignment.flatten(0, 1)[rows, objects]
    held = assignment.clamp(min=0).unflatten(1, (layers, videos)).unsqueeze(-1)
    own = tubes(video.mask_embeds.gather(3, held.expand(*held.shape[:-1], features.shape[-2])),
                features)
    mask_part, dice = tube_losses(own.flatten(0, 2)[rows, objects],
                                  goal.masks.flatten(0, 1)[rows, objects],
                                  None if goal.known is None else goal.known.flatten(0, 1)[rows])
    last = assignment.unflatten(1, (layers, videos))[:, -1]                   # [M,B,N]
    similar = similarity(module, video.embeds[:, -1], in_clips(tokens, clips), last,
                         in_clips(batch.queries, clips))
    total = (videoloss.CLASS * class_part + videoloss.MASK * mask_part + videoloss.DICE * dice
             + videoloss.SIMILARITY * similar)
    right = logits[rows, queries].argmax(-1) == labels[rows, objects]
    return total, {"loss": float(total), "class": float(class_part), "mask": float(mask_part),
                   "dice": float(dice), "similar": float(similar),
                   "right class": float(right.float().mean())}


def tube_losses(masks: Tensor, goal: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mask losses of tubes [m,n,P] at some points of each frame, most of them unsure."""
    points = masks.shape[-1]
    chosen = points // CANDIDATES
    hard = int(videoloss.UNCERTAIN * chosen)
    free = torch.randint(points, (*masks.shape[:2], chosen - hard), device=masks.device)
    index = videoloss.hard_points(masks.flatten(0, 1), hard).reshape(*masks.shape[:2], hard)
    index = torch.cat((index, free), -1)
    parts = [None if x is None else x.gather(-1, index).flatten(1) for x in (masks, goal, weight)]
    return videoloss.mask_losses(*parts)


def similarity(module: Vita, embeds: Tensor, tokens: Tensor, assignment: Tensor,
               queries: Tensor) -> Tensor:
    """Similarity loss within each clip: embeds [M,B,cQ,C], tokens [M,B,n,fQ,C].

    Video query of each object [M,B,N] and its frame queries [M,B,n,N], -1 where there is none."""
    number = torch.arange(assignment.shape[-1], device=assignment.device)
    owners = torch.full((*tokens.shape[:4], 1), -1, device=assignment.device)[..., 0]
    place = (queries >= 0).nonzero(as_tuple=True)
    owners[(*place[:3], queries[place])] = number[place[3]]
    index = assignment.clamp(min=0)[..., None].expand(*assignment.shape, embeds.shape[-1])
    video = module.sim_embed_clip(embeds.gather(2, index))
    frames = module.sim_embed_frame(tokens).flatten(2, 3)
    objects = torch.where(assignment >= 0, number, torch.full_like(assignment, -1))
    return videoloss.similarity_loss(torch.cat((frames, video), 2).flatten(0, 1),
                                     torch.cat((owners.flatten(2), objects), 2).flatten(0, 1))
