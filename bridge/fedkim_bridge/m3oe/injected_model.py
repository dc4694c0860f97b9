"""A frozen decoder with projectors, gate and experts, as one module: what an engine wraps and shards."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from ..base.checkpoint import Checkpoint
from ..base.tokenizer import TextTokenizer
from ..errors import BridgeError
from .config import InjectionConfig
from .experts import Routing, attach_experts
from .gate import Gate, drop_experts, expert_scale, load_imbalance, relative_entropy
from .initial_values import initial_values
from .prompt import PromptBatch, TokenStatistics
from .samples import TaskText


class Projector(nn.Module):
    """From encoder tokens to the decoder's width, ``tokens W + b``; W is ``[dEnc, H]`` as in adapter files."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, tokens: Tensor) -> Tensor:
        """``[..., dEnc]`` to ``[..., H]``."""
        return tokens.to(self.weight.dtype) @ self.weight + self.bias


class InjectedModel(nn.Module):
    """Loss and scores of prompt batches.

    The constructor changes ``base`` in place: experts stand beside its linear layers. Trained parameters start as
    FedKIM's do under the same seed.
    """

    def __init__(
        self,
        base: nn.Module,
        checkpoint: Checkpoint,
        tokenizer: TextTokenizer,
        config: InjectionConfig,
        statistics: Mapping[str, TokenStatistics],
        tasks: Sequence[TaskText],
        *,
        seed: int = 0,
        embedding_deviation: float = 1.0,
    ) -> None:
        super().__init__()
        self.config = config
        self.statistics = dict(statistics)
        self.base = base
        self._answers = (tokenizer.no, tokenizer.yes)
        self._routing = Routing(config.loraDropout)
        # What an engine shards as one unit, by class name.
        self._no_split_modules = [type(base.get_submodule("model.layers.0")).__name__]
        self._keeps_few = "logits_to_keep" in inspect.signature(base.forward).parameters
        self._max_positions = checkpoint.config.get("max_position_embeddings")
        hidden = checkpoint.hidden_size
        # Module names may not hold dots; modality names may.
        self._modalities = {name: f"m{index}" for index, name in enumerate(self.statistics)}
        self.projectors = nn.ModuleDict(
            {self._modalities[name]: Projector(len(item.mean), hidden) for name, item in self.statistics.items()}
        )
        gated = config.method == "fedkim"
        self.gate = Gate(hidden, config.shape.experts, config.gateTemperature) if gated else None
        self._pairs = attach_experts(base, checkpoint, config, self._routing)
        self._texts: dict[str, tuple[list[int], list[int]]] = {}
        self.add_tasks(tasks, tokenizer)
        self._trained = [task.name for task in tasks]
        dtype = torch.float64 if next(base.parameters()).dtype == torch.float64 else torch.float32
        for module in (self.projectors, self.gate, *self._pairs.values()):
            if module is not None:
                module.to(dtype)
        self.load(initial_values(self.shapes(), seed, embedding_deviation))

    def add_tasks(self, tasks: Sequence[TaskText], tokenizer: TextTokenizer) -> None:
        """Makes further tasks known by their texts alone: tasks that were never trained are answered too."""
        choice = self.config.gateTexts
        for task in tasks:
            modality, text = tokenizer.encode(task.modality_description), tokenizer.encode(task.description)
            self._texts[task.name] = (
                text if choice == "task_only" else modality,
                modality if choice == "modality_only" else text,
            )

    def named_trained(self) -> dict[str, nn.Parameter]:
        """Trained parameters by their names in adapter files, in the order of initialisation."""
        named: dict[str, nn.Parameter] = {}
        for modality, key in self._modalities.items():
            projector = self.projectors[key]
            named[f"projector.{modality}.weight"] = projector.weight
            named[f"projector.{modality}.bias"] = projector.bias
        if self.gate is not None:
            for layer in ("q_proj", "k_proj", "v_proj", "out"):
                named[f"gate.{layer}.weight"] = getattr(self.gate, layer).weight
                named[f"gate.{layer}.bias"] = getattr(self.gate, layer).bias
        for name, pair in self._pairs.items():
            named[f"{name}.lora_A"] = pair.lora_A
            named[f"{name}.lora_B"] = pair.lora_B
        return named

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the trained parameters."""
        return {name: tuple(parameter.shape) for name, parameter in self.named_trained().items()}

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets trained parameters, before an engine wraps the model."""
        with torch.no_grad():
            for name, parameter in self.named_trained().items():
                parameter.copy_(torch.from_numpy(values[name]))

    def forward(self, batch: PromptBatch) -> tuple[Tensor, Tensor, Tensor]:
        """What is minimised, the answers' part of it, and the yes-minus-no logit of every row.

        The answers' part is ``weight`` times the summed cross-entropy of the answer tokens; ``regularisation``
        times the gate's terms comes on top.
        """
        self._routing.training = self.training
        alpha = self._gate_of(batch.task)
        if alpha is not None and batch.kept is not None:
            alpha = drop_experts(alpha, batch.kept)
        shape = self.config.shape
        if alpha is not None:
            self._routing.scale = expert_scale(alpha, shape.r, shape.scaling)
        longest = max(map(len, batch.answers))
        logits = self._logits(batch, longest)
        single = logits[:, -1]
        scores = (single[:, self._answers[1]] - single[:, self._answers[0]]).detach()
        answers = batch.weight * self._cross_entropy(logits, batch)
        loss = answers + self._untouched(batch)
        if batch.regularisation > 0 and self.gate is not None:
            loss = loss + batch.regularisation * self._gate_terms()
        return loss, answers.detach(), scores

    def _cross_entropy(self, logits: Tensor, batch: PromptBatch) -> Tensor:
        """Summed over answer tokens; between yes and no alone where the configuration says so."""
        pair = list(self._answers)
        if batch.binary:
            last = logits[:, -1]
            constrained = self.config.answerLoss == "answers"
            logs = (last[:, pair] if constrained else last).log_softmax(dim=-1)
            return -(self._targets(batch, logs) * (logs if constrained else logs[:, pair])).sum()
        ignored = -100
        targets = torch.full(logits.shape[:2], ignored, dtype=torch.long, device=logits.device)
        for row, answer in enumerate(batch.answers):
            targets[row, logits.shape[1] - len(answer) :] = torch.tensor(answer, device=logits.device)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignored, reduction="sum")

    def _targets(self, batch: PromptBatch, like: Tensor) -> Tensor:
        """Probabilities of no and yes, ``[B, 2]``: the label, moved towards the teacher's where there is one."""
        rows = []
        for answer, teacher in zip(batch.answers, batch.teachers, strict=True):
            label = float(answer[0] == self._answers[1])
            p = label if teacher is None else label + self.config.distillation * (teacher - label)
            rows.append([1 - p, p])
        return torch.tensor(rows, device=like.device, dtype=like.dtype)

    def _logits(self, batch: PromptBatch, longest: int) -> Tensor:
        """Float32 logits of the last ``longest`` positions, ``[B, longest, V]``."""
        keep = {"logits_to_keep": longest} if self._keeps_few else {}
        padding = {} if batch.mask is None else {"attention_mask": batch.mask, "position_ids": batch.positions}
        output = self.base(inputs_embeds=self._embeddings(batch), use_cache=False, **padding, **keep)
        logits = output.logits[:, -longest:]
        return logits if logits.dtype == torch.float64 else logits.float()

    def _embeddings(self, batch: PromptBatch) -> Tensor:
        rows, device = len(batch.answers), batch.tail.device
        embed = self.base.get_input_embeddings()

        def same(ids: list[int]) -> list[Tensor]:
            return [embed(torch.tensor(ids, device=device).expand(rows, -1))] if ids else []

        tail = embed(batch.tail)
        parts = same(batch.prefix)
        for slot in batch.slots:
            projected = self.projectors[self._modalities[slot.modality]](slot.tokens)
            parts += [*same(slot.opening), projected.to(tail.dtype), *same(slot.closing)]
        embeddings = torch.cat([*parts, tail], dim=1)
        if self._max_positions is not None and embeddings.shape[1] > self._max_positions:
            raise BridgeError(
                "ModelError",
                "A prompt is longer than the base can read.",
                found=f"{embeddings.shape[1]} positions in the task {batch.task}",
                needed=f"at most {self._max_positions}",
                remedy="lower prompt.maxTextTokens",
            )
        return embeddings

    def _gate_of(self, task: str) -> Tensor | None:
        """``[1, E]``; ones for a single LoRA, None without experts."""
        embed = self.base.get_input_embeddings()
        if self.gate is None:
            experts = self.config.shape.experts
            return torch.ones(1, experts, device=embed.weight.device) if experts > 0 else None
        device = next(self.gate.parameters()).device
        modality, text = (embed(torch.tensor([ids], device=device)) for ids in self._texts[task])
        return self.gate(modality, text)

    def _gate_terms(self) -> Tensor:
        """Load balancing and entropy over the trained tasks (options beside the paper's form)."""
        alphas = torch.cat([self._gate_of(task) for task in self._trained])
        return self.config.loadBalance * load_imbalance(alphas) + self.config.gateEntropy * relative_entropy(alphas)

    def _untouched(self, batch: PromptBatch) -> Tensor | float:
        """Nothing, but it makes every projector part of every step: an engine waits for all gradients."""
        used = {slot.modality for slot in batch.slots}
        total: Tensor | float = 0.0
        for modality, key in self._modalities.items():
            if modality not in used:
                empty = torch.zeros(0, len(self.statistics[modality].mean), device=batch.tail.device)
                total = total + self.projectors[key](empty).sum()
        return total
