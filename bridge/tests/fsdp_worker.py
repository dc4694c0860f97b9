"""``fedkim-bridge inject`` under FSDP2 on CPU processes.

Accelerate offers FSDP on accelerators only. PyTorch's FSDP2 itself runs on gloo too, so this worker tells Accelerate
that its group of CPU processes is one for FSDP; everything after that is the code that runs on a cluster.
"""

from __future__ import annotations

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.tensor import DTensor

import fedkim_bridge.m3oe.engine as engine_module
from fedkim_bridge.cli import main


def sharding_accelerator(cpu: bool) -> Accelerator:
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
    )
    accelerator = Accelerator(cpu=cpu)
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = plugin
    assert accelerator.is_fsdp2 and torch.distributed.get_backend() == "gloo"
    return accelerator


class CheckedEngine(engine_module.Engine):
    """Refuses to call a run sharded that is not."""

    def prepare(self, *arguments: object) -> None:
        super().prepare(*arguments)
        assert all(isinstance(value, DTensor) for value in self.model.parameters())


engine_module.Accelerator = sharding_accelerator
engine_module.Engine = CheckedEngine
raise SystemExit(main(sys.argv[1:]))
