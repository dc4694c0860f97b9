import assert from "node:assert/strict";
import { join } from "node:path";
import { fixHeldOutShare, isHeldOut } from "../../src/federation/held_out.ts";
import { readWithdrawals, withdrawalNote, withdrawPatients } from "../../src/federation/mod.ts";
import { PatientKey } from "../../src/federation/patient_key.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { SitePatients } from "../../src/federation/site_patients.ts";
import {
  clippedGradientSum,
  createSpec,
  defaultClip,
  indexFederationPart,
  loadFederationPart,
  type LocalModelSpec,
  type LocalWeights,
  pretrainOnPublic,
  sampleUnits,
  type SiteIndex,
  StoredFeatures,
  unitsOfPatients,
} from "../../src/local/mod.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { LETTERS } from "../local/_fixtures.ts";

const few = { icu: 24, cxr: 8, ecg: 2, vqa: 4 };

/** A synthetic federation with a model for two of its sets; removed at the end of the test. */
async function withSite(
  work: (site: { dir: string; data: string; spec: LocalModelSpec; base: LocalWeights }) => Promise<void>,
): Promise<void> {
  await selectBackend("wasm");
  const dir = await Deno.makeTempDir();
  try {
    await synthesizeFederation(`${dir}/data`, { seed: 3, patients: { site: few, public: few, test: few } });
    const publicData = await loadFederationPart(`${dir}/data/public`);
    const spec = createSpec(publicData, ["icu_shock", "icu_mortality", "ecg_pvc"], { tokenDimension: 6 });
    const base = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 1, steps: 3 });
    await work({ dir, data: `${dir}/data/site-west`, spec, base });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Takes a patient's lines out of a folder, as if they had never been there. */
async function erase(data: string, patient: string): Promise<void> {
  for await (const { name } of Deno.readDir(data)) {
    const path = join(data, name, "records.jsonl");
    const lines = (await Deno.readTextFile(path)).split("\n");
    const kept = lines.filter((line) => line !== "" && JSON.parse(line).patient !== patient);
    await Deno.writeTextFile(path, kept.map((line) => `${line}\n`).join(""));
  }
}

function everybody(features: StoredFeatures): Map<string, string[]> {
  const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  return new Map([...features.sets].map(([name, set]) => [name, sampleUnits(set, 1, bytes)]));
}

async function numberOf(index: SiteIndex, set: string, patient: string): Promise<number[]> {
  return (await unitsOfPatients(index, (other) => other === patient)).get(set) ?? [];
}

Deno.test("a withdrawn patient is never sampled again, and the step is that of a site without the patient", async () => {
  await withSite(async ({ dir, data, spec, base }) => {
    const state = `${dir}/state`;
    await Deno.mkdir(state);
    const patients = await SitePatients.open({ state, data, heldOut: 0 });
    const index = await patients.trained();
    using features = await StoredFeatures.create(dir, spec, base, index, LETTERS);
    await patients.leaveOutWithdrawn(index, features);
    const before = everybody(features);
    assert.equal(before.get("icu")!.length, few.icu);

    const gone = ["syn-west-icu-00003", "syn-west-ecg-0001"].map((id) => id.replace("west", prefixOf(index)));
    const numbers = [await numberOf(index, "icu", gone[0]), await numberOf(index, "ecg", gone[1])];
    assert.equal(numbers[0].length, 1);
    assert.equal(numbers[1].length, 12, "every record of a person is a unit of its own");
    await withdrawPatients(state, gone);
    await patients.leaveOutWithdrawn(index, features);

    for (let step = 0; step < 50; step++) {
      const sampled = everybody(features);
      assert.deepEqual(
        sampled.get("icu"),
        before.get("icu")!.filter((unit) => Number(unit) !== numbers[0][0]),
      );
      assert.ok(sampled.get("ecg")!.every((unit) => !numbers[1].includes(Number(unit))));
    }
    const zeros = features.sets.get("icu")!.read([String(numbers[0][0])]);
    for (const { data, present } of zeros.tokens.values()) {
      assert.ok(
        data.every((value) => value === 0) && present.every((value) => value === 0),
        "features are gone",
      );
    }

    const clip = defaultClip(spec);
    const { sum } = await clippedGradientSum(spec, base, features, everybody(features), clip);
    for (const patient of gone) await erase(data, patient);
    using without = await StoredFeatures.create(dir, spec, base, await indexFederationPart(data), LETTERS);
    const other = await clippedGradientSum(spec, base, without, everybody(without), clip);
    let largest = 0;
    sum.forEach((value, i) => largest = Math.max(largest, Math.abs(value - other.sum[i])));
    assert.ok(sum.some((value) => Math.abs(value) > 1e-3) && largest < 1e-9, `${largest}`);
  });
});

/** Synthetic identifiers name their part. */
function prefixOf({ dir }: SiteIndex): string {
  const line = Deno.readTextFileSync(join(dir, "icu", "records.jsonl")).split("\n")[0];
  return /syn-(\w+)-icu/.exec(line)![1];
}

Deno.test("who withdrew before the worker started, or before another plan, is left out as well", async () => {
  await withSite(async ({ dir, data, spec, base }) => {
    const state = `${dir}/state`;
    await Deno.mkdir(state);
    const running = await SitePatients.open({ state, data, heldOut: 0 });
    const index = await running.trained();
    const patient = `syn-${prefixOf(index)}-icu-00005`;
    const [unit] = await numberOf(index, "icu", patient);
    await withdrawPatients(state, [patient]);
    for (let plan = 0; plan < 2; plan++) {
      using features = await StoredFeatures.create(dir, spec, base, index, LETTERS);
      await running.leaveOutWithdrawn(index, features);
      assert.ok(!everybody(features).get("icu")!.includes(String(unit)), `plan ${plan}`);
    }
    const restarted = await (await SitePatients.open({ state, data, heldOut: 0 })).trained();
    assert.equal(restarted.sets.find(({ name }) => name === "icu")!.units, few.icu - 1);
    assert.deepEqual(await numberOf(restarted, "icu", patient), []);
    const evaluated = await SitePatients.open({ state, data, heldOut: 0.5 });
    const [trained, heldOut] = [
      await evaluated.trained(),
      await evaluated.trained().then((t) => evaluated.heldOut(t)),
    ];
    assert.deepEqual(
      [...await numberOf(trained, "icu", patient), ...await numberOf(heldOut, "icu", patient)],
      [],
    );
  });
});

Deno.test("held-out patients and the others share nobody, and both stay the same after a restart", async () => {
  await withSite(async ({ dir, data }) => {
    const config = { state: `${dir}/state`, data, heldOut: 0.4 };
    await Deno.mkdir(config.state);
    const idsOf = async (index: SiteIndex) => {
      const found = new Map<string, Set<string>>();
      await unitsOfPatients(index, (patient) => {
        (found.get("all") ?? found.set("all", new Set()).get("all")!).add(patient);
        return false;
      });
      return found.get("all") ?? new Set<string>();
    };
    const parts = async () => {
      const patients = await SitePatients.open(config);
      const trained = await patients.trained();
      return [await idsOf(trained), await idsOf(await patients.heldOut(trained))];
    };
    const [trained, heldOut] = await parts();
    const all = await idsOf(await indexFederationPart(data));
    assert.ok(heldOut.size > 0 && trained.size > 0);
    assert.equal(trained.size + heldOut.size, all.size);
    assert.equal(trained.union(heldOut).size, all.size);
    assert.deepEqual(await parts(), [trained, heldOut]);
  });
});

Deno.test("the split is keyed: shares come out right, and another key holds out others", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const folders = [`${dir}/a`, `${dir}/b`];
    for (const folder of folders) await Deno.mkdir(folder);
    const [a, b] = await Promise.all(folders.map((folder) => PatientKey.open(folder)));
    const names = Array.from({ length: 4000 }, (_, i) => `patient-${i}`);
    const held = (key: PatientKey, share: number) => names.filter((name) => isHeldOut(key, share, name));
    // Six standard deviations of a binomial count: a false alarm in 5e8 runs.
    assert.ok(Math.abs(held(a, 0.2).length - 800) < 6 * Math.sqrt(4000 * 0.2 * 0.8));
    assert.ok(
      held(a, 0.2).every((name) => isHeldOut(a, 0.3, name)),
      "a larger share holds out more, not others",
    );
    assert.notDeepEqual(held(a, 0.2), held(b, 0.2));
    assert.deepEqual(held(a, 0), []);
    const again = await PatientKey.open(folders[0]);
    assert.deepEqual(held(again, 0.2), held(a, 0.2));
    assert.notEqual(a.pseudonym("held_out", names[0]), a.pseudonym("withdrawn", names[0]));
    const many = await Promise.all(Array.from({ length: 8 }, () => PatientKey.open(`${dir}`)));
    assert.equal(
      new Set(many.map((key) => key.pseudonym("withdrawn", "x"))).size,
      1,
      "one key, however many start",
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the share of held-out patients stands from the first accepted plan on", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await fixHeldOutShare(dir, 0.2, false, "a");
    await fixHeldOutShare(dir, 0.3, false, "b");
    await fixHeldOutShare(dir, 0.3, true, "b");
    const refuses = async (folder: string, share: number, keyId = "b") =>
      await assert.rejects(fixHeldOutShare(folder, share, true, keyId), (error) => {
        assert.ok(error instanceof FedKimError && error.code === "ConfigError");
        assert.equal(error.details.reason, "split_changed");
        return true;
      });
    await refuses(dir, 0.3, "a");
    await refuses(dir, 0.2);
    // A ledger that was charged before there were held-out patients: all of them may have been trained on.
    const old = await Deno.makeTempDir({ dir });
    await refuses(old, 0.1);
    await fixHeldOutShare(old, 0, true, "b");
    await refuses(old, 0.1);
    await Deno.writeTextFile(`${dir}/held_out.json`, "{");
    await assert.rejects(fixHeldOutShare(dir, 0.3, true, "b"), { code: "ConfigError" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the list of withdrawals names nobody, loses nothing and is never ignored", async () => {
  const dir = await Deno.makeTempDir();
  try {
    assert.deepEqual(await readWithdrawals(dir), []);
    assert.equal(withdrawalNote([]), undefined);
    const names = Array.from({ length: 12 }, (_, i) => `CANARY7Q-${i}`);
    await Promise.all(names.map((name) => withdrawPatients(dir, [name], new Date("2026-11-01T10:00:00Z"))));
    assert.deepEqual(await withdrawPatients(dir, names), { added: 0, total: 12 });
    const two = await withdrawPatients(dir, ["x", "x", names[0]], new Date("2026-11-20T10:00:00Z"));
    assert.deepEqual(two, { added: 1, total: 13 });
    for await (const { name, isFile } of Deno.readDir(dir)) {
      if (isFile) assert.ok(!(await Deno.readTextFile(join(dir, name))).includes("CANARY7Q"), name);
    }
    const note = withdrawalNote(await readWithdrawals(dir))!;
    assert.match(note, /^13 patients have withdrawn \(between 2026-11-01 and 2026-11-20\)/);
    assert.match(note, /stays spent/);
    const list = await Deno.readTextFile(`${dir}/withdrawals.json`);
    const other = JSON.parse(list).keyId.replace(/./, (digit: string) => digit === "0" ? "1" : "0");
    await Deno.writeTextFile(
      `${dir}/withdrawals.json`,
      JSON.stringify({ ...JSON.parse(list), keyId: other }),
    );
    await assert.rejects(withdrawPatients(dir, ["y"]), /another key/);
    await assert.rejects(SitePatients.open({ state: dir, data: dir, heldOut: 0 }), /another key/);
    await Deno.writeTextFile(`${dir}/withdrawals.json`, `{"format":"fedkim-withdrawals/1"`);
    await assert.rejects(SitePatients.open({ state: dir, data: dir, heldOut: 0 }), { code: "ConfigError" });
    await assert.rejects(withdrawPatients(dir, ["y"]), { code: "ConfigError" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
