"""Which samples meet in which step, and how far the learning rate has come.

The order of FedKIM's ``batches.ts``, ``mixing.ts`` and ``schedule.ts``, number for number: it depends on samples,
settings and seed alone, so every process plans the same run without asking another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from .config import InjectionConfig
from .samples import EncodedSample
from .seeded_random import SeededRandom

Batch = list[EncodedSample]
Item = TypeVar("Item")

#: Samples are sorted by length within windows of so many batches: little padding, and still a random order.
WINDOW = 8
#: Each purpose of random numbers in a step has its own stream.
STREAMS = {"token_noise": 2, "lora_dropout": 3, "expert_dropout": 4, "teacher_mixing": 5}


def plan_epochs(samples: Sequence[EncodedSample], config: InjectionConfig, seed: int) -> list[list[Batch]]:
    """All batches of a run by epoch: one task and one modality layout per batch, lengths alike, order random."""
    random = SeededRandom(seed + 1)
    return [
        _training_batches(_mix(samples, config.mixing, random), config.batchSize, random) for _ in range(config.epochs)
    ]


def equal_length_batches(samples: Sequence[EncodedSample], size: int) -> list[Batch]:
    """Batches for inference: all samples of a batch have the same length, so that none is padded."""
    groups = _group(samples, lambda sample: (*_layout(sample), len(sample.suffix)))
    return list(chain.from_iterable(_chunks(group, size) for group in groups))


def step_random(seed: int, purpose: str, step: int) -> SeededRandom:
    """The random source of one purpose in one step (``step`` steps were made before)."""
    return SeededRandom(seed + STREAMS[purpose] + 65537 * (step + 1))


def rate_factor(step: int, steps: int, config: InjectionConfig) -> float:
    """Factor on the peak learning rate: linear warm-up, then the decay to 0."""
    warm = max(1, math.floor(config.warmup * steps + 0.5))
    if step < warm:
        return (step + 1) / warm
    if config.decay == "none":
        return 1.0
    if config.decay == "linear":
        return max(0.0, (steps - step) / max(1, steps - warm))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def _training_batches(samples: Sequence[EncodedSample], size: int, random: SeededRandom) -> list[Batch]:
    batches: list[Batch] = []
    for group in _group(samples, _layout):
        random.shuffle(group)
        for window in _chunks(group, size * WINDOW):
            window.sort(key=lambda sample: (len(sample.suffix) + len(sample.answer), sample.index))
            batches.extend(_chunks(window, size))
    random.shuffle(batches)
    return batches


def _mix(samples: Sequence[EncodedSample], mixing: Any, random: SeededRandom) -> Sequence[EncodedSample]:  # noqa: ANN401
    """As many samples as given; shares by task are proportional, uniform, or n^(1/T) (Raffel et al. 2020)."""
    if mixing["kind"] == "proportional":
        return samples
    exponent = 0.0 if mixing["kind"] == "uniform" else 1 / mixing["temperature"]
    groups = _group(samples, lambda sample: sample.task.name)
    quotas = apportion([len(group) ** exponent for group in groups], len(samples))
    return list(chain.from_iterable(_draw(group, quota, random) for group, quota in zip(groups, quotas, strict=True)))


def apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers proportional to weights, by largest remainders; every weight gets at least one."""
    exact = [1 + (total - len(weights)) * weight / sum(weights) for weight in weights]
    quotas = [math.floor(value) for value in exact]
    by_rest = sorted(range(len(exact)), key=lambda index: (quotas[index] - exact[index], index))
    for index in by_rest[: total - sum(quotas)]:
        quotas[index] += 1
    return quotas


def _draw(group: Sequence[EncodedSample], count: int, random: SeededRandom) -> list[EncodedSample]:
    drawn: list[EncodedSample] = []
    while len(drawn) < count:
        order = list(group)
        random.shuffle(order)
        drawn.extend(order[: count - len(drawn)])
    return drawn


def _layout(sample: EncodedSample) -> tuple[Any, ...]:
    return (sample.task.name, *((part.modality, len(part.tokens)) for part in sample.modalities))


def _group(items: Iterable[Item], key: Callable[[Item], object]) -> list[list[Item]]:
    groups: dict[object, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _chunks(items: Sequence[Item], size: int) -> list[list[Item]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
