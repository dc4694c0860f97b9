"""A finished run: the signed plan, its configuration and the aggregated encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from .errors import BridgeError
from .json_file import read_json_object
from .local.spec import LocalModelSpec, parse_spec

#: Names inside a run folder, as in ``docs/formats.md``.
WEIGHTS_FILE = "checkpoints/encoders.safetensors"
INJECTION_FOLDER = "checkpoints/injection"
EVALUATION_FILE = "evaluation.json"

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class FinishedRun:
    """What an injection needs of a run."""

    path: Path
    spec: LocalModelSpec
    tasks: tuple[str, ...]
    weights: Weights
    #: The aggregator's ``injection`` settings.
    injection: dict[str, Any]
    seed: int


def open_run(path: Path) -> FinishedRun:
    """Opens a run folder; raises ``ConfigError`` where it is not a run that got through aggregation."""
    document = read_json_object(path / "run.json", "ConfigError", "the folder of a finished run")
    try:
        plan, config = document["plan"], document["config"]
        tasks = tuple(map(str, plan["tasks"]))
        spec_json = plan["model"]["spec"]
        injection, seed = dict(config.get("injection", {})), int(config["seed"])
    except (KeyError, TypeError, ValueError) as cause:
        raise BridgeError(
            "ConfigError",
            f"{path / 'run.json'} is not a run's description.",
            found=f"no usable {cause}",
            needed="plan (tasks, model) and config (seed) as `fedkim aggregator` writes them",
        ) from cause
    if injection.pop("trainEncoders", False):
        raise BridgeError(
            "ConfigError",
            "The run trains its encoders with the injection, which the bridge does not do.",
            found="injection.trainEncoders = true",
            needed="false",
            remedy="inject, predict and evaluate with fedkim itself",
        )
    weights = read_weights(path / WEIGHTS_FILE)
    return FinishedRun(path, parse_spec(spec_json), tasks, weights, injection, seed)


def read_weights(path: Path) -> Weights:
    """Reads float32 tensors; raises ``FormatError`` for a damaged file, ``ModelError`` for values not finite."""
    try:
        with safe_open(path, framework="np") as archive:
            weights = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as cause:
        raise BridgeError(
            "FormatError",
            f"The weights {path} cannot be read.",
            found=type(cause).__name__,
            needed="an intact safetensors file",
            remedy="copy the run folder again",
        ) from cause
    for name, values in weights.items():
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise BridgeError(
                "ModelError",
                f"The tensor {name} of {path} cannot be used.",
                found="values that are not finite" if values.dtype == np.float32 else f"dtype {values.dtype}",
                needed="finite float32 values",
                remedy="copy the run folder again, or ask the aggregator's operator",
            )
    return weights


def tensor_of(weights: Weights, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor by name; raises ``ModelError`` when it is missing or has another shape."""
    values = weights.get(name)
    if values is None or values.shape != shape:
        raise BridgeError(
            "ModelError",
            f"The tensor {name} does not fit the model.",
            found="no such tensor" if values is None else f"shape {list(values.shape)}",
            needed=f"shape {list(shape)}",
            remedy="use weights and plan of the same run",
        )
    return values
