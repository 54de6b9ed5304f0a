"""Sheets of video frames with the masks, classes, scores and slots of a model's tracks."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..data.video import decode
from ..export.manifest import colour
from ..networks.config import class_names
from ..networks.input import InputRule
from ..networks.model import Dvis
from ..networks.tracker import match
from .predicting import to_frame

WIDTH = 512             # pixels of a tile
COLUMNS = 3


def sheet(model: Dvis, video: Path, every: int, shown: int, score: float) -> Image.Image:
    """Sheet of `shown` frames, spread evenly over those that were tracked.

    Every `every`-th frame of the video goes through segmenter and tracker."""
    frames = decode(video, every)
    chosen = set(np.linspace(0, len(frames) - 1,
                             min(shown, len(frames))).round().astype(int).tolist())
    tiles = [draw(frame, *seen, class_names(model.config), score)
             for number, (frame, seen) in enumerate(zip(frames, follow(model, frames)))
             if number in chosen]
    height = max(tile.height for tile in tiles)
    rows = -(-len(tiles) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * WIDTH, rows * height))
    for number, tile in enumerate(tiles):
        whole.paste(tile, (number % COLUMNS * WIDTH, number // COLUMNS * height))
    return whole


@torch.no_grad()
def follow(model: Dvis, frames: list[np.ndarray]):
    """Class probabilities [Q,K] and masks bool [Q,H,W] of the slots for each frame uint8 [H,W,3].

    The frames go through segmenter, matching and tracker as in the service."""
    rule = InputRule.of(model.config)
    matched = reference = None
    for frame in frames:
        embeds, features, _ = model.segment(rule.fit(frame))
        if matched is None:
            slots, first = embeds, torch.ones(1)
            reference = torch.zeros_like(embeds)
        else:
            slots = embeds[:, torch.from_numpy(match(matched[0].numpy(), embeds[0].numpy()))]
            first = torch.zeros(1)
        step = model.tracker(embeds, slots, reference, first)
        matched, reference = slots, step.reference
        masks = (step.mask_embeds @ features.flatten(2)).unflatten(2, features.shape[2:])
        whole = to_frame(masks[0], rule.resized(*frame.shape[:2]), frame.shape[:2])
        yield step.logits[0].softmax(-1)[:, :-1].numpy(), whole.numpy()


def draw(frame: np.ndarray, scores: np.ndarray, masks: np.ndarray, names: tuple[str, ...],
         least: float) -> Image.Image:
    """Frame with the slots of a score of at least `least`: fill, outline, and text."""
    drawn, words = frame.astype(np.float32), []
    for slot in np.argsort(-masks.sum((1, 2))):
        best = int(scores[slot].argmax())
        mask = masks[slot]
        if scores[slot, best] < least or not mask.any():
            continue
        paint = np.array([int(colour(int(slot))[place:place + 2], 16) for place in (1, 3, 5)],
                         np.float32)
        inner = mask.copy()
        inner[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        drawn[mask] = 0.6 * drawn[mask] + 0.4 * paint
        drawn[mask & ~inner] = paint
        y, x = np.argwhere(mask).mean(0)
        words.append((x, y, f"{slot} {names[best]} {scores[slot, best]:.2f}"))
    scale = WIDTH / frame.shape[1]
    image = Image.fromarray(drawn.astype(np.uint8)).resize((WIDTH, round(frame.shape[0] * scale)))
    pen = ImageDraw.Draw(image)
    for x, y, text in words:
        place = (min(x * scale, WIDTH - 6 * len(text)), y * scale)
        pen.text((place[0] + 1, place[1] + 1), text, fill=(0, 0, 0))
        pen.text(place, text, fill=(255, 255, 255))
    return image
