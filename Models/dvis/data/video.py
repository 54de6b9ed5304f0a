"""Frames of video files, decoded by ffmpeg."""
from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np


def count_frames(video: Path) -> int:
    """Frames of a video file."""
    return _probe(video)[2]


def decode(video: Path, every: int = 1, most: int | None = None) -> list[np.ndarray]:
    """Every `every`-th frame of a video file, at most `most`: RGB uint8 [H,W,3].

    Raises ValueError for what is no video."""
    width, height, _ = _probe(video)
    limit = [] if most is None else ["-frames:v", str(most)]
    raw = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", str(video), "-vf",
                          f"select=not(mod(n\\,{every}))", "-vsync", "0", *limit, "-f", "rawvideo",
                          "-pix_fmt", "rgb24", "pipe:1"], capture_output=True)
    if raw.returncode != 0:
        raise ValueError(f"'{video}' cannot be decoded: {raw.stderr.decode().strip()}")
    frames = np.frombuffer(raw.stdout, np.uint8)
    size = width * height * 3
    return list(frames[:len(frames) // size * size].reshape(-1, height, width, 3))


def _probe(video: Path) -> tuple[int, int, int]:
    """Width, height and number of frames."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
                            "-show_entries", "stream=width,height,nb_read_packets", "-of",
                            "csv=p=0", str(video)], capture_output=True, text=True)
    if probe.returncode != 0 or not probe.stdout.strip():
        raise ValueError(f"'{video}' cannot be read as a video: "
                         f"{probe.stderr.strip() or 'no video stream'}")
    width, height, frames = map(int, probe.stdout.strip().split(",")[:3])
    return width, height, frames
