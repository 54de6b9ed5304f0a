"""Data sets of procedural videos in the form of YouTube-VIS.

Every object is rated by how much of it is hidden, as OVIS rates its objects.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ..networks.config import SHAPES_MODEL_CLASSES
from .drawn.painting import draw_thing
from .drawn.scenes import HEIGHT, WIDTH, Scene, make_scene
from .sample import annotation

# Hidden share up to which an object counts as free, from which as severely occluded.
FREE = 0.05
SEVERE = 0.5
SCORES = (0.0, 0.25, 0.75)               # of a frame: free, slight, severe (OVIS, section 3.3)
# By the mean score of an object's more occluded half of frames.
GROUPS = ((0.25, "light"), (0.5, "medium"), (0.75, "heavy"))


def write(folder: Path, tiers: list[str], videos: int, frames: int, first_seed: int,
          height: int = HEIGHT, width: int = WIDTH) -> dict[str, int]:
    """Writes `videos` videos, the tiers in turn, as PNG frames in images/VIDEO/ and instances.json.

    Counts the objects of each occlusion group."""
    truth = {"videos": [], "categories": [{"id": index, "name": name}
                                          for index, name in enumerate(SHAPES_MODEL_CLASSES)],
             "annotations": []}
    for index in range(videos):
        tier = tiers[index % len(tiers)]
        scene = make_scene(tier, first_seed + index // len(tiers))
        name = f"{tier}-{first_seed + index // len(tiers)}"
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        tracks, hidden = [[] for _ in scene.things], [[] for _ in scene.things]
        names = [f"{name}/{t:05d}.png" for t in range(frames)]
        for t in range(frames):
            image, ids = scene.frame(t, height, width)
            Image.fromarray(image).save(folder / "images" / names[t], compress_level=1)
            whole = whole_areas(scene, t, height, width)
            for number in range(1, len(scene.things) + 1):
                mask = ids == number
                tracks[number - 1].append(mask if mask.any() else None)
                if mask.any():
                    hidden[number - 1].append(max(0.0, 1 - mask.sum() / whole[number - 1]))
        truth["videos"].append({"id": index + 1, "name": name, "width": width, "height": height,
                                "length": frames, "file_names": names, "tier": tier})
        for number, track in enumerate(tracks, 1):
            if hidden[number - 1]:
                score = occlusion(np.array(hidden[number - 1]))
                truth["annotations"].append({**annotation(len(truth["annotations"]) + 1, index + 1,
                                                          int(scene.labels[number - 1]), track),
                                             "occlusion_score": round(score, 4),
                                             "occlusion": group(score)})
    (folder / "instances.json").write_text(json.dumps(truth, separators=(",", ":")))
    return {name: sum(entry["occlusion"] == name for entry in truth["annotations"])
            for _, name in GROUPS}


def whole_areas(scene: Scene, t: int, height: int, width: int) -> list[int]:
    """Pixels of each thing in the frame if nothing were in front of it."""
    scale, offset = height / HEIGHT, scene.camera(t)
    image, areas = np.zeros((height, width, 3), np.float32), []
    for thing in scene.things:
        ids = np.zeros((height, width), np.uint8)
        draw_thing(image, ids, thing, 1, t, offset, scale)
        areas.append(int(ids.sum()))
    return areas


def occlusion(hidden: np.ndarray) -> float:
    """Occlusion score of an object from its hidden share in every frame that shows it.

    It is the mean over the more occluded half of these frames."""
    scores = np.sort(np.where(hidden <= FREE, SCORES[0],
                              np.where(hidden < SEVERE, SCORES[1], SCORES[2])))
    return float(scores[len(scores) // 2:].mean())


def group(score: float) -> str:
    """Occlusion group of a score."""
    return next(name for limit, name in GROUPS if score <= limit)
