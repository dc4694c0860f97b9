"""From a run folder and public data to adapter files, and from adapter files to scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .base.checkpoint import BaseFacts, Checkpoint, base_facts, open_checkpoint
from .base.load import load_base
from .base.tokenizer import TextTokenizer
from .decisions import public_decisions
from .errors import BridgeError
from .injection_samples import SampleMaker, TaskSamples, answerable_tasks, require_samples, task_text
from .local.records import load_part, split_public
from .m3oe.adapter_file import Adapter, check_shapes, load_adapter
from .m3oe.config import FEDERATION_RECIPE, InjectionConfig, check_widths, parse_config
from .m3oe.engine import Engine
from .m3oe.injected_model import InjectedModel
from .m3oe.prompt import TokenStatistics, prompt_ids, token_statistics
from .m3oe.samples import EncodedSample, InjectionSample, TaskText, check_tasks, encode_samples
from .m3oe.train import Progress, Trainer
from .run_folder import FinishedRun


@dataclass(frozen=True)
class BaseOptions:
    """How the base is loaded."""

    folder: Path
    dtype: str
    trust_remote_code: bool = False
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Injection:
    """A finished injection."""

    adapter: Adapter
    #: What ``evaluation.json`` of a run says about it: decisions and trainable weights.
    evaluation: dict[str, Any]


@dataclass(frozen=True)
class _OpenBase:
    checkpoint: Checkpoint
    tokenizer: TextTokenizer
    facts: BaseFacts


def resolve_config(run: FinishedRun, settings: Mapping[str, Any] | None) -> InjectionConfig:
    """The run's own injection settings, overridden by the given ones; without any, on a federation's recipe."""
    if settings is None:
        return parse_config({**FEDERATION_RECIPE, **run.injection})
    return parse_config({**run.injection, **settings})


def inject(
    engine: Engine,
    run: FinishedRun,
    data: Path,
    base: BaseOptions,
    settings: Mapping[str, Any] | None,
    *,
    seed: int,
    start_from: Path | None,
    on_step: Callable[[Progress], None],
) -> Injection:
    """Trains an injection of a run's encoders on public data; all processes call it alike.

    Raises ``BridgeError`` for settings, data, run and base that do not fit each other.
    """
    config = resolve_config(run, settings)
    opened = _open_base(engine, run, base)
    check_widths(config, {name: min(shape) for name, shape in opened.checkpoint.linear_shapes().items()})
    train_sets, held_sets = split_public(load_part(data))
    maker = SampleMaker(run.spec, run.weights)
    answerable = answerable_tasks(train_sets, run.spec)
    tasks = [task for task in answerable if task.name in run.tasks]
    unseen = [task for task in answerable if task.name not in run.tasks]
    train = maker.all_samples(train_sets, tasks, labelled=True, taught=config.distillation > 0)
    require_samples(train, str(data))
    held = maker.all_samples(held_sets, tasks, labelled=True)
    unlabelled = maker.all_samples(held_sets, [task for task in unseen if task.type == "binary"], labelled=False)

    samples = _flat(train)
    parts = [(part.modality, part.tokens) for sample in samples for part in sample.modalities]
    texts, later = [task_text(task) for task in tasks], [task_text(task) for task in unseen]
    earlier = None if start_from is None else load_adapter(start_from, opened.facts.base_hash)
    # Projectors that go on keep the scale that they were trained with.
    statistics = {**token_statistics(parts), **({} if earlier is None else earlier.statistics)}
    model = _model(opened, base, config, statistics, texts, seed=seed)
    if earlier is not None:
        check_shapes(earlier, model.shapes())
        model.load(earlier.values)
    model.add_tasks(later, opened.tokenizer)
    counts = _counts(model, opened.facts)
    engine.prepare(model, config)
    ids = prompt_ids(config.prompt, opened.tokenizer, opened.checkpoint.config.get("bos_token_id"))
    trainer = Trainer(engine, ids, config)
    encode = _encoder(statistics, [*texts, *later], opened.tokenizer, config)

    def finish() -> Injection:
        scored = {
            name: (trainer.score(encode(item.samples)), [int(sample.label) for sample in item.samples])
            for name, item in held.items()
            if item.samples and not isinstance(item.samples[0].label, str)
        }
        guessed = {name: trainer.score(encode(item.samples)) for name, item in unlabelled.items() if item.samples}
        adapter = Adapter(opened.facts.base_hash, config, (*texts, *later), dict(statistics), engine.values())
        return Injection(adapter, {"decisions": public_decisions(scored, guessed), "trainable": counts})

    return trainer.train(encode(samples), encode(_flat(held)), seed, on_step, finish)


def score(
    engine: Engine, run: FinishedRun, data: Path, base: BaseOptions, adapter_folder: Path, *, only: str | None
) -> dict[str, dict[str, float]]:
    """Yes-minus-no logits of all records that yes-or-no tasks can be asked about, by task and record."""
    opened = _open_base(engine, run, base)
    adapter = load_adapter(adapter_folder, opened.facts.base_hash)
    sets = load_part(data)
    tasks = [
        task for task in answerable_tasks(sets, run.spec) if task.type != "open" and (only is None or task.name == only)
    ]
    if not tasks:
        raise BridgeError("UnknownTask", f"No task of {data} can be scored by this run.", found=only)
    texts = [task_text(task) for task in tasks]
    model = _model(opened, base, adapter.config, adapter.statistics, texts, seed=0)
    check_shapes(adapter, model.shapes())
    model.load(adapter.values)
    engine.prepare_inference(model)
    ids = prompt_ids(adapter.config.prompt, opened.tokenizer, opened.checkpoint.config.get("bos_token_id"))
    trainer = Trainer(engine, ids, adapter.config)
    encode = _encoder(adapter.statistics, texts, opened.tokenizer, adapter.config)
    made = SampleMaker(run.spec, run.weights).all_samples(sets, tasks, labelled=False)
    return {
        name: dict(zip(item.ids, map(float, trainer.score(encode(item.samples))), strict=True))
        for name, item in made.items()
        if item.samples
    }


def _open_base(engine: Engine, run: FinishedRun, base: BaseOptions) -> _OpenBase:
    checkpoint = open_checkpoint(base.folder)
    for encoder in run.spec.encoders:
        width = encoder.views[0].features
        if encoder.kind == "text" and width != checkpoint.hidden_size:
            raise BridgeError(
                "ModelError",
                f"The run was made with another base than {base.folder}.",
                found=f"token embeddings of width {checkpoint.hidden_size}",
                needed=f"width {width}, as the run's text encoder reads",
                remedy="give the folder that the aggregator's configuration names as foundationModel",
            )
    return _OpenBase(checkpoint, TextTokenizer(base.folder), engine.on_main(lambda: base_facts(checkpoint)))


def _model(
    opened: _OpenBase,
    base: BaseOptions,
    config: InjectionConfig,
    statistics: Mapping[str, TokenStatistics],
    tasks: Sequence[TaskText],
    *,
    seed: int,
) -> InjectedModel:
    check_tasks(tasks)
    decoder = load_base(
        opened.checkpoint,
        dtype=base.dtype,
        trust_remote_code=base.trust_remote_code,
        gradient_checkpointing=base.gradient_checkpointing,
    )
    deviation = opened.facts.embedding_deviation
    tokenizer = opened.tokenizer
    return InjectedModel(
        decoder,
        opened.checkpoint,
        tokenizer,
        config,
        statistics,
        tasks,
        seed=seed,
        embedding_deviation=deviation,
    )


def _encoder(
    statistics: Mapping[str, TokenStatistics],
    tasks: Sequence[TaskText],
    tokenizer: TextTokenizer,
    config: InjectionConfig,
) -> Callable[[Sequence[InjectionSample]], list[EncodedSample]]:
    widths = {name: len(item.mean) for name, item in statistics.items()}
    known = check_tasks(tasks)
    return lambda samples: encode_samples(samples, known, widths, tokenizer, config.prompt)


def _flat(samples: Mapping[str, TaskSamples]) -> list[InjectionSample]:
    return [sample for item in samples.values() for sample in item.samples]


def _counts(model: InjectedModel, facts: BaseFacts) -> dict[str, Any]:
    """Trained and frozen weights, as FedKIM prints them."""
    counts = {"projectors": 0, "gate": 0, "experts": 0, "encoders": 0}
    for name, parameter in model.named_trained().items():
        part = {"projector": "projectors", "gate": "gate"}.get(name.split(".")[0], "experts")
        counts[part] += parameter.numel()
    trained = sum(counts.values())
    return {"frozen": facts.parameters, "trained": counts, "share": trained / (trained + facts.parameters)}
