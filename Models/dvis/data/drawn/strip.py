"""Frame-number strip at the top left of some videos: 28 cells, white (1) or black (0).

White, black, 24 bits of the frame number (most significant first), even parity of these, white.
"""
from __future__ import annotations

import numpy as np

CELLS = 28


def strip_cell(height: int) -> int:
    """Side of a cell of the frame-number strip in pixels."""
    return max(4, height // 40)


def draw_strip(image: np.ndarray, number: int) -> None:
    """Draws the frame number at the top left: 28 cells, white = 1."""
    bits = [(number >> shift) & 1 for shift in range(23, -1, -1)]
    cells = [1, 0, *bits, sum(bits) & 1, 1]
    cell = strip_cell(image.shape[0])
    for index, bit in enumerate(cells):
        image[:cell, index * cell:(index + 1) * cell] = 255 * bit


def read_strip(image: np.ndarray) -> int | None:
    """Frame number drawn by `draw_strip`; None where there is no valid strip."""
    cell = strip_cell(image.shape[0])
    middle = cell // 2
    cells = [int(image[middle, index * cell + middle].mean() > 127) for index in range(CELLS)]
    if (cells[0], cells[1], cells[27]) != (1, 0, 1) or sum(cells[2:26]) & 1 != cells[26]:
        return None
    return int("".join(map(str, cells[2:26])), 2)
