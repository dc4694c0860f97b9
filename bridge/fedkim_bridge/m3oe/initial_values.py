"""Values before training: those of ``initParameters`` in FedKIM, number for number."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .seeded_random import SeededRandom


def initial_values(
    shapes: Mapping[str, tuple[int, ...]], seed: int, embedding_deviation: float
) -> dict[str, np.ndarray]:
    """Initial parameters by name: experts start with B = 0, so the decoder's output is unchanged.

    Projectors start at the scale of the token embeddings, the gate Glorot-uniform, lora_A Kaiming-uniform with
    a = sqrt(5).
    """
    random = SeededRandom(seed)
    values: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        values[name] = np.zeros(shape, dtype=np.float32)
        if name.startswith("projector.") and name.endswith(".weight"):
            deviation = embedding_deviation / math.sqrt(shape[0])
            values[name] = (deviation * random.normals(math.prod(shape))).astype(np.float32).reshape(shape)
        elif name.startswith("gate.") and name.endswith(".weight"):
            values[name] = _uniform(shape, math.sqrt(6 / sum(shape)), random)
        elif name.endswith(".lora_A"):
            experts, r, width = shape
            # Drawn as [in, E*r], the layout in which FedKIM computes.
            flat = _uniform((width, experts * r), 1 / math.sqrt(width), random)
            values[name] = np.ascontiguousarray(flat.T).reshape(shape)
    return values


def _uniform(shape: tuple[int, ...], limit: float, random: SeededRandom) -> np.ndarray:
    return (limit * (2 * random.uniforms(math.prod(shape)) - 1)).astype(np.float32).reshape(shape)
