"""Records of a ``fedkim-dataset/1`` folder and of a part of a federation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BridgeError
from ..json_file import parse_json
from .manifest import DatasetManifest, ModalityManifest, TaskManifest, read_manifest

FIELD = re.compile(r"\{([A-Za-z0-9_.]+)\}")
#: One public patient in this many is held out: every choice is made on the held-out ones.
VALIDATION_SHARE = 5
MISSING = object()

#: A text, or an array: time series [steps, channels], vector [channels], image [H, W], signal [samples, leads].
Value = str | np.ndarray
Label = float | str | list[int]


@dataclass(frozen=True)
class Record:
    """One record in memory."""

    id: str
    patient: str
    values: dict[str, Value | None]
    labels: dict[str, Label | None]
    questions: dict[str, str]


@dataclass(frozen=True)
class RecordSet:
    """One set of a part, with the records that are in use."""

    manifest: DatasetManifest
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """Name of the set, from its manifest."""
        return self.manifest.name


def load_part(folder: Path) -> tuple[RecordSet, ...]:
    """Loads a folder of dataset folders; every patient belongs to one set.

    Sets come in alphabetical order of their names. A patient of several sets belongs to the first one whose
    privacy unit is a group (patient, image), as in FedKIM's ``composeSite``. Raises ``DatasetError``.
    """
    try:
        folders = sorted(entry for entry in folder.iterdir() if (entry / "dataset.json").is_file())
    except OSError as cause:
        raise BridgeError("DatasetError", f"{folder} cannot be read.", needed="a folder of dataset folders") from cause
    if not folders:
        raise BridgeError(
            "DatasetError", f"{folder} holds no dataset.", needed="at least one sub-folder with dataset.json"
        )
    sets = sorted((load_set(entry) for entry in folders), key=lambda item: item.name)
    if len({item.name for item in sets}) != len(sets):
        raise BridgeError("DatasetError", f"{folder} holds two datasets of the same name.", needed="one folder a set")
    owner: dict[str, str] = {}
    for item in sets:
        if item.manifest.privacy_unit != "record":
            for record in item.records:
                owner.setdefault(record.patient, item.name)
    return tuple(
        replace(item, records=tuple(r for r in item.records if owner.get(r.patient, item.name) == item.name))
        for item in sets
    )


def split_public(sets: Iterable[RecordSet]) -> tuple[tuple[RecordSet, ...], tuple[RecordSet, ...]]:
    """Training and validation part of public data: a hash of the patient decides, so the split never moves."""

    def held(set_name: str, patient: str) -> bool:
        digest = hashlib.sha256(f"fedkim/public-validation/{set_name}/{patient}".encode()).digest()
        return digest[0] % VALIDATION_SHARE == 0

    def part(item: RecordSet, wanted: bool) -> RecordSet:
        return replace(item, records=tuple(r for r in item.records if held(item.name, r.patient) == wanted))

    sets = tuple(sets)
    return tuple(part(item, False) for item in sets), tuple(part(item, True) for item in sets)


def load_set(folder: Path) -> RecordSet:
    """Loads one dataset folder; raises ``DatasetError`` naming file, line and field of the first wrong value."""
    manifest = read_manifest(folder)
    arrays = {
        name: _open_array(folder / modality.array, modality)
        for name, modality in manifest.modalities.items()
        if modality.array
    }
    path = folder / manifest.records
    records: list[Record] = []
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip() == "":
                    continue
                record = _parse_record(line, manifest, arrays, f"{path}, line {number}")
                if record.id in seen:
                    raise BridgeError("DatasetError", f"{path}, line {number}: the record occurs twice.")
                seen.add(record.id)
                records.append(record)
    except OSError as cause:
        raise BridgeError(
            "DatasetError", f"{path} cannot be opened.", needed="the file that dataset.json names"
        ) from cause
    return RecordSet(manifest, tuple(records))


def _open_array(path: Path, modality: ModalityManifest) -> np.ndarray:
    wanted = np.uint8 if modality.kind == "image" else np.int16
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as cause:
        raise BridgeError("DatasetError", f"{path} cannot be read.", needed="an intact .npy array") from cause
    fits = array.ndim == 3 and array.dtype == wanted and (modality.kind == "image" or array.shape[2] == modality.leads)
    if fits and all(array.shape[1:]):
        return array
    needed = "[N, height, width] of uint8" if modality.kind == "image" else f"[N, samples, {modality.leads}] of int16"
    raise BridgeError(
        "DatasetError",
        f"{path} does not fit its modality.",
        found=f"{list(array.shape)} of {array.dtype}",
        needed=needed,
    )


def _parse_record(line: str, manifest: DatasetManifest, arrays: dict[str, np.ndarray], where: str) -> Record:
    try:
        fields = parse_json(line)
    except ValueError as cause:
        raise _wrong(where, "a line that is not JSON", "one JSON object per line") from cause
    if not isinstance(fields, dict):
        raise _wrong(where, "a line that is no JSON object", "one JSON object per line")
    values: dict[str, Value | None] = {}
    for name, modality in manifest.modalities.items():
        raw = fields.get(modality.field)
        place = f"{where}, field {modality.field}"
        values[name] = None if raw is None else _parse_value(raw, modality, arrays.get(name), place)
    return Record(
        id=_identifier(fields, "id", where),
        patient=_identifier(fields, manifest.patient_field, where),
        values=values,
        labels={task.name: _parse_label(_at_path(fields, task.label), task, where) for task in manifest.tasks},
        questions={task.name: _fill_in(task.question, fields) for task in manifest.tasks},
    )


def _identifier(fields: dict[str, Any], field: str, where: str) -> str:
    value = fields.get(field)
    if (isinstance(value, str) and value != "") or _is_number(value):
        return _as_text(value)
    raise _wrong(f"{where}, field {field}", "no identifier", "a non-empty identifier")


def _parse_value(raw: object, modality: ModalityManifest, array: np.ndarray | None, where: str) -> Value:
    if modality.kind == "text":
        if isinstance(raw, str):
            return raw
        raise _wrong(where, type(raw).__name__, "a text or null")
    if modality.kind == "vector":
        return _numbers(raw, len(modality.channels), where)
    if modality.kind == "timeseries":
        if not isinstance(raw, list) or len(raw) != modality.steps:
            raise _wrong(where, type(raw).__name__, f"an array of {modality.steps} steps")
        return np.stack([_numbers(row, len(modality.channels), where) for row in raw])
    if array is None or not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw < len(array):
        raise _wrong(where, "a row that the array does not have", f"a row below {0 if array is None else len(array)}")
    return array[raw]


def _numbers(raw: object, length: int, where: str) -> np.ndarray:
    if not isinstance(raw, list) or len(raw) != length:
        raise _wrong(where, type(raw).__name__, f"an array of {length} numbers or nulls")
    if not all(item is None or _is_number(item) for item in raw):
        raise _wrong(where, "an entry that is no number", "finite numbers or nulls")
    with np.errstate(over="ignore"):
        values = np.array([np.nan if item is None else item for item in raw], dtype=np.float64).astype(np.float32)
    if np.isinf(values).any():
        raise _wrong(where, "a number that float32 cannot hold", "finite numbers or nulls")
    return values


def _parse_label(raw: object, task: TaskManifest, where: str) -> Label | None:
    if raw is MISSING or raw is None:
        return None
    place = f"{where}, field {task.label}"
    number = _is_number(raw)
    if task.type == "binary":
        if isinstance(raw, bool) or (number and raw in (0, 1)):
            return int(raw)
        raise _wrong(place, type(raw).__name__, "0, 1 or null")
    if task.type == "multiclass":
        index = task.classes.index(raw) if isinstance(raw, str) and raw in task.classes else raw
        if _is_number(index) and index == int(index) and 0 <= index < len(task.classes):
            return int(index)
        raise _wrong(place, type(raw).__name__, "a class name or its index")
    if task.type == "multilabel":
        if isinstance(raw, list) and len(raw) == len(task.classes) and all(item in (0, 1) for item in raw):
            return raw
        raise _wrong(place, type(raw).__name__, "zeros and ones")
    if task.type == "regression":
        if number:
            return float(raw)
        raise _wrong(place, type(raw).__name__, "a finite number or null")
    if isinstance(raw, str) or number:
        return _as_text(raw)
    raise _wrong(place, type(raw).__name__, "a text or null")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_text(value: object) -> str:
    """A number as JavaScript prints it: whole ones without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _at_path(fields: dict[str, Any], path: str) -> object:
    value: object = fields
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def _fill_in(template: str, fields: dict[str, Any]) -> str:
    def text(match: re.Match[str]) -> str:
        value = _at_path(fields, match.group(1))
        return _as_text(value) if isinstance(value, str) or _is_number(value) else ""

    return FIELD.sub(text, template)


def _wrong(where: str, found: str, needed: str) -> BridgeError:
    return BridgeError(
        "DatasetError",
        f"{where} is not what the manifest says.",
        found=found,
        needed=needed,
        remedy="correct this field or the manifest, then run `fedkim dataset inspect` on the folder",
    )
