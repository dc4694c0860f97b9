"""The frozen stems: a record's value to whitened tokens or standardised patches (``src/local/stem.ts``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BridgeError
from ..run_folder import Weights, tensor_of
from .clinical import series_views, vector_view
from .image import image_views
from .manifest import ModalityManifest
from .records import RecordSet, Value
from .sequence import sequence_of
from .signal import signal_views
from .spec import EncoderSpec, LocalModelSpec

#: Standardised features and tokens are limited to this many standard deviations.
LIMIT = 4.0


@dataclass(frozen=True)
class StemTokens:
    """What a stem gives for all records of a set."""

    #: ``[N, T, width]`` float32, zero where the modality is missing.
    data: np.ndarray
    #: ``[N, T]``, True where a token holds something.
    mask: np.ndarray


def stem_tokens(spec: LocalModelSpec, weights: Weights, records: RecordSet, modality: str) -> StemTokens:
    """Computes the stem of one modality; raises ``ModelError`` or ``DatasetError`` where data and run differ."""
    encoder = spec.encoder(modality)
    manifest = records.manifest.modalities[modality]
    _check_input(encoder, manifest, records.name)
    width = spec.d_enc if encoder.attention is None else encoder.views[0].features
    size = len(records.records)
    data = np.zeros((size, encoder.tokens, width), dtype=np.float32)
    mask = np.zeros((size, encoder.tokens), dtype=bool)
    compute = _whitened if encoder.attention is None else _patches
    for row, record in enumerate(records.records):
        value = record.values[modality]
        if value is None:
            continue
        data[row], mask[row] = compute(spec, weights, encoder, value, manifest.sample_rate_hz)
    return StemTokens(data, mask)


def _whitened(
    spec: LocalModelSpec, weights: Weights, encoder: EncoderSpec, value: Value, rate_hz: float
) -> tuple[np.ndarray, bool]:
    """One token per view: standardised features on the public principal components."""
    tokens = []
    for view, features in zip(encoder.views, _views(value, encoder.kind, rate_hz), strict=True):
        prefix = f"stem.{encoder.modality}.{view.name}"
        if features.shape != (view.features,):
            raise BridgeError(
                "ModelError",
                f"The modality {encoder.modality} has another width than the run's encoder.",
                found=f"{len(features)} features in view {view.name}",
                needed=f"{view.features} features",
            )
        standard = _standardise(features, weights, prefix, view.features)
        projection = tensor_of(weights, f"{prefix}.projection", (view.features, spec.d_enc))
        offset = tensor_of(weights, f"{prefix}.offset", (spec.d_enc,))
        token = offset.astype(np.float64) + standard.astype(np.float64) @ projection.astype(np.float64)
        tokens.append(np.clip(token, -LIMIT, LIMIT))
    return np.stack(tokens).astype(np.float32), True


def _patches(
    _spec: LocalModelSpec, weights: Weights, encoder: EncoderSpec, value: Value, rate_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Standardised patches, zero where a patch is empty."""
    features = encoder.views[0].features
    patches = sequence_of(np.asarray(value), encoder.kind, encoder.tokens, features, rate_hz)
    mask = ~np.isnan(patches).all(axis=1)
    standard = _standardise(patches, weights, f"stem.{encoder.modality}.sequence", features)
    return np.where(mask[:, None], standard, 0).astype(np.float32), mask


def _views(value: Value, kind: str, rate_hz: float) -> list[np.ndarray]:
    values = np.asarray(value)
    if kind == "image":
        return image_views(values)
    if kind == "signal":
        return signal_views(values, rate_hz)
    return series_views(values) if kind == "timeseries" else [vector_view(values)]


def _standardise(values: np.ndarray, weights: Weights, prefix: str, features: int) -> np.ndarray:
    """Zero mean, unit spread, limited; missing values become 0, the public mean."""
    mean = tensor_of(weights, f"{prefix}.mean", (features,)).astype(np.float64)
    scale = tensor_of(weights, f"{prefix}.scale", (features,)).astype(np.float64)
    standard = (values.astype(np.float64) - mean) * scale
    return np.nan_to_num(np.clip(standard, -LIMIT, LIMIT), nan=0.0).astype(np.float32)


def _check_input(encoder: EncoderSpec, manifest: ModalityManifest, set_name: str) -> None:
    """A column in another order would be read as another measurement, so names must match exactly."""
    if manifest.kind == encoder.kind and manifest.channels == encoder.channels and encoder.kind != "text":
        return
    raise BridgeError(
        "DatasetError",
        f"Modality {encoder.modality} of set {set_name} does not fit the model.",
        found=f"kind {manifest.kind}, {len(manifest.channels)} channels",
        needed=f"kind {encoder.kind} with the {len(encoder.channels)} public channels in the same order",
        remedy="map the columns to the names of the public manifest",
    )
