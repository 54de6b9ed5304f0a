"""Photographs named by a data file, and objects cut out of them along outlines."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


class PhotographError(Exception):
    """Error: a photograph is missing or differs from the one that the data file names."""


@dataclass(frozen=True)
class Photograph:
    """Origin of a photograph, and what its licence asks to state."""
    file: str         # path where the Debian package puts it
    package: str
    sha256: str
    title: str
    author: str
    licence: str
    source: str
    evidence: str     # where the package states the licence


def load(photograph: Photograph, root: Path) -> Image.Image:
    """Reads a photograph below the folder into which its package was unpacked.

    Raises PhotographError where the file is missing or differs from the one that was outlined.
    """
    path = root / photograph.file.lstrip("/")
    if not path.is_file():
        raise PhotographError(f"'{path}' is missing; it belongs to Debian's {photograph.package}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != photograph.sha256:
        raise PhotographError(f"'{path}' is not the file of {photograph.package} that was outlined")
    return Image.open(path)


def cut(image: Image.Image, outline: list[list[float]] | None, height: int,
        rim: float) -> np.ndarray:
    """An object at a height in pixels: float32 RGBA [h,w,4], colours multiplied by alpha 0..1.

    The outline holds points in the photograph's pixels; without one the photograph's own alpha
    channel bounds the object. The rim is the blur of the outline in pixels of the result. One
    transparent pixel surrounds the object, so that look-ups outside find nothing.
    """
    image = image.convert("RGBA")
    if outline is not None:
        image.putalpha(_inside(outline, image.size))
    image = image.crop(image.getchannel("A").getbbox())
    width = max(1, round(image.width * height / image.height))
    small = image.resize((width, height), Image.LANCZOS, reducing_gap=3.0)
    values = np.asarray(small, np.float32)
    alpha = Image.fromarray(values[..., 3].astype(np.uint8))
    if rim > 0:
        # Half covered on the outline becomes 0: the rim lies inside, free of the old background.
        soft = np.asarray(_padded(alpha, 3).filter(ImageFilter.GaussianBlur(rim)), np.float32)
        soft = np.clip(2 * soft[3:-3, 3:-3] - 255, 0, 255)
    else:
        soft = values[..., 3]
    soft = soft[..., None] / 255
    return np.pad(np.concatenate((values[..., :3] * soft, soft), 2), ((1, 1), (1, 1), (0, 0)))


def _inside(outline: list[list[float]], size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in outline], fill=255)
    return mask


def _padded(mask: Image.Image, margin: int) -> Image.Image:
    wider = Image.new("L", (mask.width + 2 * margin, mask.height + 2 * margin))
    wider.paste(mask, (margin, margin))
    return wider
