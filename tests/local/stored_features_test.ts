import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import {
  clippedGradientSum,
  createSpec,
  dataIdentity,
  indexFederationPart,
  loadFederationPart,
  prepareFeatures,
  pretrainOnPublic,
  requireSameData,
  sampleUnits,
  type SetFeatures,
  StoredFeatures,
  type StoredSet,
  units,
} from "../../src/local/mod.ts";
import { KeyTable } from "../../src/local/_key_table.ts";
import { synthesizeFederation } from "../../src/local/synthesize/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { root } from "../_fedkim.ts";
import { LETTERS } from "./_fixtures.ts";
import { lightModel, writeLightPart } from "./_light_dataset.ts";

/** Twice the same source of bytes. */
function bytesOf(seed: number): (length: number) => Uint8Array {
  const random = new SeededRandom(seed);
  return (length) => Uint8Array.from({ length }, () => random.integer(256));
}

async function withFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("KeyTable numbers keys like a Map, through many enlargements", () => {
  fc.assert(fc.property(fc.array(fc.string({ maxLength: 6 })), (keys) => {
    const table = new KeyTable();
    const map = new Map<string, number>();
    for (const key of keys) {
      if (!map.has(key)) map.set(key, map.size);
      assert.equal(table.add(key), map.get(key));
    }
    assert.equal(table.size, map.size);
    for (const key of [...keys, "never added"]) assert.equal(table.find(key), map.get(key));
  }));
  const large = new KeyTable();
  for (let i = 0; i < 20_000; i++) assert.equal(large.add(`patient ${i}`), i);
  for (let i = 0; i < 20_000; i++) assert.equal(large.find(`patient ${i}`), i);
});

Deno.test("an index gives every record the unit and the set that loading it into memory gives", async () => {
  await withFolder(async (dir) => {
    const people = { icu: 12, cxr: 5, ecg: 2, vqa: 4 };
    await synthesizeFederation(dir, { seed: 3, patients: { site: people, public: people, test: people } });
    const folder = join(dir, "site-west");
    const [index, data] = [await indexFederationPart(folder), await loadFederationPart(folder)];
    assert.deepEqual(index.sets.map(({ name }) => name), data.sets.map(({ name }) => name));
    assert.equal(index.withheldRecords, data.withheldRecords);
    index.sets.forEach((set, i) => {
      const names = [...new Set(data.sets[i].units)];
      assert.equal(set.size, data.sets[i].records.length);
      assert.equal(set.units, names.length);
      assert.deepEqual([...set.unitOfRecord].map((unit) => names[unit]), data.sets[i].units);
      const perPatient = Map.groupBy(data.sets[i].records.keys(), (row) => data.sets[i].records[row].patient);
      const most = [...perPatient.values()].map((rows) =>
        new Set(rows.map((row) => data.sets[i].units[row])).size
      );
      assert.equal(set.mostUnitsPerPatient, Math.max(...most));
    });
  });
});

Deno.test("an index withholds records whose patient belongs to another set, as loading does", async () => {
  await withFolder(async (dir) => {
    const rows = { a: ["p1", "p2"], b: ["p2", "p3", "p2"], c: ["p1", "p4"] };
    for (const [name, patients] of Object.entries(rows)) {
      await writeLightPart(join(dir, "made"), 1, 1);
      await Deno.rename(join(dir, "made", "icu"), join(dir, name));
      const manifest = JSON.parse(await Deno.readTextFile(join(dir, name, "dataset.json")));
      const unit = name === "a" ? "record" : "patient";
      const renamed = JSON.stringify({ ...manifest, name, privacyUnit: unit });
      await Deno.writeTextFile(join(dir, name, "dataset.json"), renamed);
      const lines = patients.map((patient, i) => JSON.stringify({ id: `${name}${i}`, patient }));
      await Deno.writeTextFile(join(dir, name, "records.jsonl"), lines.join("\n"));
    }
    await Deno.remove(join(dir, "made"));
    const [index, data] = [await indexFederationPart(dir), await loadFederationPart(dir)];
    assert.deepEqual(index.sets.map(({ withheld }) => withheld), data.sets.map(({ withheld }) => withheld));
    assert.deepEqual(index.sets.map(({ size }) => size), [0, 3, 2]);
    const [{ unitOfRecord }] = index.sets;
    assert.deepEqual([...unitOfRecord], [0xffffffff, 0xffffffff]);
  });
});

Deno.test("features on disk are those in memory, for every kind of modality, missing ones, masks and open answers", async () => {
  await withFolder(async (dir) => {
    await selectBackend("wasm");
    const people = { icu: 14, cxr: 6, ecg: 2, vqa: 6 };
    await synthesizeFederation(dir, { seed: 4, patients: { site: people, public: people, test: people } });
    const publicData = await loadFederationPart(join(dir, "public"));
    const tasks = publicData.sets.flatMap(({ manifest }) => manifest.tasks).filter(({ role }) =>
      role === "train"
    );
    const options = { tokenDimension: 6, attention: { timeseries: { tokens: 6 }, text: { tokens: 3 } } };
    const spec = createSpec(publicData, tasks.map(({ name }) => name), options);
    const weights = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 1, steps: 1 });
    const folder = join(dir, "site-west");
    // A set that this site has no record of is there all the same.
    await Deno.writeTextFile(join(folder, "cxr", "records.jsonl"), "");
    const index = await indexFederationPart(folder);
    const memory = prepareFeatures(spec, weights, await loadFederationPart(folder), LETTERS);
    using stored = await StoredFeatures.create(dir, spec, weights, index, LETTERS);
    let masks = 0;
    for (const [name, set] of stored.sets) {
      const whole = memory.sets.get(name)!;
      const rows = set.read(units(set));
      assert.deepEqual([...rows.rowsOf.values()], [...whole.rowsOf.values()]);
      assert.deepEqual(rows.labels, whole.labels);
      const read = spec.heads.filter((head) => head.set === name).flatMap(({ modalities }) => modalities);
      assert.deepEqual(new Set(rows.tokens.keys()), new Set(read));
      for (const [modality, stem] of rows.tokens) {
        assert.deepEqual(stem, whole.tokens.get(modality));
        if (stem.mask !== undefined) masks++;
      }
      assert.deepEqual(sampleUnits(set, 1, bytesOf(1)), units(set));
    }
    assert.ok(masks > 0 && stored.sets.get("cxr")!.units === 0);
    // Nobody is sampled from an empty set, and its sum is zero.
    const { sum } = await clippedGradientSum(
      spec,
      weights,
      stored,
      new Map([["cxr", []]]),
      new Map([["cxr", 1]]),
    );
    assert.ok(sum.every((value) => value === 0));
  });
});

Deno.test("features on disk give the same sample and the same clipped sum as features in memory", async () => {
  await withFolder(async (dir) => {
    const { spec, weights } = await lightModel(join(dir, "model"));
    // More records than one portion holds, so that sums are made of several.
    await writeLightPart(join(dir, "site"), 5000, 2);
    const index = await indexFederationPart(join(dir, "site"));
    const memory = prepareFeatures(spec, weights, await loadFederationPart(join(dir, "site")));
    using stored = await StoredFeatures.create(dir, spec, weights, index);
    const [inMemory, onDisk] = [memory.sets.get("icu") as SetFeatures, stored.sets.get("icu") as StoredSet];
    const names = units(inMemory);
    for (const rate of [0.02, 0.9]) {
      const sampled = sampleUnits(inMemory, rate, bytesOf(5));
      const numbers = sampleUnits(onDisk, rate, bytesOf(5));
      assert.deepEqual(numbers.map((number) => names[Number(number)]), sampled);
      const clip = new Map([["icu", 0.1]]);
      const sum = (features: typeof memory | StoredFeatures, chosen: string[]) =>
        clippedGradientSum(spec, weights, features, new Map([["icu", chosen]]), clip);
      const [a, b] = [await sum(memory, sampled), await sum(stored, numbers)];
      assert.deepEqual([a.clipped, a.nonFinite], [b.clipped, b.nonFinite]);
      a.sum.forEach((value, i) => assert.ok(Math.abs(value - b.sum[i]) <= 1e-4 * (1 + Math.abs(value))));
    }
  });
});

Deno.test("features on disk are readable by their owner only and leave no file behind", async () => {
  await withFolder(async (dir) => {
    const { spec, weights } = await lightModel(join(dir, "model"));
    await writeLightPart(join(dir, "site"), 30, 2);
    const state = join(dir, "state");
    await Deno.mkdir(state);
    const modes: (number | null)[] = [];
    const open = Deno.open;
    const watched: typeof Deno.open = async (path, options) => {
      const file = await open(path, options);
      if (String(path).startsWith(state)) modes.push((await file.stat()).mode! & 0o777);
      return file;
    };
    Deno.open = watched;
    try {
      const index = await indexFederationPart(join(dir, "site"));
      using stored = await StoredFeatures.create(state, spec, weights, index);
      // Without a name the file is gone as soon as the process is, however that ends.
      assert.deepEqual([...Deno.readDirSync(state)], []);
      assert.equal(stored.sets.get("icu")!.read(["0"]).rowsOf.get("0")!.length, 3);
    } finally {
      Deno.open = open;
    }
    assert.deepEqual(modes, [0o600]);
    assert.deepEqual([...Deno.readDirSync(state)], []);
  });
});

Deno.test("records that change between index and features, an unknown unit and a folder that is missing are refused", async () => {
  await withFolder(async (dir) => {
    const { spec, weights } = await lightModel(join(dir, "model"));
    const site = join(dir, "site");
    await writeLightPart(site, 30, 2);
    const index = await indexFederationPart(site);
    using stored = await StoredFeatures.create(dir, spec, weights, index);
    const set = stored.sets.get("icu")!;
    for (const unit of ["10", "-1", "p1", "0.5"]) {
      assert.throws(() => set.read([unit]), { code: "ConfigError" });
    }
    await assert.rejects(StoredFeatures.create(join(dir, "none"), spec, weights, index), {
      code: "ConfigError",
    });
    const path = join(site, "icu", "records.jsonl");
    const text = await Deno.readTextFile(path);
    const changed = async (other: string) => {
      await Deno.writeTextFile(path, other);
      await assert.rejects(StoredFeatures.create(dir, spec, weights, index), { code: "DatasetError" });
    };
    await changed(text.replace(`"patient":"p3"`, `"patient":"p4"`));
    await changed(text.split("\n").slice(1).join("\n"));
    await changed(`${text}{"id":"new","patient":"p1"}\n`);
  });
});

Deno.test("features that a killed process left under a name are removed at the start, those in use are not", async () => {
  await withFolder(async (dir) => {
    const { spec, weights } = await lightModel(join(dir, "model"));
    await writeLightPart(join(dir, "site"), 30, 2);
    const state = join(dir, "state");
    await Deno.mkdir(state);
    const index = await indexFederationPart(join(dir, "site"));
    // A system that keeps the names of open files.
    const remove = Deno.remove;
    Deno.remove = (path, options) =>
      String(path).startsWith(state)
        ? Promise.reject(new Deno.errors.PermissionDenied())
        : remove(path, options);
    const names = (): string[] => Array.from(Deno.readDirSync(state), ({ name }) => name).sort();
    let held: StoredFeatures;
    try {
      held = await StoredFeatures.create(state, spec, weights, index);
    } finally {
      Deno.remove = remove;
    }
    const used = names();
    assert.equal(used.length, 1);
    await Deno.writeTextFile(join(state, `features-${crypto.randomUUID()}`), "left behind");
    await Deno.writeTextFile(join(state, "identity.json"), "{}");
    using _other = await StoredFeatures.create(state, spec, weights, index);
    assert.deepEqual(names(), [...used, "identity.json"]);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    assert.deepEqual(names(), ["identity.json"]);
  });
});

Deno.test("a unit with more records than a step can hold is refused before training", async () => {
  await withFolder(async (dir) => {
    const { spec, weights } = await lightModel(join(dir, "model"));
    await writeLightPart(join(dir, "site"), 30, 2);
    const index = await indexFederationPart(join(dir, "site"));
    const size = 65_537;
    const all = { ...index.sets[0], size, units: 1, unitOfRecord: new Uint32Array(size) };
    const state = join(dir, "state");
    await Deno.mkdir(state);
    await assert.rejects(StoredFeatures.create(state, spec, weights, { ...index, sets: [all] }), {
      code: "DatasetError",
      message: /more records than a step can hold/,
    });
    assert.deepEqual([...Deno.readDirSync(state)], []);
  });
});

Deno.test("requireSameData() takes the same records after a restart and refuses any others", async () => {
  await withFolder(async (dir) => {
    await writeLightPart(dir, 30, 2);
    const committed = dataIdentity(await indexFederationPart(dir));
    assert.match(committed, /^[0-9a-f]{64}$/);
    requireSameData(await indexFederationPart(dir), committed);
    const [records, manifest] = [join(dir, "icu", "records.jsonl"), join(dir, "icu", "dataset.json")];
    const texts = await Promise.all([records, manifest].map((path) => Deno.readTextFile(path)));
    const changes: readonly (readonly [string, string])[] = [
      [records, texts[0].replace(`"patient":"p3"`, `"patient":"p4"`)],
      [records, texts[0].split("\n").slice(1).join("\n")],
      [manifest, texts[1].replace(`"privacyUnit":"patient"`, `"privacyUnit":"record"`)],
    ];
    for (const [path, text] of changes) {
      assert.ok(!texts.includes(text));
      await Deno.writeTextFile(path, text);
      const index = await indexFederationPart(dir);
      assert.throws(() => requireSameData(index, committed), { code: "DatasetError" });
      await Deno.writeTextFile(records, texts[0]);
      await Deno.writeTextFile(manifest, texts[1]);
    }
  });
});

Deno.test("training on 200,000 records on disk needs the memory of a few portions", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    // With a small heap the resident set shows what is needed, not what the garbage collector leaves for later.
    args: [
      "run",
      "-A",
      "--v8-flags=--max-old-space-size=64",
      "tests/local/large_site_process.ts",
      "200000",
      "3",
    ],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const { records, growth } = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(records, 200_000);
  // In memory the records take 297 MB and their features 60 MB; here it is about 90 MB, most of it for tensors.
  assert.ok(growth < 150e6, `${Math.round(growth / 1e6)} MB`);
});
