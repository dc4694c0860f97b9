"""The M3OE layer at every adapted linear: y = W x + (lora_alpha / r) sum_e alpha_e B_e A_e x.

In the concatenated form y = W x + ((x A_cat) * scale) B_cat: no expert costs a pass of its own. The gate weights
of a batch reach all layers through one :class:`Routing`, so that the base's own code stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from ..base.checkpoint import INTERNLM2_MODULES, LLAMA_MODULES, QKV, Checkpoint
from ..errors import BridgeError
from .config import InjectionConfig


class Routing:
    """What all experts of a model share during one forward pass."""

    def __init__(self, dropout: float = 0.0) -> None:
        #: ``[1, E*r]`` for the whole batch, or ``[B, E*r]``.
        self.scale: Tensor | None = None
        self.dropout = dropout
        self.training = False


class ExpertPair(nn.Module):
    """The experts beside one linear layer: lora_A ``[E, r, in]`` and lora_B ``[E, out, r]``, as in adapter files."""

    def __init__(self, routing: Routing, experts: int, r: int, width: tuple[int, int]) -> None:
        super().__init__()
        self._routing = routing
        self.lora_A = nn.Parameter(torch.zeros(experts, r, width[0]))
        self.lora_B = nn.Parameter(torch.zeros(experts, width[1], r))

    def forward(self, x: Tensor) -> Tensor:
        """The update that is added to the frozen layer's output, in the dtype of the experts."""
        scale = self._routing.scale
        if scale is None:
            raise BridgeError("InternalError", "An expert was asked before the gate.")
        down, up = self.lora_A.flatten(0, 1), self.lora_B.transpose(1, 2).flatten(0, 1)
        x = x.to(down.dtype)
        if self._routing.training and self._routing.dropout > 0:
            x = F.dropout(x, self._routing.dropout)
        # [1, E*r] or [B, E*r] -> [B, 1, E*r]: one row for all tokens of a sample
        return ((x @ down.T) * scale.to(down.dtype)[:, None, :]) @ up


class ExpertLinear(nn.Module):
    """A frozen linear layer with experts beside it."""

    def __init__(self, frozen: nn.Module, pair: ExpertPair) -> None:
        super().__init__()
        self.frozen = frozen
        self.pair = pair

    @property
    def weight(self) -> Tensor:
        """The frozen weight: some bases look at it."""
        return self.frozen.weight

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output with the experts' update, in the dtype of the frozen layer."""
        y = self.frozen(x)
        return y + self.pair(x).to(y.dtype)


class FusedExpertLinear(nn.Module):
    """InternLM2's frozen wqkv with experts for q, k and v.

    Its rows are grouped: for every key/value head first its query heads, then the key head, then the value head.
    """

    def __init__(self, frozen: nn.Module, pairs: dict[str, ExpertPair], heads: tuple[int, int, int]) -> None:
        super().__init__()
        self.frozen = frozen
        self.pairs = nn.ModuleDict(pairs)
        self._heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """The fused output with the experts' updates."""
        y = self.frozen(x)
        heads, key_values, head_dim = self._heads
        group = heads // key_values
        parts = []
        for name, count in zip(QKV, (group, 1, 1), strict=True):
            shape = (*y.shape[:-1], key_values, count, head_dim)
            known = name in self.pairs
            parts.append(self.pairs[name](x).to(y.dtype).reshape(shape) if known else y.new_zeros(shape))
        return y + torch.cat(parts, dim=-2).reshape(y.shape)


def attach_experts(
    base: nn.Module, checkpoint: Checkpoint, config: InjectionConfig, routing: Routing
) -> dict[str, ExpertPair]:
    """Puts experts beside the target modules of a base, in place.

    Returns them by their name in adapter files (``layers.0.q_proj``), layer by layer in the order of
    ``targetModules``, which is the order in which they are initialised.
    """
    shape, widths = config.shape, checkpoint.linear_shapes()
    pairs: dict[str, ExpertPair] = {}
    if shape.experts == 0:
        return pairs
    targets = [name for name in config.targetModules if name != "lm_head"]
    for layer in range(checkpoint.layers):
        fresh = {name: ExpertPair(routing, shape.experts, shape.r, widths[name]) for name in targets}
        pairs.update({f"layers.{layer}.{name}": pair for name, pair in fresh.items()})
        for path, names in _paths(base, layer, targets).items():
            parent, _, last = path.rpartition(".")
            frozen = base.get_submodule(path)
            chosen = {name: fresh[name] for name in names}
            adapted = (
                FusedExpertLinear(frozen, chosen, checkpoint.heads)
                if path.endswith("wqkv")
                else ExpertLinear(frozen, chosen[names[0]])
            )
            setattr(base.get_submodule(parent), last, adapted)
    if "lm_head" in config.targetModules:
        pairs["lm_head"] = ExpertPair(routing, shape.experts, shape.r, widths["lm_head"])
        base.set_output_embeddings(ExpertLinear(base.get_output_embeddings(), pairs["lm_head"]))
    return pairs


def _paths(base: nn.Module, layer: int, targets: Iterable[str]) -> dict[str, list[str]]:
    """Modules of one layer and the targets that each of them holds: three for a fused wqkv."""
    present = {name for name, _ in base.named_modules()}
    prefix = f"model.layers.{layer}"
    table = INTERNLM2_MODULES if f"{prefix}.attention.wqkv" in present else LLAMA_MODULES
    found: dict[str, list[str]] = {}
    for name in targets:
        path = f"{prefix}.{table[name]}"
        if path not in present:
            raise BridgeError(
                "ModelError",
                "The base does not have the layers of its architecture.",
                found=f"no module {path}",
                needed="a Llama, Mistral, Qwen2 or InternLM2 decoder",
            )
        found.setdefault(path, []).append(name)
    return found
