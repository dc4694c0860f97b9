"""A Hugging Face folder on disk: its architecture, its hash, its fused weights.

The hash is FedKIM's ``baseHash``, by which an adapter is bound to its base: SHA-256 over names, shapes and float32
values of all tensors in the order in which FedKIM reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import BridgeError
from ..json_file import read_json_object
from ..m3oe.config import LINEAR_NAMES

ARCHITECTURES = ("llama", "mistral", "qwen2", "internlm2")
QKV = ("q_proj", "k_proj", "v_proj")

LLAMA_MODULES = {
    **{name: f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
    **{name: f"mlp.{name}" for name in ("gate_proj", "up_proj", "down_proj")},
}
INTERNLM2_MODULES = {
    **dict.fromkeys(QKV, "attention.wqkv"),
    "o_proj": "attention.wo",
    "gate_proj": "feed_forward.w1",
    "up_proj": "feed_forward.w3",
    "down_proj": "feed_forward.w2",
}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder: configuration checked, no tensor read."""

    folder: Path
    config: dict[str, Any]
    #: File of every tensor.
    files: dict[str, Path]

    @property
    def architecture(self) -> str:
        """``model_type`` of ``config.json``."""
        return self.config["model_type"]

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return self.config["num_hidden_layers"]

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return self.config["hidden_size"]

    @property
    def heads(self) -> tuple[int, int, int]:
        """Query heads, key/value heads and width of a head."""
        heads = self.config["num_attention_heads"]
        return (
            heads,
            self.config.get("num_key_value_heads") or heads,
            self.config.get("head_dim") or self.hidden_size // heads,
        )

    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """``(in, out)`` of every module that can be adapted."""
        heads, key_values, head_dim = self.heads
        hidden, inner = self.hidden_size, self.config["intermediate_size"]
        query, key_value = heads * head_dim, key_values * head_dim
        return {
            "q_proj": (hidden, query),
            "k_proj": (hidden, key_value),
            "v_proj": (hidden, key_value),
            "o_proj": (query, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
            "lm_head": (hidden, self.config["vocab_size"]),
        }

    def read(self, name: str) -> Tensor:
        """One tensor as stored; raises ``ModelError`` when it is missing or damaged."""
        path = self.files.get(name)
        if path is None:
            raise _unfit(self.folder, f"tensor {name} is missing", "every tensor of the architecture")
        try:
            with safe_open(path, framework="pt") as archive:
                return archive.get_tensor(name)
        except (OSError, SafetensorError) as cause:
            raise _unfit(path, "a damaged safetensors file", "intact files") from cause


@dataclass(frozen=True)
class BaseFacts:
    """What one pass over all weights gives."""

    base_hash: str
    #: Root mean square of the token embedding: the scale at which projectors start.
    embedding_deviation: float
    #: Number of weights, a tied head counted once.
    parameters: int


def open_checkpoint(folder: Path) -> Checkpoint:
    """Opens a folder; raises ``FormatError`` for malformed files, ``ModelError`` for another architecture."""
    config = read_json_object(folder / "config.json", "FormatError", "a Hugging Face model folder")
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise _unsupported(folder, f"model_type {kind}")
    if config.get("quantization_config") is not None:
        raise _unsupported(folder, "quantised weights")
    needed = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    for name in needed:
        if not isinstance(config.get(name), int) or config[name] < 1:
            raise BridgeError(
                "FormatError",
                f"The model configuration {folder / 'config.json'} is malformed.",
                found=f"{name} = {config.get(name)}",
                needed="a positive integer",
            )
    return Checkpoint(folder, config, _tensor_files(folder))


def base_facts(checkpoint: Checkpoint) -> BaseFacts:
    """Hashes all weights; raises ``ModelError`` for tensors that are missing or not finite."""
    digest = hashlib.sha256()
    square, parameters, first = 0.0, 0, True
    for name in tensor_order(checkpoint):
        values = checkpoint.read(name).to(torch.float32).contiguous()
        if not torch.isfinite(values).all():
            raise _unfit(checkpoint.files[name], f"tensor {name} with values that are not finite", "finite weights")
        digest.update(f"{name}[{','.join(map(str, values.shape))}]".encode())
        digest.update(values.numpy().data)
        parameters += values.numel()
        if first:
            square, first = float(values.double().square().mean()), False
    return BaseFacts(digest.hexdigest(), square**0.5, parameters)


def tensor_order(checkpoint: Checkpoint) -> Iterator[str]:
    """Names of all tensors in the order of FedKIM's hash.

    A fused wqkv is asked for by q, k and v; asked for again at once, it counts once.
    """
    latest = None
    for name in _reads(checkpoint):
        if name != latest:
            yield name
        latest = name


def _reads(checkpoint: Checkpoint) -> Iterator[str]:
    internlm = checkpoint.architecture == "internlm2"
    modules = INTERNLM2_MODULES if internlm else LLAMA_MODULES
    norms = ("attention_norm", "ffn_norm") if internlm else ("input_layernorm", "post_attention_layernorm")
    yield "model.tok_embeddings.weight" if internlm else "model.embed_tokens.weight"
    biased = _has_bias(checkpoint)
    for layer in range(checkpoint.layers):
        for name in LINEAR_NAMES:
            yield f"model.layers.{layer}.{modules[name]}.weight"
            if biased(name):
                yield f"model.layers.{layer}.{modules[name]}.bias"
        for norm in norms:
            yield f"model.layers.{layer}.{norm}.weight"
    yield "model.norm.weight"
    if checkpoint.config.get("tie_word_embeddings") is not True:
        yield "output.weight" if internlm else "lm_head.weight"


def fused_rows(checkpoint: Checkpoint, name: str) -> Tensor:
    """Rows of q, k or v inside InternLM2's fused wqkv: per key/value head its query heads, key head, value head."""
    heads, key_values, head_dim = checkpoint.heads
    group = heads // key_values
    rows = torch.arange((heads + 2 * key_values) * head_dim).reshape(key_values, group + 2, head_dim)
    part = {"q_proj": rows[:, :group], "k_proj": rows[:, group], "v_proj": rows[:, group + 1]}[name]
    return part.reshape(-1)


def _has_bias(checkpoint: Checkpoint) -> Callable[[str], bool]:
    if checkpoint.architecture == "qwen2":
        return lambda name: name in QKV
    every = checkpoint.config.get("attention_bias") is True or checkpoint.config.get("bias") is True
    return lambda name: every and (name in QKV or name == "o_proj")


def _tensor_files(folder: Path) -> dict[str, Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if index.is_file() and not single.is_file():
        weight_map = read_json_object(index, "FormatError", "an index of shards").get("weight_map", {})
        return {name: folder / file for name, file in weight_map.items()}
    try:
        with safe_open(single, framework="pt") as archive:
            return dict.fromkeys(archive.keys(), single)
    except (OSError, SafetensorError) as cause:
        raise BridgeError(
            "FormatError",
            f"The model folder {folder} has no weights.",
            found="no readable model.safetensors or model.safetensors.index.json",
            needed="weights in the safetensors format",
            remedy="copy the whole model folder again",
        ) from cause


def _unfit(path: Path, found: str, needed: str) -> BridgeError:
    return BridgeError(
        "ModelError",
        f"The checkpoint {path} does not fit its configuration.",
        found=found,
        needed=needed,
        remedy="copy or download the whole model folder again",
    )


def _unsupported(folder: Path, found: str) -> BridgeError:
    return BridgeError(
        "ModelError",
        f"The model in {folder} is not supported.",
        found=found,
        needed=f"one of {', '.join(ARCHITECTURES)} without quantisation",
    )
