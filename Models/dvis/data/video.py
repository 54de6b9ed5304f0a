"""Frames of videos, and how the service feeds a frame to the segmenter."""
from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def prepare(picture: np.ndarray, rule: dict, fixed: tuple[int, int] | None = None) -> Tensor:
    """A picture [H,W,3], RGB bytes, as the service feeds it to the segmenter: resized, normalised, padded [1,3,h,w]."""
    height, width = picture.shape[:2]
    scale = min(rule["shorter_side"] / min(height, width), rule["largest_side"] / max(height, width))
    size = [int(side * scale + 0.5) for side in (height, width)]
    if fixed:
        size = [min(side, limit) for side, limit in zip(size, fixed)]
    resized = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.BILINEAR), np.float32)
    if rule["channel_order"] == "bgr":
        resized = resized[..., ::-1]
    normal = (resized - np.float32(rule["mean"])) / np.float32(rule["std"])
    padded = fixed or [-(-side // rule["divisor"]) * rule["divisor"] for side in size]
    image = np.zeros((1, 3, *padded), np.float32)
    image[0, :, :size[0], :size[1]] = normal.transpose(2, 0, 1)
    return torch.from_numpy(image)


def count_frames(video: Path) -> int:
    """Frames of a video file."""
    return _probe(video)[2]


def decode(video: Path, every: int = 1, most: int | None = None) -> list[np.ndarray]:
    """Every `every`-th frame of a video file, at most `most`: RGB uint8 [H,W,3]. Raises ValueError for what is no video."""
    width, height, _ = _probe(video)
    limit = [] if most is None else ["-frames:v", str(most)]
    raw = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", str(video), "-vf", f"select=not(mod(n\\,{every}))",
                          "-vsync", "0", *limit, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], capture_output=True)
    if raw.returncode != 0:
        raise ValueError(f"'{video}' cannot be decoded: {raw.stderr.decode().strip()}")
    frames = np.frombuffer(raw.stdout, np.uint8)
    size = width * height * 3
    return list(frames[:len(frames) // size * size].reshape(-1, height, width, 3))


def _probe(video: Path) -> tuple[int, int, int]:
    """Width, height and number of frames."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries",
                            "stream=width,height,nb_read_packets", "-of", "csv=p=0", str(video)], capture_output=True, text=True)
    if probe.returncode != 0 or not probe.stdout.strip():
        raise ValueError(f"'{video}' cannot be read as a video: {probe.stderr.strip() or 'no video stream'}")
    width, height, frames = map(int, probe.stdout.strip().split(",")[:3])
    return width, height, frames
