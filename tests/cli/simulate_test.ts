import assert from "node:assert/strict";
import { costModel } from "../../src/secure_agg/mod.ts";
import { fedkim } from "../_fedkim.ts";
import { reports } from "../secure_agg/_simulation.ts";

Deno.test("fedkim simulate --json gives one document with exact sums, costs of each party and the cost model", async () => {
  const { code, stdout } = await fedkim(
    ...["simulate", "--sites", "12", "--dim", "500", "--drop", "2", "--rounds", "2", "--json"],
  );
  assert.equal(code, 0);
  const document = JSON.parse(stdout);
  assert.equal(document.exact, true);
  assert.equal(document.finished, 2);
  assert.match(document.note, /computed once and charged to both/);
  for (const { measured, model, million, survivors, outcome, phases } of document.results) {
    assert.deepEqual([million.sites, million.degree], [1_000_000, 264]);
    // Every site reads one hash per site, whatever else it does.
    assert.ok(million.client.bytes > 32e6 && million.server.bytes > 1e6 * 32e6);
    assert.equal(outcome, "finished");
    assert.equal(survivors, 10);
    assert.deepEqual(Object.keys(phases), [
      ...["advertise_keys", "share_keys", "masked_input", "sign_survivors", "unmask"],
    ]);
    for (const quantity of ["cpuSeconds", "bytes", "memoryBytes"]) {
      assert.ok(0 < measured.client[quantity].median);
      assert.ok(measured.client[quantity].median <= measured.client[quantity].max);
      assert.ok(0 < measured.server[quantity] && 0 < model.client[quantity] && 0 < model.server[quantity]);
    }
    // A client sends its vector once and holds it once; the rest is its neighbours'.
    assert.ok(measured.client.bytes.median > 4 * 500 && measured.client.bytes.median < 4 * 500 + 12 * 1000);
    assert.ok(measured.client.memoryBytes.max > 4 * 500);
  }
});

Deno.test("fedkim simulate prints a table for people, and refuses a cohort that cannot be simulated", async () => {
  const { code, stdout } = await fedkim("simulate", "--sites", "5", "--dim", "20", "--byzantine", "1");
  assert.equal(code, 0);
  assert.match(stdout, /Round 1: the sum of 5 of 5 sites is exact\./);
  assert.match(stdout, /one client: CPU/);
  assert.match(stdout, /Named as liars, not invited again: site-00000\./);
  const bad = await fedkim("simulate", "--sites", "5", "--drop", "5", "--json");
  assert.notEqual(bad.code, 0);
  assert.match(JSON.parse(bad.stdout).error.message, /drop = 5.*an integer from 0 to 4/);
});

Deno.test("a site that gives back wrong shares is named and the sum is exact; it is not invited again", async () => {
  const [first, second] = await reports({ byzantine: 1, rounds: 2 });
  assert.deepEqual([first.outcome, first.exact, first.survivors], ["finished", true, 8]);
  assert.deepEqual(first.blamed, ["site-00000"]);
  assert.deepEqual([second.sites, second.survivors, second.exact], [7, 7, true]);
});

Deno.test("a vector of another length counts as a dropout; a wrong commitment ends the round and names its site", async () => {
  const [first, second] = await reports({ byzantine: 3, rounds: 2, sites: 12 });
  assert.deepEqual([first.outcome, first.code, first.reason], [
    "aborted",
    "ProtocolAbort",
    "unrecoverable_secret",
  ]);
  assert.deepEqual(first.refused, { chunk_length: 1, incomplete_vector: 1 });
  assert.deepEqual(first.blamed, ["site-00001", "site-00002"]);
  assert.deepEqual([second.outcome, second.sites, second.exact], ["finished", 10, true]);
});

Deno.test("more late dropouts than nMin allows end the round below the threshold", async () => {
  const [report] = await reports({ sites: 10, drop: 4 });
  assert.deepEqual([report.outcome, report.code, report.exact], ["aborted", "BelowThreshold", false]);
});

Deno.test("every profile gives the exact sum, on the full graph and on the ring", async () => {
  for (const profile of ["strict", "default", "curious"] as const) {
    const [report] = await reports({ profile, drop: 1 });
    assert.deepEqual([report.outcome, report.survivors, report.exact], ["finished", 7, true], profile);
  }
  const [ring] = await reports({ sites: 260, dimension: 3, drop: 3, profile: "curious" });
  assert.ok(ring.degree < 259);
  assert.deepEqual([ring.outcome, ring.survivors, ring.exact], ["finished", 257, true]);
});

Deno.test("sites played in Workers give the same sum as in one thread, lies and dropouts included", async () => {
  const options = { sites: 30, byzantine: 2, drop: 2 };
  const outcomes = async (workers: number) => {
    const found = await reports({ ...options, workers, clock: () => performance.now() / 1000 });
    return found.map(({ outcome, code, survivors, exact, blamed, refused, gaveUp, measured }) => {
      assert.ok(measured.server.cpuSeconds > 0 && measured.client.cpuSeconds.median > 0);
      const { bytes, memoryBytes } = measured.client;
      return { outcome, code, survivors, exact, blamed, refused, gaveUp, bytes, memoryBytes };
    });
  };
  const alone = await outcomes(0);
  assert.equal(alone[0].exact, true);
  assert.deepEqual(await outcomes(2), alone);
  await assert.rejects(reports({ sites: 8, workers: 3 }), /workers = 3.*an integer from 0 to 2/);
});

Deno.test("costModel() gives the table of the design: client CPU, upload and expansions grow as stated", () => {
  const config = { dimension: 1_000_000, wireForm: "packed20" } as const;
  const { client, server } = costModel(config, { n: 1000, degree: 96, lateDrops: 100 });
  assert.ok(Math.abs(client.cpuSeconds - 0.22) < 0.01, `${client.cpuSeconds}`);
  assert.ok(Math.abs(client.bytes - 2.57e6) < 0.02e6);
  assert.ok(Math.abs(server.cpuSeconds - (19 + 1.9 + 0.8)) < 1.5, `${server.cpuSeconds}`);
});
