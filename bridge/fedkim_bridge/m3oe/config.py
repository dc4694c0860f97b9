"""The injection's configuration: the fields, defaults and rules of ``src/m3oe/config.ts``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from ..errors import BridgeError
from ..json_file import parse_json

#: The seven linear layers of a decoder layer, in the order of computation.
LINEAR_NAMES: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TARGET_MODULES: Final = (*LINEAR_NAMES, "lm_head")


@dataclass(frozen=True)
class PromptForm:
    """``<bos> PREFIX [modality tokens] TEXT QUESTION SUFFIX``."""

    prefix: str = "human :"
    suffix: str = "assistant : answer :"
    #: Text before and after a modality's tokens, by modality.
    tags: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: A record's text is cut after this many tokens.
    maxTextTokens: int = 48  # noqa: N815 - the names of FedKIM's files


@dataclass(frozen=True)
class InjectionConfig:
    """All settings of an injection, under the names of FedKIM's files."""

    method: str = "fedkim"
    experts: int = 6
    r: int = 4
    loraAlpha: float = 8  # noqa: N815
    loraDropout: float = 0  # noqa: N815
    targetModules: tuple[str, ...] = LINEAR_NAMES  # noqa: N815
    gateTemperature: float = 1  # noqa: N815
    gateTexts: str = "both"  # noqa: N815
    loadBalance: float = 0  # noqa: N815
    gateEntropy: float = 0  # noqa: N815
    expertDropout: float = 0  # noqa: N815
    prompt: PromptForm = field(default_factory=PromptForm)
    answerLoss: str = "answers"  # noqa: N815
    distillation: float = 0
    teacherSpread: float = 0  # noqa: N815
    teacherMixing: float = 0  # noqa: N815
    teacherMixingUnit: str = "record"  # noqa: N815
    mixing: Mapping[str, Any] = field(default_factory=lambda: {"kind": "proportional"})
    epochs: int = 4
    batchSize: int = 32  # noqa: N815
    accumulation: int = 1
    learningRate: float = 2e-3  # noqa: N815
    encoderRate: float = 0.1  # noqa: N815
    weightDecay: float = 0.01  # noqa: N815
    tokenNoise: float = 0  # noqa: N815
    maxGradNorm: float = 1  # noqa: N815
    warmup: float = 0.1
    decay: str = "cosine"
    selection: str = "last"
    patience: int = 2

    @property
    def shape(self) -> ExpertShape:
        """Experts, rank and scaling after the method is taken into account.

        ``fedplug_l`` is one LoRA of the same total rank, scaled so that its update has the size of E equally
        weighted experts.
        """
        if self.method == "fedkim":
            return ExpertShape(self.experts, self.r, self.loraAlpha / self.r)
        if self.method == "fedplug_l":
            rank = self.experts * self.r
            return ExpertShape(1, rank, self.loraAlpha / rank)
        return ExpertShape(0, 0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """The configuration as it stands in files: whole numbers without a decimal point."""
        value = asdict(self)
        value["targetModules"] = list(self.targetModules)
        value["prompt"]["tags"] = {name: list(pair) for name, pair in self.prompt.tags.items()}
        return {name: _plain(item) for name, item in value.items()}


@dataclass(frozen=True)
class ExpertShape:
    """Experts E, rank r of each, and lora_alpha / r."""

    experts: int
    r: int
    scaling: float


#: How a federation injects where no settings are given (``src/federation/injection_recipe.ts``).
FEDERATION_RECIPE: Mapping[str, Any] = {
    "distillation": 1,
    "mixing": {"kind": "uniform"},
    "teacherSpread": 1.5,
    "teacherMixing": 0.25,
    "teacherMixingUnit": "token",
    "epochs": 8,
    "batchSize": 16,
    "learningRate": 2e-3,
}


def read_config_file(path: Path) -> dict[str, Any]:
    """Reads a TOML or JSON file of settings; raises ``ConfigError`` when it is neither."""
    try:
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else parse_json(text)
    except (OSError, ValueError) as cause:
        raise BridgeError(
            "ConfigError",
            f"The configuration {path} cannot be read.",
            found=str(cause).split("\n")[0],
            needed="a TOML (.toml) or JSON (.json) file",
        ) from cause
    if not isinstance(value, dict):
        raise _invalid(type(value).__name__, "an object with the injection's settings")
    return value


def parse_config(settings: Mapping[str, Any]) -> InjectionConfig:
    """Completes and checks settings; raises ``ConfigError`` for unknown names and values that cannot work."""
    values = dict(settings)
    _refuse_unknown(values, {item.name for item in fields(InjectionConfig)}, "")
    if "prompt" in values:
        values["prompt"] = _prompt(values["prompt"])
    if "targetModules" in values:
        values["targetModules"] = tuple(_texts(values["targetModules"], "targetModules"))
    config = InjectionConfig(**values)
    for names, rule, needed in _RULES:
        for name in names:
            number = getattr(config, name)
            if not isinstance(number, (int, float)) or isinstance(number, bool) or not rule(number):
                raise _invalid(f"{name} = {number}", needed)
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            raise _invalid(f"{name} = {getattr(config, name)}", ", ".join(choices))
    _check_mixing(config.mixing)
    if config.method != "fedplug":
        _check_targets(config.targetModules)
    return config


def check_widths(config: InjectionConfig, widths: Mapping[str, int]) -> None:
    """Refuses a rank above the smaller width of a target module; ``ConfigError``."""
    if config.method == "fedplug":
        return
    for name in config.targetModules:
        if config.r > widths[name]:
            raise _invalid(f"rank {config.r} at {name} of width {widths[name]}", "a rank not above the width")


def _count(value: float) -> bool:
    return isinstance(value, int) and value >= 1


def _positive(value: float) -> bool:
    return value > 0 and math.isfinite(value)


def _not_negative(value: float) -> bool:
    return 0 <= value < math.inf


def _probability(value: float) -> bool:
    return 0 <= value <= 1


def _share(value: float) -> bool:
    return 0 <= value < 1


_Rule = tuple[tuple[str, ...], Callable[[float], bool], str]
_RULES: Final[tuple[_Rule, ...]] = (
    (("experts", "r", "epochs", "batchSize", "accumulation", "patience"), _count, "a positive integer"),
    (
        ("loraAlpha", "learningRate", "encoderRate", "maxGradNorm", "gateTemperature"),
        _positive,
        "a positive number",
    ),
    (("weightDecay", "tokenNoise", "loadBalance", "teacherSpread", "teacherMixing"), _not_negative, "0 or a positive number"),
    (("warmup", "loraDropout", "expertDropout"), _share, "at least 0 and below 1"),
    (("distillation",), _probability, "a number from 0 to 1"),
    (("gateEntropy",), math.isfinite, "a finite number"),
)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "method": ("fedkim", "fedplug", "fedplug_l"),
    "answerLoss": ("vocabulary", "answers"),
    "decay": ("cosine", "linear", "none"),
    "gateTexts": ("both", "task_only", "modality_only"),
    "selection": ("last", "validation_loss"),
    "teacherMixingUnit": ("record", "token"),
}


def _prompt(value: object) -> PromptForm:
    if not isinstance(value, Mapping):
        raise _invalid(f"prompt of type {type(value).__name__}", "an object")
    _refuse_unknown(value, {item.name for item in fields(PromptForm)}, "prompt.")
    tags = value.get("tags", {})
    if not isinstance(tags, Mapping) or any(len(_texts(pair, f"tags.{name}")) != 2 for name, pair in tags.items()):
        raise _invalid("prompt.tags", "two texts for each modality")
    form = PromptForm(**{**value, "tags": {name: (pair[0], pair[1]) for name, pair in tags.items()}})
    if not (isinstance(form.prefix, str) and isinstance(form.suffix, str)):
        raise _invalid("a prompt whose prefix or suffix is no text", "texts")
    if not isinstance(form.maxTextTokens, int) or form.maxTextTokens < 0:
        raise _invalid(f"prompt.maxTextTokens = {form.maxTextTokens}", "0 or a positive integer")
    return form


def _texts(value: object, name: str) -> list[str]:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    raise _invalid(f"{name} of type {type(value).__name__}", "a list of texts")


def _check_mixing(mixing: object) -> None:
    kind = mixing.get("kind") if isinstance(mixing, Mapping) else None
    if kind not in ("proportional", "uniform", "temperature"):
        raise _invalid(f"mixing {kind}", "proportional, uniform or temperature")
    _refuse_unknown(mixing, {"kind", "temperature"} if kind == "temperature" else {"kind"}, "mixing.")
    value = mixing.get("temperature") if kind == "temperature" else 1
    if not isinstance(value, (int, float)) or not _positive(value):
        raise _invalid(f"mixing temperature = {value}", "a positive number")


def _check_targets(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in TARGET_MODULES]
    if not names or unknown or len(set(names)) < len(names):
        raise _invalid(f"target modules {', '.join(names) or 'none'}", f"each once, of {', '.join(TARGET_MODULES)}")


def _refuse_unknown(value: Mapping[str, Any], known: set[str], prefix: str) -> None:
    unknown = sorted(set(value) - known)
    if unknown:
        raise _invalid(f"unknown setting {prefix}{unknown[0]}", f"one of {', '.join(sorted(known))}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - any setting
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _invalid(found: str, needed: str) -> BridgeError:
    return BridgeError(
        "ConfigError",
        "The injection's configuration cannot be used.",
        found=found,
        needed=needed,
        remedy="correct this setting",
    )
