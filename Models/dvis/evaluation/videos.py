"""Quality on videos of evaluation seeds.

Columns: Hungarian matching alone (MinVIS), tracker, tracker and refiner.
"""
from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.drawn.scenes import EVALUATION_SEEDS, make_scene
from ..data.footage import ASPECTS, frame_size
from ..data.photos.photographs import IGNORE, Photographs
from ..data.photos.realclips import make_clip
from ..networks.config import COARSE_CLASSES, REAL_CLASSES, class_names, coarse_class
from ..networks.model import Dvis
from ..networks.tracker import align, track
from .metrics import Holding, Overlaps, Precision, ahead

COLUMNS = ("minvis", "tracker", "refiner")
WINDOW = 20          # frames in a clip of the refiner: never more than it was trained with
IMAGE_STEP = 4       # every fourth frame counts for image AP
REAL_TIER = "real"   # clips made of photographs; classes are merged to the coarse ones
BEST, REAL_BEST = 10, 30   # answers of a video that count: photographs may show crowded scenes


@torch.no_grad()
def evaluate(model: Dvis, tier: str, videos: int, frames: int, first_seed: int = 100_000,
             extras=None, columns=COLUMNS, photographs: Photographs | None = None) -> dict:
    """All measures by column, over `videos` scenes from `first_seed` on.

    `photographs`: what the tier "real" is made of."""
    if first_seed + videos > EVALUATION_SEEDS:
        raise ValueError(f"seeds {first_seed}..{first_seed + videos - 1} reach into the training "
                         f"seeds, which start at {EVALUATION_SEEDS}")
    model.eval()
    place = next(model.parameters()).device
    image = Precision(best=20)
    best = REAL_BEST if tier == REAL_TIER else BEST
    precision = {name: Precision(best) for name in columns}
    holding = {name: Holding() for name in columns}
    began = time.monotonic()
    for seed in range(first_seed, first_seed + videos):
        if tier == REAL_TIER:
            images, ids, labels = _real_video(model, photographs, seed, frames)
        else:
            scene = make_scene(tier, seed, extras)
            (images, ids), labels = scene.clip(0, frames), scene.labels
        answers = run(model, torch.from_numpy(images).to(place), columns)
        truth = one_hot(ids, len(labels))
        # A tensor of one element would be taken for an index.
        present = (truth.sum((0, 2)) > 0).numpy()
        for name, (scores, mean, masks) in answers.items():
            if tier == REAL_TIER:
                names = class_names(model.config)
                scores, mean = merge_classes(scores, names), merge_classes(mean, names)
            video = overlaps(scores, masks, truth[:, present], labels[present],
                             torch.from_numpy(ids == IGNORE))
            counted = video.video_counts
            precision[name].add(mean[counted], video.video_iou[counted], video.labels)
            holding[name].add(video)
            if name == columns[0]:
                for t in range(0, frames, IMAGE_STEP):
                    shown = video.true[t] > 0
                    counted = video.counts[t]
                    image.add(video.scores[t][counted], video.iou[t][counted][:, shown],
                              video.labels[shown])
    rounded = lambda values: {key: round(value, 4) for key, value in values.items()}
    return {"tier": tier, "videos": videos, "frames": frames, "first_seed": first_seed,
            "seconds": round(time.monotonic() - began, 1), "image": rounded(image.result()),
            **{name: rounded({**precision[name].result(), **holding[name].result()})
               for name in columns},
            "ahead": {f"{later} of {former}": ahead(precision[later], precision[former])
                      for former, later in zip(columns, columns[1:])}}


def _real_video(model: Dvis, photographs: Photographs, seed: int,
                frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, instance maps and coarse classes of a clip made of photographs.

    Aspect ratios take turns."""
    height, width = frame_size(ASPECTS[seed % len(ASPECTS)], model.config.shorter_side,
                               model.config.largest_side)
    images, ids, labels = make_clip(photographs, seed, frames, height, width)
    coarse = np.array([COARSE_CLASSES.index(coarse_class(name)) for name in REAL_CLASSES], np.int64)
    return images, ids, coarse[labels]


def merge_classes(scores: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Class scores [..,K] of classes `names` -> those of COARSE_CLASSES [..,3].

    Each is the highest of its fine classes."""
    merged = np.zeros((*scores.shape[:-1], len(COARSE_CLASSES)), scores.dtype)
    for index, name in enumerate(names):
        if coarse_class(name) is not None:
            column = merged[..., COARSE_CLASSES.index(coarse_class(name))]
            np.maximum(column, scores[..., index], out=column)
    return merged


def run(model: Dvis, images: Tensor,
        columns=COLUMNS) -> dict[str, tuple[np.ndarray, np.ndarray, Tensor]]:
    """Answers of a model to a video uint8 [T,H,W,3], by column.

    They are class scores [T,Q,K], the video's class scores [Q,K], mask logits [T,Q,h,w]."""
    parts = [model.segment(model.normalise(chunk).contiguous(memory_format=torch.channels_last))
             for chunk in images.split(10)]
    embeds, features, logits = (torch.cat(part) for part in zip(*parts))
    answers = {}
    if "minvis" in columns:
        order = torch.from_numpy(align(embeds.float().cpu().numpy())).to(embeds.device)
        pick = lambda x: x.gather(1, order[..., None].expand(-1, -1, x.shape[-1]))
        own, predicted = pick(embeds), pick(logits)
        answers["minvis"] = _answer(predicted, foreground(predicted.mean(0)),
                                    model.sem_seg_head.predictor.mask_embed(own), features)
    if "tracker" in columns or "refiner" in columns:
        steps = track(model.tracker, embeds)
        instance, tracked, mask_embeds = (torch.cat([getattr(step, name) for step in steps])
                                          for name in ("embeds", "logits", "mask_embeds"))
        online = foreground(tracked.mean(0))
        answers["tracker"] = _answer(tracked, online, mask_embeds, features)
    if "refiner" in columns:
        memory = model.tracker.frame_forward(embeds)
        clips = [model.refiner(*clip) for clip in zip(instance.split(WINDOW), memory.split(WINDOW))]
        predicted = torch.stack([clip_logits for clip_logits, _ in clips])
        refined = torch.maximum(foreground(predicted.mean(0)), online)
        each = predicted.repeat_interleave(WINDOW, 0)[:len(embeds)]
        answers["refiner"] = _answer(each, refined, torch.cat([mask for _, mask in clips]),
                                     features)
    return answers


def _answer(logits: Tensor, mean: Tensor, mask_embeds: Tensor, features: Tensor):
    masks = (mask_embeds @ features.flatten(2)).unflatten(2, features.shape[2:])
    return foreground(logits).cpu().numpy(), mean.cpu().numpy(), masks


def foreground(logits: Tensor) -> Tensor:
    """Class probabilities without "no object"."""
    return logits.float().softmax(-1)[..., :-1]


def one_hot(ids: np.ndarray, count: int) -> Tensor:
    """Instance maps [T,H,W] -> float [T,N,H*W]."""
    flat = torch.from_numpy(ids).flatten(1)
    return (flat[:, None] == torch.arange(1, count + 1, dtype=torch.uint8)[:, None]).float()


def overlaps(scores: np.ndarray, masks: Tensor, truth: Tensor, labels: np.ndarray,
             ignore: Tensor) -> Overlaps:
    """Overlaps of mask logits [T,Q,h,w] with objects [T,N,H*W] at full resolution.

    Masks are four times smaller; pixels of `ignore`, bool [T,H,W], are left out."""
    common, predicted, ignored = [], [], []
    for mask, true, unclear in zip(masks, truth, ignore.flatten(1).float()):
        full = (F.interpolate(mask[None], scale_factor=4.0, mode="bilinear",
                              align_corners=False)[0].flatten(1) > 0).float().cpu()
        common.append(full @ true.T)
        ignored.append(full @ unclear)
        predicted.append(full.sum(1) - ignored[-1])
    return Overlaps(scores, torch.stack(common).numpy(), torch.stack(predicted).numpy(),
                    truth.sum(2).numpy(), labels, torch.stack(ignored).numpy())


def table(numbers: dict) -> str:
    """The numbers as a Markdown table."""
    columns = [name for name in COLUMNS if name in numbers]
    titles = {"minvis": "matching only", "tracker": "tracker", "refiner": "tracker and refiner"}
    rows = (("video AP", "ap", 1), ("video AP50", "ap50", 1), ("link accuracy", "link", 3),
            ("link accuracy, misses count", "link_strict", 3), ("duplicates", "duplicates", 3),
            ("missed", "missed", 3))
    lines = [f"{numbers['tier']}, {numbers['videos']} videos of {numbers['frames']} frames; image "
             f"AP {numbers['image']['ap']:.1f}, AP50 {numbers['image']['ap50']:.1f}", "",
             "| | " + " | ".join(titles[name] for name in columns) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for title, key, digits in rows:
        lines.append(f"| {title} | "
                     + " | ".join(f"{numbers[name][key]:.{digits}f}" for name in columns) + " |")
    again = [f"{round(numbers[name]['reidentified'] * numbers[name]['gaps'])} of "
             f"{numbers[name]['gaps']}" for name in columns]
    lines.append("| in the same slot after a gap | " + " | ".join(again) + " |")
    for pair, gain in numbers["ahead"].items():
        lines += ["", "{}: AP {:+.1f} to {:+.1f}, AP50 {:+.1f} to {:+.1f} (95 % interval, paired "
                  "bootstrap over the videos)".format(pair, *gain["ap"], *gain["ap50"])]
    return "\n".join(lines)
