"""How scores are read: threshold and calibration by task, from public data only (``src/federation/decisions.ts``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: Newton steps at most, the ridge on the slope that keeps separable scores finite, and the gradient per record at which
#: the fit counts as found.
STEPS = 200
RIDGE = 1e-3
FLAT = 1e-9


def public_decisions(
    trained: Mapping[str, tuple[np.ndarray, Sequence[int]]], unseen: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Decisions as ``evaluation.json`` holds them.

    A trained task takes the threshold of the best F1 on the validation split and is calibrated there. An unseen
    one has no label to use: its share of yes equals the mean share of the trained tasks, and it stays uncalibrated.
    """
    decisions: dict[str, dict[str, Any]] = {}
    shares = []
    for task, (scores, labels) in trained.items():
        if len(labels) == 0:
            continue
        decisions[task] = {"threshold": best_threshold(scores, labels)}
        calibration = platt_scaling(scores, labels)
        if calibration is not None:
            decisions[task]["calibration"] = calibration
        shares.append(sum(labels) / len(labels))
    share = sum(shares) / max(1, len(shares))
    for task, scores in unseen.items():
        if len(scores) > 0:
            decisions[task] = {"threshold": prevalence_threshold(scores, share)}
    return decisions


def best_threshold(scores: np.ndarray, labels: Sequence[int]) -> float:
    """The threshold with the best F1; ties go to the lower one."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    positives, true_positives = sum(labels), 0
    best_f1, threshold = -1.0, 0.0
    for rank, row in enumerate(order):
        true_positives += labels[row]
        f1 = 2 * true_positives / (rank + 1 + positives)
        here = float(scores[row])
        following = float(scores[order[rank + 1]]) if rank + 1 < len(order) else here - 1
        if f1 >= best_f1 and following < here:
            middle = (here + following) / 2
            best_f1, threshold = f1, middle if middle < here else following
    return threshold


def prevalence_threshold(scores: np.ndarray, positive_share: float) -> float:
    """The threshold above which a given share of scores lies."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    rank = min(len(ordered) - 1, max(1, math.floor(len(ordered) * (1 - positive_share) + 0.5)))
    return float(ordered[rank] + ordered[max(0, rank - 1)]) / 2


def platt_scaling(scores: np.ndarray, labels: Sequence[int]) -> dict[str, float] | None:
    """Slope and intercept of Platt 1999, with smoothed targets and Newton steps that are halved until the loss falls.

    None with one class or one score only, and where higher scores do not mean yes.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels)
    positives, n = int(truth.sum()), len(truth)
    mean, deviation = float(values.mean()), float(values.std())
    if positives in (0, n) or not (deviation > 0 and math.isfinite(deviation)):
        return None
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (n - positives + 2))
    x = (values - mean) / deviation

    def loss(slope: float, intercept: float) -> float:
        z = slope * x + intercept
        return RIDGE * slope * slope / 2 + float((np.logaddexp(0, z) - targets * z).sum())

    a, b = 0.0, math.log((positives + 1) / (n - positives + 1))
    value = loss(a, b)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(a * x + b)))
        error, weight = p - targets, p * (1 - p)
        ga, gb = RIDGE * a + float((error * x).sum()), float(error.sum())
        if max(abs(ga), abs(gb)) < FLAT * n:
            return {"slope": a / deviation, "intercept": b - a * mean / deviation} if a > 0 else None
        haa, hab = RIDGE + float((weight * x * x).sum()), float((weight * x).sum())
        hbb = 1e-12 + float(weight.sum())
        determinant = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant
        size = 1.0
        while size > 1e-12 and not loss(a - size * da, b - size * db) <= value - 1e-4 * size * (ga * da + gb * db):
            size /= 2
        a, b = a - size * da, b - size * db
        value = loss(a, b)
    return None
