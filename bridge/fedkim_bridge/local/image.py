"""Front end of images: free of size, brightness and contrast (``src/local/_image_front_end.ts``)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

SIDE = 32
EDGE_SIDE = 64
CELLS = 8
DIRECTIONS = 8


def image_views(image: np.ndarray) -> list[np.ndarray]:
    """The whole image as one 32x32 patch, and its edge energy by direction in 8x8 cells (HOG)."""
    large = _standardised(resize(image, EDGE_SIDE))
    return [resize(large, SIDE).ravel(), _edges(large)]


def small_image(image: np.ndarray) -> np.ndarray:
    """The whole image as one square ``[32, 32]``."""
    return resize(_standardised(resize(image, EDGE_SIDE)), SIDE)


def resize(source: np.ndarray, side: int) -> np.ndarray:
    """Square image ``[side, side]`` by area averaging.

    Rounded to float32 after every added row, as the sites do: in flat regions the rounding itself decides the
    direction of an edge of no energy.
    """
    height, width = source.shape
    values = source.astype(np.float64)
    narrow = np.zeros((height, side))
    for column, shares in enumerate(_boxes(width, side)):
        for at, weight in shares:
            narrow[:, column] += weight * values[:, at]
    narrow = narrow.astype(np.float32).astype(np.float64)
    out = np.zeros((side, side), dtype=np.float32)
    for row, shares in enumerate(_boxes(height, side)):
        for at, weight in shares:
            out[row] = (out[row].astype(np.float64) + weight * narrow[at]).astype(np.float32)
    return out


@lru_cache(maxsize=64)
def _boxes(size: int, side: int) -> tuple[tuple[tuple[int, float], ...], ...]:
    """For every output cell the input cells under it and their share."""
    scale = size / side
    cells = []
    for index in range(side):
        start = index * scale
        end = min(start + scale, size)
        shares = []
        at = math.floor(start)
        while at < end - 1e-9:
            shares.append((at, (min(at + 1, end) - max(at, start)) / scale))
            at += 1
        cells.append(tuple(shares))
    return tuple(cells)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance; the floor keeps a blank image blank."""
    wide = values.astype(np.float64)
    scale = 1 / (math.sqrt(wide.var()) + 5)
    return ((wide - wide.mean()) * scale).astype(np.float32)


def _edges(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image.astype(np.float64), 1, mode="edge")
    dx = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    dy = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    turn = np.arctan2(dy, dx) / math.pi
    # Directions are modulo half a turn; the energy is shared between the two nearest ones.
    position = np.where(turn < 0, turn + 1, turn) * DIRECTIONS
    floor = np.floor(position)
    low = floor.astype(np.int64) % DIRECTIONS
    share = position - floor
    cell = EDGE_SIDE // CELLS
    energy = np.hypot(dx, dy) / (cell * cell)
    row, column = np.indices(image.shape) // cell
    base = (row * CELLS + column) * DIRECTIONS
    size = CELLS * CELLS * DIRECTIONS
    lower = np.bincount((base + low).ravel(), (energy * (1 - share)).ravel(), size)
    upper = np.bincount((base + (low + 1) % DIRECTIONS).ravel(), (energy * share).ravel(), size)
    return np.sqrt((lower + upper).astype(np.float32).astype(np.float64)).astype(np.float32)
