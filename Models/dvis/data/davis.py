"""DAVIS sequences (JPEGImages/NAME/*.jpg, Annotations/NAME/*.png) as videos with the truth beside them that the benchmarks read."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from .sample import annotation

RATE = 24


def write(data: Path, folder: Path) -> list[str]:
    """Writes NAME.mkv, the pictures as they are, and NAME.json for each sequence; its mask is one object, even where it is the union of several. Names the sequences."""
    names = sorted(path.name for path in (data / "JPEGImages").iterdir())
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pictures = sorted((data / "JPEGImages" / name).glob("*.jpg"))
        masks = [np.asarray(Image.open(data / "Annotations" / name / f"{picture.stem}.png")) > 0 for picture in pictures]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-framerate", str(RATE), "-start_number", pictures[0].stem,
                        "-i", str(pictures[0].with_name(f"%0{len(pictures[0].stem)}d.jpg")), "-c", "copy", str(folder / f"{name}.mkv")], check=True)
        height, width = masks[0].shape
        (folder / f"{name}.json").write_text(json.dumps({
            "videos": [{"id": 1, "width": width, "height": height, "length": len(masks), "file_names": [picture.name for picture in pictures]}],
            "categories": [{"id": 1, "name": "object"}],
            "annotations": [annotation(1, 1, 1, [mask if mask.any() else None for mask in masks])],
        }, separators=(",", ":")))
    return names
