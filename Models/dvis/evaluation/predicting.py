"""Predictions of single frames: of a network, of a model folder's ONNX graphs, or of a file.

Frames are fitted to the input as in the service. The score of a query is its highest class
probability of the frame, "no object" in the softmax but not among the classes.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.photos.masks import fill_polygon, read_polygons, read_run_lengths
from ..data.photos.photographs import Photograph, Photographs
from ..networks.config import class_names
from ..networks.input import InputRule
from ..networks.model import Dvis
from .detection import Predict, Prediction

LOWEST = 0.02      # score below which a query is no prediction
STRIDE = 4         # pixels of the input per cell of a mask


# Normalised input [1,3,h,w] -> logits [1,Q,K+1] and mask logits [1,Q,h/4,w/4].
Segment = Callable[[Tensor], tuple[Tensor, Tensor]]


def predictor(segment: Segment, rule: InputRule, names: tuple[str, ...]) -> Predict:
    """Predictions of images by a segmenter."""
    @torch.no_grad()
    def predict(image: np.ndarray) -> list[Prediction]:
        logits, masks = segment(rule.fit(image))
        scores, labels = logits[0].float().softmax(-1)[:, :-1].max(-1)
        kept = (scores >= LOWEST).nonzero()[:, 0]
        full = to_frame(masks[0, kept].float(), rule.resized(*image.shape[:2]),
                        image.shape[:2]).cpu().numpy()
        return [(float(scores[query]), names[int(labels[query])], mask)
                for query, mask in zip(kept, full)]
    return predict


def to_frame(masks: Tensor, resized: tuple[int, int], frame: tuple[int, int]) -> Tensor:
    """Mask logits [N,h,w] of the padded input -> bool [N,H,W] of the frame."""
    if not len(masks):
        return torch.zeros(0, *frame, dtype=torch.bool)
    inside = F.interpolate(masks[None], scale_factor=float(STRIDE), mode="bilinear",
                           align_corners=False)
    inside = inside[..., :resized[0], :resized[1]]
    return F.interpolate(inside, size=frame, mode="bilinear", align_corners=False)[0] > 0


def of_model(model: Dvis) -> Predict:
    """Predictions of a model's segmenter on the device of the model."""
    model.eval()
    config, place = model.config, next(model.parameters()).device

    def segment(image: Tensor) -> tuple[Tensor, Tensor]:
        embeds, features, logits = model.segment(
            image.to(place).contiguous(memory_format=torch.channels_last))
        return logits, torch.einsum("bqc,bchw->bqhw",
                                    model.sem_seg_head.predictor.mask_embed(embeds), features)

    return predictor(segment, InputRule.of(config), class_names(config))


def of_folder(folder: Path, precision: str = "fp32") -> Predict:
    """Predictions of a model folder's segmenter graph. Needs `onnx`.

    The masks come from the heads in the matcher graph. Raises ValueError or FileNotFoundError with
    a sentence for a folder without these graphs."""
    import onnx

    from ..export.interpreter import Interpreter
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    def load(name: str) -> Interpreter:
        files = manifest["files"].get(name)
        if files is None:
            raise ValueError(f"'{folder}' has no graph '{name}'")
        return Interpreter(onnx.load(str(folder / files.get(precision, files["fp32"])["path"])))

    segmenter, heads = load("segmenter"), load("matcher")

    def segment(image: Tensor) -> tuple[Tensor, Tensor]:
        predicted = segmenter.run({"image": image})
        embeds = predicted["frame_embeds"]
        first = torch.ones(1, dtype=embeds.dtype)
        answer = heads.run({"frame_embeds": embeds, "matched_embeds": embeds, "reference": embeds,
                            "is_first": first})
        return predicted["frame_logits"], torch.einsum("bqc,bchw->bqhw", answer["mask_embeds"],
                                                       predicted["mask_features"])

    names = tuple(entry["name"] for entry in manifest["classes"])
    return predictor(segment, InputRule.read(manifest["input"]), names)


def of_results(path: Path, photographs: Photographs) -> Callable[[Photograph], list[Prediction]]:
    """Predictions of a file.

    It is COCO's list of results with the photographs' image and category ids, or COCO format with
    `score` in the annotations, whose images are recognised by `file_name` and which has its own
    categories. Raises ValueError with a sentence where the file is neither."""
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(file, dict):
            names = {category["id"]: category["name"] for category in file["categories"]}
            keys = {image["id"]: image["file_name"] for image in file["images"]}
            entries = file["annotations"]
        else:
            names, keys, entries = photographs.categories, None, file
        found: dict[object, list[dict]] = {}
        for entry in entries:
            key = entry["image_id"] if keys is None else keys[entry["image_id"]]
            found.setdefault(key, []).append({**entry, "name": names[entry["category_id"]]})
            float(entry["score"]), entry["segmentation"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'{path}' is not a file of COCO results: {type(error).__name__} "
                         f"{error}") from None
    identities = [photograph.identity for photograph in photographs.items]
    if keys is None and len(set(identities)) < len(identities):
        raise ValueError(f"'{path}' goes by image ids, and two photographs have the same one")

    def predict(photograph: Photograph) -> list[Prediction]:
        entries = found.get(photograph.identity if keys is None else photograph.file_name, [])
        try:
            return [(float(entry["score"]), entry["name"], _mask(entry["segmentation"], photograph))
                    for entry in entries]
        except ValueError as error:
            raise ValueError(f"'{path}', image {photograph.file_name}: {error}") from None
    return predict


def _mask(segmentation: object, photograph: Photograph) -> np.ndarray:
    height, width = photograph.height, photograph.width
    if isinstance(segmentation, dict):
        return read_run_lengths(segmentation, height, width)
    return np.any([fill_polygon(points, height, width) for points in read_polygons(segmentation)],
                  0)
