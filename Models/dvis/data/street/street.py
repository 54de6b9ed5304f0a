"""Street composed of photographs: outlined objects pass behind a wall, filmed by hand.

A frame is a pure function of the data file (`street.json`), the photographs and its number. All
motion has the clip's period, so that the clip loops without a jump.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.interpolate import PchipInterpolator

from ..drawn.painting import SOLID
from . import outlined, scenery
from .outlined import Photograph

DATA = Path(__file__).with_name("street.json")
MARGIN = (8.0, 32.0)     # of the still parts beyond the frame, down and right, for shake and pan


def read(path: Path = DATA) -> dict:
    """The data file with its photographs' origins as `Photograph`."""
    data = json.loads(path.read_text())
    origins = {name: Photograph(**origin) for name, origin in data["photographs"].items()}
    return {**data, "photographs": origins}


class Street:
    """Clip at one size.

    Lengths in the data file are units: pixels of a frame of its `size`, rows and columns."""

    def __init__(self, data: dict, images: dict[str, Image.Image], height: int) -> None:
        rows, columns = data["size"]
        self.scale = scale = height / rows
        self.height, self.width = height, round(columns * scale)
        self.frames: int = data["frames"]
        self.classes: list[str] = data["classes"]
        self.labels = [self.classes.index(thing["class"]) for thing in data["things"]]
        self._camera, self._light = data["camera"], data["light"]
        self._depth = data["depth"]
        size = (round((rows + 2 * MARGIN[0]) * scale), round((columns + 2 * MARGIN[1]) * scale))
        self._backdrop = scenery.backdrop(data["backdrop"], images, size, scale)
        self._wall = scenery.wall(data["wall"], images, size, scale, MARGIN)
        self._things = [Thing(spec, images[spec["photograph"]], scale) for spec in data["things"]]

    @staticmethod
    def load(root: Path = Path("/"), height: int | None = None) -> Street:
        """The street with the photographs of the Debian packages unpacked below `root`.

        The height is that of the data file unless given, in pixels. Raises PhotographError where a
        photograph is missing or differs from the one that was outlined.
        """
        data = read()
        origins = data["photographs"]
        images = {name: outlined.load(origin, root) for name, origin in origins.items()}
        return Street(data, images, height or data["height"])

    def frame(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [h,w,3], and ids uint8 [h,w]: number of the object from 1, or 0."""
        turn = 2 * np.pi * t / self.frames
        shake = [_waves(self._camera[axis], turn) for axis in ("down", "right")]
        pan = _waves(self._camera["pan"], turn)
        image = self._shifted(self._backdrop, shake, pan * self._parallax())
        ids = np.zeros(image.shape[:2], np.uint8)
        for number, thing in enumerate(self._things, 1):
            offset = (shake[0], shake[1] + pan * thing.parallax)
            thing.draw(image, ids, number, t % self.frames, turn, offset)
        front = self._shifted(self._wall, shake, np.full(self.height, pan, np.float32))
        image = image * (1 - front[..., 3:]) + front[..., :3]
        ids[front[..., 3] >= SOLID] = 0
        image *= self._gain(turn)[None, :, None]
        image *= np.asarray(self._light["colour"], np.float32)
        random = np.random.default_rng(t % self.frames)
        noise = random.standard_normal(image.shape[:2], np.float32)
        image += self._light["noise"] * noise[..., None]
        return np.clip(image + 0.5, 0, 255).astype(np.uint8), ids

    def _parallax(self) -> np.ndarray:
        """Share of the pan by which each row of the backdrop moves, 0..1: near rows more."""
        rows = (np.arange(self.height, dtype=np.float32) + 0.5) / self.scale
        return np.interp(rows, self._depth["rows"], self._depth["shares"]).astype(np.float32)

    def _shifted(self, still: np.ndarray, shake: list[float], right: np.ndarray) -> np.ndarray:
        """The visible part of a still image, each row `right` units further than the shake."""
        rows, columns = (np.arange(side, dtype=np.float32) for side in (self.height, self.width))
        v = rows + np.float32((MARGIN[0] - shake[0]) * self.scale)
        left = ((MARGIN[1] - shake[1] - right) * self.scale).astype(np.float32)
        u = columns[None, :] + left[:, None]
        return sample(still, u, np.broadcast_to(v[:, None], u.shape))

    def _gain(self, turn: float) -> np.ndarray:
        """Brightness of each column: slow changes, and the shadow of a cloud that passes once."""
        cloud = self._light["cloud"]
        columns = (np.arange(self.width) + 0.5) / self.width
        passed = (turn / (2 * np.pi) + cloud["start"]) % 1
        centre = passed * (1 + 8 * cloud["width"]) - 4 * cloud["width"]
        shade = cloud["depth"] * np.exp(-(((columns - centre) / cloud["width"]) ** 2))
        return (1 + _waves(self._light["waves"], turn) - shade).astype(np.float32)


class Thing:
    """An object that moves along a path: [frame, x, y] of its lower middle, in units."""

    def __init__(self, spec: dict, image: Image.Image, scale: float) -> None:
        self._scale, self.parallax = scale, spec["parallax"]
        height = max(8, round(spec["height"] * scale))
        self._sprite = outlined.cut(image, spec.get("outline"), height, spec["rim"] * scale)
        if spec.get("mirrored"):
            self._sprite = self._sprite[:, ::-1].copy()
        self._sprite[..., :3] *= np.asarray(spec.get("tint", (1, 1, 1)), np.float32)
        times, *places = np.array(spec["path"], float).T
        self._path = [PchipInterpolator(times, values) for values in places]
        self._stride, self._bob, self._sway = spec["stride"], spec["bob"], spec["sway"]
        self._shadow = _blot(spec["shadow"], scale) if "shadow" in spec else None
        self._fall = spec.get("shadow", {}).get("at", (0, 0))

    def draw(self, image: np.ndarray, ids: np.ndarray, number: int, t: int, turn: float,
             offset: tuple[float, float]) -> None:
        """Blends the object into the image and enters its number into the ids.

        `turn` is the frame's phase in radians, `offset` the camera's move (down, right) in units.
        """
        x, y = (float(path(t)) for path in self._path)
        step = np.pi * x / self._stride
        lean = self._sway["step"] * np.sin(step) + _waves(self._sway["waves"], turn)
        foot = ((y + offset[0]) * self._scale, (x + offset[1]) * self._scale)
        if self._shadow is not None:
            below = tuple(at + fall * self._scale for at, fall in zip(foot, self._fall))
            _place(image, None, self._shadow, below, 0.0, 0)
        lifted = foot[0] - abs(np.sin(step)) * self._bob * self._scale
        _place(image, ids, self._sprite, (lifted, foot[1]), lean, number)


def _blot(spec: dict, scale: float) -> np.ndarray:
    """A soft shadow on the ground, RGBA like a cut-out."""
    height, width = (max(4, round(side * scale)) for side in spec["size"])
    rows = np.abs((np.arange(height) + 0.5) / height * 2 - 1)[:, None]
    columns = np.abs((np.arange(width) + 0.5) / width * 2 - 1)[None, :]
    dark = spec["depth"] * np.clip(1 - columns**6, 0, 1) * np.clip(1 - rows**2, 0, 1)
    blot = np.zeros((height, width, 4), np.float32)
    blot[..., 3] = dark
    return np.pad(blot, ((1, 1), (1, 1), (0, 0)))


def _place(image: np.ndarray, ids: np.ndarray | None, sprite: np.ndarray,
           foot: tuple[float, float], lean: float, number: int) -> None:
    """Blends a cut-out with its lower middle at `foot` (row, column), leaning right by radians."""
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
    left = np.minimum(u.astype(np.int32), width - 2)
    top = np.minimum(v.astype(np.int32), height - 2)
    fu = (u - left.astype(np.float32))[..., None]
    fv = (v - top.astype(np.float32))[..., None]
    upper = image[top, left] * (1 - fu) + image[top, left + 1] * fu
    lower = image[top + 1, left] * (1 - fu) + image[top + 1, left + 1] * fu
    return upper * (1 - fv) + lower * fv


def _waves(waves: list, turn: float) -> float:
    """Sum of sines [amplitude, whole cycles per clip, phase]."""
    return float(sum(high * np.sin(cycles * turn + phase) for high, cycles, phase in waves))
