"""Reference files of gate and experts, recomputed by this layer (as ``fedkim verify m3oe`` does)."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..errors import BridgeError
from .experts import ExpertLinear, ExpertPair, Routing
from .gate import Gate, expert_scale

LAYERS = ("q_proj", "k_proj", "v_proj", "out")


def verify_m3oe(path: Path, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Relative errors of alpha, y and the gradients of sum(y * upstream), by quantity.

    Raises ``FormatError`` when the file is incomplete.
    """
    try:
        with safe_open(path, framework="pt") as archive:
            tensors = {name: archive.get_tensor(name).to(dtype) for name in archive.keys()}  # noqa: SIM118
            metadata = archive.metadata() or {}
        scaling = float(metadata["lora_alpha"]) / float(metadata["r"])
        return _errors(tensors, scaling, dtype)
    except (KeyError, OSError, SafetensorError) as cause:
        raise BridgeError(
            "FormatError",
            f"The reference file {path} is incomplete.",
            found=f"{type(cause).__name__} {cause}",
            needed="gate, lora_A, lora_B, inputs, alpha, y and gradients, with r and lora_alpha in the metadata",
        ) from cause


def _errors(tensors: dict[str, Tensor], scaling: float, dtype: torch.dtype) -> dict[str, float]:
    experts, r, width = tensors["lora_A"].shape
    gate = Gate(tensors["modality_tokens"].shape[-1], experts).to(dtype)
    routing = Routing()
    frozen = nn.Linear(width, tensors["weight"].shape[0], bias=False).to(dtype).requires_grad_(False)
    layer = ExpertLinear(frozen, ExpertPair(routing, experts, r, (width, tensors["weight"].shape[0])).to(dtype))
    named = {
        "lora_A": layer.pair.lora_A,
        "lora_B": layer.pair.lora_B,
        **{f"gate.{name}.{part}": getattr(getattr(gate, name), part) for name in LAYERS for part in ("weight", "bias")},
    }
    with torch.no_grad():
        frozen.weight.copy_(tensors["weight"])
        for name, parameter in named.items():
            parameter.copy_(tensors[name])
    x = tensors["x"].clone().requires_grad_(True)
    alpha = gate(tensors["modality_tokens"], tensors["task_tokens"], tensors["modality_mask"], tensors["task_mask"])
    routing.scale = expert_scale(alpha, r, scaling)
    y = layer(x)
    (y * tensors["upstream"]).sum().backward()
    gradients = {"x": x.grad, **{name: parameter.grad for name, parameter in named.items()}}
    scale = max(float(tensors[f"grad.{name}"].abs().max()) for name in gradients)
    errors = {"alpha": _relative(alpha, tensors["alpha"], 0), "y": _relative(y, tensors["y"], 0)}
    for name, gradient in gradients.items():
        errors[f"grad.{name}"] = _relative(gradient, tensors[f"grad.{name}"], scale)
    return errors


def _relative(actual: Tensor | None, expected: Tensor, scale: float) -> float:
    """max|a - b| / max|b|; where the exact value is zero (the key's bias), relative to all gradients."""
    assert actual is not None
    size = float(expected.abs().max())
    error = float((actual.detach() - expected).abs().max())
    return error / (scale if size < 1e-9 * scale else size)
