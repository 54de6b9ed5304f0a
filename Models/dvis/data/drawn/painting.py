"""Painting of things and occluders into an image and its instance map.

Images are float32 [H,W,3], instance maps uint8 [H,W].
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .shapes import SHAPES, distance

if TYPE_CHECKING:
    from .scenes import Occluder, Thing

SOLID = 0.5     # coverage from which a pixel belongs to the object


def _window(centre: np.ndarray, reach: float, shape: tuple[int, ...]):
    """Rows and columns of the pixels within `reach` of a centre, and their offsets from it.

    None where there are no such pixels."""
    top, left = max(0, int(centre[1] - reach)), max(0, int(centre[0] - reach))
    bottom = min(shape[0], int(centre[1] + reach) + 2)
    right = min(shape[1], int(centre[0] + reach) + 2)
    if top >= bottom or left >= right:
        return None
    dx = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - centre[0])
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - centre[1])
    return (slice(top, bottom), slice(left, right)), dx, dy


def draw_thing(image, ids, thing: Thing, number: int, t: int, offset, scale: float) -> None:
    """Paints a thing at time t under the number it has in the instance map."""
    centre = (thing.path.at(t) + offset) * scale
    radius = thing.radius * (1 + thing.swell * np.sin(thing.swell_pace * t)) * scale
    window = _window(centre, (1.45 if thing.sprite is not None else 1.2) * radius
                     * max(thing.stretch, 1 / thing.stretch) ** 0.5 + 2, ids.shape)
    if window is None:
        return
    where, dx, dy = window
    angle = thing.angle + thing.spin * t
    cos, sin = np.float32(np.cos(angle) / radius), np.float32(np.sin(angle) / radius)
    x = (dx * cos + dy * sin) * np.float32(thing.stretch ** -0.5)
    y = (dy * cos - dx * sin) * np.float32(thing.stretch ** 0.5)
    if thing.sprite is not None:
        colour, cover = _sample_sprite(thing.sprite, x, y)
    else:
        cover = np.clip(0.5 - distance(SHAPES[thing.label], x, y) * np.float32(radius), 0, 1)
        colour = thing.texture.paint(x, y)
    _blend(image, ids, where, colour, cover, number)


def draw_occluder(image, ids, occluder: Occluder, offset, scale: float) -> None:
    """Paints an occluder; what it covers becomes background."""
    centre = (occluder.centre + offset) * scale
    window = _window(centre, float(np.hypot(*occluder.half)) * scale + 2, ids.shape)
    if window is None:
        return
    where, dx, dy = window
    cos, sin = np.float32(np.cos(occluder.angle)), np.float32(np.sin(occluder.angle))
    x, y = (dx * cos + dy * sin) / np.float32(scale), (dy * cos - dx * sin) / np.float32(scale)
    outside = np.maximum(np.abs(x) - np.float32(occluder.half[0]),
                         np.abs(y) - np.float32(occluder.half[1]))
    cover = np.clip(0.5 - outside * np.float32(scale), 0, 1)
    _blend(image, ids, where, occluder.texture.paint(x / 20, y / 20), cover, 0)


def _blend(image, ids, where, colour, cover, number: int) -> None:
    target = image[where]
    target += cover[..., None] * (colour - target)
    ids[where][cover >= SOLID] = number


def _sample_sprite(sprite: np.ndarray, x: np.ndarray,
                   y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear look-up of an RGBA cut-out that fills -1..1 on both axes."""
    height, width = sprite.shape[:2]
    u, v = (x + 1) * (width / 2) - 0.5, (y + 1) * (height / 2) - 0.5
    inside = (u > 0) & (v > 0) & (u < width - 1) & (v < height - 1)
    u, v = np.clip(u, 0, width - 1.001), np.clip(v, 0, height - 1.001)
    left, top = u.astype(np.int32), v.astype(np.int32)
    fu, fv = (u - left)[..., None], (v - top)[..., None]
    upper = sprite[top, left] * (1 - fu) + sprite[top, left + 1] * fu
    lower = sprite[top + 1, left] * (1 - fu) + sprite[top + 1, left + 1] * fu
    value = upper * (1 - fv) + lower * fv
    return value[..., :3], value[..., 3] * inside


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resize to float32 [H+1,W+1,3].

    The extra row and column are the neighbours that a shift by a fraction of a pixel needs."""
    rows = np.clip((np.arange(height + 1) + 0.5) * image.shape[0] / height - 0.5, 0,
                   image.shape[0] - 1.001).astype(np.float32)
    columns = np.clip((np.arange(width + 1) + 0.5) * image.shape[1] / width - 0.5, 0,
                      image.shape[1] - 1.001).astype(np.float32)
    top, left = rows.astype(int), columns.astype(int)
    fy, fx = (rows - top)[:, None, None], (columns - left)[None, :, None]
    source = image.astype(np.float32)
    across = source[:, left] * (1 - fx) + source[:, left + 1] * fx
    return across[top] * (1 - fy) + across[top + 1] * fy
