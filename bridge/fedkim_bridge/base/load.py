"""The frozen decoder, by transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from ..errors import BridgeError
from .checkpoint import INTERNLM2_MODULES, LLAMA_MODULES, QKV, Checkpoint, fused_rows, tensor_order

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}


def load_base(
    checkpoint: Checkpoint, *, dtype: str, trust_remote_code: bool, gradient_checkpointing: bool = False
) -> nn.Module:
    """Loads a base with frozen weights.

    InternLM2 (MMedLM-2) is no part of transformers. Without ``trust_remote_code`` its weights are read into
    transformers' Llama, which computes the same with q, k and v apart; with it the folder's own code is run.
    Raises ``ModelError`` for a base that cannot be loaded as a whole.
    """
    try:
        if checkpoint.architecture == "internlm2" and not trust_remote_code:
            base = _internlm2_as_llama(checkpoint, DTYPES[dtype])
        else:
            base, report = AutoModelForCausalLM.from_pretrained(
                checkpoint.folder,
                dtype=DTYPES[dtype],
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
            missing = [name for name in report["missing_keys"] if "rotary" not in name]
            if missing:
                raise ValueError(f"no weights for {', '.join(sorted(missing)[:3])}")
    except BridgeError:
        raise
    except Exception as cause:
        raise BridgeError(
            "ModelError",
            f"The base {checkpoint.folder} cannot be loaded.",
            found=f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}",
            needed="a Llama, Mistral, Qwen2 or InternLM2 folder",
            remedy="for an InternLM2 folder with code of its own, choose --trust-remote-code or leave it out",
        ) from cause
    base.requires_grad_(False)
    base.config.use_cache = False
    # Dropout of the base would blur what is compared; a frozen base is never regularised.
    for name in ("attention_dropout", "hidden_dropout", "resid_dropout"):
        if hasattr(base.config, name):
            setattr(base.config, name, 0.0)
    for module in base.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    if gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.train()
    else:
        base.eval()
    return base


def _internlm2_as_llama(checkpoint: Checkpoint, dtype: torch.dtype) -> nn.Module:
    config = checkpoint.config
    heads, key_values, head_dim = checkpoint.heads
    llama = LlamaConfig(
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        intermediate_size=config["intermediate_size"],
        num_hidden_layers=config["num_hidden_layers"],
        num_attention_heads=heads,
        num_key_value_heads=key_values,
        head_dim=head_dim,
        hidden_act="silu",
        rms_norm_eps=config.get("rms_norm_eps", 1e-6),
        max_position_embeddings=config["max_position_embeddings"],
        rope_parameters=_rope(config),
        tie_word_embeddings=config.get("tie_word_embeddings") is True,
        attention_bias=config.get("bias") is True,
        bos_token_id=config.get("bos_token_id"),
        eos_token_id=config.get("eos_token_id"),
    )
    base, report = LlamaForCausalLM.from_pretrained(
        None, config=llama, state_dict=_llama_state(checkpoint), dtype=dtype, output_loading_info=True
    )
    if report["missing_keys"] or report["unexpected_keys"]:
        odd = sorted([*report["missing_keys"], *report["unexpected_keys"]])
        raise ValueError(f"weights that do not fit: {', '.join(odd[:3])}")
    return base


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Dynamic NTK changes nothing up to max_position_embeddings, and longer prompts are refused."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    theta = float(config.get("rope_theta", 10000))
    if kind in ("default", "dynamic"):
        return {"rope_type": "default", "rope_theta": theta}
    return {**scaling, "rope_type": kind, "rope_theta": theta}


def _llama_state(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """InternLM2's tensors under Llama's names, wqkv taken apart."""
    state: dict[str, Tensor] = {}
    renamed = {
        "model.tok_embeddings.weight": "model.embed_tokens.weight",
        "output.weight": "lm_head.weight",
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    own = {INTERNLM2_MODULES[name]: LLAMA_MODULES[name] for name in ("o_proj", "gate_proj", "up_proj", "down_proj")}
    for stored in dict.fromkeys(tensor_order(checkpoint)):
        tensor = checkpoint.read(stored)
        if ".attention.wqkv." in stored:
            for name in QKV:
                target = stored.replace("attention.wqkv", LLAMA_MODULES[name])
                state[target] = tensor[fused_rows(checkpoint, name)].contiguous()
            continue
        name = stored
        for old, new in {**renamed, **own}.items():
            name = name.replace(old, new)
        state[name] = tensor
    return state
