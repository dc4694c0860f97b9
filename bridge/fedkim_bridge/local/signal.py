"""Front end of waveforms of any rate, length and number of leads (``src/local/_signal_front_end.ts``)."""

from __future__ import annotations

import math

import numpy as np

RATE = 100
PATCH = 100
WINDOW = 1000
PATCH_BINS = 15
WINDOW_BINS = 199
#: Features of a one-second patch: spectrum, steepest and mean slope, highest, lowest, spread.
PATCH_FEATURES = PATCH_BINS + 5
#: Order statistics over patches: least, quartiles, greatest.
RANKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def signal_views(signal: np.ndarray, rate_hz: float) -> list[np.ndarray]:
    """How one-second patches differ among each other, and the log spectrum of ten-second windows (rhythm)."""
    waves = _waves(signal, rate_hz)
    patches = sum(_patch_statistics(wave).astype(np.float64) for wave in waves) / len(waves)
    spectrum = sum(_window_spectrum(wave).astype(np.float64) for wave in waves) / len(waves)
    return [patches.astype(np.float32), spectrum.astype(np.float32)]


def signal_patches(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    """The features of every one-second patch of every lead, ``[leads, seconds, 20]``."""
    return np.stack([_patches_of(wave) for wave in _waves(signal, rate_hz)])


def _waves(signal: np.ndarray, rate_hz: float) -> list[np.ndarray]:
    return [_standardised(wave) for wave in _resample(signal.astype(np.float64), rate_hz).T]


def _resample(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    """All leads at 100 Hz: box means where the rate falls, linear interpolation where it rises."""
    samples = len(signal)
    step = rate_hz / RATE
    length = max(1, math.floor(samples / step + 0.5))
    half = max(0.0, (step - 1) / 2)
    centre = np.arange(length) * step + half
    low = np.minimum(samples - 1, np.floor(centre).astype(np.int64))
    high = np.minimum(samples - 1, low + 1)
    share = (centre - low)[:, None]
    between = signal[low] * (1 - share) + signal[high] * share
    if half == 0:
        return between.astype(np.float32)
    first = np.maximum(0, np.ceil(centre - half - 1e-9)).astype(np.int64)
    last = np.minimum(samples - 1, np.floor(centre + half + 1e-9).astype(np.int64))
    # Whole numbers, so running sums are exact.
    running = np.concatenate([np.zeros((1, signal.shape[1])), np.cumsum(signal, axis=0)])
    inside = last >= first
    count = np.maximum(1, last - first + 1)[:, None]
    means = (running[np.maximum(last, first - 1) + 1] - running[np.minimum(first, samples)]) / count
    return np.where(inside[:, None], means, between).astype(np.float32)


def _standardised(wave: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance, so that gain and baseline do not matter; a flat line stays flat."""
    wide = wave.astype(np.float64)
    scale = 1 / (math.sqrt(wide.var()) + 1)
    return ((wide - wide.mean()) * scale).astype(np.float32)


def _patch_statistics(wave: np.ndarray) -> np.ndarray:
    columns = np.sort(_patches_of(wave), axis=0)
    count = len(columns)
    rows = [min(count - 1, math.floor(rank * count)) for rank in RANKS]
    return columns[rows].T.ravel()


def _patches_of(wave: np.ndarray) -> np.ndarray:
    """``[seconds, 20]``, at least one second, filled up with zeros."""
    count = max(1, len(wave) // PATCH)
    filled = np.zeros(count * PATCH, dtype=np.float32)
    used = min(len(wave), count * PATCH)
    filled[:used] = wave[:used]
    patches = filled.reshape(count, PATCH).astype(np.float64)
    change = np.abs(np.diff(patches, axis=1))
    mean = patches.mean(axis=1)
    spread = np.sqrt(np.maximum(0, np.square(patches).mean(axis=1) - mean * mean))
    shape = [
        change.max(axis=1),
        change.sum(axis=1) / (PATCH - 1),
        patches.max(axis=1),
        patches.min(axis=1),
        spread,
    ]
    return np.column_stack([_log_magnitudes(patches, _PATCH_BASIS), *shape]).astype(np.float32)


def _window_spectrum(wave: np.ndarray) -> np.ndarray:
    """Mean log spectrum of consecutive ten-second windows; a shorter wave is one window, padded with 0."""
    count = max(1, len(wave) // WINDOW)
    filled = np.zeros(count * WINDOW)
    used = min(len(wave), count * WINDOW)
    filled[:used] = wave[:used]
    return _log_magnitudes(filled.reshape(count, WINDOW), _WINDOW_BASIS).mean(axis=0).astype(np.float32)


def _basis(length: int, bins: int, taper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the discrete Fourier transform, tapered by a Hann window where asked."""
    time = np.arange(length)
    weight = 0.5 - 0.5 * np.cos(2 * math.pi * time / (length - 1)) if taper else np.ones(length)
    angle = 2 * math.pi * np.outer(np.arange(1, bins + 1), time) / length
    single = [(weight * wave(angle)).astype(np.float32).astype(np.float64) for wave in (np.cos, np.sin)]
    return single[0], single[1]


_PATCH_BASIS = _basis(PATCH, PATCH_BINS, taper=True)
_WINDOW_BASIS = _basis(WINDOW, WINDOW_BINS, taper=False)


def _log_magnitudes(waves: np.ndarray, basis: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    cosine, sine = basis
    return np.log1p(np.hypot(waves @ cosine.T, waves @ sine.T))
