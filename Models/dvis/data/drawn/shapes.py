"""Shapes and textures in an object's own coordinates: x right, y down, radius 1."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
TEXTURES = ("solid", "gradient", "stripes", "checker", "dots")

_SQUARE_HALF = 0.82       # half side
_TRIANGLE_INNER = 0.55    # distance of the sides from the centre; the tips lie at 1.1
_STAR_INNER = 0.45        # radius of the inner corners
_CROSS_ARM = 0.33         # half width of an arm
_RING_MIDDLE, _RING_HALF = 0.7, 0.3


def distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to the outline in radii.

    It is negative inside; near corners it is a close lower bound."""
    if shape == "circle":
        return np.hypot(x, y) - 1
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - _SQUARE_HALF
    if shape == "triangle":
        return np.maximum(np.abs(x) * 0.8660254 - y * 0.5, y) - _TRIANGLE_INNER
    if shape == "star":
        sector = 2 * np.pi / 5
        # From the nearest tip.
        angle = np.abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)
        radius = np.hypot(x, y)
        inner_x, inner_y = _STAR_INNER * np.cos(sector / 2), _STAR_INNER * np.sin(sector / 2)
        normal = np.array([inner_y, 1 - inner_x]) / np.hypot(inner_y, 1 - inner_x)
        return (radius * np.cos(angle)
                - 1) * np.float32(normal[0]) + radius * np.sin(angle) * np.float32(normal[1])
    if shape == "cross":
        far, near = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
        return np.maximum(far - 1, near - _CROSS_ARM)
    if shape == "ring":
        return np.abs(np.hypot(x, y) - _RING_MIDDLE) - _RING_HALF
    raise ValueError(f"unknown shape '{shape}'")


@dataclass(frozen=True)
class Texture:
    """Two colours (RGB, 0..255) and how they mix over an object's own coordinates."""
    kind: str
    first: np.ndarray
    second: np.ndarray
    frequency: float = 4.0  # cycles per 2 pi radii
    angle: float = 0.0      # direction of gradient and stripes

    def paint(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Colour [..., 3] at each point."""
        along = x * np.float32(np.cos(self.angle)) + y * np.float32(np.sin(self.angle))
        across = y * np.float32(np.cos(self.angle)) - x * np.float32(np.sin(self.angle))
        f = np.float32(self.frequency)
        if self.kind == "solid":
            return np.broadcast_to(self.first, x.shape + (3,))
        if self.kind == "gradient":
            mix = np.clip(0.5 + 0.5 * along, 0, 1)
        elif self.kind == "stripes":
            mix = _step(np.sin(f * along))
        elif self.kind == "checker":
            mix = _step(2 * np.sin(f * along) * np.sin(f * across))
        elif self.kind == "dots":
            mix = _step(np.cos(f * along) + np.cos(f * across) - 0.8)
        else:
            raise ValueError(f"unknown texture '{self.kind}'")
        return self.first + mix[..., None] * (self.second - self.first)


def _step(wave: np.ndarray) -> np.ndarray:
    """Soft step from 0 to 1 where a wave crosses zero."""
    return np.clip(0.5 + 2 * wave, 0, 1)
