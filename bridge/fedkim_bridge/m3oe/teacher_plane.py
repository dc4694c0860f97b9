"""Teachers that are affine maps of a record's mean token, as FedKIM's ``teacher_plane.ts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .samples import EncodedSample, ModalityTokens
from .teacher_spread import logit_of

#: Largest error on answers that a plane was not fitted to, in units of their standard deviation.
TOLERANCE = 1e-2

#: Added to the diagonal of the normal equations, relative to its mean.
RIDGE = 1e-10


@dataclass(frozen=True)
class TeacherPlane:
    """A teacher's logit: ``weight @ mean + bias``."""

    weight: np.ndarray
    bias: float

    def answer_at(self, mean: np.ndarray) -> float:
        """The logit of a record with this mean token."""
        return float(self.weight @ mean + self.bias)


def teacher_planes(samples: Sequence[EncodedSample]) -> Mapping[str, TeacherPlane]:
    """Planes by task: where one that is fitted to every other answer gives the rest."""
    groups: dict[str, list[EncodedSample]] = {}
    for sample in samples:
        groups.setdefault(sample.task.name, []).append(sample)
    planes = {}
    for name, group in groups.items():
        taught = [sample for sample in group if sample.teacher is not None]
        found = [mean_token(sample.modalities) for sample in taught]
        means = [mean for mean in found if mean is not None]
        if len(taught) < 4 or len({mean.shape for mean in means}) != 1 or len(means) < len(taught):
            continue
        points = np.stack(means)
        logits = np.array([logit_of(sample.teacher) for sample in taught if sample.teacher is not None])
        half = _plane_through(points[::2], logits[::2])
        errors = points[1::2] @ half.weight + half.bias - logits[1::2]
        if np.sqrt(np.mean(errors**2)) <= TOLERANCE * np.std(logits[1::2]):
            planes[name] = _plane_through(points, logits)
    return planes


def mean_token(modalities: Sequence[ModalityTokens]) -> np.ndarray | None:
    """Mean over the tokens that a record has; ``None`` where the modalities' tokens differ in width."""
    rows = [row for part in modalities for row in part.tokens]
    if not rows or any(row.shape != rows[0].shape for row in rows):
        return None
    there = [row.astype(np.float64) for row in rows if row.any()]
    return np.mean(there, axis=0) if there else np.zeros(rows[0].shape)


def _plane_through(points: np.ndarray, logits: np.ndarray) -> TeacherPlane:
    centre, level = points.mean(axis=0), float(logits.mean())
    rows = points - centre
    normal = rows.T @ rows
    ridge = RIDGE * float(np.mean(np.diag(normal))) + 5e-324
    normal[np.diag_indices_from(normal)] += ridge
    weight = np.linalg.lstsq(normal, rows.T @ (logits - level), rcond=None)[0]
    return TeacherPlane(weight, level - float(centre @ weight))
