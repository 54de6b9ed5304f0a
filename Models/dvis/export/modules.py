"""Graphs of the service's contract: each is a module with names for its inputs and outputs."""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..networks.layers import Perceptron
from ..networks.model import Dvis
from ..networks.stepwise import Attention, Heads, Layer
from ..networks.vita import folded, with_ones


def shares_map(model: Dvis) -> bool:
    """Whether the masks of frames and of clips come from one map, that below the mask features.

    VITA may have mask features of its own, while in front of it the masks are the frame's: mask
    heads that are folded with what makes the mask features of the map need it alone."""
    if model.method != "vita":
        return False
    frames = model.sem_seg_head.pixel_decoder.mask_features
    return not all(map(torch.equal, frames.parameters(),
                       model.vita_module.vita_mask_features.parameters()))


class _Segment(nn.Module):
    """The segmenter as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.model = model
        self.features = with_ones if shares_map(model) else None

    def forward(self, image: Tensor):
        return self.model.segment(image, features=self.features)


class _Track(nn.Module):
    """The tracker as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.tracker = model.tracker
        self.folded = frame_masks(model, model.tracker.mask_embed) if shares_map(model) else None

    def forward(self, frame_embeds: Tensor, matched_embeds: Tensor, reference: Tensor,
                is_first: Tensor):
        step = self.tracker(frame_embeds, matched_embeds, reference, is_first)
        if self.folded is not None:
            step = step._replace(mask_embeds=self.folded(step.embeds))
        return tuple(step)


class _Match(nn.Module):
    """MinVIS with the tensors of a tracker.

    A slot takes the query that was matched to it, and the segmenter's heads apply."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.class_embed = model.sem_seg_head.predictor.class_embed
        self.mask_embed = model.sem_seg_head.predictor.mask_embed
        if shares_map(model):
            self.mask_embed = frame_masks(model, self.mask_embed)

    def forward(self, frame_embeds: Tensor, matched_embeds: Tensor, reference: Tensor,
                is_first: Tensor):
        first = is_first.view(-1, 1, 1)
        x = first * frame_embeds + (1 - first) * matched_embeds
        return x, x + 0 * reference, self.class_embed(x), self.mask_embed(x)


class _Memory(nn.Module):
    """The tracker's frame_forward as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.tracker = model.tracker

    def forward(self, frame_embeds: Tensor):
        return self.tracker.frame_forward(frame_embeds)


class _Refine(nn.Module):
    """The refiner as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.refiner = model.refiner

    def forward(self, instance_embeds: Tensor, memory: Tensor):
        return self.refiner(instance_embeds, memory)


class _Clip(nn.Module):
    """A clip of GenVIS as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.module = model.vita_module

    def forward(self, frame_embeds: Tensor, query: Tensor):
        return tuple(self.module(frame_embeds, query))


class _Vita(nn.Module):
    """VITA over a whole window as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.module = copy.deepcopy(model.vita_module)
        if shares_map(model):
            self.module.mask_embed = folded(self.module.mask_embed, self.module.vita_mask_features)

    def forward(self, frame_embeds: Tensor):
        return self.module(frame_embeds)


class _Associate(nn.Module):
    """Contrastive embeddings of a frame's queries, and the segmenter's heads, as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.predictor, self.head = model.sem_seg_head.predictor, model.refinevis.reid_embed_head

    def forward(self, frame_embeds: Tensor):
        return (self.head(frame_embeds), self.predictor.class_embed(frame_embeds),
                self.predictor.mask_embed(frame_embeds))


class _RefineTracklets(nn.Module):
    """The temporal refinement of RefineVIS with the segmenter's heads as a graph."""

    def __init__(self, model: Dvis):
        super().__init__()
        self.predictor, self.refinement = model.sem_seg_head.predictor, model.refinevis.refinement

    def forward(self, query: Tensor, query_frames: Tensor, window: Tensor, window_frames: Tensor):
        refined = self.refinement(query, query_frames, window, window_frames)
        return refined, self.predictor.class_embed(refined), self.predictor.mask_embed(refined)


def frame_masks(model: Dvis, mask_embed: Perceptron) -> Perceptron:
    """Mask head of single frames for the map below the segmenter's mask features."""
    return folded(mask_embed, model.sem_seg_head.pixel_decoder.mask_features)


def _of_refiner(kind: type[nn.Module]):
    return lambda model: kind(model.refiner)


# graph -> (module, inputs, outputs, dynamic axes by tensor)
_IMAGE = {0: "batch", 2: "height", 3: "width"}
_MAP = {0: "batch", 2: "map_height", 3: "map_width"}
_CLIP = {0: "frames", 1: "queries"}
GRAPHS = {
    "segmenter": (_Segment, ("image",), ("frame_embeds", "mask_features", "frame_logits"),
                  {"image": _IMAGE, "mask_features": _MAP, "*": {0: "batch"}}),
    "tracker": (_Track, ("frame_embeds", "matched_embeds", "reference", "is_first"),
                ("instance_embeds", "reference_out", "logits", "mask_embeds"), {"*": {0: "batch"}}),
    "matcher": (_Match, ("frame_embeds", "matched_embeds", "reference", "is_first"),
                ("instance_embeds", "reference_out", "logits", "mask_embeds"), {"*": {0: "batch"}}),
    "frame_forward": (_Memory, ("frame_embeds",), ("memory",), {"*": {0: "frames"}}),
    "refiner": (_Refine, ("instance_embeds", "memory"), ("logits", "mask_embeds"),
                {"logits": {}, "*": {0: "frames"}}),
    "refiner_attention": (_of_refiner(Attention), ("layer", "embeds", "block"), ("mixed", "weight"),
                          {"layer": {}, "block": {0: "block", 1: "queries"}, "*": _CLIP}),
    "refiner_layer": (_of_refiner(Layer), ("layer", "embeds", "mixed", "memory"), ("refined",),
                      {"layer": {}, "*": _CLIP}),
    "refiner_heads": (_of_refiner(Heads), ("embeds",), ("logits", "weight", "mask_embeds"),
                      {"logits": {0: "queries"}, "weight": {0: "queries"}, "*": _CLIP}),
    "clip": (_Clip, ("frame_embeds", "query"),
             ("instance_embeds", "reference_out", "logits", "mask_embeds", "memory_key",
              "memory_value", "read_key", "next_query"),
             {"frame_embeds": {0: "batch", 1: "frames"}, "*": {0: "batch"}}),
    "vita": (_Vita, ("frame_embeds",),
             ("logits", "mask_embeds", "frame_similarity", "query_similarity"),
             {"frame_embeds": {0: "frames"}, "frame_similarity": {0: "frames"}, "*": {}}),
    "associate": (_Associate, ("frame_embeds",),
                  ("contrastive_embeds", "logits", "mask_embeds"), {"*": {0: "batch"}}),
    "refine": (_RefineTracklets, ("query", "query_frames", "window", "window_frames"),
               ("refined", "logits", "mask_embeds"),
               {"query_frames": {0: "frames"}, "window": {0: "window", 1: "tracklets"},
                "window_frames": {0: "window"}, "*": {0: "frames", 1: "tracklets"}}),
}
_ONLINE = ("segmenter", "tracker", "matcher")
_OF_MODE = {
    "segmenter": ("segmenter", "matcher"),
    "online": _ONLINE,
    "offline": (*_ONLINE, "frame_forward", "refiner", "refiner_attention", "refiner_layer",
                "refiner_heads"),
    "vita": ("segmenter", "matcher", "vita"),
    "vita-online": ("segmenter", "tracker", "vita"),
    "genvis": ("segmenter", "clip"),
    "refinevis": ("segmenter", "associate", "refine"),
}


def graphs(model: Dvis) -> dict[str, tuple]:
    """Graphs that this model consists of."""
    return {name: GRAPHS[name] for name in _OF_MODE[model.mode]}
