"""The layer against reference values, and against what must hold of it."""

from __future__ import annotations

import unittest

import torch
from torch import nn

from fedkim_bridge.m3oe.experts import ExpertLinear, ExpertPair, FusedExpertLinear, Routing
from fedkim_bridge.m3oe.gate import Gate, expert_scale
from fedkim_bridge.m3oe.verify import verify_m3oe

from .support import SHARED


class GoldenTest(unittest.TestCase):
    def test_lands_within_1e_5_of_float64_values_and_gradients(self) -> None:
        for name in ("m3oe_5", "m3oe_6"):
            path = SHARED / f"vectors/m3oe/{name}.safetensors"
            if not path.is_file():
                self.skipTest(f"{path} is not at hand")
            errors = verify_m3oe(path)
            self.assertEqual(len(errors), 13)
            for quantity, error in errors.items():
                self.assertLess(error, 1e-5, f"{name} {quantity}")


class LayerTest(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(7)

    def pair(self, routing: Routing, width: tuple[int, int], experts: int = 3, r: int = 2) -> ExpertPair:
        pair = ExpertPair(routing, experts, r, width)
        nn.init.normal_(pair.lora_A)
        nn.init.normal_(pair.lora_B)
        return pair

    def test_b_of_zero_leaves_the_frozen_output_bit_identical(self) -> None:
        routing = Routing()
        frozen = nn.Linear(6, 5)
        pair = self.pair(routing, (6, 5))
        nn.init.zeros_(pair.lora_B)
        routing.scale = torch.rand(1, 6)
        x = torch.randn(4, 3, 6)
        self.assertTrue(torch.equal(ExpertLinear(frozen, pair)(x), frozen(x)))

    def test_the_concatenated_form_is_the_sum_over_experts(self) -> None:
        routing = Routing()
        frozen, pair = nn.Linear(6, 5), self.pair(routing, (6, 5))
        alpha = torch.softmax(torch.randn(2, 3), dim=1)
        routing.scale = expert_scale(alpha, 2, 4.0)
        x = torch.randn(2, 7, 6)
        update = torch.einsum("be,eor,eri,bti->bto", alpha, pair.lora_B, pair.lora_A, x)
        torch.testing.assert_close(ExpertLinear(frozen, pair)(x), frozen(x) + 4.0 * update)

    def test_experts_beside_a_fused_wqkv_reach_the_rows_of_q_k_and_v(self) -> None:
        heads, key_values, head_dim = 4, 2, 3
        routing = Routing()
        routing.scale = torch.rand(1, 6)
        pairs = {"q_proj": self.pair(routing, (8, 12)), "v_proj": self.pair(routing, (8, 6))}
        fused = nn.Linear(8, (heads + 2 * key_values) * head_dim, bias=False)
        x = torch.randn(2, 5, 8)
        update = (FusedExpertLinear(fused, pairs, (heads, key_values, head_dim))(x) - fused(x)).detach()
        rows = update.reshape(2, 5, key_values, heads // key_values + 2, head_dim)
        torch.testing.assert_close(
            rows[..., :2, :].reshape(2, 5, 12), pairs["q_proj"](x).detach(), atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(rows[..., 2, :], torch.zeros(2, 5, key_values, head_dim))
        torch.testing.assert_close(rows[..., 3, :].reshape(2, 5, 6), pairs["v_proj"](x).detach(), atol=1e-5, rtol=1e-5)

    def test_padding_of_the_descriptions_changes_nothing(self) -> None:
        gate = Gate(8, 4)
        modality, task = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
        padded = [torch.cat([text, torch.randn(1, 2, 8)], dim=1) for text in (modality, task)]
        masks = [torch.cat([torch.ones(1, n), torch.zeros(1, 2)], dim=1) for n in (3, 5)]
        torch.testing.assert_close(gate(*padded, *masks), gate(modality, task))
