"""FedKIM's reproducible random numbers (``src/tensor/seeded_random.ts``), so that one seed is one adapter.

xoshiro128** (Blackman and Vigna 2018). Long runs of uniform numbers come from many streams side by side: the
generator is linear over GF(2), so the state a given number of steps ahead is a matrix power away.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

MASK: Final = 0xFFFFFFFF
#: Fewer numbers than this are drawn one by one.
BULK: Final = 1 << 14
STREAMS: Final = 1 << 10


class SeededRandom:
    """A generator that gives the same numbers as the class of that name in FedKIM."""

    def __init__(self, seed: int) -> None:
        mix = (seed & MASK) ^ ((seed >> 32) * 0x9E3779B9 & MASK)
        self._state = [0, 0, 0, 0]
        for index in range(4):
            mix = (mix + 0x9E3779B9) & MASK
            z = (mix ^ (mix >> 16)) * 0x85EBCA6B & MASK
            z = (z ^ (z >> 13)) * 0xC2B2AE35 & MASK
            self._state[index] = z ^ (z >> 16)
        self._spare: float | None = None

    def next_uint32(self) -> int:
        """The next 32 random bits."""
        s = self._state
        scrambled = s[1] * 5 & MASK
        result = ((scrambled << 7 | scrambled >> 25) & MASK) * 9 & MASK
        t = s[1] << 9 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = (s[3] << 11 | s[3] >> 21) & MASK
        return result

    def next(self) -> float:
        """Uniform in [0, 1) with 53 bits."""
        high = self.next_uint32() >> 5
        return (high * 67108864 + (self.next_uint32() >> 6)) / 9007199254740992

    def normal(self) -> float:
        """Standard normal (polar Box-Muller, Marsaglia and Bray 1964)."""
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        while True:
            u = 2 * self.next() - 1
            v = 2 * self.next() - 1
            s = u * u + v * v
            if 0 < s < 1:
                factor = math.sqrt(-2 * math.log(s) / s)
                self._spare = v * factor
                return u * factor

    def integer(self, n: int) -> int:
        """Uniform integer in [0, n)."""
        return math.floor(self.next() * n)

    def shuffle(self, items: list[Any]) -> None:
        """Shuffles in place (Fisher-Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.integer(i + 1)
            items[i], items[j] = items[j], items[i]

    def normals(self, size: int) -> np.ndarray:
        """Standard normals, float64."""
        return np.array([self.normal() for _ in range(size)], dtype=np.float64)

    def uniforms(self, size: int) -> np.ndarray:
        """Uniform numbers in [0, 1), float64; the same as ``size`` calls of ``next``."""
        if size < BULK:
            return np.array([self.next() for _ in range(size)], dtype=np.float64)
        steps = -(-size // STREAMS)
        bits = self._streams(STREAMS, 2 * steps).reshape(-1, 2)[:size].astype(np.float64)
        # The state after exactly `size` numbers: the last stream was used only in part.
        self._state = _jump(self._state, 2 * size)
        return (np.floor(bits[:, 0] / 32) * 67108864 + np.floor(bits[:, 1] / 64)) / 9007199254740992

    def _streams(self, streams: int, steps: int) -> np.ndarray:
        """``streams * steps`` numbers in order, made by ``streams`` generators ``steps`` apart."""
        starts = np.empty((streams, 4), dtype=np.uint32)
        state, ahead = self._state, _power(steps)
        for stream in range(streams):
            starts[stream] = state
            state = _apply(ahead, state)
        s0, s1, s2, s3 = (starts[:, word].copy() for word in range(4))
        out = np.empty((steps, streams), dtype=np.uint32)
        for step in range(steps):
            scrambled = s1 * np.uint32(5)
            out[step] = (scrambled << np.uint32(7) | scrambled >> np.uint32(25)) * np.uint32(9)
            t = s1 << np.uint32(9)
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= t
            s3 = s3 << np.uint32(11) | s3 >> np.uint32(21)
        return out.T.ravel()


def _bits_of(state: list[int]) -> np.ndarray:
    return np.unpackbits(np.array(state, dtype="<u4").view(np.uint8), bitorder="little")


def _apply(matrix: np.ndarray, state: list[int]) -> list[int]:
    bits = (matrix @ _bits_of(state).astype(np.float32)).astype(np.int64) & 1
    return [int(word) for word in np.packbits(bits.astype(np.uint8), bitorder="little").view("<u4")]


def _jump(state: list[int], steps: int) -> list[int]:
    return _apply(_power(steps), state)


def _power(steps: int) -> np.ndarray:
    """The generator's transition, ``steps`` times, as a 128 x 128 matrix over GF(2) (in float32, entries 0 and 1)."""
    columns = []
    for bit in range(128):
        unit = SeededRandom(0)
        unit._state = [1 << bit % 32 if word == bit // 32 else 0 for word in range(4)]
        unit.next_uint32()
        columns.append(_bits_of(unit._state))
    base = np.stack(columns, axis=1).astype(np.float32)
    result = np.eye(128, dtype=np.float32)
    while steps > 0:
        if steps & 1:
            result = np.mod(result @ base, 2)
        base = np.mod(base @ base, 2)
        steps >>= 1
    return result
