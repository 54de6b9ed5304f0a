"""Procedural videos with exact instance masks.

A scene is drawn once from (tier, seed) and holds only closed-form motion, so any frame, at any
resolution, is a pure function of the scene and the frame number t. Lengths are in reference pixels:
the image is 256 x 160 of them, x right, y down; a image of height H is drawn at scale H / 160.
World coordinates plus the camera's offset are image coordinates.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .painting import draw_occluder, draw_thing, resize
from .shapes import SHAPES, TEXTURES, Texture
from .strip import CELLS, draw_strip, strip_cell

WIDTH, HEIGHT = 256, 160
# Seeds below are for evaluation and samples, seeds from here on for training.
EVALUATION_SEEDS = 1_000_000
# The background reaches this far beyond the image; the camera never moves further.
MARGIN = 24
# An object with fewer visible reference pixels in a frame is not annotated there.
SMALLEST_AREA = 16


@dataclass(frozen=True)
class Tier:
    """Limits of the videos of one difficulty.

    Ranges are inclusive; lengths are in reference pixels, speeds per frame."""
    objects: tuple[int, int]
    radius: tuple[float, float]
    speed: tuple[float, float]
    occluders: tuple[int, int]
    twins: float        # share of objects that look almost like an earlier one
    visitors: float     # share of objects whose path leaves the image
    camera: float       # largest camera excursion
    noise: float        # largest standard deviation of the pixel noise, 0..255
    flicker: float      # largest relative brightness change


TIERS = {
    "light": Tier((1, 3), (18, 42), (0.0, 1.6), (0, 0), 0.0, 0.1, 0, 4, 0.05),
    "everyday": Tier((2, 5), (16, 40), (0.3, 2.5), (0, 1), 0.0, 0.35, 10, 8, 0.15),
    "heavy": Tier((4, 8), (12, 36), (0.5, 3.5), (1, 3), 0.35, 0.35, 20, 10, 0.25),
}


@dataclass(frozen=True)
class Route:
    """Path back and forth between two corners, with a wobble.

    fold(start + velocity t) + wobble sin(pace t + phase)."""
    start: np.ndarray
    velocity: np.ndarray
    low: np.ndarray
    high: np.ndarray
    wobble: np.ndarray
    pace: np.ndarray
    phase: np.ndarray

    def at(self, t: float) -> np.ndarray:
        span = self.high - self.low
        folded = self.low + span - np.abs((self.start - self.low + self.velocity * t) % (2 * span)
                                          - span)
        return folded + self.wobble * np.sin(self.pace * t + self.phase)


@dataclass(frozen=True)
class Thing:
    """Object to be found: a shape with a texture, or a cut-out of another class.

    The cut-out is RGBA float [h,w,4]."""
    label: int
    path: Route
    radius: float
    stretch: float          # width over height
    angle: float
    spin: float             # radians per frame
    swell: float            # relative change of size
    swell_pace: float
    texture: Texture | None
    sprite: np.ndarray | None = None


@dataclass(frozen=True)
class Occluder:
    """Static textured bar in the world, in front of the objects drawn before it."""
    centre: np.ndarray
    half: np.ndarray
    angle: float
    texture: Texture


@dataclass(frozen=True)
class Scene:
    """A video. `layers` are painted in order; things are numbered from 1 in the order of `things`.
    """
    seed: int
    things: tuple[Thing, ...]
    layers: tuple[Thing | Occluder, ...]
    backdrop: np.ndarray                  # uint8 [HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN, 3]
    pan: np.ndarray                       # camera amplitude (x, y)
    pan_pace: np.ndarray
    pan_phase: np.ndarray
    noise: float
    swing: float                          # slow brightness change
    swing_pace: float
    flicker: float                        # brightness change from frame to frame
    strip: bool                           # whether the frame number is drawn
    _canvas: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def labels(self) -> np.ndarray:
        """Class of each thing, int64 [N]."""
        return np.array([thing.label for thing in self.things], np.int64)

    def camera(self, t: float) -> np.ndarray:
        """Offset of the view (x, y) at time t."""
        return self.pan * np.sin(self.pan_pace * t + self.pan_phase)

    def frame(self, t: int, height: int = HEIGHT,
              width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [H,W,3] and instance map uint8 [H,W] at frame t.

        In the map 0 is background and n the n-th thing."""
        scale = height / HEIGHT
        offset = self.camera(t)
        image = self._background(offset, scale, height, width)
        ids = np.zeros((height, width), np.uint8)
        numbers = {id(thing): number for number, thing in enumerate(self.things, 1)}
        for layer in self.layers:
            if isinstance(layer, Thing):
                draw_thing(image, ids, layer, numbers[id(layer)], t, offset, scale)
            else:
                draw_occluder(image, ids, layer, offset, scale)
        random = np.random.default_rng([self.seed, t])
        gain = 1 + self.swing * np.sin(self.swing_pace * t) + self.flicker * random.uniform(-1, 1)
        image *= np.float32(gain)
        if self.noise > 0:
            grain = random.standard_normal((height, width, 1), np.float32)
            image += np.float32(self.noise) * grain
        image = np.clip(image, 0, 255).astype(np.uint8)
        if self.strip:
            draw_strip(image, t)
            cell = strip_cell(height)
            ids[:cell, :CELLS * cell] = 0
        area = np.bincount(ids.ravel(), minlength=len(self.things) + 1)
        small = np.flatnonzero((area > 0) & (area < SMALLEST_AREA * scale * scale))
        if small.size:
            ids[np.isin(ids, small)] = 0
        return image, ids

    def clip(self, start: int, frames: int, height: int = HEIGHT,
             width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [T,H,W,3] and instance maps uint8 [T,H,W] of consecutive frames."""
        pairs = [self.frame(t, height, width) for t in range(start, start + frames)]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])

    def _background(self, offset: np.ndarray, scale: float, height: int, width: int) -> np.ndarray:
        """Backdrop moved by the camera, bilinear, float32 [H,W,3]."""
        canvas = self._canvas.get(scale)
        if canvas is None:
            size = (round(self.backdrop.shape[0] * scale), round(self.backdrop.shape[1] * scale))
            canvas = self._canvas[scale] = resize(self.backdrop, *size)
        x, y = (MARGIN - offset) * scale
        left, top = int(x), int(y)
        fx, fy = np.float32(x - left), np.float32(y - top)
        rows = canvas[top:top + height + 1, left:left + width + 1]
        if fx == 0 and fy == 0:
            return rows[:height, :width].copy()
        rows = rows[:, :width] * (1 - fx) + rows[:, 1:width + 1] * fx
        return rows[:height] * (1 - fy) + rows[1:height + 1] * fy


def make_scene(tier: str, seed: int, extras=None) -> Scene:
    """Scene of a tier and a seed.

    `extras` (see cutouts.py) adds objects of other classes and photographs as backdrops."""
    rule = TIERS[tier]
    random = np.random.default_rng([list(TIERS).index(tier), seed])
    backdrop = _backdrop(random, plain=tier == "light")
    real = extras if extras is not None and random.random() < extras.share else None
    if real is not None:
        backdrop = real.backdrop(random, backdrop)
    ground = backdrop.reshape(-1, 3).mean(0)
    things: list[Thing] = []
    for _ in range(random.integers(rule.objects[0], rule.objects[1] + 1)):
        twin = things[
            random.integers(len(things))] if things and random.random() < rule.twins else None
        thing = _thing(random, rule, ground, twin)
        things.append(thing if real is None or twin is not None else real.thing(random, thing))
    layers: list[Thing | Occluder] = list(things)
    for _ in range(random.integers(rule.occluders[0], rule.occluders[1] + 1)):
        occluder = _occluder(random)
        layers.insert(len(layers) if random.random() < 0.7
                      else int(random.integers(1, len(layers) + 1)), occluder)
    moving = random.random() < 0.5
    pan = random.uniform(0, rule.camera, 2) * moving
    return Scene(seed, tuple(things), tuple(layers), backdrop, pan, random.uniform(0.03, 0.12, 2),
                 random.uniform(0, 6.28, 2), noise=random.uniform(0, rule.noise),
                 swing=random.uniform(0, rule.flicker), swing_pace=random.uniform(0.02, 0.15),
                 flicker=random.uniform(0, rule.flicker / 3), strip=random.random() < 0.3)


def _thing(random: np.random.Generator, rule: Tier, ground: np.ndarray,
           twin: Thing | None) -> Thing:
    radius = random.uniform(*rule.radius)
    if twin is not None:
        radius = float(np.clip(twin.radius * random.uniform(0.9, 1.1), *rule.radius))
    visitor = random.random() < rule.visitors
    reach = radius + random.uniform(4, 40) if visitor else -0.6 * radius
    size = np.array([WIDTH, HEIGHT], float)
    low, high = np.full(2, -reach), size + reach
    if visitor:  # leaves through one pair of sides only
        low[1], high[1] = (0.5 * radius, HEIGHT - 0.5 * radius)
        if random.random() < 0.25:
            low = np.array([0.5 * radius, -reach])
            high = np.array([WIDTH - 0.5 * radius, HEIGHT + reach])
    direction, speed = random.uniform(0, 6.2832), random.uniform(*rule.speed)
    velocity = speed * np.array([np.cos(direction), np.sin(direction)])
    if visitor:
        axis = int(np.argmax(high - low - size))
        velocity[axis] = np.copysign(max(abs(velocity[axis]), 0.7 * speed), velocity[axis])
    path = Route(random.uniform(low, high), velocity, low, high,
                random.uniform(0, 6, 2), random.uniform(0.05, 0.2, 2), random.uniform(0, 6.28, 2))
    spin = random.uniform(-0.06, 0.06) if random.random() < 0.7 else 0.0
    motion = dict(path=path, radius=radius, spin=spin, swell=random.uniform(0, 0.15),
                  swell_pace=random.uniform(0.03, 0.12))
    if twin is not None:
        shade = random.uniform(-8, 8, 3).astype(np.float32)
        texture = twin.texture and replace(twin.texture, first=twin.texture.first + shade)
        return replace(twin, angle=random.uniform(0, 6.28), texture=texture, **motion)
    return Thing(int(random.integers(len(SHAPES))), stretch=random.uniform(0.85, 1.18),
                 angle=random.uniform(0, 6.28), texture=_texture(random, ground), **motion)


def _texture(random: np.random.Generator, ground: np.ndarray) -> Texture:
    """Texture whose first colour differs from the ground and from its second colour."""
    first = _colour(random, ground, 70)
    kind = TEXTURES[random.choice(len(TEXTURES), p=[0.3, 0.2, 0.2, 0.15, 0.15])]
    return Texture(kind, first, _colour(random, first, 60), random.uniform(3, 9),
                   random.uniform(0, 6.28))


def _colour(random: np.random.Generator, other: np.ndarray, least: float) -> np.ndarray:
    for _ in range(20):
        colour = random.uniform(10, 245, 3).astype(np.float32)
        if np.linalg.norm(colour - other) >= least:
            break
    return colour


def _occluder(random: np.random.Generator) -> Occluder:
    """Post (upright, full height), wall (lying, half the width or more) or slanted bar."""
    kind = random.integers(3)
    texture = Texture("stripes" if random.random() < 0.4 else "gradient",
                      _colour(random, np.zeros(3), 0), _colour(random, np.zeros(3), 0),
                      random.uniform(2, 5), random.uniform(0, 6.28))
    x, y = random.uniform(0.15, 0.85, 2) * (WIDTH, HEIGHT)
    if kind == 0:
        return Occluder(np.array([x, HEIGHT / 2]), np.array([random.uniform(6, 20), HEIGHT]), 0.0,
                        texture)
    if kind == 1:
        return Occluder(np.array([x, y]),
                        np.array([random.uniform(60, 160), random.uniform(6, 14)]), 0.0, texture)
    return Occluder(np.array([x, y]), np.array([random.uniform(5, 10), 2 * HEIGHT]),
                    random.uniform(-0.8, 0.8), texture)


def _backdrop(random: np.random.Generator, plain: bool) -> np.ndarray:
    """Gradient, waves, soft blobs and grain, uint8 [HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN, 3]."""
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    corners = random.uniform(20, 235, (3, 3)).astype(np.float32)
    image = corners[0] + 0.5 * x * (corners[1] - corners[0]) + 0.5 * y * (corners[2] - corners[0])
    if plain:
        return np.clip(image, 0, 255).astype(np.uint8)
    for _ in range(random.integers(0, 5)):
        fx, fy = random.uniform(-25, 25, 2)
        wave = np.sin(fx * x + fy * y + random.uniform(0, 6.28))
        image = image + wave * random.uniform(-18, 18, 3).astype(np.float32)
    for _ in range(random.integers(0, 7)):
        cx, cy, size = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.03, 0.2)
        blob = np.exp(-(((x - cx) * width / height) ** 2 + (y - cy) ** 2) / (2 * size * size))
        image = image + blob * random.uniform(-80, 80, 3).astype(np.float32)
    grain = random.uniform(0, 14)
    image = image + grain * random.standard_normal((height, width, 1), np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
