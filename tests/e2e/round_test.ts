import assert from "node:assert/strict";
import { readLedger } from "../../src/dp/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { SITES, TestFederation } from "./_federation.ts";
import { memoryHolds } from "./_process_memory.ts";

/** Lines of a JSON lines file. */
async function lines(path: string): Promise<Record<string, unknown>[]> {
  return (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line));
}

/** 64 bytes of a vector where it has enough different values to be found nowhere by chance. */
function needle(vector: Uint32Array): Uint8Array {
  return new Uint8Array(vector.slice(16, 32).buffer);
}

/** The hash of a plain sum modulo 2^32. */
function sumHash(vectors: readonly Uint32Array[]): string {
  const sum = new Uint32Array(vectors[0].length);
  for (const vector of vectors) vector.forEach((value, i) => sum[i] += value);
  return sha256Hex(new Uint8Array(sum.buffer));
}

Deno.test("every step reveals the exact sum of the sites' vectors, and the server never holds one of them", async () => {
  const steps = 3;
  const federation = await TestFederation.create(await Deno.makeTempDir(), steps, 20_000);
  try {
    const scans: Promise<boolean[]>[] = [];
    const scan = async (round: number) => {
      const vectors = await Promise.all(SITES.map((site) => federation.plain(site, round)));
      return await memoryHolds(federation.aggregator.pid, vectors.map((vector) => needle(vector!)));
    };
    let uploads = 0;
    federation.onSeen = ({ path, body }) => {
      // When all have uploaded, when the sum is being unmasked, and when the next step is on its way.
      const uploaded = path === "/v1/rounds/2/messages" && body.length > 4000 && ++uploads === SITES.length;
      const unmasking = path === "/v1/rounds/2/messages" && uploads === SITES.length;
      const later = path === "/v1/rounds/3/messages" && scans.length < 5;
      if (uploaded || (unmasking && scans.length < 3) || later) scans.push(scan(2));
    };
    federation.start();
    const { code, stdout, log } = await federation.finished();
    assert.equal(code, 0, log);

    const metrics = (await lines(`${federation.dir}/run/metrics.jsonl`)).filter((line) =>
      line.kind === "step"
    );
    assert.equal(metrics.length, steps);
    for (let round = 1; round <= steps; round++) {
      const vectors = await Promise.all(SITES.map((site) => federation.plain(site, round)));
      assert.equal(metrics[round - 1].sumHash, sumHash(vectors.map((vector) => vector!)), `step ${round}`);
      for (const vector of vectors) {
        const secret = needle(vector!);
        for (const { body } of federation.seen) {
          assert.ok(!includes(body, secret), "a plain vector went over the wire");
        }
      }
    }
    assert.ok(scans.length >= 3);
    for (const found of await Promise.all(scans)) assert.deepEqual(found, [false, false, false, false]);

    for (const site of SITES) {
      const status = await readLedger(`${federation.dir}/sites/${site}/ledger.jsonl`);
      assert.equal(status.site, site);
      for (const population of status.populations) {
        assert.equal(population.rounds, steps);
        assert.ok(population.spent > 0 && population.spent <= 8);
      }
    }
    const result = JSON.parse(stdout);
    assert.equal(result.steps, steps);
    assert.ok(Object.keys(result.tasks).length >= 9);
  } finally {
    await federation.close();
  }
});

Deno.test("the memory scan finds what a process does hold", async () => {
  const secret = crypto.getRandomValues(new Uint8Array(64));
  const absent = crypto.getRandomValues(new Uint8Array(64));
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const held = Uint8Array.fromHex(Deno.args[0]); console.log("ready"); await new Promise((r) => setTimeout(r, 60000)); console.log(held)`,
      secret.toHex(),
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assert.deepEqual(await memoryHolds(child.pid, [secret, absent]), [true, false]);
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
});

Deno.test("a site that dies in the middle of a step costs nothing but its own contribution", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 3, 12_000);
  try {
    federation.start({ "site-west": 2 });
    const { code, log } = await federation.finished();
    assert.equal(code, 0, log);
    const metrics = (await lines(`${federation.dir}/run/metrics.jsonl`)).filter((line) =>
      line.kind === "step"
    );
    assert.deepEqual(metrics.map((line) => line.sites), [4, 3, 3]);
    const survivors = SITES.filter((site) => site !== "site-west");
    const vectors = await Promise.all(survivors.map((site) => federation.plain(site, 2)));
    assert.equal(metrics[1].sumHash, sumHash(vectors.map((vector) => vector!)));
    const status = await readLedger(`${federation.dir}/sites/site-west/ledger.jsonl`);
    assert.equal(status.populations[0].rounds, 2, "what was charged before the death stays charged");
  } finally {
    await federation.close();
  }
});

Deno.test("a site that died joins again with its old state and counts in later steps", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 8, 8_000);
  try {
    federation.start({ "site-west": 2 });
    const dead = (await federation.sites.get("site-west")!.status).code;
    assert.equal(dead, 99);
    federation.startSite("site-west");
    const { code, log } = await federation.finished();
    assert.equal(code, 0, log);
    const metrics = (await lines(`${federation.dir}/run/metrics.jsonl`)).filter((line) =>
      line.kind === "step"
    );
    assert.deepEqual(metrics.slice(0, 2).map((line) => line.sites), [4, 3]);
    assert.equal(metrics.at(-1)!.sites, 4);
    const status = await readLedger(`${federation.dir}/sites/site-west/ledger.jsonl`);
    const missed = metrics.slice(2).filter((line) => line.sites === 3).length;
    assert.equal(
      status.populations[0].rounds,
      8 - missed,
      "charged for the steps it began, no more and no less",
    );
    assert.equal((await federation.sites.get("site-west")!.status).code, 0);
  } finally {
    await federation.close();
  }
});

Deno.test("with too few sites left the federation stops with BelowThreshold and the ledgers stay charged", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 3, 8_000, 15_000);
  try {
    federation.start({ "site-west": 2, "site-south": 2 });
    const { code, log } = await federation.finished();
    assert.equal(code, 12, log);
    assert.match(log, /BelowThreshold: /);
    const status = await readLedger(`${federation.dir}/sites/site-midwest/ledger.jsonl`);
    assert.ok(status.populations[0].rounds >= 2);
  } finally {
    await federation.close();
  }
});

Deno.test("a step that too many sites miss is aborted, every site lives on, and the next steps go through", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 4, 8_000, 60_000);
  try {
    const metrics = `${federation.dir}/run/metrics.jsonl`;
    const paused = ["site-west", "site-south"];
    const signal = (name: Deno.Signal) => paused.forEach((site) => federation.sites.get(site)!.kill(name));
    let stopped = false;
    federation.onSeen = ({ path }) => {
      if (stopped || path !== "/v1/rounds/2/messages") return;
      stopped = true;
      signal("SIGSTOP");
      const wait = setInterval(async () => {
        if (!(await Deno.readTextFile(metrics)).includes(`"kind":"aborted"`)) return;
        clearInterval(wait);
        signal("SIGCONT");
      }, 200);
    };
    federation.start();
    const { code, log } = await federation.finished();
    assert.equal(code, 0, log);
    const kinds = (await lines(metrics)).filter((line) => line.kind !== "validation").map((line) =>
      line.kind
    );
    assert.deepEqual(kinds, ["step", "aborted", "step", "step"]);
    for (const site of SITES) {
      assert.equal((await federation.sites.get(site)!.status).code, 0, `${site} ends well`);
      const status = await readLedger(`${federation.dir}/sites/${site}/ledger.jsonl`);
      assert.ok(status.populations[0].rounds >= 3 && status.populations[0].rounds <= 4);
    }
  } finally {
    await federation.close();
  }
});

function includes(haystack: Uint8Array, wanted: Uint8Array): boolean {
  const limit = haystack.length - wanted.length;
  for (let at = 0; at <= limit; at++) {
    let i = 0;
    while (i < wanted.length && haystack[at + i] === wanted[i]) i++;
    if (i === wanted.length) return true;
  }
  return false;
}
