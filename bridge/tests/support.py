"""What the tests share: a run that FedKIM made, and processes that run the bridge."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
BRIDGE = REPOSITORY / "bridge"
SHARED = Path(os.environ.get("FEDKIM_SHARED", REPOSITORY.parent / "shared"))

#: One thread each: the processes of a test share the machine.
_PATH = os.pathsep.join([str(BRIDGE), *filter(None, [os.environ.get("PYTHONPATH")])])
ENVIRONMENT = {**os.environ, "PYTHONPATH": _PATH, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Fixture:
    """A small finished run with synthetic public data, as ``tests/bridge/_fixture.ts`` makes it."""

    folder: Path
    base: Path
    data: Path
    runs: dict[str, Path]
    #: Tokens that FedKIM computes, by kind of encoders.
    tokens: dict[str, Path]


@cache
def fixture() -> Fixture:
    """The fixture, made once a process by FedKIM itself; skips the test where Deno is not at hand."""
    given = os.environ.get("FEDKIM_BRIDGE_FIXTURE")
    if given is not None:
        return _fixture(Path(given), (Path(given) / "fixture.json").read_text())
    deno = os.environ.get("FEDKIM_DENO") or shutil.which("deno")
    if deno is None:
        raise unittest.SkipTest("deno is not on PATH: no run to bridge from")
    folder = Path(tempfile.mkdtemp(prefix="fedkim_bridge_"))
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    script = REPOSITORY / "tests/bridge/_fixture.ts"
    made = subprocess.run(
        [deno, "run", "-A", "--no-prompt", str(script), str(folder)], cwd=REPOSITORY, capture_output=True, text=True
    )
    if made.returncode != 0:
        raise AssertionError(f"the fixture could not be made: {made.stderr}")
    return _fixture(folder, made.stdout)


def _fixture(folder: Path, text: str) -> Fixture:
    paths = json.loads(text)
    return Fixture(
        folder,
        Path(paths["base"]),
        Path(paths["data"]),
        {kind: Path(path) for kind, path in paths["runs"].items()},
        {kind: Path(path) for kind, path in paths["tokens"].items()},
    )


class FixtureTest(unittest.TestCase):
    """A test with a run at hand and a folder of its own."""

    def setUp(self) -> None:
        self.fixture = fixture()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def inputs(self, kind: str = "residual") -> list[str]:
        """The arguments that name run, data and base."""
        fixed = self.fixture
        return ["--run", str(fixed.runs[kind]), "--data", str(fixed.data), "--base", str(fixed.base)]


def run_bridge(*arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs the command line, under a launcher such as ``torchrun``."""
    command = [sys.executable, *(launcher or ("-m", "fedkim_bridge")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=600)


def torchrun(program: tuple[str, ...], processes: int = 2) -> tuple[str, ...]:
    """A launcher of some processes on this machine, on a port that is free."""
    torch_run = ("-m", "torch.distributed.run", "--nproc-per-node", str(processes))
    return (
        *torch_run,
        "--master-addr",
        "127.0.0.1",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "127.0.0.1:0",
        *program,
        "--",
    )


def tensors(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of an adapter."""
    return load_file(folder / "adapter_model.safetensors")


def largest_difference(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """Largest absolute difference between two adapters of the same names and shapes."""
    assert sorted(a) == sorted(b)
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)
