"""Clips with exact instance masks made of photographs: a virtual camera over a photograph, cut-outs that move in front.

A clip is a pure function of photographs and seed, its motion a closed form of time. World coordinates are those of the
camera's view at rest, in heights of it: x right from 0 to width / height, y down from 0 to 1. The photograph's own
objects move with the backdrop; cut-outs stand on a common ground: the lower in the view, the nearer and the larger.
"""
from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .config import COARSE_CLASSES, COARSE_OF_FINE, REAL_CLASSES
from .photographs import IGNORE, Instance, Photograph, Photographs
from .scenes import HEIGHT
from .sprites import Similarity, Sprite, cut

EMPTY = 0.1             # share of clips without any object of the classes
ALIKE = 0.7             # share of the other clips with several cut-outs of one class
TWINS = 0.25            # share of the other clips with a look-alike
MOST_CUTOUTS = 5
STRIDES = (0.6, 0.25, 0.15)   # shares of clips of every frame, every second, every third: faster motion, longer gaps
COARSE_SHARES = {"person": 0.5, "vehicle": 0.28, "animal": 0.22}   # of the cut-outs
SMALLEST_AREA = 24      # visible pixels of a view 160 pixels high below which an object is ignored in that frame
SHARP = 2.2             # enlargement of a cut-out or photograph, at most, in a view 256 pixels high
REFERENCE = 256
IDS_SCALE = 2           # instance maps of backdrops are drawn this many times finer
NOISE_TILES = 64        # pixels by which the noise of a clip is shifted at random from frame to frame


@dataclass(frozen=True)
class Wave:
    """mean + slope t + sum of amplitude sin(pace t + phase); `pace` in radians per frame."""
    mean: float
    slope: float = 0.0
    amplitude: tuple[float, ...] = ()
    pace: tuple[float, ...] = ()
    phase: tuple[float, ...] = ()

    @staticmethod
    def draw(random: np.random.Generator, mean: float, amplitude: float, paces: tuple[float, float], terms: int = 2,
             slope: float = 0.0) -> Wave:
        """Waves of random paces (log-uniform) and phases that reach `amplitude` together, at most."""
        parts = random.dirichlet(np.ones(terms)) * amplitude
        pace = np.exp(random.uniform(*np.log(paces), terms))
        return Wave(mean, slope, tuple(parts), tuple(pace), tuple(random.uniform(0, 2 * np.pi, terms)))

    def at(self, t: float) -> float:
        waves = zip(self.amplitude, self.pace, self.phase)
        return self.mean + self.slope * t + sum(amount * np.sin(pace * t + phase) for amount, pace, phase in waves)


@dataclass(frozen=True)
class Motion:
    """Where a cut-out's foot is (x, y), how large it is (root of its box's area in heights), how it leans (radians).

    `low` and `high` are the ends between which x goes back and forth; size follows a wave of its logarithm, and the
    foot follows the size: y = horizon + ground * size + bob."""
    x: Wave
    low: float
    high: float
    size: Wave
    horizon: float
    ground: float
    bob: Wave
    lean: Wave

    def at(self, t: float) -> tuple[complex, float, float]:
        """Foot, size, lean."""
        span = self.high - self.low
        x = self.low + span - abs((self.x.at(t) - self.low) % (2 * span) - span)
        size = float(np.exp(self.size.at(t)))
        return complex(x, self.horizon + self.ground * size + self.bob.at(t)), size, self.lean.at(t)


@dataclass(frozen=True, eq=False)
class Actor:
    """A sprite on its path. `label`: index in REAL_CLASSES, None for what is not an object (occluders, other things)."""
    sprite: Sprite
    path: Motion
    label: int | None

    def place(self, t: float) -> tuple[Similarity, float]:
        """Sprite pixels to world, and the order of painting: what stands lower is nearer."""
        foot, size, lean = self.path.at(t)
        box = self.sprite.size
        factor = size / np.sqrt(box.real * box.imag) * np.exp(1j * lean)
        return Similarity(factor, foot) @ Similarity(1, -complex(box.real / 2, box.imag)), foot.imag


@dataclass(frozen=True)
class Camera:
    """View of a photograph: where the view at rest lies in it, and how the view moves (world units, logarithm of the
    zoom, radians). The view never leaves the photograph."""
    origin: complex         # photograph pixels of the world's origin
    scale: float            # photograph pixels per world unit
    bounds: complex         # size of the photograph in pixels
    aspect: float           # width over height of the view
    x: Wave
    y: Wave
    zoom: Wave
    roll: Wave

    def at(self, t: float, height: int) -> tuple[Similarity, Similarity]:
        """World to image pixels, and photograph pixels to world."""
        roll = self.roll.at(t)
        turn = np.exp(1j * roll)
        # Half sides of the upright box around the turned view, in world units at zoom 1.
        half = complex(self.aspect * abs(turn.real) + abs(turn.imag), self.aspect * abs(turn.imag) + abs(turn.real)) / 2
        low, high = (0 - self.origin) / self.scale, (self.bounds - self.origin) / self.scale
        least = max(2 * half.real / (high - low).real, 2 * half.imag / (high - low).imag)
        zoom = max(float(np.exp(self.zoom.at(t))), 1.0001 * least)
        half /= zoom
        centre = complex(np.clip(self.aspect / 2 + self.x.at(t), low.real + half.real, high.real - half.real),
                         np.clip(0.5 + self.y.at(t), low.imag + half.imag, high.imag - half.imag))
        factor = height * zoom * turn
        view = Similarity(factor, complex(self.aspect / 2, 0.5) * height - factor * centre)
        return view, Similarity(1 / self.scale, -self.origin / self.scale)


@dataclass(frozen=True)
class Look:
    """How the sensor sees: all drawn once for a clip."""
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
    """All of a clip; frames are functions of time."""
    seed: int
    backdrop: Image.Image
    ids: Image.Image                    # instance map of the backdrop, IDS_SCALE times finer
    camera: Camera
    actors: tuple[Actor, ...]
    look: Look
    labels: np.ndarray                  # int64 [N]: the backdrop's objects, then the actors that are objects

    def numbers(self) -> list[int]:
        """Number of each actor in the instance maps, 0 for those that are not objects."""
        first = len(self.labels) - sum(actor.label is not None for actor in self.actors)
        return [0 if actor.label is None else first + sum(other.label is not None for other in self.actors[:index + 1])
                for index, actor in enumerate(self.actors)]

    def frame(self, t: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [H,W,3] and instance map uint8 [H,W] (0 background, n the n-th object, 255 ignore) at time t."""
        ids = np.zeros((height, width), np.uint8)
        image = self._exposed(t, height, width, ids)
        area = np.bincount(ids.ravel(), minlength=256)
        small = (area > 0) & (area < SMALLEST_AREA * (height / HEIGHT) ** 2)
        small[[0, IGNORE]] = False
        ids = np.where(small, IGNORE, np.arange(256)).astype(np.uint8)[ids]
        return self._sensed(image, t), ids

    def _exposed(self, t: float, height: int, width: int, ids: np.ndarray) -> np.ndarray:
        """What falls onto the sensor, float32 [H,W,3]: with motion blur the mean of several moments around t."""
        if not self.look.shutter:
            return self._composed(t, height, width, ids)
        moments = t + self.look.shutter * np.linspace(-0.5, 0.5, 5)
        return sum(self._composed(moment, height, width, ids if moment == t else None) for moment in moments) / 5

    def _composed(self, t: float, height: int, width: int, ids: np.ndarray | None) -> np.ndarray:
        view, to_world = self.camera.at(t, height)
        back = (view @ to_world).inverse()
        warped = self.backdrop.transform((width, height), Image.Transform.AFFINE, back.affine(),
                                         Image.Resampling.BILINEAR)
        image = np.asarray(warped).astype(np.float32)
        if ids is not None:
            fine = Similarity(IDS_SCALE, 0) @ back
            ids[:] = np.asarray(self.ids.transform((width, height), Image.Transform.AFFINE, fine.affine(),
                                                   Image.Resampling.NEAREST))
        placed = [(*actor.place(t), actor.sprite, number) for actor, number in zip(self.actors, self.numbers())]
        for place, _, sprite, number in sorted(placed, key=lambda entry: entry[1]):
            sprite.paint(image, ids, view @ place, number)
        return image

    def _sensed(self, image: np.ndarray, t: float) -> np.ndarray:
        random = np.random.default_rng([self.seed, int(round(t)), 5])
        return sense(image, self.look, random, t, self._noise(*image.shape[:2]))

    def _noise(self, height: int, width: int) -> np.ndarray | None:
        """The noise of all frames, of which each takes a window: int16, made once per size."""
        tiles = self.__dict__.setdefault("_tiles", {})
        if (height, width) not in tiles:
            shape = height + NOISE_TILES, width + NOISE_TILES
            tiles[height, width] = draw_noise(np.random.default_rng([self.seed, 6]), self.look.noise, *shape)
        return tiles[height, width]


def draw_noise(random: np.random.Generator, deviation: float, height: int, width: int) -> np.ndarray | None:
    """Noise of a sensor, mostly grey: int16 [H,W,3]."""
    if not deviation:
        return None
    grey = random.standard_normal((height, width, 1), np.float32)
    colour = random.standard_normal((height, width, 3), np.float32)
    return np.round(deviation * (0.85 * grey + 0.5 * colour)).astype(np.int16)


def sense(image: np.ndarray, look: Look, random: np.random.Generator, t: float, noise: np.ndarray | None) -> np.ndarray:
    """What a camera makes of the light float32 [H,W,3] at time t: uint8 [H,W,3]; `noise` is a window larger or as large."""
    height, width = image.shape[:2]
    frame = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    if look.blur:
        frame = frame.filter(ImageFilter.GaussianBlur(look.blur * height / REFERENCE))
    warmth = look.warmth.at(t)
    gains = np.array(look.tint) * (1 + warmth, 1, 1 - warmth) * look.exposure.at(t)
    levels = np.linspace(0, 1, 256) ** look.gamma
    frame = frame.point([int(level) for gain in gains for level in np.clip(255 * gain * levels + 0.5, 0, 255)])
    if look.saturation < 1:
        frame = Image.blend(frame.convert("L").convert("RGB"), frame, look.saturation)
    if noise is not None:
        dy, dx = (int(random.integers(0, room + 1)) for room in (noise.shape[0] - height, noise.shape[1] - width))
        tile = noise[dy:dy + height, dx:dx + width]
        frame = Image.fromarray(np.clip(np.asarray(frame).astype(np.int16) + tile, 0, 255).astype(np.uint8))
    if look.quality is not None:
        buffer = io.BytesIO()
        frame.save(buffer, "JPEG", quality=look.quality)
        frame = Image.open(buffer)
    return np.asarray(frame)


def make_clip(photographs: Photographs, seed: int, frames: int, height: int, width: int,
              stride: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A clip of every `stride`-th frame (drawn where it is None; larger: faster motion).

    Images uint8 [T,H,W,3], instance maps uint8 [T,H,W] (0 background, n the n-th object, 255 ignore), classes int64
    [N] as indices in REAL_CLASSES. Seeds below scenes.EVALUATION_SEEDS are for evaluation, the others for training."""
    scene = make_real_scene(photographs, seed, width / height)
    step = stride or int(np.random.default_rng([seed, 7]).choice(len(STRIDES), p=STRIDES)) + 1
    pairs = [scene.frame(step * t, height, width) for t in range(frames)]
    return np.stack([image for image, _ in pairs]), np.stack([ids for _, ids in pairs]), scene.labels


def make_real_scene(photographs: Photographs, seed: int, aspect: float) -> RealScene:
    """Draws a scene; `aspect` is width over height of its frames."""
    random = np.random.default_rng([41, seed])
    empty = random.random() < EMPTY
    backdrop = _backdrop(random, photographs, empty)
    image = backdrop.image()
    camera = _camera(random, backdrop, aspect)
    ground = random.uniform(0.1, 0.5), random.uniform(0.9, 2.2)      # horizon, slope
    shelf = _Shelf(random, photographs, aspect, *ground)
    actors = [] if empty else shelf.objects()
    actors += shelf.others(0.5 if empty else 0.12) + shelf.occluders()
    # Objects that the view at rest does not hold are numbered all the same: the camera may come to them.
    labels = [instance.label for instance in backdrop.objects()] + [a.label for a in actors if a.label is not None]
    ids = Image.fromarray(backdrop.ids(IDS_SCALE))
    return RealScene(seed, image, ids, camera, tuple(actors), draw_look(random), np.array(labels, np.int64))


def _backdrop(random: np.random.Generator, photographs: Photographs, empty: bool) -> Photograph:
    """A photograph with all its objects annotated, if there are such; for an empty clip one without any."""
    choice = photographs.backdrops
    if empty:
        choice = [photograph for photograph in choice
                  if all(instance.label is None for instance in photograph.instances)] or choice
    return choice[random.integers(len(choice))]


def _camera(random: np.random.Generator, backdrop: Photograph, aspect: float) -> Camera:
    """At rest, panning, zooming or held by hand. The view takes a share of the largest one that fits."""
    whole = min(backdrop.height, backdrop.width / aspect)
    share = random.uniform(0.6, 1.0)
    scale = max(share * whole, min(whole, REFERENCE / SHARP))
    room = complex(backdrop.width - aspect * scale, backdrop.height - scale)
    origin = complex(room.real * random.random(), room.imag * random.random())
    still = random.random() < 0.35
    moves = lambda chance: 0.0 if still or random.random() >= chance else 1.0
    pan, zooming, rolling, shaking = moves(0.7), moves(0.4), moves(0.3), moves(0.5)
    shake = shaking * np.exp(random.uniform(np.log(0.001), np.log(0.012)))
    slow, fast = (0.015, 0.09), (0.3, 1.6)
    wave = lambda amplitude: _sum(Wave.draw(random, 0.0, amplitude, slow),
                                  Wave.draw(random, 0.0, shake, fast, 3))
    return Camera(origin, scale, complex(backdrop.width, backdrop.height), aspect,
                  wave(pan * random.uniform(0.05, 0.5)), wave(pan * random.uniform(0.0, 0.25)),
                  Wave.draw(random, 0.0, zooming * random.uniform(0.03, 0.3), slow),
                  _sum(Wave.draw(random, 0.0, rolling * random.uniform(0.01, 0.1), slow),
                       Wave.draw(random, 0.0, 0.6 * shake, fast, 2)))


def _sum(first: Wave, second: Wave) -> Wave:
    return Wave(first.mean + second.mean, first.slope + second.slope, first.amplitude + second.amplitude,
                first.pace + second.pace, first.phase + second.phase)


def draw_look(random: np.random.Generator) -> Look:
    """Day or night, a good or a poor camera."""
    night = random.random() < 0.12
    sometimes = lambda chance, low, high: random.uniform(low, high) if random.random() < chance else 0.0
    tint = random.uniform(0.92, 1.08, 3)
    if night:
        tint = tint * (random.choice([(1.0, 0.85, 0.7), (0.8, 0.95, 1.1)]))
    exposure = random.uniform(0.3, 0.6) if night else random.uniform(0.8, 1.15)
    quality = int(random.integers(25, 85)) if random.random() < 0.3 else None
    return Look(exposure=Wave.draw(random, exposure, exposure * sometimes(0.6, 0.02, 0.15), (0.02, 0.3)),
                warmth=Wave.draw(random, 0.0, sometimes(0.4, 0.01, 0.08), (0.01, 0.1)),
                tint=tuple(tint), gamma=random.uniform(0.7, 1.0) if night else random.uniform(0.8, 1.25),
                saturation=1 - (random.uniform(0.2, 0.8) if night else sometimes(0.15, 0.1, 1.0)),
                noise=random.uniform(3, 14) if night else sometimes(0.7, 0.5, 7), blur=sometimes(0.2, 0.4, 1.3),
                shutter=sometimes(0.2, 0.3, 0.9), quality=quality)


class _Shelf:
    """Draws the actors of one scene."""

    def __init__(self, random: np.random.Generator, photographs: Photographs, aspect: float, horizon: float,
                 slope: float):
        self.random, self.photographs, self.aspect = random, photographs, aspect
        self.horizon, self.slope = horizon, slope
        self.images: dict[int, Image.Image] = {}

    def objects(self) -> list[Actor]:
        """Up to five cut-outs of the classes; often several of one class, sometimes look-alikes."""
        random, choice = self.random, self.photographs.cutouts
        alike, twins = random.random() < ALIKE, random.random() < TWINS
        count = int(random.integers(2 if alike or twins else 0, MOST_CUTOUTS + 1))
        present = [name for name in COARSE_CLASSES if any(label in choice for label in _fine(name))]
        if not present:
            return []
        shares = np.array([COARSE_SHARES[name] for name in present])
        chosen: list[tuple[int, Sprite]] = []
        for index in range(count):
            if index and twins and (index == 1 or random.random() < 0.3):
                label, sprite = chosen[0]
                sprite = sprite.mirrored() if random.random() < 0.5 else sprite
                chosen.append((label, sprite.coloured(random.uniform(0.85, 1.15, 3))))
                continue
            same = index and alike and (index == 1 or random.random() < 0.5)
            name = str(random.choice(present, p=shares / shares.sum()))
            labels = [chosen[0][0]] if same else [label for label in _fine(name) if label in choice]
            found = [pair for label in labels for pair in choice[label]]
            photograph, instance = found[random.integers(len(found))]
            chosen.append((instance.label, self._sprite(photograph, instance)))
        return [Actor(sprite, self._path(sprite), label) for label, sprite in chosen]

    def others(self, chance: float) -> list[Actor]:
        """Moving things of other classes, which are background."""
        found = self.photographs.cutouts.get(None, [])
        if not found or self.random.random() >= chance:
            return []
        sprites = [self._sprite(*found[self.random.integers(len(found))]) for _ in range(self.random.integers(1, 3))]
        return [Actor(sprite, self._path(sprite), None) for sprite in sprites]

    def occluders(self) -> list[Actor]:
        """Things that stand in front and move with the backdrop only: posts and other things' cut-outs."""
        random = self.random
        count = int(random.choice([0, 1, 2, 3], p=[0.5, 0.27, 0.15, 0.08]))
        return [self._post() if random.random() < 0.6 or None not in self.photographs.cutouts else self._plant()
                for _ in range(count)]

    def _sprite(self, photograph: Photograph, instance: Instance) -> Sprite:
        if id(photograph) not in self.images:
            self.images[id(photograph)] = photograph.image()
        sprite = cut(photograph, instance, self.images[id(photograph)])
        if self.random.random() < 0.5:
            sprite = sprite.mirrored()
        return sprite.coloured(self.random.uniform(0.75, 1.2) * self.random.uniform(0.95, 1.05, 3))

    def _path(self, sprite: Sprite) -> Motion:
        """Crosses the view and may return, or wanders in it; comes nearer and recedes."""
        random, box = self.random, sprite.size
        largest = min(0.62, SHARP * np.sqrt(box.real * box.imag) / REFERENCE)
        size = np.exp(random.uniform(np.log(min(0.1, 0.7 * largest)), np.log(largest)))
        reach = size * np.sqrt(box.real / box.imag) / 2
        growth = random.uniform(0.1, 0.5) if random.random() < 0.5 else random.uniform(0.0, 0.08)
        size_wave = Wave.draw(random, float(np.log(size)) - growth / 2, growth, (0.015, 0.06), 1)
        speed = np.exp(random.uniform(np.log(0.002), np.log(0.03))) * random.choice([-1, 1])
        if random.random() < 0.6:                                                     # crosses
            beyond = 1.5 * reach + random.uniform(0.02, 0.4)
            low, high = -beyond, self.aspect + beyond
            x = Wave.draw(random, random.uniform(0.1, self.aspect - 0.1), 0.03, (0.03, 0.15), 2, speed)
        else:                                                                         # wanders
            low, high = -0.3 * reach, self.aspect + 0.3 * reach
            x = Wave.draw(random, random.uniform(low, high), random.uniform(0.01, 0.35), (0.02, 0.1), 2, 0.2 * speed)
        ground = self.slope * random.uniform(0.9, 1.1)
        bob = Wave.draw(random, random.uniform(-0.06, 0.06), random.uniform(0, 0.012), (0.15, 0.7), 1)
        lean = Wave.draw(random, random.uniform(-0.06, 0.06), random.uniform(0, 0.1), (0.04, 0.25), 2)
        # The foot stays in or just below the view: a large object near the camera is cut off at its legs.
        highest = max(float(np.exp(size_wave.mean)) * ground, 1e-3)
        ground *= min(1.0, (1.15 - self.horizon) / highest)
        return Motion(x, low, high, size_wave, self.horizon, ground, bob, lean)

    def _standing(self, x: float, foot: float, size: float) -> Motion:
        still = Wave(0.0)
        return Motion(Wave(x), -10.0, 10.0, Wave(float(np.log(size))), foot, 0.0, still, still)

    def _plant(self) -> Actor:
        """A cut-out of another class near the lower border."""
        found = self.photographs.cutouts[None]
        sprite = self._sprite(*found[self.random.integers(len(found))])
        box = sprite.size
        size = min(self.random.uniform(0.15, 0.45), SHARP * np.sqrt(box.real * box.imag) / REFERENCE)
        return Actor(sprite, self._standing(self.random.uniform(0, self.aspect), self.random.uniform(0.75, 1.2), size),
                     None)

    def _post(self) -> Actor:
        """An upright bar with the texture of some photograph, shaded like a cylinder or flat."""
        random = self.random
        photograph = self.photographs.items[random.integers(len(self.photographs.items))]
        width, height = int(random.integers(10, 46)), 256
        left = int(random.integers(0, max(1, photograph.width - width)))
        strip = photograph.image().crop((left, 0, left + width, photograph.height)).resize((width, height))
        pixels = np.zeros((height, width + 4, 4), np.float32)
        across = np.linspace(-1, 1, width)
        shade = (1 - 0.6 * (across - random.uniform(-0.5, 0.5)) ** 2 if random.random() < 0.5 else np.ones(width))
        contrast = random.uniform(0.1, 1.0)
        texture = np.asarray(strip, np.float32)
        texture = texture.mean((0, 1)) + contrast * (texture - texture.mean((0, 1)))
        pixels[:, 2:-2, :3] = np.clip(texture * shade[:, None] * random.uniform(0.5, 1.1), 0, 255)
        pixels[:, 2:-2, 3] = 255
        sprite = Sprite(Image.frombytes("RGBa", (width + 4, height), pixels.astype(np.uint8).tobytes()))
        foot = random.uniform(0.7, 0.95) if random.random() < 0.4 else 1.6
        size = (foot + 0.6) * np.sqrt((width + 4) / height)                           # higher than any view
        return Actor(sprite, self._standing(random.uniform(0.1, 0.9) * self.aspect, foot, size), None)


def _fine(coarse: str) -> list[int]:
    """Labels of the fine classes of a coarse one."""
    return [index for index, name in enumerate(REAL_CLASSES) if COARSE_OF_FINE[name] == coarse]
