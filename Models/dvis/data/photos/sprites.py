"""Cut-outs of photographs, and similarities that move them.

A point (x, y) is the complex number x + iy; a similarity maps z to factor * z + shift. Pillow warps
bilinearly. Colours of sprites are premultiplied with their alpha (Pillow's mode RGBa), so that
nothing of their former surroundings bleeds into an edge.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from .masks import fill_polygon
from .photographs import Instance, Photograph

LARGEST = 320           # longer side of a cut-out in pixels
MARGIN = 3              # transparent pixels around a cut-out
FINE = 4                # polygons are drawn this many times finer
RIM = 0.8               # deviation in pixels of the blur that makes the rim soft
# Blurred coverage that becomes opaque and transparent: the rim moves inwards.
INNER = 0.95
OUTER = 0.4
# Deviation in pixels of the blur that continues the object's colours into its rim.
BLEED = 2.0
SOLID = 128             # alpha from which a pixel belongs to the object


@dataclass(frozen=True)
class Similarity:
    """Map z -> factor * z + shift."""
    factor: complex
    shift: complex

    def __matmul__(self, first: Similarity) -> Similarity:
        """The map that applies `first`, then this one."""
        return Similarity(self.factor * first.factor, self.factor * first.shift + self.shift)

    def __call__(self, z):
        return self.factor * z + self.shift

    def inverse(self) -> Similarity:
        return Similarity(1 / self.factor, -self.shift / self.factor)

    def affine(self) -> tuple[float, ...]:
        """Coefficients for Pillow: x' = a x + b y + c, y' = d x + e y + f."""
        return (self.factor.real, -self.factor.imag, self.shift.real,
                self.factor.imag, self.factor.real, self.shift.imag)


@dataclass(frozen=True, eq=False)
class Sprite:
    """Cut-out whose `image` has a transparent margin of at least a pixel."""
    image: Image.Image      # RGBa

    @cached_property
    def levels(self) -> list[Image.Image]:
        """The image at full, half, quarter, ... size, against aliasing where it is drawn small."""
        levels = [self.image]
        while min(levels[-1].size) >= 16:
            levels.append(levels[-1].reduce(2))
        return levels

    @property
    def size(self) -> complex:
        return complex(*self.image.size)

    def mirrored(self) -> Sprite:
        return Sprite(self.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    def coloured(self, gains: np.ndarray) -> Sprite:
        """Sprite with colours multiplied per channel, float [3]."""
        pixels = np.asarray(self.image).astype(np.float32)
        pixels[..., :3] = np.minimum(pixels[..., :3] * gains, pixels[..., 3:])
        return Sprite(Image.frombytes("RGBa", self.image.size,
                                      (pixels + 0.5).astype(np.uint8).tobytes()))

    def paint(self, image: np.ndarray, ids: np.ndarray | None, place: Similarity,
              number: int) -> None:
        """Draws onto an image float32 [H,W,3] and, where it is given, an instance map uint8 [H,W].

        `place` maps the sprite's pixels to those of the image."""
        corners = place(np.array([0, self.size.real, self.size, 1j * self.size.imag]))
        left = max(0, int(np.floor(corners.real.min())))
        top = max(0, int(np.floor(corners.imag.min())))
        right = min(image.shape[1], int(np.ceil(corners.real.max())))
        bottom = min(image.shape[0], int(np.ceil(corners.imag.max())))
        if left >= right or top >= bottom:
            return
        level = int(np.clip(np.round(-np.log2(abs(place.factor))), 0, len(self.levels) - 1))
        source = self.levels[level]
        shrunk = Similarity(complex(source.size[0] / self.size.real), 0)
        back = shrunk @ place.inverse() @ Similarity(1, left + 1j * top)
        warped = source.transform((right - left, bottom - top), Image.Transform.AFFINE,
                                  back.affine(), Image.Resampling.BILINEAR)
        pixels = np.asarray(warped).astype(np.float32)
        target = image[top:bottom, left:right]
        target *= 1 - pixels[..., 3:] / 255
        target += pixels[..., :3]
        if ids is not None:
            ids[top:bottom, left:right][pixels[..., 3] >= SOLID] = number


def cut(photograph: Photograph, instance: Instance, image: Image.Image,
        largest: int = LARGEST) -> Sprite:
    """Sprite of an annotated object with a soft rim of one to two pixels.

    Its longer side has at most `largest` pixels. The rim lies a little inside the annotated outline
    and takes its colours from the object."""
    left, top, right, bottom = instance.window(MARGIN)
    size = right - left, bottom - top
    cover = np.zeros((size[1] * FINE, size[0] * FINE), bool)
    for points in instance.polygons:
        cover |= fill_polygon((points - (left, top)) * FINE, *cover.shape)
    share = Image.fromarray(cover).convert("L").reduce(FINE).filter(ImageFilter.GaussianBlur(RIM))
    alpha = np.clip((np.asarray(share, np.float32) / 255 - OUTER) / (INNER - OUTER), 0, 1)
    colours = image.crop((left, top, right, bottom))
    core = Image.fromarray(np.where(alpha >= 1, 255, 0).astype(np.uint8))
    known = colours.copy()
    known.putalpha(core)
    blurred = known.convert("RGBa").filter(ImageFilter.GaussianBlur(BLEED))
    beyond = blurred.convert("RGBA").convert("RGB")
    sprite = Image.composite(colours, beyond, core)
    sprite.putalpha(Image.fromarray((alpha * 255 + 0.5).astype(np.uint8)))
    sprite = sprite.convert("RGBa")
    scale = min(1.0, largest / max(size))
    if scale < 1:
        sprite = sprite.resize((max(8, round(size[0] * scale)), max(8, round(size[1] * scale))),
                               Image.Resampling.BILINEAR)
    return Sprite(sprite)
