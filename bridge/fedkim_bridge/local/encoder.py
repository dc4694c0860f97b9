"""The encoders' learned layers in PyTorch (``src/local/_forward.ts`` and ``_attention_encoder.ts``)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

from ..run_folder import Weights, tensor_of
from .records import RecordSet
from .spec import EncoderSpec, LocalModelSpec
from .stem import stem_tokens

#: Keeps the variance of a constant row away from zero.
NORM_EPSILON = 1e-5
#: Vanishes in a softmax and stays finite in float32.
MASKED_SCORE = -3e4
#: Records per forward pass.
ROWS = 256


@dataclass(frozen=True)
class EncodedModality:
    """Encoder tokens of one modality for all records of a set."""

    #: ``[N, T, dEnc]`` float32; zero where nothing is there.
    data: np.ndarray
    #: ``[N]``, number of tokens that hold something.
    counts: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """``[N]``, True where the record has the modality."""
        return self.counts > 0


def encode_records(spec: LocalModelSpec, weights: Weights, records: RecordSet, modality: str) -> EncodedModality:
    """Encodes one modality of all records of a set, on the CPU in float32."""
    encoder = spec.encoder(modality)
    stem = stem_tokens(spec, weights, records, modality)
    layers = _Layers(weights)
    out = np.zeros((len(stem.data), encoder.tokens, spec.d_enc), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, len(stem.data), ROWS):
            x = torch.from_numpy(stem.data[start : start + ROWS])
            mask = torch.from_numpy(stem.mask[start : start + ROWS])
            encoded = (
                _residual(encoder, spec.d_enc, x, layers)
                if encoder.attention is None
                else _attend(encoder, spec.d_enc, x, mask, layers)
            )
            out[start : start + ROWS] = (encoded * mask[:, :, None]).numpy()
    return EncodedModality(out, stem.mask.sum(axis=1))


class _Layers:
    """Learned layers by their stable names; weights are ``[in, out]``."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def parameter(self, name: str, *shape: int) -> Tensor:
        return torch.from_numpy(tensor_of(self._weights, name, shape))

    def dense(self, name: str, x: Tensor, outputs: int, *, bias: bool = True) -> Tensor:
        product = x @ self.parameter(f"{name}.weight", x.shape[-1], outputs)
        return product + self.parameter(f"{name}.bias", outputs) if bias else product

    def norm(self, name: str, x: Tensor) -> Tensor:
        width = x.shape[-1]
        return _normalised(x) * self.parameter(f"{name}.scale", width) + self.parameter(f"{name}.shift", width)


def _normalised(x: Tensor) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), eps=NORM_EPSILON)


def _gelu(x: Tensor) -> Tensor:
    """The sigmoid form of GELU (Hendrycks and Gimpel 2016, section 2)."""
    return x * torch.sigmoid(1.702 * x)


def _residual(encoder: EncoderSpec, d_enc: int, x: Tensor, layers: _Layers) -> Tensor:
    """A residual two-layer network over all tokens of the modality, then normalisation of each token."""
    width = encoder.tokens * d_enc
    flat = x.reshape(-1, width)
    prefix = f"encoder.{encoder.modality}"
    hidden = _gelu(layers.dense(f"{prefix}.down", flat, encoder.hidden))
    total = flat + layers.dense(f"{prefix}.up", hidden, width, bias=False)
    return _normalised(total.reshape(-1, encoder.tokens, d_enc))


def _attend(encoder: EncoderSpec, d_enc: int, x: Tensor, mask: Tensor, layers: _Layers) -> Tensor:
    """Pre-norm transformer blocks over a record's own patches; empty patches are never attended to."""
    shape = encoder.attention
    assert shape is not None
    prefix = f"encoder.{encoder.modality}"
    h = layers.dense(f"{prefix}.patch", x, d_enc)
    h = h + layers.parameter(f"{prefix}.position.table", encoder.tokens, d_enc)
    bias = (~mask).float()[:, None, None, :] * MASKED_SCORE
    for block in range(1, shape.blocks + 1):
        inside = f"{prefix}.block{block}"
        qkv = layers.dense(f"{inside}.qkv", layers.norm(f"{inside}.norm1", h), 3 * d_enc)
        h = h + layers.dense(f"{inside}.out", _self_attention(qkv, bias, shape.heads), d_enc)
        hidden = _gelu(layers.dense(f"{inside}.down", layers.norm(f"{inside}.norm2", h), encoder.hidden))
        h = h + layers.dense(f"{inside}.up", hidden, d_enc)
    return _normalised(h)


def _self_attention(qkv: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Scaled dot-product attention; ``qkv`` is ``[B, T, 3 * width]``, the result ``[B, T, width]``."""
    batch, tokens, triple = qkv.shape
    q, k, v = (part.reshape(batch, tokens, heads, -1).transpose(1, 2) for part in qkv.split(triple // 3, dim=-1))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
    return (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, triple // 3)
