"""Training and scoring of an injection, step for step as FedKIM's ``train.ts``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from ..errors import BridgeError
from .config import InjectionConfig
from .engine import Engine
from .prompt import PromptBatch, PromptIds, make_slots, prompt_batch
from .samples import EncodedSample
from .schedule import Batch, equal_length_batches, plan_epochs, rate_factor, step_random
from .seeded_random import SeededRandom
from .teacher_mixing import mix_taught
from .teacher_plane import TeacherPlane, teacher_planes
from .teacher_spread import spread_teachers

#: Samples per batch at inference.
INFERENCE_BATCH = 64

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """One report of a training run."""

    step: int
    steps: int
    epoch: int
    #: Loss of this step, nats per answer token.
    loss: float
    #: At the end of an epoch: mean loss on the validation samples.
    validation_loss: float | None = None


class Trainer:
    """Trains and scores one model on one engine; all processes call every method alike."""

    def __init__(self, engine: Engine, ids: PromptIds, config: InjectionConfig) -> None:
        self._engine, self._ids, self._config = engine, ids, config

    def train(
        self,
        samples: Sequence[EncodedSample],
        validation: Sequence[EncodedSample],
        seed: int,
        on_step: Callable[[Progress], None],
        finish: Callable[[], Result],
    ) -> Result:
        """Trains on public samples by the cross-entropy of the answers.

        ``finish`` is called with the weights that are kept in place: at the end, or with ``validation_loss`` after
        every epoch that is better than all before. Its last result is returned. Raises ``ModelError`` when
        training diverges.
        """
        config = self._config
        if not samples:
            raise BridgeError("ConfigError", "There is nothing to train on.", needed="at least one public sample")
        spread = spread_teachers(samples, config.teacherSpread)
        planes = teacher_planes(spread) if config.teacherMixingUnit == "token" else {}
        epochs = plan_epochs(spread, config, seed)
        steps = sum(map(len, epochs))
        selecting = config.selection == "validation_loss" and len(validation) > 0
        best, best_epoch, kept = float("inf"), 0, None
        step = 0
        for epoch, batches in enumerate(epochs, start=1):
            for index, batch in enumerate(batches):
                rate = config.learningRate * rate_factor(step, steps, config)
                loss = self._step(batch, seed, step, rate, planes.get(batch[0].task.name))
                step += 1
                ends = index + 1 == len(batches) and len(validation) > 0
                held = self.mean_loss(validation) if ends else None
                on_step(Progress(step, steps, epoch, loss, held))
                if held is not None and selecting and held < best:
                    best, best_epoch, kept = held, epoch, finish()
            if selecting and epoch - best_epoch >= config.patience:
                break
        return finish() if kept is None else kept

    def mean_loss(self, samples: Sequence[EncodedSample]) -> float:
        """Mean answer loss, each task weighted equally; nats per answer token."""
        by_task: dict[str, list[EncodedSample]] = {}
        for sample in samples:
            by_task.setdefault(sample.task.name, []).append(sample)
        total = 0.0
        for group in by_task.values():
            for batch in equal_length_batches(group, INFERENCE_BATCH):
                share = len(batch) / (len(group) * len(by_task) * _answer_tokens(batch))
                loss, _ = self._infer(batch, share)
                total += float(self._engine.sum(loss))
        return total

    def score(self, samples: Sequence[EncodedSample]) -> np.ndarray:
        """Yes-minus-no logits of binary samples, in order of their ``index``."""
        scores = torch.zeros(len(samples), device=self._engine.accelerator.device, dtype=torch.float64)
        for batch in equal_length_batches(samples, INFERENCE_BATCH):
            _, values = self._infer(batch, 0.0)
            _, rows = self._engine.mine(batch)
            for row, value in zip(rows, values, strict=False):
                scores[row.index] = value.double()
        return self._engine.sum(scores).cpu().numpy()

    def _step(self, batch: Batch, seed: int, step: int, rate: float, plane: TeacherPlane | None) -> float:
        engine, config = self._engine, self._config
        engine.model.train()
        noise = (config.tokenNoise, step_random(seed, "token_noise", step)) if config.tokenNoise > 0 else None
        kept = self._kept_experts(step_random(seed, "expert_dropout", step)) if config.expertDropout > 0 else None
        size = -(-len(batch) // config.accumulation)
        weight = engine.processes / _answer_tokens(batch)
        batch = mix_taught(batch, config.teacherMixing, step_random(seed, "teacher_mixing", step), plane)
        regularised = config.loadBalance > 0 or config.gateEntropy != 0
        total = torch.zeros((), device=engine.accelerator.device)
        engine.start_step(rate)
        for first in range(0, len(batch), size):
            prompt = self._prompt(batch[first : first + size], noise, weight, float(regularised and first == 0), kept)
            loss, answers, _ = engine.model(prompt)
            engine.backward(loss, last=first + size >= len(batch))
            total += answers
        engine.finish_step(config.maxGradNorm)
        mean = float(engine.sum(total)) / engine.processes
        if np.isfinite(mean):
            return mean
        raise BridgeError(
            "ModelError",
            "The injection diverged: its loss is no longer finite.",
            remedy="lower learningRate or loraAlpha, or train in bfloat16 instead of float16",
        )

    def _infer(self, batch: Batch, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The answers' loss of this process's rows, and their scores."""
        self._engine.model.eval()
        with torch.no_grad():
            _, answers, scores = self._engine.model(self._prompt(batch, None, weight))
        return answers, scores

    def _prompt(
        self,
        batch: Batch,
        noise: tuple[float, SeededRandom] | None,
        weight: float,
        regularisation: float = 0.0,
        kept: np.ndarray | None = None,
    ) -> PromptBatch:
        """This process's rows of a batch; without any, the first row with no weight stands in.

        Noise is drawn for all rows, so that it does not depend on the number of processes.
        """
        slots = make_slots(batch, self._statistics, noise)
        start, rows = self._engine.mine(batch)
        if not rows:
            start, rows, weight = 0, batch[:1], 0.0
        return prompt_batch(
            rows,
            [(modality, tokens[start : start + len(rows)]) for modality, tokens in slots],
            self._ids,
            self._engine.accelerator.device,
            with_answer=any(len(row.answer) > 1 for row in batch),
            weight=weight,
            regularisation=regularisation,
            kept=kept,
        )

    def _kept_experts(self, random: SeededRandom) -> np.ndarray:
        experts, probability = self._config.shape.experts, self._config.expertDropout
        kept = [1.0 if random.next() >= probability else 0.0 for _ in range(experts)]
        if experts > 0 and 1.0 not in kept:
            kept[random.integer(experts)] = 1.0
        return np.array([kept], dtype=np.float32)

    @property
    def _statistics(self) -> dict:
        return self._engine.bare.statistics


def _answer_tokens(batch: Batch) -> int:
    return sum(len(sample.answer) for sample in batch)
