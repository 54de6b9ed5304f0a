"""Clips with exact instance masks made of photographs.

A virtual camera moves over a photograph, and cut-outs move in front of it. A clip is a pure
function of photographs and seed. The photograph's own objects move with the backdrop; cut-outs
stand on a common ground: the lower in the view, the nearer and the larger.
"""
from __future__ import annotations

import numpy as np
from PIL import Image

from ...networks.config import COARSE_CLASSES, COARSE_OF_FINE, REAL_CLASSES
from .photographs import Instance, Photograph, Photographs
from .realscenes import IDS_SCALE, REFERENCE, Actor, Camera, Look, Motion, RealScene, Wave
from .sprites import Sprite, cut

EMPTY = 0.1             # share of clips without any object of the classes
ALIKE = 0.7             # share of the other clips with several cut-outs of one class
TWINS = 0.25            # share of the other clips with a look-alike
MOST_CUTOUTS = 5
# Shares of clips of every frame, every second, every third: faster motion, longer gaps.
STRIDES = (0.6, 0.25, 0.15)
COARSE_SHARES = {"person": 0.5, "vehicle": 0.28, "animal": 0.22}   # of the cut-outs
# Enlargement of a cut-out or photograph, at most, in a view REFERENCE pixels high.
SHARP = 2.2


def make_clip(photographs: Photographs, seed: int, frames: int, height: int, width: int,
              stride: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A clip of every `stride`-th frame (drawn where it is None; larger: faster motion).

    Images uint8 [T,H,W,3], instance maps uint8 [T,H,W] (0 background, n the n-th object, 255
    ignore), classes int64 [N] as indices in REAL_CLASSES. Seeds below scenes.EVALUATION_SEEDS are
    for evaluation, the others for training."""
    scene = make_real_scene(photographs, seed, width / height)
    step = stride or int(np.random.default_rng([seed, 7]).choice(len(STRIDES), p=STRIDES)) + 1
    pairs = [scene.frame(step * t, height, width) for t in range(frames)]
    return np.stack([image
                     for image, _ in pairs]), np.stack([ids for _, ids in pairs]), scene.labels


def make_real_scene(photographs: Photographs, seed: int, aspect: float) -> RealScene:
    """Scene of a seed; `aspect` is width over height of its frames."""
    random = np.random.default_rng([41, seed])
    empty = random.random() < EMPTY
    backdrop = _backdrop(random, photographs, empty)
    image = backdrop.image()
    camera = _camera(random, backdrop, aspect)
    ground = random.uniform(0.1, 0.5), random.uniform(0.9, 2.2)      # horizon, slope
    shelf = _Shelf(random, photographs, aspect, *ground)
    actors = [] if empty else shelf.objects()
    actors += shelf.others(0.5 if empty else 0.12) + shelf.occluders()
    # Objects that the view at rest does not hold are numbered all the same: the camera may come to
    # them.
    labels = [instance.label
              for instance in backdrop.objects()] + [a.label for a in actors if a.label is not None]
    ids = Image.fromarray(backdrop.ids(IDS_SCALE))
    return RealScene(seed, image, ids, camera, tuple(actors), draw_look(random),
                     np.array(labels, np.int64))


def _backdrop(random: np.random.Generator, photographs: Photographs, empty: bool) -> Photograph:
    """Photograph with all its objects annotated, if there is one.

    For an empty clip it is one without any object."""
    choice = photographs.backdrops
    if empty:
        choice = [photograph for photograph in choice
                  if all(instance.label is None for instance in photograph.instances)] or choice
    return choice[random.integers(len(choice))]


def _camera(random: np.random.Generator, backdrop: Photograph, aspect: float) -> Camera:
    """Camera at rest, panning, zooming or held by hand.

    The view takes a share of the largest one that fits."""
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
    return Wave(first.mean + second.mean, first.slope + second.slope,
                first.amplitude + second.amplitude, first.pace + second.pace,
                first.phase + second.phase)


def draw_look(random: np.random.Generator) -> Look:
    """Look of a clip: day or night, a good or a poor camera."""
    night = random.random() < 0.12
    sometimes = lambda chance, low, high: random.uniform(low,
                                                         high) if random.random() < chance else 0.0
    tint = random.uniform(0.92, 1.08, 3)
    if night:
        tint = tint * (random.choice([(1.0, 0.85, 0.7), (0.8, 0.95, 1.1)]))
    exposure = random.uniform(0.3, 0.6) if night else random.uniform(0.8, 1.15)
    quality = int(random.integers(25, 85)) if random.random() < 0.3 else None
    return Look(exposure=Wave.draw(random, exposure, exposure * sometimes(0.6, 0.02, 0.15),
                                   (0.02, 0.3)),
                warmth=Wave.draw(random, 0.0, sometimes(0.4, 0.01, 0.08), (0.01, 0.1)),
                tint=tuple(tint),
                gamma=random.uniform(0.7, 1.0) if night else random.uniform(0.8, 1.25),
                saturation=1 - (random.uniform(0.2, 0.8) if night else sometimes(0.15, 0.1, 1.0)),
                noise=random.uniform(3, 14) if night else sometimes(0.7, 0.5, 7),
                blur=sometimes(0.2, 0.4, 1.3),
                shutter=sometimes(0.2, 0.3, 0.9), quality=quality)


class _Shelf:
    """Source of the actors of one scene."""

    def __init__(self, random: np.random.Generator, photographs: Photographs, aspect: float,
                 horizon: float, slope: float):
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
        sprites = [self._sprite(*found[self.random.integers(len(found))])
                   for _ in range(self.random.integers(1, 3))]
        return [Actor(sprite, self._path(sprite), None) for sprite in sprites]

    def occluders(self) -> list[Actor]:
        """Static things in front that move with the backdrop only.

        They are posts, and cut-outs of other classes."""
        random = self.random
        count = int(random.choice([0, 1, 2, 3], p=[0.5, 0.27, 0.15, 0.08]))
        return [self._post() if random.random() < 0.6 or None not in self.photographs.cutouts
                else self._plant() for _ in range(count)]

    def _sprite(self, photograph: Photograph, instance: Instance) -> Sprite:
        if id(photograph) not in self.images:
            self.images[id(photograph)] = photograph.image()
        sprite = cut(photograph, instance, self.images[id(photograph)])
        if self.random.random() < 0.5:
            sprite = sprite.mirrored()
        return sprite.coloured(self.random.uniform(0.75, 1.2) * self.random.uniform(0.95, 1.05, 3))

    def _path(self, sprite: Sprite) -> Motion:
        """Motion of a cut-out that crosses the view and may return, or wanders in it.

        It comes nearer and recedes."""
        random, box = self.random, sprite.size
        largest = min(0.62, SHARP * np.sqrt(box.real * box.imag) / REFERENCE)
        size = np.exp(random.uniform(np.log(min(0.1, 0.7 * largest)), np.log(largest)))
        reach = size * np.sqrt(box.real / box.imag) / 2
        growth = random.uniform(0.1, 0.5) if random.random() < 0.5 else random.uniform(0.0, 0.08)
        size_wave = Wave.draw(random, float(np.log(size)) - growth / 2, growth, (0.015, 0.06), 1)
        # Heights per frame: what is near moves faster in the view.
        fastest = np.clip(0.1 * size, 0.005, 0.03)
        speed = np.exp(random.uniform(np.log(0.002), np.log(fastest))) * random.choice([-1, 1])
        if random.random() < 0.6:                                                     # crosses
            beyond = 1.5 * reach + random.uniform(0.02, 0.4)
            low, high = -beyond, self.aspect + beyond
            x = Wave.draw(random, random.uniform(0.1, self.aspect - 0.1), 0.03, (0.03, 0.15), 2,
                          speed)
        else:                                                                         # wanders
            low, high = -0.3 * reach, self.aspect + 0.3 * reach
            sway = random.uniform(0.01, min(0.35, size))
            x = Wave.draw(random, random.uniform(low, high), sway, (0.02, 0.08), 2, 0.2 * speed)
        ground = self.slope * random.uniform(0.9, 1.1)
        bob = Wave.draw(random, random.uniform(-0.06, 0.06), random.uniform(0, 0.012), (0.15, 0.7),
                        1)
        lean = Wave.draw(random, random.uniform(-0.06, 0.06), random.uniform(0, 0.1), (0.04, 0.25),
                         2)
        # The foot stays in or just below the view: a large object near the camera is cut off at its
        # legs.
        highest = max(float(np.exp(size_wave.mean)) * ground, 1e-3)
        ground *= min(1.0, (1.15 - self.horizon) / highest)
        return Motion(x, low, high, size_wave, self.horizon, ground, bob, lean)

    def _standing(self, x: float, foot: float, size: float) -> Motion:
        still = Wave(0.0)
        return Motion(Wave(x), -10.0, 10.0, Wave(float(np.log(size))), foot, 0.0, still, still)

    def _plant(self) -> Actor:
        """Cut-out of another class near the lower border."""
        found = self.photographs.cutouts[None]
        sprite = self._sprite(*found[self.random.integers(len(found))])
        box = sprite.size
        size = min(self.random.uniform(0.15, 0.45),
                   SHARP * np.sqrt(box.real * box.imag) / REFERENCE)
        return Actor(sprite, self._standing(self.random.uniform(0, self.aspect),
                                            self.random.uniform(0.75, 1.2), size), None)

    def _post(self) -> Actor:
        """Upright bar with the texture of a photograph, shaded like a cylinder or flat."""
        random = self.random
        photograph = self.photographs.items[random.integers(len(self.photographs.items))]
        width, height = int(random.integers(10, 46)), 256
        left = int(random.integers(0, max(1, photograph.width - width)))
        strip = photograph.image().crop((left, 0, left + width,
                                         photograph.height)).resize((width, height))
        pixels = np.zeros((height, width + 4, 4), np.float32)
        across = np.linspace(-1, 1, width)
        shade = (1 - 0.6 * (across - random.uniform(-0.5, 0.5)) ** 2 if random.random() < 0.5
                 else np.ones(width))
        contrast = random.uniform(0.1, 1.0)
        texture = np.asarray(strip, np.float32)
        texture = texture.mean((0, 1)) + contrast * (texture - texture.mean((0, 1)))
        pixels[:, 2:-2, :3] = np.clip(texture * shade[:, None] * random.uniform(0.5, 1.1), 0, 255)
        pixels[:, 2:-2, 3] = 255
        sprite = Sprite(Image.frombytes("RGBa", (width + 4, height),
                                        pixels.astype(np.uint8).tobytes()))
        foot = random.uniform(0.7, 0.95) if random.random() < 0.4 else 1.6
        # Higher than any view.
        size = (foot + 0.6) * np.sqrt((width + 4) / height)
        return Actor(sprite, self._standing(random.uniform(0.1, 0.9) * self.aspect, foot, size),
                     None)


def _fine(coarse: str) -> list[int]:
    """Labels of the fine classes of a coarse one."""
    return [index for index, name in enumerate(REAL_CLASSES) if COARSE_OF_FINE[name] == coarse]
