"""Encoder tokens against those that FedKIM computes on the same records."""

from __future__ import annotations

import hashlib

import numpy as np
from safetensors.numpy import load_file

from fedkim_bridge.local.encoder import encode_records
from fedkim_bridge.local.records import load_part, split_public
from fedkim_bridge.run_folder import open_run

from .support import FixtureTest


class EncoderTest(FixtureTest):
    def test_tokens_equal_those_of_the_product(self) -> None:
        sets = load_part(self.fixture.data)
        for kind, path in self.fixture.tokens.items():
            run, expected = open_run(self.fixture.runs[kind]), load_file(path)
            compared = 0
            for records in sets:
                for modality, manifest in records.manifest.modalities.items():
                    if manifest.kind == "text":
                        continue
                    with self.subTest(encoders=kind, set=records.name, modality=modality):
                        ours = encode_records(run.spec, run.weights, records, modality)
                        theirs = expected[f"{records.name}/{modality}"]
                        self.assertLess(np.abs(ours.data - theirs).max() / np.abs(theirs).max(), 1e-5)
                        present = expected[f"{records.name}/{modality}/present"]
                        np.testing.assert_array_equal(ours.present, present == 1)
                        compared += 1
            self.assertEqual(compared * 2, len(expected))

    def test_the_public_split_shares_no_patient(self) -> None:
        sets = load_part(self.fixture.data)
        train, held = split_public(sets)
        for whole, a, b in zip(sets, train, held, strict=True):
            self.assertEqual(len(whole.records), len(a.records) + len(b.records))
            self.assertFalse({r.patient for r in a.records} & {r.patient for r in b.records})
        digest = hashlib.sha256(f"fedkim/public-validation/{held[0].name}/{held[0].records[0].patient}".encode())
        self.assertEqual(digest.digest()[0] % 5, 0)
