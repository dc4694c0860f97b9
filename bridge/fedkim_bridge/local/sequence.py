"""Modalities as sequences of patches, for encoders that attend (``src/local/_sequence_front_end.ts``)."""

from __future__ import annotations

import math

import numpy as np

from .clinical import vector_view
from .image import SIDE, small_image
from .signal import signal_patches


def sequence_of(value: np.ndarray, kind: str, tokens: int, features: int, rate_hz: float) -> np.ndarray:
    """Patches ``[tokens, features]``; an empty patch is NaN throughout, a missing feature NaN alone."""
    out = np.full((tokens, features), np.nan, dtype=np.float32)
    if kind == "timeseries":
        _series(value, out)
    elif kind == "signal":
        _waves(value, rate_hz, out)
    elif kind == "image":
        _squares(value, out)
    elif not np.isnan(value).all():
        out[0] = vector_view(value)
    return out


def _bounds(index: int, tokens: int, count: int) -> tuple[int, int]:
    return index * count // tokens, (index + 1) * count // tokens


def _series(series: np.ndarray, out: np.ndarray) -> None:
    """Per window and channel: mean of what was measured, and the share that was not."""
    tokens = len(out)
    for token in range(tokens):
        first, end = _bounds(token, tokens, len(series))
        part = series[first:end].astype(np.float64)
        seen = (~np.isnan(part)).sum(axis=0)
        if not seen.any():
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            out[token, 0::2] = np.nansum(part, axis=0) / seen
        out[token, 1::2] = 1 - seen / (end - first)


def _waves(signal: np.ndarray, rate_hz: float, out: np.ndarray) -> None:
    """Per window the mean over its seconds, once averaged over leads and once the greatest of any lead."""
    leads = signal_patches(signal, rate_hz).astype(np.float64)
    tokens, width = len(out), leads.shape[2]
    for token in range(tokens):
        first, end = _bounds(token, tokens, leads.shape[1])
        if end == first:
            continue
        means = leads[:, first:end].mean(axis=1)
        out[token, :width] = means.mean(axis=0)
        out[token, width:] = means.max(axis=0)


def _squares(image: np.ndarray, out: np.ndarray) -> None:
    small = small_image(image)
    side = round(math.sqrt(len(out)))
    size = SIDE // side
    cut = small.reshape(side, size, side, size).transpose(0, 2, 1, 3)
    out[:] = cut.reshape(side * side, size * size)
