"""Drawn surfaces without objects: walls, tiles, planks, fronts with windows, gratings.

A detector takes such regular surfaces for vehicles (a low wall of bricks looks like the side of a
coach), and photographs without any annotated object are few.
"""
from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 256              # pixels in which the sizes of cells are given
TABLE = 64              # colours of cells repeat after that many rows and columns
DEGREES = 0.35          # tilt of the surface against the camera, at most, per half width
TURN = 0.12             # standard deviation of its turn in radians


def draw_wall(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A surface of cells in rows, seen at an angle, float32 RGB [H,W,3] of 0 .. 255."""
    across, down = _surface(random, height, width)
    tall = np.exp(random.uniform(np.log(0.03), np.log(0.35)))
    long = tall * np.exp(random.uniform(np.log(0.3), np.log(4.0)))
    row = np.floor(down / tall)
    shift = random.choice((0.0, 0.0, 0.5, 1 / 3))
    place = across / long + shift * row
    column = np.floor(place)
    joint = random.uniform(0.02, 0.3) * tall
    edge = np.minimum(_border(place - column) * long, _border(down / tall - row) * tall) - joint / 2
    soft = np.clip(edge / (0.15 * joint + 2 / SIDE) + 0.5, 0, 1)[..., None]
    base, gap = random.uniform(20, 235, 3), random.uniform(0, 255)
    base = base.mean() + (base - base.mean()) * random.uniform(0, 1)     # mostly greyish
    spread = random.uniform(0, 35)
    table = base + random.normal(0, spread, (TABLE, TABLE, 1)) + random.normal(
        0, spread / 4, (TABLE, TABLE, 3))
    cells = table[row.astype(int) % TABLE, column.astype(int) % TABLE]
    image = soft * cells + (1 - soft) * gap
    if random.random() < 0.3:      # panes: a bright or dark edge along the upper side of each cell
        image += (soft[..., 0] * np.exp(-(down / tall - row) * 6))[..., None] * random.normal(0, 50)
    grain = _blotches(random, height, width, 3) * random.uniform(0, 30)
    grain += _blotches(random, height, width, 24) * random.uniform(0, 25)
    light = 1 + random.normal(0, 0.25) * np.linspace(-1, 1, width)[None, :, None]
    return np.clip((image + grain[..., None]) * light, 0, 255).astype(np.float32)


def draw_barrier(random: np.random.Generator, image: np.ndarray, ids: np.ndarray) -> None:
    """Draws a low wall, or a pillar, in front of an image: what it hides is no object any more.

    `image` float32 [H,W,3] of 0 .. 255, `ids` int32 [H,W]; both are changed."""
    height, width = ids.shape
    if random.random() < 0.75:
        top = int(height * random.uniform(0.6, 0.93))
        bottom = height if random.random() < 0.7 else int(random.uniform(top + 4, height))
        window = slice(top, bottom), slice(0, width)
        if random.random() < 0.3:
            window = window[0], slice(*sorted(random.integers(0, width + 1, 2)))
    else:
        left, wide = int(random.uniform(0, width)), int(width * random.uniform(0.03, 0.12))
        window = slice(int(height * random.uniform(0, 0.6)), height), slice(left, left + wide)
    part = ids[window]
    if part.shape[0] < 2 or part.shape[1] < 2:
        return
    wall = draw_wall(random, *part.shape)
    cap = int(random.integers(0, max(1, height // 24)))     # a row of stones on top
    if cap:
        wall[:cap] = wall[:cap].mean((0, 1)) * 0.5 + random.uniform(60, 120)
    image[window], ids[window] = wall, 0


def _surface(random: np.random.Generator, height: int,
             width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates on the surface of each pixel, in units of SIDE pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / SIDE
    x, y = x - x.max() / 2, y - y.max() / 2
    turn = random.normal(0, TURN)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    tilt = random.uniform(-DEGREES, DEGREES, 2)
    depth = 1 / np.clip(1 + tilt[0] * x + tilt[1] * y, 0.3, None)
    return x * depth + random.uniform(0, 9), y * depth + random.uniform(0, 9)


def _border(share: np.ndarray) -> np.ndarray:
    """Distance from the nearer side of a cell, as a share of the cell."""
    return np.minimum(share, 1 - share)


def _blotches(random: np.random.Generator, height: int, width: int, size: int) -> np.ndarray:
    """Smooth noise of patches of about `size` pixels, standard deviation about 1."""
    small = random.normal(0, 1, (height // size + 2, width // size + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
