"""Points between taught samples, as FedKIM's ``teacher_mixing.ts``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .samples import EncodedSample, ModalityTokens
from .seeded_random import SeededRandom
from .teacher_spread import logit_of, probability_of


def mix_taught(batch: list[EncodedSample], reach: float, random: SeededRandom) -> list[EncodedSample]:
    """Replaces each taught sample by a random point of the line through it and another one of the batch."""
    if reach == 0:
        return batch
    mixed = []
    for sample in batch:
        other = batch[random.integer(len(batch))]
        share = random.next() * (1 + 2 * reach) - reach
        mixed.append(_between(sample, other, share))
    return mixed


def _between(sample: EncodedSample, other: EncodedSample, share: float) -> EncodedSample:
    if sample.teacher is None or other.teacher is None or _lacking(sample) != _lacking(other):
        return sample
    logit = share * logit_of(sample.teacher) + (1 - share) * logit_of(other.teacher)
    modalities = tuple(
        ModalityTokens(own.modality, _line(own.tokens, two.tokens, share))
        for own, two in zip(sample.modalities, other.modalities, strict=True)
    )
    return replace(sample, modalities=modalities, teacher=probability_of(logit))


def _line(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    return (share * one.astype(np.float64) + (1 - share) * two.astype(np.float64)).astype(np.float32)


def _lacking(sample: EncodedSample) -> list[bool]:
    return [not row.any() for part in sample.modalities for row in part.tokens]
