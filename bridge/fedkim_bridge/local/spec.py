"""The local model's description (``fedkim-local-model/1``), as the signed plan carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import BridgeError

KINDS = ("timeseries", "vector", "image", "signal", "text")


@dataclass(frozen=True)
class ViewSpec:
    """One view of a modality's front end."""

    name: str
    features: int


@dataclass(frozen=True)
class AttentionSpec:
    """Shape of an encoder that attends over patches."""

    blocks: int
    heads: int


@dataclass(frozen=True)
class EncoderSpec:
    """One modality's encoder: a frozen stem with a residual layer, or attention over patches."""

    modality: str
    kind: str
    channels: tuple[str, ...]
    views: tuple[ViewSpec, ...]
    tokens: int
    hidden: int
    attention: AttentionSpec | None


@dataclass(frozen=True)
class HeadSpec:
    """One trained task and the modalities that it reads."""

    task: str
    type: str
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class LocalModelSpec:
    """Everything that defines the encoders except their numbers."""

    d_enc: int
    encoders: tuple[EncoderSpec, ...]
    heads: tuple[HeadSpec, ...]

    def encoder(self, modality: str) -> EncoderSpec:
        """The encoder of a modality; raises ``ModelError`` for one that the model does not know."""
        for encoder in self.encoders:
            if encoder.modality == modality:
                return encoder
        raise BridgeError(
            "ModelError",
            f"The run has no encoder for the modality {modality}.",
            needed=f"one of {', '.join(encoder.modality for encoder in self.encoders)}",
            remedy="use data whose modalities have the names of the federation's public data",
        )


def parse_spec(value: Any) -> LocalModelSpec:  # noqa: ANN401 - parsed JSON
    """Reads a description; raises ``ModelError`` naming what is missing or wrong."""
    try:
        if value["format"] != "fedkim-local-model/1":
            raise _refused(f"format {value['format']}")
        spec = LocalModelSpec(
            d_enc=_size(value["dEnc"], "dEnc"),
            encoders=tuple(_encoder(item) for item in value["encoders"]),
            heads=tuple(
                HeadSpec(str(head["task"]), str(head["type"]), tuple(map(str, head["modalities"])))
                for head in value["heads"]
            ),
        )
    except (KeyError, TypeError) as cause:
        raise _refused(f"a description without {cause}") from cause
    names = [encoder.modality for encoder in spec.encoders]
    if not names or not spec.heads or len(set(names)) != len(names):
        raise _refused(f"{len(names)} encoders of {len(set(names))} modalities and {len(spec.heads)} heads")
    for encoder in spec.encoders:
        shape = encoder.attention
        if shape is not None and (len(encoder.views) != 1 or spec.d_enc % shape.heads != 0):
            raise _refused(f"the attention encoder of {encoder.modality} with {shape.heads} heads")
    return spec


def _encoder(item: dict[str, Any]) -> EncoderSpec:
    if item["kind"] not in KINDS:
        raise _refused(f"a modality of kind {item['kind']}")
    attention = item.get("attention")
    views = tuple(ViewSpec(str(view["name"]), _size(view["features"], "features")) for view in item["views"])
    return EncoderSpec(
        modality=str(item["modality"]),
        kind=str(item["kind"]),
        channels=tuple(map(str, item["channels"])),
        views=views,
        tokens=_size(item["tokens"], "tokens"),
        hidden=_size(item["hidden"], "hidden"),
        attention=None
        if attention is None
        else AttentionSpec(_size(attention["blocks"], "blocks"), _size(attention["heads"], "heads")),
    )


def _size(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1 << 24:
        return value
    raise _refused(f"{name} = {value}")


def _refused(found: str) -> BridgeError:
    return BridgeError(
        "ModelError",
        "The local model's description cannot be used.",
        found=found,
        needed="plan.model.spec of a fedkim-plan/1, in the format fedkim-local-model/1",
        remedy="use the run folder that `fedkim aggregator` or `fedkim demo` wrote",
    )
