"""Samples: public records with one question each, before and after their texts became token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.tokenizer import TextTokenizer
from ..errors import BridgeError
from .config import PromptForm


@dataclass(frozen=True)
class TaskText:
    """The texts that describe one task: T and M of the paper."""

    name: str
    description: str
    modality_description: str
    #: ``binary`` or ``open``
    type: str

    def to_json(self) -> dict[str, str]:
        """As it stands in adapter files."""
        return {
            "name": self.name,
            "description": self.description,
            "modalityDescription": self.modality_description,
            "type": self.type,
        }


@dataclass(frozen=True)
class ModalityTokens:
    """The encoder's output for one modality of one record, ``[count, dEnc]`` float32."""

    modality: str
    tokens: np.ndarray


@dataclass(frozen=True)
class InjectionSample:
    """One public record with one question."""

    task: str
    modalities: tuple[ModalityTokens, ...]
    text: str | None
    question: str
    #: 1 or 0 in a binary task, the answer's text in an open one.
    label: int | str
    #: Probability of yes that a federated local head gives; a soft target for ``distillation``.
    teacher: float | None = None


@dataclass(frozen=True)
class EncodedSample:
    """A sample with its texts as token ids."""

    task: TaskText
    modalities: tuple[ModalityTokens, ...]
    #: Ids after the modality tokens: text, question, suffix.
    suffix: tuple[int, ...]
    #: Ids of the answer; with the end token for open tasks.
    answer: tuple[int, ...]
    teacher: float | None
    #: Where the sample stood in the caller's list.
    index: int


def check_tasks(tasks: Sequence[TaskText]) -> dict[str, TaskText]:
    """Tasks by name; raises ``UnknownTask`` for one without description or modality description."""
    for task in tasks:
        if task.description.strip() == "" or task.modality_description.strip() == "":
            raise BridgeError(
                "UnknownTask",
                f"The task {task.name} has no description.",
                needed="a description and a modality description: the gate reads both",
            )
    return {task.name: task for task in tasks}


def encode_samples(
    samples: Sequence[InjectionSample],
    tasks: Mapping[str, TaskText],
    widths: Mapping[str, int],
    tokenizer: TextTokenizer,
    prompt: PromptForm,
) -> list[EncodedSample]:
    """Encodes the texts of samples.

    Raises ``UnknownTask`` for a task without description, ``ModelError`` for an unknown modality, tokens of
    another width or that are not finite, or a label that does not fit the task.
    """
    tail = tokenizer.encode(prompt.suffix)
    encoded = []
    for index, sample in enumerate(samples):
        task = tasks.get(sample.task)
        if task is None:
            raise BridgeError(
                "UnknownTask",
                f"The task {sample.task} has no description.",
                needed="a task text for every task of the samples",
            )
        for part in sample.modalities:
            _check_tokens(part, widths)
        text = [] if sample.text is None else tokenizer.encode(sample.text)[: prompt.maxTextTokens]
        suffix = (*text, *tokenizer.encode(sample.question), *tail)
        answer = _answer(sample, task, tokenizer)
        encoded.append(EncodedSample(task, sample.modalities, suffix, answer, sample.teacher, index))
    return encoded


def _answer(sample: InjectionSample, task: TaskText, tokenizer: TextTokenizer) -> tuple[int, ...]:
    if task.type == "binary" and sample.label in (0, 1):
        return (tokenizer.yes if sample.label == 1 else tokenizer.no,)
    if task.type == "open" and isinstance(sample.label, str):
        end = () if tokenizer.eos_id is None else (tokenizer.eos_id,)
        return (*tokenizer.encode(sample.label), *end)
    raise BridgeError(
        "ModelError",
        f"A label does not fit the task {task.name}.",
        found=f"a {type(sample.label).__name__} in a task of type {task.type}",
        needed="0 or 1" if task.type == "binary" else "the answer's text",
    )


def _check_tokens(part: ModalityTokens, widths: Mapping[str, int]) -> None:
    width = widths.get(part.modality)
    if width is None:
        raise BridgeError(
            "ModelError",
            f"The modality {part.modality} has no projector.",
            needed=f"one of {', '.join(widths)}",
            remedy="train the injection with samples of this modality",
        )
    if part.tokens.ndim != 2 or part.tokens.shape[1] != width:
        raise BridgeError(
            "ModelError",
            f"The tokens of modality {part.modality} have another width.",
            found=f"{list(part.tokens.shape)}",
            needed=f"[tokens, {width}]",
        )
    if not np.isfinite(part.tokens).all():
        raise BridgeError(
            "ModelError",
            f"The tokens of modality {part.modality} are not finite.",
            remedy="check the encoder that made them",
        )
