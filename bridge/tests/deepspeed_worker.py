"""``fedkim-bridge inject`` under DeepSpeed ZeRO-3 on CPU processes.

Accelerate starts DeepSpeed on accelerators only. DeepSpeed itself runs on gloo too, so this worker names gloo as the
group's backend; everything after that is the code that runs on a cluster.
"""

from __future__ import annotations

import os
import sys

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DeepSpeedPlugin, DistributedType

import fedkim_bridge.m3oe.engine as engine_module
from fedkim_bridge.cli import main

os.environ.update(ACCELERATE_USE_DEEPSPEED="true", ACCELERATE_TORCH_DEVICE="cpu", DS_ACCELERATOR="cpu")


def sharding_accelerator(cpu: bool) -> Accelerator:
    PartialState._prepare_backend = lambda *_arguments, **_options: ("gloo", DistributedType.MULTI_GPU)
    accelerator = Accelerator(deepspeed_plugin=DeepSpeedPlugin(zero_stage=3, zero3_init_flag=False))
    assert cpu and accelerator.distributed_type == DistributedType.DEEPSPEED
    assert torch.distributed.get_backend() == "gloo"
    return accelerator


engine_module.Accelerator = sharding_accelerator
raise SystemExit(main(sys.argv[1:]))
