"""H.264 videos with their ground truth in the style of YouTube-VIS."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

HEIGHT, WIDTH, RATE = 320, 512, 25


def write(frames: Iterable[tuple[np.ndarray, np.ndarray]], labels: Sequence[int],
          classes: Sequence[str], video: Path, truth: Path) -> None:
    """Encodes frames with ffmpeg and describes their objects in a JSON file beside the video.

    A frame is an image, uint8 RGB [h,w,3], and ids, uint8 [h,w]: number of the object from 1, or 0.
    Object n has the class `classes[labels[n - 1]]`. Raises RuntimeError where ffmpeg fails.
    """
    video.parent.mkdir(parents=True, exist_ok=True)
    encoder, length = None, 0
    tracks: list[list[np.ndarray | None]] = [[] for _ in labels]
    for length, (image, ids) in enumerate(frames, 1):
        encoder = encoder or _encoder(video, *ids.shape)
        encoder.stdin.write(image.tobytes())
        for number, track in enumerate(tracks, 1):
            mask = ids == number
            track.append(mask if mask.any() else None)
    height, width = ids.shape
    encoder.stdin.close()
    if encoder.wait() != 0:
        raise RuntimeError(f"ffmpeg could not write '{video}'")
    annotations = [annotation(number, 1, int(label), track)
                   for number, (label, track) in enumerate(zip(labels, tracks), 1)
                   if any(mask is not None for mask in track)]
    truth.write_text(json.dumps({
        "videos": [{"id": 1, "width": width, "height": height, "length": length,
                    "file_name": video.name, "fps": RATE}],
        "categories": [{"id": index, "name": name} for index, name in enumerate(classes)],
        "annotations": annotations,
    }, separators=(",", ":")))


def _encoder(video: Path, height: int, width: int) -> subprocess.Popen:
    """ffmpeg process with one thread, so that the same frames give the same file."""
    return subprocess.Popen(
        ["ffmpeg", "-nostdin", "-v", "error", "-y",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(RATE),
         "-i", "pipe:0",
         "-c:v", "libx264", "-preset", "medium", "-crf", "21", "-pix_fmt", "yuv420p", "-g", "50",
         "-threads", "1", "-movflags", "+faststart", str(video)],
        stdin=subprocess.PIPE)


def annotation(number: int, video: int, label: int, track: list[np.ndarray | None]) -> dict:
    """Entry of one object: per frame a mask, a box and an area.

    They are null where the object is not visible."""
    return {
        "id": number, "video_id": video, "category_id": label, "iscrowd": 0,
        "segmentations": [None if mask is None
                          else {"size": list(mask.shape), "counts": run_lengths(mask)}
                          for mask in track],
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
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1),
            int(rows[-1] - rows[0] + 1)]
