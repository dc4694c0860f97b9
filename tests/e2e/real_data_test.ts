import assert from "node:assert/strict";
import { fedkim } from "../_fedkim.ts";
import { sharedTest } from "../_shared.ts";

const COMPARED = ["icu_mortality", "icu_ventilation", "icu_shock", "cxr_pneumonia", "ecg_pvc"];

sharedTest(
  "on real data with epsilon at most 8 the injected model is at least as good as public-only linear models",
  "data/federated",
  async (data) => {
    const out = await Deno.makeTempDir();
    const { code, stdout, stderr } = await fedkim("demo", "--data", data, "--out", `${out}/run`, "--json");
    assert.equal(code, 0, stderr);
    const { privacy, tasks } = JSON.parse(stdout);
    assert.equal(privacy.length, 4);
    for (const row of privacy) {
      assert.ok(row.epsilon <= 8 && row.delta === 1e-5, `${row.set}: ${row.epsilon}`);
    }
    assert.deepEqual(
      Object.fromEntries(privacy.map((row: { set: string; unit: string }) => [row.set, row.unit])),
      { cxr: "patient", ecg: "record", icu: "patient", vqa: "image" },
    );
    const references = JSON.parse(await Deno.readTextFile(`${data}/linear_references.json`));
    const mean = (value: (task: string) => number) =>
      COMPARED.reduce((sum, task) => sum + value(task), 0) / COMPARED.length;
    const ours = mean((task) => tasks[task].auroc);
    const linear = mean((task) => references[task].public_only);
    assert.ok(ours >= linear, `${ours} against ${linear}`);
    assert.equal(Object.keys(tasks).length, 12);
    await Deno.remove(out, { recursive: true });
  },
);
