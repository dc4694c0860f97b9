"""Adapter files in the format ``fedkim-m3oe/1``: those that FedKIM's ``loadInjection`` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ..errors import BridgeError
from ..json_file import read_json_object, write_json, write_whole
from ..run_folder import read_weights, tensor_of
from .config import InjectionConfig, parse_config
from .prompt import TokenStatistics
from .samples import TaskText

FORMAT = "fedkim-m3oe/1"
CONFIG_FILE = "adapter_config.json"
TENSOR_FILE = "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """A trained injection without its base."""

    base_hash: str
    config: InjectionConfig
    tasks: tuple[TaskText, ...]
    statistics: dict[str, TokenStatistics]
    #: Trained parameters by name.
    values: dict[str, np.ndarray]


def save_adapter(adapter: Adapter, folder: Path) -> None:
    """Writes an adapter; the configuration comes last, so a folder with it is complete.

    Raises ``ModelError`` when a value is not finite: nothing is written then.
    """
    tensors: dict[str, np.ndarray] = {}
    for modality, item in adapter.statistics.items():
        tensors[f"projector.{modality}.mean"] = item.mean
        tensors[f"projector.{modality}.deviation"] = item.deviation
    tensors.update(adapter.values)
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise BridgeError(
                "ModelError",
                f"The trained tensor {name} is not finite.",
                remedy="lower learningRate or loraAlpha, or train in bfloat16 instead of float16",
            )
    stored = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in tensors.items()}
    content = save(stored, metadata={"format": FORMAT})
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / TENSOR_FILE, content)
    write_json(
        folder / CONFIG_FILE,
        {
            "format": FORMAT,
            "baseHash": adapter.base_hash,
            "tensorsSha256": hashlib.sha256(content).hexdigest(),
            "config": adapter.config.to_json(),
            "modalities": {name: len(item.mean) for name, item in adapter.statistics.items()},
            "tasks": [task.to_json() for task in adapter.tasks],
        },
    )


def load_adapter(folder: Path, base_hash: str) -> Adapter:
    """Reads an adapter; raises ``FormatError`` for malformed files, ``ModelError`` for another base."""
    file = read_json_object(folder / CONFIG_FILE, "FormatError", f"an adapter of format {FORMAT}")
    try:
        if file["format"] != FORMAT:
            raise KeyError("format")
        modalities: Mapping[str, int] = file["modalities"]
        tasks = tuple(_task(item) for item in file["tasks"])
        stored_hash, config = str(file["baseHash"]), parse_config(file["config"])
    except (KeyError, TypeError) as cause:
        raise BridgeError(
            "FormatError",
            f"The adapter configuration {folder / CONFIG_FILE} cannot be used.",
            found=f"no usable {cause}",
            needed=f"a file of format {FORMAT}",
        ) from cause
    if stored_hash != base_hash:
        raise BridgeError(
            "ModelError",
            f"The adapter {folder} belongs to another base model.",
            found=f"base {base_hash[:16]}",
            needed=f"base {stored_hash[:16]}",
            remedy="load the foundation model it was trained on",
        )
    expected = file.get("tensorsSha256")
    if expected is not None and expected != _digest(folder / TENSOR_FILE):
        raise BridgeError(
            "FormatError",
            f"The adapter {folder} is not complete.",
            found="tensors of another adapter than the configuration's, or a damaged file",
            needed="both files of one training run",
            remedy="copy the adapter folder again",
        )
    tensors = read_weights(folder / TENSOR_FILE)
    encoders = sorted(name for name in tensors if name.startswith("encoders/"))
    if encoders:
        raise BridgeError(
            "ModelError",
            f"The adapter {folder} brings encoders of its own.",
            found=encoders[0],
            needed="an adapter beside the run's encoders: the bridge trains none",
            remedy="inject with FedKIM without training encoders, or start from the run alone",
        )
    statistics = {
        name: TokenStatistics(
            tensor_of(tensors, f"projector.{name}.mean", (width,)),
            tensor_of(tensors, f"projector.{name}.deviation", (width,)),
        )
        for name, width in modalities.items()
    }
    values = {name: value for name, value in tensors.items() if not name.endswith((".mean", ".deviation"))}
    return Adapter(stored_hash, config, tasks, statistics, values)


def check_shapes(adapter: Adapter, shapes: Mapping[str, Sequence[int]]) -> None:
    """Refuses an adapter that lacks a parameter of the model or holds one of another shape; ``ModelError``."""
    for name, shape in shapes.items():
        tensor_of(adapter.values, name, tuple(shape))


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _task(item: Mapping[str, Any]) -> TaskText:
    return TaskText(str(item["name"]), str(item["description"]), str(item["modalityDescription"]), str(item["type"]))
