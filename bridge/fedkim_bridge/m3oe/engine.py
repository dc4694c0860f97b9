"""The training engine behind one small interface: Accelerate with plain data parallelism, FSDP2 or DeepSpeed.

Every process holds all samples and plans the same run; a batch's rows are divided among the processes. Losses are
sums, divided by the whole batch's number of answer tokens, so that any number of processes computes the same step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list
from torch import Tensor
from torch.distributed.tensor import DTensor

from ..errors import BridgeError
from .config import InjectionConfig
from .injected_model import InjectedModel

T = TypeVar("T")


class Engine:
    """The processes of this run and what they share."""

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        # On machines without an accelerator Accelerate joins processes only where it is told that this is meant.
        self.accelerator = accelerator or Accelerator(cpu=not torch.accelerator.is_available())
        self.kind = self.accelerator.distributed_type
        self.model: Any = None
        self._optimizer: Any = None
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started != self.processes:
            raise BridgeError(
                "ConfigError",
                "The processes of this run did not find each other.",
                found=f"{started} processes, {self.processes} of them joined",
                needed="one group of all processes",
                remedy="start with `accelerate launch` or `torchrun`, with a configuration from bridge/configs",
            )
        if self.kind == DistributedType.FSDP and not self.accelerator.is_fsdp2:
            raise BridgeError(
                "ConfigError",
                "The bridge shards with FSDP2 only: experts in float32 stand beside a base in bfloat16.",
                found="fsdp_version: 1",
                needed="fsdp_version: 2",
                remedy="start from bridge/configs/fsdp.yaml",
            )

    @property
    def processes(self) -> int:
        """Number of processes."""
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and messages."""
        return self.accelerator.is_main_process

    def on_main(self, compute: Callable[[], T]) -> T:
        """Computes something in the main process and gives it to all; its failure is every process's failure."""
        result: list[object] = [None, None]
        if self.is_main:
            try:
                result[0] = compute()
            except BridgeError as error:
                result[1] = (error.code, str(error))
        broadcast_object_list(result)
        if result[1] is not None:
            code, message = result[1]
            raise BridgeError(code, message)
        return result[0]

    def prepare(self, model: InjectedModel, config: InjectionConfig) -> None:
        """Wraps the model and makes its optimizer: AdamW, decay on matrices only, as FedKIM's."""
        named = model.named_trained()
        groups = [
            {"params": [p for p in named.values() if p.dim() >= 2], "weight_decay": config.weightDecay},
            {"params": [p for p in named.values() if p.dim() < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learningRate, betas=(0.9, 0.999), eps=1e-8)
        if self.kind == DistributedType.DEEPSPEED:
            settings = self.accelerator.state.deepspeed_plugin.deepspeed_config
            rows = -(-config.batchSize // (self.processes * config.accumulation))
            settings["train_micro_batch_size_per_gpu"] = rows
            settings["gradient_accumulation_steps"] = 1
            settings["gradient_clipping"] = config.maxGradNorm
        self.model, self._optimizer = self.accelerator.prepare(model, optimizer)

    def prepare_inference(self, model: InjectedModel) -> None:
        """Wraps the model for scoring alone."""
        model.requires_grad_(False)
        if self.kind in (DistributedType.FSDP, DistributedType.DEEPSPEED):
            self.model = self.accelerator.prepare(model)
        else:
            self.model = model.to(self.accelerator.device)

    @property
    def bare(self) -> InjectedModel:
        """The model inside its wrapper."""
        return self.accelerator.unwrap_model(self.model)

    def start_step(self, learning_rate: float) -> None:
        """Sets the step's learning rate and forgets the last gradients."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad()

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Adds a part's gradients; ``last`` closes the step's accumulation."""
        self.accelerator.sync_gradients = last
        self.accelerator.backward(loss)

    def finish_step(self, max_grad_norm: float) -> None:
        """Clips the global gradient norm and updates. DeepSpeed did both in the last ``backward``."""
        self.accelerator.clip_grad_norm_(self.bare.named_trained().values(), max_grad_norm)
        self._optimizer.step()

    def mine(self, rows: Sequence[T]) -> tuple[int, Sequence[T]]:
        """This process's part of some rows, and where it starts."""
        edges = [len(rows) * index // self.processes for index in range(self.processes + 1)]
        rank = self.accelerator.process_index
        return edges[rank], rows[edges[rank] : edges[rank + 1]]

    def sum(self, value: Tensor) -> Tensor:
        """Sum over processes."""
        return self.accelerator.reduce(value.detach(), reduction="sum")

    def values(self) -> dict[str, np.ndarray]:
        """Trained parameters as a whole, float32, by name; all processes call it."""
        gathered = {name: self._full(parameter) for name, parameter in self.bare.named_trained().items()}
        return {name: value.detach().to("cpu", torch.float32).numpy() for name, value in gathered.items()}

    def close(self) -> None:
        """Frees the model, then parts from the other processes: shards hold on to the group that made them."""
        self.model = self._optimizer = None
        self.accelerator.free_memory()
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()

    def _full(self, parameter: Tensor) -> Tensor:
        if isinstance(parameter, DTensor):
            return parameter.full_tensor()
        if self.kind == DistributedType.DEEPSPEED:
            from deepspeed.utils import safe_get_full_fp32_param

            whole = safe_get_full_fp32_param(parameter)
            return parameter if whole is None else whole
        # A copy: training goes on in place.
        return parameter.clone()


def count_weights(shapes: Iterable[tuple[int, ...]]) -> int:
    """Number of weights of some shapes."""
    return sum(int(np.prod(shape)) for shape in shapes)
