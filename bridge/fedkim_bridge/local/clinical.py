"""Front ends of time series and vectors, aware of what is missing (``src/local/_clinical_front_end.ts``)."""

from __future__ import annotations

import math

import numpy as np

#: Patches over time, each with a mean and a missing share.
SERIES_PATCHES = 4


def series_views(series: np.ndarray) -> list[np.ndarray]:
    """Two views of ``[steps, channels]``: statistics over the whole time, and means over four patches of time."""
    values = series.astype(np.float64)
    here = ~np.isnan(values)
    seen = here.sum(axis=0)
    present = np.where(here, values, 0.0)
    patches = np.stack(
        [np.stack(_mean_between(values, p / SERIES_PATCHES, (p + 1) / SERIES_PATCHES)) for p in range(SERIES_PATCHES)]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = present.sum(axis=0) / seen
        spread = np.sqrt(np.maximum(0, np.square(present).sum(axis=0) / seen - mean * mean))
    low = np.where(here, values, np.inf).min(axis=0)
    high = np.where(here, values, -np.inf).max(axis=0)
    steps = len(values)
    final = np.where(here, np.arange(steps)[:, None], 0).max(axis=0)
    last = np.take_along_axis(values, final[None], axis=0)[0]
    trend = _mean_between(values, 0.5, 1)[0] - _mean_between(values, 0, 0.5)[0]
    whole = np.stack([mean, low, high, last, spread, trend], axis=1)
    whole[seen == 0] = np.nan
    whole = np.column_stack([whole, 1 - seen / steps])
    # patches [4, 2, channels] -> [channels, 4, 2]
    return [whole.astype(np.float32).ravel(), patches.transpose(2, 0, 1).astype(np.float32).ravel()]


def vector_view(vector: np.ndarray) -> np.ndarray:
    """Logarithms (laboratory values and volumes are skewed) and, per channel, whether it is missing."""
    values = vector.astype(np.float64)
    out = np.empty(2 * len(values))
    out[0::2] = np.sign(values) * np.log1p(np.abs(values))
    out[1::2] = np.isnan(values)
    return out.astype(np.float32)


def _mean_between(values: np.ndarray, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a channel's present values in a fraction of the time (NaN when none), and the missing share."""
    steps = len(values)
    first = math.floor(start * steps)
    end = max(first + 1, math.floor(stop * steps))
    part = values[first:end]
    here = ~np.isnan(part)
    seen = here.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(here, part, 0.0).sum(axis=0) / seen
    return np.where(seen == 0, np.nan, mean), 1 - seen / (end - first)
