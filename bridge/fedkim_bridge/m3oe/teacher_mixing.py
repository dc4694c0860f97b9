"""Points between taught samples, as FedKIM's ``teacher_mixing.ts``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .samples import EncodedSample, ModalityTokens
from .seeded_random import SeededRandom
from .teacher_plane import TeacherPlane, mean_token
from .teacher_spread import logit_of, probability_of


def mix_taught(
    batch: list[EncodedSample],
    reach: float,
    random: SeededRandom,
    plane: TeacherPlane | None = None,
) -> list[EncodedSample]:
    """Replaces each taught sample by a random point of the line through it and another one of the batch; with the
    teacher's plane each of its tokens, by a point of a line of its own."""
    if reach == 0:
        return batch

    def draw() -> tuple[EncodedSample, float]:
        other = batch[random.integer(len(batch))]
        return other, random.next() * (1 + 2 * reach) - reach

    return [
        _between_records(sample, *draw()) if plane is None else _between_tokens(sample, draw, plane)
        for sample in batch
    ]


def _between_records(sample: EncodedSample, other: EncodedSample, share: float) -> EncodedSample:
    if sample.teacher is None or other.teacher is None or _lacking(sample) != _lacking(other):
        return sample
    logit = share * logit_of(sample.teacher) + (1 - share) * logit_of(other.teacher)
    modalities = tuple(
        ModalityTokens(own.modality, _point(own.tokens, two.tokens, share))
        for own, two in zip(sample.modalities, other.modalities, strict=True)
    )
    return replace(sample, modalities=modalities, teacher=probability_of(logit))


def _between_tokens(
    sample: EncodedSample,
    draw: Callable[[], tuple[EncodedSample, float]],
    plane: TeacherPlane,
) -> EncodedSample:
    if sample.teacher is None:
        return sample
    modalities = []
    for slot, part in enumerate(sample.modalities):
        tokens = part.tokens.copy()
        for t, own in enumerate(part.tokens):
            other, share = draw()
            theirs = other.modalities[slot].tokens[t]
            if own.any() and theirs.any():
                tokens[t] = _point(own, theirs, share)
        modalities.append(ModalityTokens(part.modality, tokens))
    mean = mean_token(modalities)
    if mean is None:
        return sample
    return replace(sample, modalities=tuple(modalities), teacher=probability_of(plane.answer_at(mean)))


def _point(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    return (share * one.astype(np.float64) + (1 - share) * two.astype(np.float64)).astype(np.float32)


def _lacking(sample: EncodedSample) -> list[bool]:
    return [not row.any() for part in sample.modalities for row in part.tokens]
