"""Public records as samples for the base: encoder tokens, text, question and label (paper, step 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .errors import BridgeError
from .local.encoder import EncodedModality, encode_records
from .local.manifest import TaskManifest
from .local.records import Label, RecordSet
from .local.spec import LocalModelSpec
from .m3oe.samples import InjectionSample, ModalityTokens, TaskText
from .run_folder import Weights, tensor_of


@dataclass(frozen=True)
class TaskSamples:
    """Samples of one task and the record behind each."""

    samples: list[InjectionSample]
    ids: list[str]


def task_text(task: TaskManifest) -> TaskText:
    """The texts that gate and prompt need. Open answers are generated, all others are yes or no."""
    kind = "open" if task.type == "open" else "binary"
    return TaskText(task.name, task.description, task.modality_description, kind)


def answerable_tasks(sets: Iterable[RecordSet], spec: LocalModelSpec) -> list[TaskManifest]:
    """The trained tasks, and unseen ones that read trained modalities only (text needs no projector)."""
    trained = {head.task for head in spec.heads}
    projected = {modality for head in spec.heads for modality in head.modalities}

    def answerable(task: TaskManifest, records: RecordSet) -> bool:
        kinds = records.manifest.modalities
        readable = all(kinds[name].kind == "text" or name in projected for name in task.modalities)
        return task.name in trained or (task.role == "unseen" and readable)

    return [task for records in sets for task in records.manifest.tasks if answerable(task, records)]


class SampleMaker:
    """Turns records into samples; every modality of a set is encoded once, however many tasks read it."""

    def __init__(self, spec: LocalModelSpec, weights: Weights) -> None:
        self._spec, self._weights = spec, weights

    def all_samples(
        self,
        sets: Iterable[RecordSet],
        tasks: Sequence[TaskManifest],
        *,
        labelled: bool,
        taught: bool = False,
    ) -> dict[str, TaskSamples]:
        """Samples by task; with ``labelled`` those that have a label, otherwise no label is looked at.

        With ``taught`` each gets what the task's federated head answers, beside its label.
        """
        names = {task.name for task in tasks}
        made: dict[str, TaskSamples] = {}
        for records in sets:
            encoded: dict[str, EncodedModality] = {}
            for task in records.manifest.tasks:
                if task.name in names:
                    made[task.name] = self._samples_of(records, task, encoded, labelled, taught)
        return made

    def _samples_of(
        self,
        records: RecordSet,
        task: TaskManifest,
        encoded: dict[str, EncodedModality],
        labelled: bool,
        taught: bool,
    ) -> TaskSamples:
        kinds = records.manifest.modalities
        textual = [name for name in task.modalities if kinds[name].kind == "text"]
        others = [name for name in task.modalities if kinds[name].kind != "text"]
        for name in others:
            if name not in encoded:
                encoded[name] = encode_records(self._spec, self._weights, records, name)
        # A head that also reads text teaches nothing: the base reads the text itself.
        teachers = self._teachers(task, encoded) if taught and not textual else None
        # A text that the question quotes is not repeated.
        note = next((name for name in textual if f"{{{name}}}" not in task.question), None)
        out = TaskSamples([], [])
        for row, record in enumerate(records.records):
            label = record.labels[task.name]
            if labelled and label is None:
                continue
            if others and not any(encoded[name].present[row] for name in others):
                continue
            text = None if note is None else record.values[note]
            out.ids.append(record.id)
            out.samples.append(
                InjectionSample(
                    task=task.name,
                    modalities=tuple(ModalityTokens(name, encoded[name].data[row]) for name in others),
                    text=text if isinstance(text, str) else None,
                    question=record.questions[task.name],
                    label=_label(task, label if labelled else None),
                    teacher=None if teachers is None else float(teachers[row]),
                )
            )
        return out

    def _teachers(self, task: TaskManifest, encoded: dict[str, EncodedModality]) -> np.ndarray | None:
        """Probability of yes that the task's federated head gives each record, if it has a yes-or-no head."""
        head = next((head for head in self._spec.heads if head.task == task.name and head.type == "binary"), None)
        if head is None or any(name not in encoded for name in head.modalities):
            return None
        weight = tensor_of(self._weights, f"head.{head.task}.weight", (self._spec.d_enc, 1))
        bias = tensor_of(self._weights, f"head.{head.task}.bias", (1,))
        read = [encoded[name] for name in head.modalities]
        total = np.sum([item.data.sum(axis=1) for item in read], axis=0)
        count = np.sum([item.counts for item in read], axis=0)
        logits = (total / np.maximum(count, 1)[:, None]) @ weight + bias
        return 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))


def _label(task: TaskManifest, label: Label | None) -> int | str:
    if task.type == "open":
        return "" if label is None else str(label)
    return int(isinstance(label, (int, float)) and label > 0)


def require_samples(samples: dict[str, TaskSamples], folder: str) -> None:
    """Refuses data in which no task of the run has a labelled record; ``UnknownTask``."""
    if not any(item.samples for item in samples.values()):
        raise BridgeError(
            "UnknownTask",
            f"No record of {folder} is labelled for a task of the run.",
            found=", ".join(samples) or "no task of the run",
            needed="the federation's public data",
        )
