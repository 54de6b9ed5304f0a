"""A street composed of photographs: objects with known outlines pass a wall before a hand-held camera.

Everything is a pure function of the data file (`street.json`), the photographs and the frame number,
and all motion has the clip's period, so that the clip loops without a jump.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.interpolate import PchipInterpolator

from . import photographs, scenery
from .painting import SOLID
from .photographs import Photograph

DATA = Path(__file__).with_name("street.json")
MARGIN = (8.0, 32.0)     # of the still parts beyond the frame, down and right, for shake and pan


def read(path: Path = DATA) -> dict:
    """The data file with its photographs' origins as `Photograph`."""
    data = json.loads(path.read_text())
    origins = {name: Photograph(**origin) for name, origin in data["photographs"].items()}
    return {**data, "photographs": origins}


class Street:
    """The clip at one size. Coordinates of the data file are units: pixels of its own `size`."""

    def __init__(self, data: dict, images: dict[str, Image.Image], height: int) -> None:
        rows, columns = data["size"]
        self.scale = height / rows
        self.height, self.width = height, round(columns * self.scale)
        self.frames: int = data["frames"]
        self.classes: list[str] = data["classes"]
        self.labels = [self.classes.index(thing["class"]) for thing in data["things"]]
        self._camera, self._light, self._depth = data["camera"], data["light"], data["depth"]
        size = tuple(int(round((side + 2 * margin) * self.scale)) for side, margin in zip(data["size"], MARGIN))
        self._backdrop = scenery.backdrop(data["backdrop"], images, size, self.scale)
        self._wall = scenery.wall(data["wall"], images, size, self.scale, MARGIN)
        self._things = [Thing(thing, images[thing["photograph"]], self.scale) for thing in data["things"]]

    @staticmethod
    def load(height: int, root: Path = Path("/"), path: Path = DATA) -> Street:
        """The street with the photographs of the installed Debian packages.

        Raises PhotographError where one is missing or differs.
        """
        data = read(path)
        images = {name: photographs.load(origin, root) for name, origin in data["photographs"].items()}
        return Street(data, images, height)

    def frame(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [h,w,3], and ids uint8 [h,w]: number of the object from 1, or 0."""
        turn = 2 * np.pi * t / self.frames
        shake = [_waves(self._camera[axis], turn) for axis in ("down", "right")]
        pan = _waves(self._camera["pan"], turn)
        image = self._shifted(self._backdrop, shake, pan * self._parallax())
        ids = np.zeros(image.shape[:2], np.uint8)
        for number, thing in enumerate(self._things, 1):
            thing.draw(image, ids, number, t % self.frames, turn, (shake[0], shake[1] + pan * thing.parallax))
        front = self._shifted(self._wall, shake, np.full(self.height, pan, np.float32))
        image = image * (1 - front[..., 3:]) + front[..., :3]
        ids[front[..., 3] >= SOLID] = 0
        image *= self._gain(turn)[None, :, None] * np.asarray(self._light["colour"], np.float32)
        noise = np.random.default_rng(t % self.frames).standard_normal(image.shape[:2], np.float32)
        image += self._light["noise"] * noise[..., None]
        return np.clip(image + 0.5, 0, 255).astype(np.uint8), ids

    def _parallax(self) -> np.ndarray:
        """Share of the pan by which each row of the backdrop moves: more, the nearer the ground is."""
        rows = (np.arange(self.height, dtype=np.float32) + 0.5) / self.scale
        return np.interp(rows, self._depth["rows"], self._depth["shares"]).astype(np.float32)

    def _shifted(self, still: np.ndarray, shake: list[float], right: np.ndarray) -> np.ndarray:
        """The frame's part of a still image, moved by the shake and each row by `right` units more."""
        rows, columns = np.arange(self.height, dtype=np.float32), np.arange(self.width, dtype=np.float32)
        v = rows + np.float32((MARGIN[0] - shake[0]) * self.scale)
        u = columns[None, :] + ((MARGIN[1] - shake[1] - right) * self.scale).astype(np.float32)[:, None]
        return sample(still, u, np.broadcast_to(v[:, None], u.shape))

    def _gain(self, turn: float) -> np.ndarray:
        """Brightness of each column: slow changes, and the shadow of a cloud that passes once."""
        cloud = self._light["cloud"]
        columns = (np.arange(self.width) + 0.5) / self.width
        centre = (turn / (2 * np.pi) + cloud["start"]) % 1 * (1 + 8 * cloud["width"]) - 4 * cloud["width"]
        shade = cloud["depth"] * np.exp(-(((columns - centre) / cloud["width"]) ** 2))
        return (1 + _waves(self._light["waves"], turn) - shade).astype(np.float32)


class Thing:
    """An object that stands on a path: key positions [frame, x, y] of its lower middle, in units."""

    def __init__(self, spec: dict, image: Image.Image, scale: float) -> None:
        self._scale, self.parallax = scale, spec["parallax"]
        height = max(8, round(spec["height"] * scale))
        self._sprite = photographs.cut(image, spec.get("outline"), height, spec["rim"] * scale)
        if spec.get("mirrored"):
            self._sprite = self._sprite[:, ::-1].copy()
        self._sprite[..., :3] *= np.asarray(spec.get("tint", (1, 1, 1)), np.float32)
        times, *places = np.array(spec["path"], float).T
        self._path = [PchipInterpolator(times, values) for values in places]
        self._stride, self._bob, self._sway = spec["stride"], spec["bob"], spec["sway"]
        self._shadow = _blot(spec["shadow"], scale) if "shadow" in spec else None
        self._fall = spec.get("shadow", {}).get("at", (0, 0))

    def draw(self, image: np.ndarray, ids: np.ndarray, number: int, t: int, turn: float, offset) -> None:
        x, y = (float(path(t)) for path in self._path)
        step = np.pi * x / self._stride
        lean = self._sway["step"] * np.sin(step) + _waves(self._sway["waves"], turn)
        foot = ((y + offset[0]) * self._scale, (x + offset[1]) * self._scale)
        if self._shadow is not None:
            below = (foot[0] + self._fall[0] * self._scale, foot[1] + self._fall[1] * self._scale)
            _place(image, None, self._shadow, below, 0.0, 0)
        _place(image, ids, self._sprite, (foot[0] - abs(np.sin(step)) * self._bob * self._scale, foot[1]), lean, number)


def _blot(spec: dict, scale: float) -> np.ndarray:
    """A soft shadow on the ground, RGBA like a cut-out."""
    height, width = (max(4, round(side * scale)) for side in spec["size"])
    rows = np.abs((np.arange(height) + 0.5) / height * 2 - 1)[:, None]
    columns = np.abs((np.arange(width) + 0.5) / width * 2 - 1)[None, :]
    dark = spec["depth"] * np.clip(1 - columns**6, 0, 1) * np.clip(1 - rows**2, 0, 1)
    blot = np.zeros((height, width, 4), np.float32)
    blot[..., 3] = dark
    return np.pad(blot, ((1, 1), (1, 1), (0, 0)))


def _place(image: np.ndarray, ids: np.ndarray | None, sprite: np.ndarray, foot, lean: float, number: int) -> None:
    """Blends a cut-out with its lower middle at `foot` (row, column), leaning to the right by radians."""
    height, width = sprite.shape[:2]
    reach = float(np.hypot(height, width / 2)) + 2
    top, left = max(0, int(foot[0] - reach)), max(0, int(foot[1] - reach))
    bottom = min(image.shape[0], int(foot[0] + width * abs(np.sin(lean)) + 3))
    right = min(image.shape[1], int(foot[1] + reach) + 1)
    if top >= bottom or left >= right:
        return
    down = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - foot[0])
    across = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - foot[1])
    cos, sin = np.float32(np.cos(lean)), np.float32(np.sin(lean))
    u = across * cos + down * sin + np.float32(width / 2 - 0.5)
    v = down * cos - across * sin + np.float32(height - 1.5)
    value = sample(sprite, u, v)
    where = (slice(top, bottom), slice(left, right))
    image[where] = image[where] * (1 - value[..., 3:]) + value[..., :3]
    if ids is not None:
        ids[where][value[..., 3] >= SOLID] = number


def sample(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear look-up at columns u and rows v; outside the border is repeated."""
    height, width = image.shape[:2]
    u, v = np.clip(u, 0, width - 1), np.clip(v, 0, height - 1)
    left, top = np.minimum(u.astype(np.int32), width - 2), np.minimum(v.astype(np.int32), height - 2)
    fu, fv = (u - left.astype(np.float32))[..., None], (v - top.astype(np.float32))[..., None]
    upper = image[top, left] * (1 - fu) + image[top, left + 1] * fu
    lower = image[top + 1, left] * (1 - fu) + image[top + 1, left + 1] * fu
    return upper * (1 - fv) + lower * fv


def _waves(waves: list, turn: float) -> float:
    """Sum of sines [amplitude, whole cycles per clip, phase]."""
    return float(sum(amplitude * np.sin(cycles * turn + phase) for amplitude, cycles, phase in waves))
