"""A batch as the decoder reads it: ``<bos> prefix [modality tokens] text question suffix [answer so far]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base.tokenizer import TextTokenizer
from .config import PromptForm
from .samples import EncodedSample
from .seeded_random import SeededRandom


@dataclass(frozen=True)
class TokenStatistics:
    """Mean and standard deviation of every token feature of one modality; deviations are never 0."""

    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class PromptIds:
    """Token ids that are the same in every prompt."""

    prefix: list[int]
    tags: dict[str, tuple[list[int], list[int]]]


@dataclass(frozen=True)
class Slot:
    """The tokens of one modality, standardised, and the ids around them."""

    modality: str
    #: ``[B, count, dEnc]``
    tokens: Tensor
    opening: list[int]
    closing: list[int]


@dataclass(frozen=True)
class PromptBatch:
    """Some rows of a batch: one task, one layout, on the model's device."""

    task: str
    #: True where the answer is yes or no.
    binary: bool
    prefix: list[int]
    slots: list[Slot]
    #: ``[B, L]``, padded in front so that all sequences end together.
    tail: Tensor
    #: ``[B, T]`` and positions, only where lengths differ.
    mask: Tensor | None
    positions: Tensor | None
    #: Ids of the answers, row by row.
    answers: list[tuple[int, ...]]
    #: Probabilities of yes that teachers gave; None where there is none.
    teachers: list[float | None]
    #: Weight of every answer token in the sum of losses.
    weight: float
    #: Weight of the gate's regularisation.
    regularisation: float
    #: ``[1, E]``, 0 for experts that are left out of this step.
    kept: Tensor | None


def prompt_ids(form: PromptForm, tokenizer: TextTokenizer, bos_token_id: int | None) -> PromptIds:
    """Encodes the constant parts of the prompt; the tokenizer's start token goes before the configuration's."""
    start = tokenizer.bos_id if tokenizer.bos_id is not None else bos_token_id
    return PromptIds(
        prefix=[*([] if start is None else [start]), *tokenizer.encode(form.prefix)],
        tags={name: (tokenizer.encode(a), tokenizer.encode(b)) for name, (a, b) in form.tags.items()},
    )


def standardised(
    batch: Sequence[EncodedSample],
    slot: int,
    statistics: TokenStatistics,
    noise: tuple[float, SeededRandom] | None,
) -> np.ndarray:
    """Standardised tokens of one modality of all samples, ``[B, count, dEnc]`` float32, with noise in training."""
    values = np.stack([sample.modalities[slot].tokens for sample in batch]).astype(np.float64)
    values = (values - statistics.mean) / statistics.deviation
    if noise is not None:
        deviation, random = noise
        values += deviation * random.normals(values.size).reshape(values.shape)
    return values.astype(np.float32)


def make_slots(
    batch: Sequence[EncodedSample],
    statistics: Mapping[str, TokenStatistics],
    noise: tuple[float, SeededRandom] | None,
) -> list[tuple[str, np.ndarray]]:
    """Modality and tokens of every slot that holds any; noise is drawn for the whole batch, in order."""
    slots = []
    for index, part in enumerate(batch[0].modalities):
        if len(part.tokens) > 0:
            slots.append((part.modality, standardised(batch, index, statistics[part.modality], noise)))
    return slots


def prompt_batch(
    rows: Sequence[EncodedSample],
    slots: Sequence[tuple[str, np.ndarray]],
    ids: PromptIds,
    device: torch.device,
    *,
    with_answer: bool,
    weight: float = 1.0,
    regularisation: float = 0.0,
    kept: np.ndarray | None = None,
) -> PromptBatch:
    """Builds the decoder's input of some rows; ``with_answer`` appends each answer but its last token."""
    tails = [(*row.suffix, *(row.answer[:-1] if with_answer else ())) for row in rows]
    longest = max(map(len, tails))
    tail = np.zeros((len(rows), longest), dtype=np.int64)
    for row, tokens in enumerate(tails):
        tail[row, longest - len(tokens) :] = tokens
    made = [
        Slot(modality, torch.from_numpy(tokens).to(device), *ids.tags.get(modality, ([], [])))
        for modality, tokens in slots
    ]
    head = len(ids.prefix) + sum(slot.tokens.shape[1] + len(slot.opening) + len(slot.closing) for slot in made)
    mask = positions = None
    if any(len(tokens) != longest for tokens in tails):
        gaps = np.array([[longest - len(tokens)] for tokens in tails])
        steps = np.arange(head + longest)[None, :]
        padded = (steps >= head) & (steps < head + gaps)
        mask = torch.from_numpy((~padded).astype(np.int64)).to(device)
        # Padding stands between the modality tokens and the text, masked and without positions.
        where = np.where(padded, 0, np.where(steps < head, steps, steps - gaps))
        positions = torch.from_numpy(where).to(device)
    return PromptBatch(
        task=rows[0].task.name,
        binary=rows[0].task.type == "binary",
        prefix=ids.prefix,
        slots=made,
        tail=torch.from_numpy(tail).to(device),
        mask=mask,
        positions=positions,
        answers=[row.answer for row in rows],
        teachers=[row.teacher for row in rows],
        weight=weight,
        regularisation=regularisation,
        kept=None if kept is None else torch.from_numpy(kept).to(device),
    )


def token_statistics(batch: Sequence[tuple[str, np.ndarray]]) -> dict[str, TokenStatistics]:
    """Statistics of every token feature by modality, over training tokens ``[count, dEnc]``; public data only."""
    gathered: dict[str, list[np.ndarray]] = {}
    for modality, tokens in batch:
        if len(tokens) > 0:
            gathered.setdefault(modality, []).append(tokens)
    found = {}
    for modality, parts in gathered.items():
        values = np.concatenate(parts).astype(np.float64)
        mean = values.mean(axis=0)
        variance = np.square(values).mean(axis=0) - mean**2
        # A constant feature carries nothing: leave it unscaled instead of dividing by zero.
        deviation = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1.0)
        found[modality] = TokenStatistics(mean.astype(np.float32), deviation.astype(np.float32))
    return found
