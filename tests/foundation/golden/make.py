"""Writes the small random decoders beside this file, with what Python transformers computes of them in float64.

    python tests/foundation/golden/make.py && deno fmt tests/foundation/golden

Needs torch, transformers and safetensors. Weights are rounded to their stored type first, so that both sides start
from the same numbers.
"""

import copy
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

HERE = Path(__file__).parent
LAYERS, BATCH, LENGTH, PROMPT, GREEDY = 2, 2, 22, 9, 12
COMMON = {
    "vocab_size": 71, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1,
    "eos_token_id": 2, "attn_implementation": "eager",
}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}


def build(name):
    """-> (model with random weights, element type on disk)."""
    if name == "llama3_rope_biased_f16":
        config = LlamaConfig(**COMMON, rope_parameters=LLAMA3, attention_bias=True, tie_word_embeddings=False)
        return LlamaForCausalLM(config), torch.float16
    if name == "mistral_linear_rope_bf16_sharded":
        rope = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
        config = MistralConfig(**COMMON, rope_parameters=rope, head_dim=8, sliding_window=None)
        return MistralForCausalLM(config), torch.bfloat16
    if name == "qwen2_tied_f16":
        return Qwen2ForCausalLM(Qwen2Config(**COMMON, tie_word_embeddings=True)), torch.float16
    config = LlamaConfig(**COMMON, attention_bias=False, tie_word_embeddings=False, rms_norm_eps=1e-5)
    return LlamaForCausalLM(config), torch.float32


def randomise(model, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.ndim > 1 else 0.1)
            centre = 1.0 if parameter.ndim == 1 and parameter.mean() > 0.5 else 0.0  # gains, not biases
            parameter.copy_((noise + centre).to(dtype))


def write_internlm2(model, folder):
    """The same weights under InternLM2's names: for each key/value head its query heads, the key, then the value."""
    state, config = model.state_dict(), model.config
    width = config.hidden_size // config.num_attention_heads
    renamed = {"model.tok_embeddings.weight": state["model.embed_tokens.weight"],
               "model.norm.weight": state["model.norm.weight"], "output.weight": state["lm_head.weight"]}
    for layer in range(LAYERS):
        old, new = f"model.layers.{layer}.", f"model.layers.{layer}."
        q, k, v = (state[f"{old}self_attn.{part}_proj.weight"] for part in "qkv")
        groups = zip(q.split(len(q) // config.num_key_value_heads), k.split(width), v.split(width))
        renamed[f"{new}attention.wqkv.weight"] = torch.cat([torch.cat(group) for group in groups])
        for ours, theirs in {"attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj",
                             "feed_forward.w3": "mlp.up_proj", "feed_forward.w2": "mlp.down_proj",
                             "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}.items():
            renamed[f"{new}{ours}.weight"] = state[f"{old}{theirs}.weight"]
    folder.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in renamed.items()}, folder / "model.safetensors")
    fields = {key: value for key, value in COMMON.items() if key != "attn_implementation"}
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", **fields, "rms_norm_eps": 1e-5,
        "rope_theta": 10000, "rope_scaling": None, "hidden_act": "silu", "bias": False, "tie_word_embeddings": False,
    }, indent=1) + "\n")


def expected(model, seed):
    model = model.double().eval()
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, COMMON["vocab_size"], (BATCH, LENGTH), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, LENGTH - 5:] = 0
    labels = torch.where((torch.arange(LENGTH) < 6) | (mask == 0), -100, ids)
    positions = torch.arange(LENGTH).expand(BATCH, -1).contiguous()
    embeds = model.get_input_embeddings()(ids).detach().requires_grad_()
    result = model(inputs_embeds=embeds, attention_mask=mask, position_ids=positions, labels=labels,
                   output_hidden_states=True)
    result.loss.backward()
    tokens = ids[:1, :PROMPT]
    with torch.no_grad():
        for _ in range(GREEDY):
            tokens = torch.cat([tokens, model(tokens).logits[:, -1:].argmax(-1)], 1)
    exact = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": labels,
             "greedy_12": tokens[0]}
    measured = {"logits": result.logits, "loss": result.loss[None], "grad_inputs_embeds": embeds.grad,
                **{f"hidden_{index}": state for index, state in enumerate(result.hidden_states)}}
    return {**{name: value.to(torch.int32) for name, value in exact.items()},
            **{name: value.detach().to(torch.float32) for name, value in measured.items()}}


def main():
    names = ["llama3_rope_biased_f16", "mistral_linear_rope_bf16_sharded", "qwen2_tied_f16", "internlm2_fused_f32"]
    for seed, name in enumerate(names):
        folder = HERE / name
        model, dtype = build(name)
        randomise(model, dtype, seed)
        if name.startswith("internlm2"):
            write_internlm2(model, folder)
        else:
            shards = {"max_shard_size": "12KB"} if name.endswith("sharded") else {}
            copy.deepcopy(model).to(dtype).save_pretrained(folder, **shards)  # rounds the rotary frequencies too
            (folder / "generation_config.json").unlink(missing_ok=True)
        save_file(expected(model, 100 + seed), folder / "expected.safetensors")


if __name__ == "__main__":
    main()
