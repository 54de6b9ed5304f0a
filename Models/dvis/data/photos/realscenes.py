"""Parts of a clip made of a photograph: motions, actors, camera, sensor, and their frames.

World coordinates are those of the camera's view at rest, in heights of it: x right from 0 to width
/ height, y down from 0 to 1. All motion is a closed form of time, so that any frame, at any
resolution, is a function of scene and time.
"""
from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ..drawn.scenes import HEIGHT
from .photographs import IGNORE
from .sprites import Similarity, Sprite

# Visible pixels of a view 160 pixels high below which an object is ignored in that frame.
SMALLEST_AREA = 24
REFERENCE = 256         # height of the view, in pixels, for which blur and sharpness are given
IDS_SCALE = 2           # instance maps of backdrops are drawn this many times finer
# Pixels by which the noise of a clip is shifted at random from frame to frame.
NOISE_TILES = 64


@dataclass(frozen=True)
class Wave:
    """Function of time: mean + slope t + sum of amplitude sin(pace t + phase).

    `pace` is in radians per frame."""
    mean: float
    slope: float = 0.0
    amplitude: tuple[float, ...] = ()
    pace: tuple[float, ...] = ()
    phase: tuple[float, ...] = ()

    @staticmethod
    def draw(random: np.random.Generator, mean: float, amplitude: float, paces: tuple[float, float],
             terms: int = 2, slope: float = 0.0) -> Wave:
        """Wave of random paces (log-uniform) and phases.

        Its terms together reach `amplitude` at most."""
        parts = random.dirichlet(np.ones(terms)) * amplitude
        pace = np.exp(random.uniform(*np.log(paces), terms))
        return Wave(mean, slope, tuple(parts), tuple(pace),
                    tuple(random.uniform(0, 2 * np.pi, terms)))

    def at(self, t: float) -> float:
        waves = zip(self.amplitude, self.pace, self.phase)
        return self.mean + self.slope * t + sum(amount * np.sin(pace * t + phase)
                                                for amount, pace, phase in waves)


@dataclass(frozen=True)
class Motion:
    """Motion of a cut-out: place (x, y) of its foot, size and lean.

    The size is the root of its box's area in heights, the lean is in radians. `low` and `high` are
    the ends between which x goes back and forth; size follows a wave of its logarithm, and the foot
    follows the size: y = horizon + ground * size + bob."""
    x: Wave
    low: float
    high: float
    size: Wave
    horizon: float
    ground: float
    bob: Wave
    lean: Wave

    def at(self, t: float) -> tuple[complex, float, float]:
        """Foot, size and lean at time t."""
        span = self.high - self.low
        x = self.low + span - abs((self.x.at(t) - self.low) % (2 * span) - span)
        size = float(np.exp(self.size.at(t)))
        return complex(x, self.horizon + self.ground * size + self.bob.at(t)), size, self.lean.at(t)


@dataclass(frozen=True, eq=False)
class Actor:
    """Sprite on its path.

    `label` is an index in REAL_CLASSES, None for occluders and things of other classes."""
    sprite: Sprite
    path: Motion
    label: int | None

    def place(self, t: float) -> tuple[Similarity, float]:
        """Map from sprite pixels to world, and the painting order: what stands lower is nearer."""
        foot, size, lean = self.path.at(t)
        box = self.sprite.size
        factor = size / np.sqrt(box.real * box.imag) * np.exp(1j * lean)
        return Similarity(factor, foot) @ Similarity(1, -complex(box.real / 2, box.imag)), foot.imag


@dataclass(frozen=True)
class Camera:
    """Moving view of a photograph, which it never leaves.

    Motion is in world units, logarithm of the zoom, and radians."""
    origin: complex         # photograph pixels of the world's origin
    scale: float            # photograph pixels per world unit
    bounds: complex         # size of the photograph in pixels
    aspect: float           # width over height of the view
    x: Wave
    y: Wave
    zoom: Wave
    roll: Wave

    def at(self, t: float, height: int) -> tuple[Similarity, Similarity]:
        """Maps from world to image pixels and from photograph pixels to world at time t."""
        roll = self.roll.at(t)
        turn = np.exp(1j * roll)
        # Half sides of the upright box around the turned view, in world units at zoom 1.
        half = complex(self.aspect * abs(turn.real) + abs(turn.imag),
                       self.aspect * abs(turn.imag) + abs(turn.real)) / 2
        low, high = (0 - self.origin) / self.scale, (self.bounds - self.origin) / self.scale
        least = max(2 * half.real / (high - low).real, 2 * half.imag / (high - low).imag)
        zoom = max(float(np.exp(self.zoom.at(t))), 1.0001 * least)
        half /= zoom
        centre = complex(np.clip(self.aspect / 2 + self.x.at(t), low.real + half.real,
                                 high.real - half.real),
                         np.clip(0.5 + self.y.at(t), low.imag + half.imag, high.imag - half.imag))
        factor = height * zoom * turn
        view = Similarity(factor, complex(self.aspect / 2, 0.5) * height - factor * centre)
        return view, Similarity(1 / self.scale, -self.origin / self.scale)


@dataclass(frozen=True)
class Look:
    """Properties of the sensor, constant over a clip."""
    exposure: Wave              # factor
    warmth: Wave                # red over blue, relative
    tint: tuple[float, float, float]
    gamma: float
    saturation: float
    noise: float                # deviation, 0..255
    blur: float                 # deviation of the lens blur in pixels of a view 256 high
    shutter: float              # open share of a frame's time; 0: no motion blur
    quality: int | None         # of JPEG, where the frames went through it


@dataclass(frozen=True, eq=False)
class RealScene:
    """Clip whose frames are functions of time."""
    seed: int
    backdrop: Image.Image
    ids: Image.Image                    # instance map of the backdrop, IDS_SCALE times finer
    camera: Camera
    actors: tuple[Actor, ...]
    look: Look
    # int64 [N]: the backdrop's objects, then the actors that are objects
    labels: np.ndarray

    def numbers(self) -> list[int]:
        """Number of each actor in the instance maps, 0 for those that are not objects."""
        first = len(self.labels) - sum(actor.label is not None for actor in self.actors)
        return [0 if actor.label is None
                else first + sum(other.label is not None for other in self.actors[:index + 1])
                for index, actor in enumerate(self.actors)]

    def frame(self, t: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [H,W,3] and instance map uint8 [H,W] at time t.

        In the map 0 is background, n the n-th object, 255 ignored."""
        ids = np.zeros((height, width), np.uint8)
        image = self._exposed(t, height, width, ids)
        area = np.bincount(ids.ravel(), minlength=256)
        small = (area > 0) & (area < SMALLEST_AREA * (height / HEIGHT) ** 2)
        small[[0, IGNORE]] = False
        ids = np.where(small, IGNORE, np.arange(256)).astype(np.uint8)[ids]
        return self._sensed(image, t), ids

    def _exposed(self, t: float, height: int, width: int, ids: np.ndarray) -> np.ndarray:
        """Light on the sensor, float32 [H,W,3].

        With motion blur it is the mean of several moments around t."""
        if not self.look.shutter:
            return self._composed(t, height, width, ids)
        moments = t + self.look.shutter * np.linspace(-0.5, 0.5, 5)
        return sum(self._composed(moment, height, width, ids if moment == t else None)
                   for moment in moments) / 5

    def _composed(self, t: float, height: int, width: int, ids: np.ndarray | None) -> np.ndarray:
        view, to_world = self.camera.at(t, height)
        back = (view @ to_world).inverse()
        warped = self.backdrop.transform((width, height), Image.Transform.AFFINE, back.affine(),
                                         Image.Resampling.BILINEAR)
        image = np.asarray(warped).astype(np.float32)
        if ids is not None:
            fine = Similarity(IDS_SCALE, 0) @ back
            ids[:] = np.asarray(self.ids.transform((width, height), Image.Transform.AFFINE,
                                                   fine.affine(), Image.Resampling.NEAREST))
        placed = [(*actor.place(t), actor.sprite, number)
                  for actor, number in zip(self.actors, self.numbers())]
        for place, _, sprite, number in sorted(placed, key=lambda entry: entry[1]):
            sprite.paint(image, ids, view @ place, number)
        return image

    def _sensed(self, image: np.ndarray, t: float) -> np.ndarray:
        random = np.random.default_rng([self.seed, int(round(t)), 5])
        return sense(image, self.look, random, t, self._noise(*image.shape[:2]))

    def _noise(self, height: int, width: int) -> np.ndarray | None:
        """Noise of all frames, int16, of which each frame takes a window; made once per size."""
        tiles = self.__dict__.setdefault("_tiles", {})
        if (height, width) not in tiles:
            shape = height + NOISE_TILES, width + NOISE_TILES
            tiles[height, width] = draw_noise(np.random.default_rng([self.seed, 6]),
                                              self.look.noise, *shape)
        return tiles[height, width]


def draw_noise(random: np.random.Generator, deviation: float, height: int,
               width: int) -> np.ndarray | None:
    """Noise of a sensor, mostly grey: int16 [H,W,3]."""
    if not deviation:
        return None
    grey = random.standard_normal((height, width, 1), np.float32)
    colour = random.standard_normal((height, width, 3), np.float32)
    return np.round(deviation * (0.85 * grey + 0.5 * colour)).astype(np.int16)


def sense(image: np.ndarray, look: Look, random: np.random.Generator, t: float,
          noise: np.ndarray | None) -> np.ndarray:
    """Image uint8 [H,W,3] that a camera makes of the light float32 [H,W,3] at time t.

    `noise` is a window as large or larger."""
    height, width = image.shape[:2]
    frame = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    if look.blur:
        frame = frame.filter(ImageFilter.GaussianBlur(look.blur * height / REFERENCE))
    warmth = look.warmth.at(t)
    gains = np.array(look.tint) * (1 + warmth, 1, 1 - warmth) * look.exposure.at(t)
    levels = np.linspace(0, 1, 256) ** look.gamma
    frame = frame.point([int(level) for gain in gains
                         for level in np.clip(255 * gain * levels + 0.5, 0, 255)])
    if look.saturation < 1:
        frame = Image.blend(frame.convert("L").convert("RGB"), frame, look.saturation)
    if noise is not None:
        dy, dx = (int(random.integers(0, room + 1))
                  for room in (noise.shape[0] - height, noise.shape[1] - width))
        tile = noise[dy:dy + height, dx:dx + width]
        frame = Image.fromarray(np.clip(np.asarray(frame).astype(np.int16) + tile, 0,
                                        255).astype(np.uint8))
    if look.quality is not None:
        buffer = io.BytesIO()
        frame.save(buffer, "JPEG", quality=look.quality)
        frame = Image.open(buffer)
    return np.asarray(frame)
