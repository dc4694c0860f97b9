"""Bases: MMedLM-2's family without its own code, and the order of FedKIM's random numbers."""

from __future__ import annotations

import json
import shutil
import unittest

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from fedkim_bridge.base.checkpoint import LLAMA_MODULES, QKV, base_facts, fused_rows, open_checkpoint, tensor_order
from fedkim_bridge.base.load import load_base
from fedkim_bridge.m3oe.seeded_random import BULK, SeededRandom

from .support import FixtureTest

RENAMED = {
    "model.embed_tokens.weight": "model.tok_embeddings.weight",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.up_proj": "feed_forward.w3",
    "mlp.down_proj": "feed_forward.w2",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}


class InternLM2Test(FixtureTest):
    def internlm2(self):  # noqa: ANN201 - a checkpoint
        """The fixture's base in the layout of an InternLM2 folder."""
        source = open_checkpoint(self.fixture.base)
        folder = self.folder / "internlm2"
        shutil.copytree(self.fixture.base, folder)
        config = {**source.config, "model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], "bias": False}
        (folder / "config.json").write_text(json.dumps(config))
        made = open_checkpoint(folder)
        stored, tensors = load_file(self.fixture.base / "model.safetensors"), {}
        for name, tensor in stored.items():
            if any(LLAMA_MODULES[part] in name for part in QKV):
                continue
            for old, new in RENAMED.items():
                name = name.replace(old, new)
            tensors[name] = tensor
        for layer in range(source.layers):
            prefix = f"model.layers.{layer}"
            heads, key_values, head_dim = source.heads
            fused = torch.empty((heads + 2 * key_values) * head_dim, source.hidden_size, dtype=torch.float16)
            for part in QKV:
                fused[fused_rows(made, part)] = stored[f"{prefix}.{LLAMA_MODULES[part]}.weight"].to(torch.float16)
            tensors[f"{prefix}.attention.wqkv.weight"] = fused
        save_file(tensors, folder / "model.safetensors")
        return open_checkpoint(folder)

    def test_an_internlm2_folder_computes_what_its_weights_say_without_code_of_its_own(self) -> None:
        ids = torch.tensor([[1, 5, 9, 200, 7]])
        llama = load_base(open_checkpoint(self.fixture.base), dtype="float32", trust_remote_code=False)
        internlm2 = load_base(self.internlm2(), dtype="float32", trust_remote_code=False)
        with torch.no_grad():
            torch.testing.assert_close(internlm2(ids).logits, llama(ids).logits)

    def test_its_hash_reads_the_fused_weight_once(self) -> None:
        checkpoint = self.internlm2()
        names = list(tensor_order(checkpoint))
        self.assertEqual(names.count("model.layers.0.attention.wqkv.weight"), 1)
        self.assertNotEqual(base_facts(checkpoint).base_hash, base_facts(open_checkpoint(self.fixture.base)).base_hash)


class SeededRandomTest(unittest.TestCase):
    def test_many_numbers_side_by_side_are_the_numbers_one_by_one(self) -> None:
        size = BULK + 777
        bulk, single = SeededRandom(2**40 + 5), SeededRandom(2**40 + 5)
        np.testing.assert_array_equal(bulk.uniforms(size), [single.next() for _ in range(size)])
        self.assertEqual(bulk.next_uint32(), single.next_uint32())
