"""The manifest ``dataset.json`` of a ``fedkim-dataset/1`` folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BridgeError
from ..json_file import read_json_object

Kind = TypeVar("Kind")

TASK_TYPES = ("binary", "multiclass", "multilabel", "regression", "open")
#: A path that leaves the dataset's folder would let a manifest read any file.
OUTSIDE = re.compile(r"(^|[\\/])\.\.([\\/]|$)|^[\\/]|^[A-Za-z]:")


@dataclass(frozen=True)
class ModalityManifest:
    """How one modality is stored; fields that its kind does not have are empty."""

    kind: str
    field: str
    channels: tuple[str, ...] = ()
    steps: int = 0
    array: str = ""
    sample_rate_hz: float = 1.0
    leads: int = 1


@dataclass(frozen=True)
class TaskManifest:
    """One question that is asked about records."""

    name: str
    type: str
    label: str
    question: str
    description: str
    modalities: tuple[str, ...]
    modality_description: str
    role: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class DatasetManifest:
    """A set: where its records are, its modalities and tasks."""

    name: str
    records: str
    patient_field: str
    privacy_unit: str
    modalities: dict[str, ModalityManifest]
    tasks: tuple[TaskManifest, ...]


def read_manifest(folder: Path) -> DatasetManifest:
    """Reads and checks ``dataset.json``; raises ``DatasetError`` naming the wrong field, ``UnknownTask`` for a
    task without description.
    """
    path = folder / "dataset.json"
    value = read_json_object(path, "DatasetError", "a folder in the format fedkim-dataset/1")
    fields = _Fields(value, path, "")
    if value.get("format") != "fedkim-dataset/1":
        raise fields.wrong("format", f"{value.get('format')}", "fedkim-dataset/1")
    modalities = {
        name: _modality(_Fields(item, path, f"modalities.{name}."))
        for name, item in fields.get("modalities", dict).items()
    }
    tasks = tuple(_task(_Fields(item, path, f"tasks.{index}.")) for index, item in enumerate(fields.get("tasks", list)))
    for task in tasks:
        unknown = [name for name in task.modalities if name not in modalities]
        if unknown:
            raise fields.wrong(f"task {task.name}", f"unknown modality {unknown[0]}", "a modality of the manifest")
    if len({task.name for task in tasks}) != len(tasks):
        raise fields.wrong("tasks", "two tasks of one name", "unique names")
    return DatasetManifest(
        name=fields.text("name"),
        records=fields.file("records"),
        patient_field=fields.text("patientField"),
        privacy_unit=fields.choice("privacyUnit", ("patient", "image", "record")),
        modalities=modalities,
        tasks=tasks,
    )


class _Fields:
    """A JSON object whose fields are read with their types."""

    def __init__(self, value: object, path: Path, prefix: str) -> None:
        self._path, self._prefix = path, prefix
        if not isinstance(value, dict):
            raise self.wrong("", type(value).__name__, "an object")
        self._value: dict[str, Any] = value

    def get(self, name: str, kind: type[Kind]) -> Kind:
        value = self._value.get(name)
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        raise self.wrong(name, "nothing" if value is None else type(value).__name__, kind.__name__)

    def text(self, name: str) -> str:
        value = self.get(name, str)
        if value == "":
            raise self.wrong(name, "an empty text", "a text")
        return value

    def file(self, name: str) -> str:
        value = self.text(name)
        if OUTSIDE.search(value):
            raise self.wrong(name, "a path outside the folder", "a file inside the folder")
        return value

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in options:
            raise self.wrong(name, value, " or ".join(options))
        return value

    def number(self, name: str, default: float | None, usable: Callable[[float], bool]) -> float:
        value = self._value.get(name, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and usable(value):
            return value
        raise self.wrong(name, f"{value}", "a positive number")

    def names(self, name: str) -> tuple[str, ...]:
        value = self.get(name, list)
        if value and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        raise self.wrong(name, "an empty or mixed list", "names")

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def wrong(self, name: str, found: str, needed: str) -> BridgeError:
        return BridgeError(
            "DatasetError",
            f"{self._path} is not a valid fedkim-dataset/1 manifest.",
            found=f"{self._prefix}{name}: {found}",
            needed=needed,
            remedy="correct this field, or write the folder again with `fedkim dataset import`",
        )


def _whole(value: float) -> bool:
    return value == int(value) and 1 <= value <= 1_000_000_000


def _modality(fields: _Fields) -> ModalityManifest:
    kind = fields.choice("kind", ("timeseries", "vector", "text", "image", "signal"))
    field = fields.text("field")
    if kind == "timeseries":
        steps = int(fields.number("steps", None, _whole))
        return ModalityManifest(kind, field, channels=fields.names("channels"), steps=steps)
    if kind == "vector":
        return ModalityManifest(kind, field, channels=fields.names("channels"))
    if kind == "text":
        return ModalityManifest(kind, field)
    if kind == "image":
        return ModalityManifest(kind, field, array=fields.file("array"))
    rate = fields.number("sampleRateHz", None, lambda value: 0 < value <= 1e6)
    leads = int(fields.number("leads", 1, _whole))
    return ModalityManifest(kind, field, array=fields.file("array"), sample_rate_hz=float(rate), leads=leads)


def _task(fields: _Fields) -> TaskManifest:
    name = fields.text("name")
    for part in ("description", "modalityDescription"):
        if fields.get(part, str).strip() == "":
            raise BridgeError(
                "UnknownTask",
                f"The task {name} has no description.",
                found=f"an empty {part}",
                needed="a description and a modality description: the gate reads both",
                remedy="describe the task in dataset.json",
            )
    kind = fields.choice("type", TASK_TYPES)
    named = kind in ("multiclass", "multilabel") or fields.has("classes")
    return TaskManifest(
        name=name,
        type=kind,
        label=fields.text("label"),
        question=fields.text("question"),
        description=fields.text("description"),
        modalities=fields.names("modalities"),
        modality_description=fields.text("modalityDescription"),
        role=fields.choice("role", ("train", "unseen")),
        classes=fields.names("classes") if named else (),
    )
