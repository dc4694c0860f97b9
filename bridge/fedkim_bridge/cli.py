"""``fedkim-bridge``: inject, score, install, config, verify. One error, one sentence, one exit status."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from . import __version__
from .errors import BridgeError
from .json_file import read_json_object, write_json
from .run_folder import EVALUATION_FILE, INJECTION_FOLDER, open_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the process's exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # `torchrun -m fedkim_bridge -- inject ...`: its own parser would read --run as an abbreviation.
    options = _parser().parse_args(given[1:] if given[:1] == ["--"] else given)
    disable_progress_bar()
    try:
        options.verb(options)
    except BridgeError as error:
        if os.environ.get("RANK", "0") == "0":
            print(f"{error.code}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fedkim-bridge", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    inject = verbs.add_parser("inject", help="train an injection on public data and write adapter files")
    _common(inject)
    inject.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the adapter files")
    inject.add_argument("--config", type=Path, metavar="FILE", help="injection settings, TOML or JSON")
    inject.add_argument("--seed", type=int, metavar="N", help="the run's seed by default")
    inject.add_argument("--from", type=Path, dest="start", metavar="DIR", help="go on from these adapter files")
    inject.add_argument(
        "--gradient-checkpointing",
        action="store_true",
        help="compute activations twice instead of keeping them",
    )
    inject.set_defaults(verb=_inject)

    score = verbs.add_parser("score", help="yes-minus-no logits of every record")
    _common(score)
    score.add_argument("--adapter", type=Path, required=True, metavar="DIR", help="adapter files")
    score.add_argument("--task", metavar="NAME", help="one task only")
    score.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file: task, record, score")
    score.set_defaults(verb=_score)

    install = verbs.add_parser("install", help="put trained adapter files into a run folder")
    install.add_argument("--run", type=Path, required=True, metavar="RUN")
    install.add_argument("--adapter", type=Path, required=True, metavar="DIR")
    install.set_defaults(verb=_install)

    config = verbs.add_parser("config", help="check injection settings and print all of them as JSON")
    config.add_argument("--config", type=Path, metavar="FILE")
    config.set_defaults(verb=_config)

    verify = verbs.add_parser("verify", help="recompute a reference file of gate and experts")
    verify.add_argument("file", type=Path)
    verify.set_defaults(verb=_verify)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, metavar="RUN", help="the aggregator's run folder")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of fedkim-dataset/1 folders")
    parser.add_argument("--base", type=Path, required=True, metavar="DIR", help="Hugging Face folder of the base")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16", "float64"),
        help="bfloat16 on a GPU, else float32",
    )
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run the Python code that lies in the base's folder"
    )


def _inject(options: argparse.Namespace) -> None:
    from .m3oe.adapter_file import save_adapter
    from .m3oe.config import read_config_file
    from .m3oe.engine import Engine
    from .m3oe.train import Progress
    from .pipeline import BaseOptions, inject

    run = open_run(options.run)
    settings = None if options.config is None else read_config_file(options.config)
    engine = Engine()

    def report(progress: Progress) -> None:
        if engine.is_main:
            held = "" if progress.validation_loss is None else f", validation {progress.validation_loss:.4f}"
            print(f"step {progress.step} of {progress.steps}, loss {progress.loss:.4f}{held}", file=sys.stderr)

    dtype = options.dtype or ("bfloat16" if engine.accelerator.device.type == "cuda" else "float32")
    base = BaseOptions(options.base, dtype, options.trust_remote_code, options.gradient_checkpointing)
    seed = run.seed if options.seed is None else options.seed
    result = inject(engine, run, options.data, base, settings, seed=seed, start_from=options.start, on_step=report)

    def write() -> None:
        save_adapter(result.adapter, options.out)
        write_json(options.out / EVALUATION_FILE, result.evaluation)
        print(json.dumps({"out": str(options.out), "processes": engine.processes, **result.evaluation["trainable"]}))

    engine.on_main(write)
    engine.close()


def _score(options: argparse.Namespace) -> None:
    from .m3oe.engine import Engine
    from .pipeline import BaseOptions, score

    run = open_run(options.run)
    engine = Engine()
    dtype = options.dtype or ("bfloat16" if engine.accelerator.device.type == "cuda" else "float32")
    base = BaseOptions(options.base, dtype, options.trust_remote_code)
    scores = score(engine, run, options.data, base, options.adapter, only=options.task)
    engine.on_main(lambda: write_json(options.out, scores))
    engine.close()


def _install(options: argparse.Namespace) -> None:
    from .m3oe.adapter_file import CONFIG_FILE, TENSOR_FILE

    needed = "the folder that `fedkim-bridge inject` wrote"
    fresh = read_json_object(options.adapter / EVALUATION_FILE, "ConfigError", needed)
    read_json_object(options.adapter / CONFIG_FILE, "ConfigError", needed)
    read_json_object(options.run / "run.json", "ConfigError", "the folder of a finished run")
    target = options.run / INJECTION_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for name in (TENSOR_FILE, CONFIG_FILE):
        shutil.copyfile(options.adapter / name, target / f"{name}.partial")
    for name in (TENSOR_FILE, CONFIG_FILE):
        (target / f"{name}.partial").replace(target / name)
    path = options.run / EVALUATION_FILE
    old = read_json_object(path, "ConfigError", "the run's evaluation") if path.is_file() else {}
    # Results on test data belong to the adapter that was replaced.
    old.pop("tasks", None)
    write_json(path, {**old, **fresh})


def _config(options: argparse.Namespace) -> None:
    from .m3oe.config import parse_config, read_config_file

    settings = {} if options.config is None else read_config_file(options.config)
    print(json.dumps(parse_config(settings).to_json()))


def _verify(options: argparse.Namespace) -> None:
    from .m3oe.verify import verify_m3oe

    print(json.dumps({"maxRelativeError": verify_m3oe(options.file), "backend": "torch"}))
