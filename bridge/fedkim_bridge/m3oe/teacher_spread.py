"""Targets from teachers, as FedKIM's ``teacher_spread.ts``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .samples import EncodedSample

#: Probabilities are kept this far from 0 and 1, so that a sure teacher has a finite logit.
SUREST = 1e-15


def spread_teachers(samples: Sequence[EncodedSample], spread: float) -> Sequence[EncodedSample]:
    """Brings the teachers' logits of each task to mean 0 and a standard deviation; 0 leaves them as they are."""
    if spread == 0:
        return samples
    logits: dict[str, list[float]] = {}
    for sample in samples:
        if sample.teacher is not None:
            logits.setdefault(sample.task.name, []).append(logit_of(sample.teacher))
    moments = {name: _moments(values) for name, values in logits.items()}

    def respread(sample: EncodedSample) -> EncodedSample:
        if sample.teacher is None:
            return sample
        mean, deviation = moments[sample.task.name]
        return replace(sample, teacher=probability_of(spread * (logit_of(sample.teacher) - mean) / deviation))

    return [respread(sample) for sample in samples]


def _moments(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
    # A teacher that says the same of everybody teaches that.
    return mean, math.sqrt(variance) if variance > 1e-12 else 1.0


def logit_of(probability: float) -> float:
    """The logit of a probability."""
    p = min(max(probability, SUREST), 1 - SUREST)
    return math.log(p) - math.log1p(-p)


def probability_of(logit: float) -> float:
    """The probability of a logit."""
    return 1 / (1 + math.exp(-logit))
