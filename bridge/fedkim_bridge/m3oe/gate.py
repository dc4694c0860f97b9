"""The gate: which experts answer, by the descriptions of task and modalities (``src/m3oe/gate.ts``)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

#: Large enough to vanish in a softmax, small enough to stay finite.
MASKED = -1e9


class Gate(nn.Module):
    """Cross-attention of the modality description (query) on the task description (key and value).

    Mean over the modality's tokens, one linear layer, softmax over experts (Wang et al. 2024, "M3OE gate"). Padded
    tokens have no influence. Parameter names are those of adapter files: ``q_proj``, ``k_proj``, ``v_proj``, ``out``.
    """

    def __init__(self, hidden: int, experts: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, experts)
        self.temperature = temperature

    def forward(
        self,
        modality: Tensor,
        task: Tensor,
        modality_mask: Tensor | None = None,
        task_mask: Tensor | None = None,
    ) -> Tensor:
        """Expert weights ``[B, E]``, rows sum to 1.

        Texts are frozen embeddings ``[B, L, H]``; masks ``[B, L]`` hold 1 for tokens and 0 for padding.
        """
        query = self.q_proj(modality.to(self.q_proj.weight.dtype))
        task = task.to(self.k_proj.weight.dtype)
        key, value = self.k_proj(task), self.v_proj(task)
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        if task_mask is not None:
            scores = scores + (1 - task_mask.to(scores.dtype))[:, None, :] * MASKED
        attended = scores.softmax(dim=-1) @ value
        if modality_mask is None:
            pooled = attended.mean(dim=1)
        else:
            share = modality_mask.to(attended.dtype)
            pooled = (attended * (share / share.sum(dim=1, keepdim=True))[:, :, None]).sum(dim=1)
        return F.softmax(self.out(pooled) / self.temperature, dim=-1)


def load_imbalance(alphas: Tensor) -> Tensor:
    """``E sum_e load_e^2 - 1`` over the tasks of a run, ``[tasks, E]``: Shazeer et al. 2017, eq. 6."""
    return alphas.mean(dim=0).square().sum() * alphas.shape[1] - 1


def relative_entropy(alphas: Tensor) -> Tensor:
    """Mean entropy of the tasks' gate weights over its largest value, ln E; 0 for a single expert."""
    experts = alphas.shape[1]
    if experts == 1:
        return alphas.new_zeros(())
    return -(alphas * alphas.clamp_min(1e-30).log()).sum(dim=1).mean() / math.log(experts)


def drop_experts(alpha: Tensor, kept: Tensor) -> Tensor:
    """Leaves experts out, ``kept`` holds 1 for those that stay, and renormalises the others; ``[1, E]``."""
    left = alpha * kept.to(alpha.dtype)
    return left / left.sum(dim=1, keepdim=True)


def expert_scale(alpha: Tensor, r: int, scaling: float) -> Tensor:
    """Weight of every rank-one term, alpha of its expert times lora_alpha / r: ``[B, E]`` to ``[B, E*r]``."""
    return torch.repeat_interleave(alpha, r, dim=1) * scaling
