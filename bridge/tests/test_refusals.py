"""Bad input is refused with a typed error, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from fedkim_bridge.cli import main
from fedkim_bridge.errors import EXIT_STATUS, BridgeError
from fedkim_bridge.m3oe.adapter_file import Adapter, load_adapter, save_adapter
from fedkim_bridge.m3oe.config import parse_config
from fedkim_bridge.m3oe.prompt import TokenStatistics

from .support import FixtureTest


class RefusalTest(FixtureTest):
    def refused(self, code: str, *arguments: str, saying: str) -> None:
        """The verb ends with the code's exit status, says why and leaves no folder behind."""
        out = self.folder / "out"
        with self.assertLogsOf() as said:
            status = main(["inject", *arguments, "--out", str(out)])
        self.assertEqual(status, EXIT_STATUS[code], said.getvalue())
        self.assertIn(code, said.getvalue())
        self.assertIn(saying, said.getvalue())
        self.assertFalse(out.exists())

    def assertLogsOf(self):  # noqa: ANN201, N802 - a context that holds stderr
        import contextlib
        import io

        return contextlib.redirect_stderr(io.StringIO())

    def copied(self, source: Path, name: str) -> Path:
        target = self.folder / name
        shutil.copytree(source, target)
        return target

    def with_run(self, run: Path) -> list[str]:
        arguments = self.inputs()
        arguments[1] = str(run)
        return arguments

    def with_data(self, data: Path) -> list[str]:
        arguments = self.inputs()
        arguments[3] = str(data)
        return arguments

    def test_a_base_of_another_width_than_the_run_s(self) -> None:
        base = self.copied(self.fixture.base, "base")
        config = json.loads((base / "config.json").read_text())
        (base / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
        arguments = self.inputs()
        arguments[5] = str(base)
        self.refused("ModelError", *arguments, saying="another base")

    def test_an_adapter_of_another_base(self) -> None:
        statistics = {"image": TokenStatistics(np.zeros(4, np.float32), np.ones(4, np.float32))}
        save_adapter(Adapter("0" * 64, parse_config({}), (), statistics, {}), self.folder / "adapter")
        options = ("--from", str(self.folder / "adapter"))
        self.refused("ModelError", *self.inputs(), *options, saying="belongs to another base model")

    def test_a_modality_without_encoder(self) -> None:
        run = self.copied(self.fixture.runs["residual"], "run")
        document = json.loads((run / "run.json").read_text())
        spec = document["plan"]["model"]["spec"]
        spec["encoders"] = [item for item in spec["encoders"] if item["modality"] != "image"]
        (run / "run.json").write_text(json.dumps(document))
        self.refused("ModelError", *self.with_run(run), saying="no encoder for the modality image")

    def test_a_task_without_description(self) -> None:
        data = self.copied(self.fixture.data, "data")
        path = data / "cxr" / "dataset.json"
        manifest = json.loads(path.read_text())
        manifest["tasks"][0]["description"] = " "
        path.write_text(json.dumps(manifest))
        self.refused("UnknownTask", *self.with_data(data), saying="has no description")

    def test_encoder_weights_that_are_not_finite(self) -> None:
        run = self.copied(self.fixture.runs["residual"], "run")
        path = run / "checkpoints/encoders.safetensors"
        weights = load_file(path)
        name = next(name for name in weights if name.endswith(".down.weight"))
        weights[name][0, 0] = np.nan
        save_file(weights, path)
        self.refused("ModelError", *self.with_run(run), saying=f"The tensor {name}")

    def test_a_base_whose_weights_are_not_finite(self) -> None:
        base = self.copied(self.fixture.base, "base")
        weights = load_file(base / "model.safetensors")
        weights["model.norm.weight"][0] = np.inf
        save_file(weights, base / "model.safetensors")
        arguments = self.inputs()
        arguments[5] = str(base)
        self.refused("ModelError", *arguments, saying="not finite")

    def test_channels_in_another_order(self) -> None:
        data = self.copied(self.fixture.data, "data")
        path = data / "icu" / "dataset.json"
        manifest = json.loads(path.read_text())
        manifest["modalities"]["labs"]["channels"].reverse()
        path.write_text(json.dumps(manifest))
        self.refused("DatasetError", *self.with_data(data), saying="does not fit the model")

    def test_settings_that_are_unknown_or_cannot_work(self) -> None:
        wrong = {
            "learning_rate = 1": "unknown setting learning_rate",
            "[prompt]\nhead = 'x'": "unknown setting prompt.head",
            "experts = 0": "experts = 0",
            "r = 100000": "rank 100000",
            "loraDropout = 1": "loraDropout = 1",
            "warmup = nan": "warmup = nan",
            "targetModules = ['wqkv']": "target modules wqkv",
            "[mixing]\nkind = 'often'": "mixing often",
        }
        path = self.folder / "settings.toml"
        for text, saying in wrong.items():
            with self.subTest(text):
                path.write_text(text)
                self.refused("ConfigError", *self.inputs(), "--config", str(path), saying=saying)

    def test_a_run_that_trains_its_encoders(self) -> None:
        run = self.copied(Path(self.inputs()[1]), "run")
        document = json.loads((run / "run.json").read_text())
        document["config"]["injection"]["trainEncoders"] = True
        (run / "run.json").write_text(json.dumps(document))
        self.refused("ConfigError", *self.with_run(run), saying="trainEncoders")

    def test_a_folder_that_is_no_run(self) -> None:
        self.refused("ConfigError", *self.with_run(self.folder), saying="finished run")


class AdapterFileTest(FixtureTest):
    def adapter(self) -> Adapter:
        statistics = {"image": TokenStatistics(np.zeros(4, np.float32), np.ones(4, np.float32))}
        values = {"projector.image.weight": np.ones((4, 8), np.float32)}
        return Adapter("ab" * 32, parse_config({"r": 2}), (), statistics, values)

    def test_what_was_saved_is_loaded(self) -> None:
        save_adapter(self.adapter(), self.folder / "a")
        again = load_adapter(self.folder / "a", "ab" * 32)
        self.assertEqual(again.config, parse_config({"r": 2}))
        np.testing.assert_array_equal(again.values["projector.image.weight"], np.ones((4, 8), np.float32))

    def test_an_adapter_with_encoders_of_its_own_is_refused(self) -> None:
        adapter = self.adapter()
        adapter.values["encoders/encoder.image.down.bias"] = np.zeros(4, np.float32)
        save_adapter(adapter, self.folder / "a")
        with self.assertRaisesRegex(BridgeError, "encoders of its own"):
            load_adapter(self.folder / "a", "ab" * 32)

    def test_a_value_that_is_not_finite_is_not_written(self) -> None:
        adapter = self.adapter()
        adapter.values["projector.image.weight"][0, 0] = np.nan
        with self.assertRaises(BridgeError):
            save_adapter(adapter, self.folder / "a")
        self.assertFalse((self.folder / "a").exists())

    def test_tensors_of_another_training_are_refused(self) -> None:
        save_adapter(self.adapter(), self.folder / "a")
        other = self.adapter()
        other.values["projector.image.weight"][0, 0] = 2
        save_adapter(other, self.folder / "b")
        shutil.copy(self.folder / "b/adapter_model.safetensors", self.folder / "a/adapter_model.safetensors")
        with self.assertRaisesRegex(BridgeError, "not complete"):
            load_adapter(self.folder / "a", "ab" * 32)
