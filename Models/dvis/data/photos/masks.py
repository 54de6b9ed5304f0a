"""Instance masks of the COCO format: polygons and run lengths to bool [height,width].

pycocotools has no Debian package; OpenCV and Pillow fill polygons with
their outline, which COCO does not.
"""
from __future__ import annotations

import numpy as np


def fill_polygon(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels whose centres lie inside a closed polygon (even-odd rule), bool [height,width].

    The points [n,2] as (x, y) may lie outside."""
    x, y = points.T
    dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
    low, high = np.minimum(y, y + dy), np.maximum(y, y + dy)
    # Rows whose centres an edge crosses.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    count = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64) - first
    edge = np.repeat(np.arange(len(x)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    crossing = x[edge] + (row + 0.5 - y[edge]) * dx[edge] / dy[edge]
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    crossings = np.bincount(row * (width + 1) + column,
                            minlength=height * (width + 1)).reshape(height, width + 1)
    return (np.cumsum(crossings, 1)[:, :width] & 1).astype(bool)


def read_polygons(segmentation: object) -> list[np.ndarray]:
    """Polygons of a COCO annotation, each float64 [n,2].

    Raises ValueError with a sentence for broken ones."""
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("expected a list of polygons")
    polygons = []
    for numbers in segmentation:
        if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
            raise ValueError("a polygon needs an even count of at least 6 numbers")
        try:
            points = np.array(numbers, np.float64)
        except (TypeError, ValueError):
            raise ValueError("a polygon holds something other than numbers") from None
        if points.ndim != 1 or not np.isfinite(points).all():
            raise ValueError("a polygon holds something other than finite numbers")
        polygons.append(points.reshape(-1, 2))
    return polygons


def read_run_lengths(segmentation: dict, height: int, width: int) -> np.ndarray:
    """Mask bool [height,width] of the run lengths of a COCO annotation.

    They are a list or COCO's compressed string. Raises ValueError with a sentence where size or
    runs do not fit the image."""
    if segmentation.get("size") != [height, width]:
        raise ValueError(f"run lengths of size {segmentation.get('size')} in an image of "
                         f"[{height}, {width}]")
    counts = segmentation.get("counts")
    if isinstance(counts, (str, bytes)):
        counts = _decompress(counts if isinstance(counts, bytes)
                             else counts.encode("ascii", "replace"))
    if not isinstance(counts, list) or not all(isinstance(run, int) and run >= 0 for run in counts):
        raise ValueError("run lengths that are not a list of counts")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths of {sum(counts)} pixels in an image of {height * width}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def _decompress(text: bytes) -> list[int]:
    """Run lengths of COCO's compressed string.

    A character holds five bits and a sixth that tells whether the number continues; from the fourth
    run on the number is the difference to the run before the last one."""
    counts: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            if at == len(text) or not 48 <= text[at] < 112 or shift > 30:
                raise ValueError("a broken string of run lengths")
            bits = text[at] - 48
            value |= (bits & 31) << shift
            more, at, shift = bool(bits & 32), at + 1, shift + 5
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts
