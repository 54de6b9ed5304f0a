"""Writes a scene as an H.264 video with its ground truth in the style of YouTube-VIS."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from .config import SHAPES_MODEL_CLASSES
from .scenes import Scene

HEIGHT, WIDTH, RATE = 320, 512, 25


def write(scene: Scene, frames: int, video: Path, truth: Path) -> None:
    """Encodes the first frames of a scene with ffmpeg and describes its objects in a JSON file beside it."""
    video.parent.mkdir(parents=True, exist_ok=True)
    encoder = subprocess.Popen(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "pipe:0",
         "-c:v", "libx264", "-preset", "medium", "-crf", "21", "-pix_fmt", "yuv420p", "-g", "50", "-threads", "1", "-movflags", "+faststart", str(video)],
        stdin=subprocess.PIPE)
    tracks: list[list[np.ndarray | None]] = [[] for _ in scene.things]
    for t in range(frames):
        picture, ids = scene.frame(t, HEIGHT, WIDTH)
        encoder.stdin.write(picture.tobytes())
        for number, track in enumerate(tracks, 1):
            mask = ids == number
            track.append(mask if mask.any() else None)
    encoder.stdin.close()
    if encoder.wait() != 0:
        raise RuntimeError(f"ffmpeg could not write '{video}'")
    truth.write_text(json.dumps({
        "videos": [{"id": 1, "width": WIDTH, "height": HEIGHT, "length": frames, "file_name": video.name, "fps": RATE}],
        "categories": [{"id": index, "name": name} for index, name in enumerate(SHAPES_MODEL_CLASSES)],
        "annotations": [annotation(number, 1, int(scene.labels[number - 1]), track) for number, track in enumerate(tracks, 1) if any(mask is not None for mask in track)],
    }, separators=(",", ":")))


def annotation(number: int, video: int, label: int, track: list[np.ndarray | None]) -> dict:
    """One object's entry: for every frame a mask, a box and an area, or null where it is not visible."""
    return {
        "id": number, "video_id": video, "category_id": label, "iscrowd": 0,
        "segmentations": [None if mask is None else {"size": list(mask.shape), "counts": run_lengths(mask)} for mask in track],
        "bboxes": [None if mask is None else box(mask) for mask in track],
        "areas": [None if mask is None else int(mask.sum()) for mask in track],
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of 0 and 1 in turn, column by column, starting with 0."""
    flat = mask.ravel(order="F")
    ends = np.concatenate((np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]))
    lengths = np.diff(np.concatenate(([0], ends))).tolist()
    return [0, *lengths] if flat[0] else lengths


def box(mask: np.ndarray) -> list[int]:
    """[x, y, width, height] of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
