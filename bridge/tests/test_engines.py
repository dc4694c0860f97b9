"""Any number of processes computes the same adapter: two CPU processes against one."""

from __future__ import annotations

import unittest
from importlib.util import find_spec

from .support import BRIDGE, FixtureTest, largest_difference, run_bridge, tensors, torchrun

MODULE = ("-m", "fedkim_bridge")
SHARDED = (str(BRIDGE / "tests/fsdp_worker.py"),)
ZERO = (str(BRIDGE / "tests/deepspeed_worker.py"),)


class TwoProcessesTest(FixtureTest):
    def adapter(self, name: str, *options: str, launcher: tuple[str, ...] = ()) -> dict:
        out = self.folder / name
        done = run_bridge("inject", *self.inputs(), "--out", str(out), *options, launcher=launcher)
        self.assertEqual(done.returncode, 0, done.stderr)
        processes = 2 if launcher else 1
        self.assertIn(f'"processes": {processes}', done.stdout)
        return tensors(out)

    def test_data_parallel_processes_reproduce_one(self) -> None:
        one = self.adapter("one")
        two = self.adapter("two", launcher=torchrun(MODULE))
        self.assertLess(largest_difference(one, two), 1e-5)

    def test_sharded_processes_reproduce_one(self) -> None:
        one = self.adapter("one")
        two = self.adapter("two", launcher=torchrun(SHARDED))
        self.assertLess(largest_difference(one, two), 1e-5)

    @unittest.skipIf(find_spec("deepspeed") is None, "deepspeed is not installed")
    def test_processes_under_deepspeed_zero_3_reproduce_one(self) -> None:
        one = self.adapter("one")
        two = self.adapter("two", launcher=torchrun(ZERO))
        # DeepSpeed updates one long vector: the order of its sums is its own.
        self.assertLess(largest_difference(one, two), 1e-4)

    def test_checkpointed_activations_change_nothing(self) -> None:
        one = self.adapter("one", "--dtype", "float64")
        again = self.adapter("again", "--dtype", "float64", "--gradient-checkpointing")
        self.assertLess(largest_difference(one, again), 1e-8)

    def test_a_base_in_bfloat16_trains_experts_in_float32(self) -> None:
        one = self.adapter("one")
        low = self.adapter("low", "--dtype", "bfloat16")
        self.assertEqual({values.dtype.name for values in low.values()}, {"float32"})
        self.assertLess(largest_difference(one, low), 0.05)

    def test_in_float64_they_agree_to_the_rounding_of_the_file(self) -> None:
        settings = self.folder / "settings.toml"
        # Odd sizes: some parts of a step have fewer rows than there are processes.
        settings.write_text(
            "batchSize = 7\naccumulation = 4\ntokenNoise = 0.3\nexpertDropout = 0.3\nloadBalance = 0.1\n"
            'gateEntropy = 0.05\ngateTemperature = 0.5\ndistillation = 0.4\nanswerLoss = "vocabulary"\n'
            'targetModules = ["q_proj", "down_proj", "lm_head"]\n[mixing]\nkind = "uniform"\n'
        )
        options = ("--dtype", "float64", "--config", str(settings))
        one = self.adapter("one", *options)
        for name, program in (("data_parallel", MODULE), ("sharded", SHARDED)):
            with self.subTest(name):
                self.assertLess(largest_difference(one, self.adapter(name, *options, launcher=torchrun(program))), 1e-8)
