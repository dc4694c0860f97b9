import assert from "node:assert/strict";
import {
  costModel,
  graphParams,
  nativeProvider,
  simulate,
  type SimulationOptions,
} from "../../src/secure_agg/mod.ts";
import { extrapolate } from "../../src/secure_agg/extrapolation.ts";
import { meteredProvider } from "../../src/secure_agg/_metered_provider.ts";
import { Cashier, measureUnits, newMeter } from "../../src/secure_agg/_simulated_cost.ts";
import { plainVector } from "../../src/secure_agg/_simulated_vector.ts";
import { reports } from "./_simulation.ts";

/** Bytes of header, and of a message's fields; see docs/protocol.md. */
const HEADER = 9;
const ADVERT = 32 + (1 + 10) + 32 + 32 + 64;
const ROSTER = (n: number, k: number) => HEADER + 32 + 2 + k * (1 + ADVERT - 32) + (n - k) * 33;
const SHARES = (k: number) => HEADER + 32 + 2 + 32 + 2 + 64 + k * 82;
const DELIVERY = (n: number, k: number) => HEADER + 32 + 2 + Math.ceil(n / 8) + 2 + k * 114;
const UPLOAD = (d: number) => HEADER + 32 + 2 + 4 + 4 * d;
const COMMIT = HEADER + 32 + 2 + 32 + 64;
const SURVIVORS = (n: number) => HEADER + 32 + 2 + Math.ceil(n / 8) + 32;
const SIGNED = HEADER + 32 + 2 + 64;
const REQUEST = (n: number, t: number) => HEADER + 32 + 2 + Math.ceil(n / 8) + 32 + 2 + t * 66;
const UNMASK = (k: number) => HEADER + 32 + 2 + 2 + 64 + (k + 1) * 35;

Deno.test("a simulated round counts every byte of the protocol's messages, and what each side has to hold", async () => {
  const [n, k, d] = [8, 7, 50];
  const [{ measured, threshold, degree, nMin, model, phases }] = await reports({});
  assert.deepEqual([threshold, degree, nMin], [6, 7, 7]);
  const sent = HEADER + ADVERT + SHARES(k) + UPLOAD(d) + COMMIT + SIGNED + UNMASK(k);
  const received = ROSTER(n, k) + DELIVERY(n, k) + SURVIVORS(n) + REQUEST(n, threshold);
  assert.deepEqual(measured.client.bytes, { median: sent + received, max: sent + received });
  assert.equal(measured.server.bytes, n * (sent + received));
  // The largest thing that a client holds at once: its roster with its shares, and the secrets behind them.
  const memory = ROSTER(n, k) + SHARES(k) + 32 * (4 + k);
  assert.deepEqual(measured.client.memoryBytes, { median: memory, max: memory });
  const kept = HEADER + ADVERT + SHARES(k) + SIGNED + UNMASK(k);
  assert.equal(measured.server.memoryBytes, 4 * d + n * kept);
  assert.deepEqual([measured.client.cpuSeconds.max, measured.server.cpuSeconds], [0, 0]);
  assert.deepEqual(model, costModel({ dimension: d, wireForm: "word32" }, { n, degree: k, lateDrops: 0 }));
  assert.deepEqual(phases, {
    advertise_keys: 0,
    share_keys: 0,
    masked_input: 0,
    sign_survivors: 0,
    unmask: 0,
  });
});

Deno.test("long vectors outweigh the rest of what a site holds, and sites that drop late send no vector", async () => {
  const [n, d, drop] = [8, 3000, 1];
  const [{ measured, survivors, model, sites }] = await reports({ dimension: d, drop });
  assert.deepEqual([sites, survivors], [n, n - drop]);
  // The packed shares of seven others and of the site itself.
  const memory = 4 * d + UPLOAD(d) + 32 * 2 * 8;
  assert.equal(measured.client.memoryBytes.median, memory);
  assert.deepEqual(model, costModel({ dimension: d, wireForm: "word32" }, { n, degree: 7, lateDrops: 1 }));
  const [whole] = await reports({ dimension: d });
  const absent = DELIVERY(n, 7) + UPLOAD(d) + COMMIT + SURVIVORS(n) + SIGNED + REQUEST(n, 6) + UNMASK(7);
  assert.equal(whole.measured.server.bytes - measured.server.bytes, absent);
});

Deno.test("a simulated cohort is refused outside of its bounds, and taken at them", async () => {
  const code = "ConfigError";
  const refused = (options: Partial<SimulationOptions>) =>
    assert.rejects(reports(options), { code }, JSON.stringify(options));
  const first = async (options: Partial<SimulationOptions>) => {
    const all = { sites: 3, dimension: 1, drop: 0, rounds: 1, profile: "curious" as const, byzantine: 0 };
    const round = simulate({ ...all, pick: () => 0, clock: () => 0, ...options });
    await round.next();
    await round.return(undefined);
  };
  await first({});
  await first({ drop: 2 });
  await first({ byzantine: 2 });
  await first({ rounds: 1000 });
  for (const sites of [2, 10_001, 3.5, NaN]) await refused({ sites });
  for (const dimension of [0, 100_000_001, 1.5]) await refused({ dimension });
  for (const rounds of [0, 1001]) await refused({ rounds });
  for (const byzantine of [-1, 8]) await refused({ byzantine });
  for (const [drop, byzantine] of [[-1, 0], [8, 0], [5, 3]]) await refused({ drop, byzantine });
  for (const workers of [-1, 3]) await refused({ workers });
  // Whoever is left after liars were expelled must still be three.
  await assert.rejects(reports({ sites: 4, byzantine: 2, rounds: 3, profile: "curious" }), {
    code,
    message: /[012] sites left after [234] were expelled/,
  });
});

Deno.test("late dropouts are honest sites, as many as asked for, and drawn without repeats", async () => {
  const asked: number[] = [];
  const [report] = await reports({ sites: 12, byzantine: 1, drop: 2, pick: (n) => (asked.push(n), n - 1) });
  assert.deepEqual(asked, [11, 10]);
  assert.deepEqual([report.survivors, report.exact, report.blamed], [10, true, ["site-00000"]]);
  const seen: [number, string, number, number][] = [];
  await reports({ rounds: 2, progress: (...at) => void seen.push(at) });
  assert.equal(seen.length, 2 * 5 * 8);
  assert.deepEqual(seen[0], [1, "advertise_keys", 1, 8]);
  assert.deepEqual(seen.at(-1), [2, "unmask", 8, 8]);
  assert.deepEqual(seen.slice(8, 16).map(([, , done]) => done), [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("each lie ends as the protocol says, and its teller is not invited again", async () => {
  const [shares, after] = await reports({ sites: 8, byzantine: 1, rounds: 2 });
  assert.deepEqual([shares.outcome, shares.exact, shares.survivors, shares.refused, shares.gaveUp], [
    ...["finished", true, 8, {}, {}],
  ]);
  assert.deepEqual([after.sites, after.blamed], [7, []]);
  const [three] = await reports({ sites: 12, byzantine: 3 });
  assert.deepEqual([three.outcome, three.reason, three.survivors, three.exact], [
    ...["aborted", "unrecoverable_secret", 0, false],
  ]);
  assert.deepEqual(three.refused, { chunk_length: 1, incomplete_vector: 1 });
  assert.equal("million" in three, false);
  assert.ok(three.measured.client.bytes.median > 0, "an aborted round's costs are those of all its sites");
});

Deno.test("Workers play the same round as one thread, lies and dropouts included", async () => {
  const small = { sites: 9, dimension: 40, drop: 1, byzantine: 1 };
  const [[one], [shared]] = [await reports(small), await reports({ ...small, workers: 2 })];
  for (const part of ["outcome", "survivors", "exact", "blamed", "refused", "gaveUp"] as const) {
    assert.deepEqual(shared[part], one[part], part);
  }
  assert.deepEqual(shared.measured.client.bytes, one.measured.client.bytes);
  assert.deepEqual(shared.measured.client.memoryBytes, one.measured.client.memoryBytes);
  // The clock of the process stands still: what the Workers took is shared out as nothing, and stays a number.
  for (const [phase, seconds] of Object.entries(shared.phases)) assert.ok(Number.isFinite(seconds), phase);
  assert.ok(Number.isFinite(shared.measured.client.cpuSeconds.max));
});

Deno.test("a round's phases sum to the time that passed, and no party's part of it is larger", async () => {
  for (const [sites, workers] of [[9, 0], [9, 2], [3, 1]]) {
    let calls = 0;
    // What one operation costs is measured first, by six readings: it is free here, so that nothing is saved.
    const clock = () => Math.max(0, ++calls - 6);
    const [{ phases, measured }] = await reports({ sites, dimension: 2000, drop: 0, workers, clock });
    const total = Object.values(phases).reduce((sum, seconds) => sum + seconds, 0);
    assert.ok(total > 0 && total <= calls, `${total} of ${calls}`);
    assert.ok(Object.values(phases).every((seconds) => seconds > 0), JSON.stringify(phases));
    const { client, server } = measured;
    assert.ok(server.cpuSeconds > 0 && server.cpuSeconds + client.cpuSeconds.max <= total * (1 + 1e-9));
    // In Workers all that the process took is shared out among the parties.
    if (workers > 0) assert.ok(server.cpuSeconds + sites * client.cpuSeconds.max >= total * (1 - 1e-9));
    assert.ok(client.cpuSeconds.median > 1e-4 * total, `${client.cpuSeconds.median} of ${total}`);
  }
});

Deno.test("costModel() is the sum of its parts, worked out by hand for a full graph and for a ring", () => {
  const close = (found: number, expected: number) =>
    assert.ok(Math.abs(found / expected - 1) < 1e-12, `${found} is not ${expected}`);
  const full = costModel({ dimension: 1000, wireForm: "word32" }, { n: 10, degree: 9, lateDrops: 2 });
  // 18 agreements, 9 signatures and envelopes, 2 sharings, 10 expansions of 4000 bytes, 10 roster entries.
  close(full.client.cpuSeconds, 18 * 85e-6 + 9 * 65e-6 + 1.3e-3 + 20e-6 + 5e-6);
  assert.deepEqual([full.client.bytes, full.client.memoryBytes], [4000 + 3600 + 330, 4000 + 1800]);
  // 10,000 additions, 22.4 expansions, 18 agreements, 10 recoveries, 100 entries written, 10 sites checked.
  close(full.server.cpuSeconds, 3e-6 + 44.8e-6 + 18 * 85e-6 + 200e-6 + 25e-6 + 10 * (5 * 45e-6 + 2 * 85e-6));
  assert.deepEqual([full.server.bytes, full.server.memoryBytes], [79_300, 4000 + 120 * 90]);
  const ring = costModel({ dimension: 20, wireForm: "packed20" }, { n: 1000, degree: 100, lateDrops: 0 });
  close(ring.client.cpuSeconds, 0.017 + 0.0065 + 0.0013 + 101 * 80 / 2e9 + 0.0005);
  assert.deepEqual([ring.client.bytes, ring.client.memoryBytes], [50 + 40_000 + 33_000, 33_000 + 20_000]);
  close(ring.server.cpuSeconds, 20_000 * 1.9e-9 + 1000 * 80 / 2e9 + 1000 * 100e-6 + 0.25 + 1000 * 395e-6);
  assert.deepEqual([ring.server.bytes, ring.server.memoryBytes], [73_050_000, 80 + 120 * 100_000]);
});

Deno.test("costModel() charges the Lagrange coefficients of every graph that is not complete, the last one too", () => {
  const config = { dimension: 10, wireForm: "word32" } as const;
  const server = (degree: number) => costModel(config, { n: 100, degree, lateDrops: 0 }).server.cpuSeconds;
  assert.ok(Math.abs(server(98) - server(99) - 100 * 8e-9 * 98 ** 2) < 1e-15);
});

Deno.test("extrapolate() multiplies the model at the larger cohort by how far the measurement was from the model", () => {
  const config = { dimension: 400, wireForm: "word32", profile: "strict" } as const;
  const model = costModel(config, { n: 100, degree: 99, lateDrops: 10 });
  const times = ({ cpuSeconds, bytes, memoryBytes }: typeof model.client, factor: number) => ({
    cpuSeconds: factor * cpuSeconds,
    bytes: 2 * factor * bytes,
    memoryBytes: 4 * factor * memoryBytes,
  });
  const measured = { client: times(model.client, 2), server: times(model.server, 0.5) };
  const there = extrapolate(1000, { config, measured, model, dropped: 0.0996 });
  const { graph, threshold } = graphParams({ n: 1000, ...config });
  const degree = graph.kind === "ring" ? graph.degree : 0;
  assert.deepEqual([there.sites, there.degree, there.threshold], [1000, degree, threshold]);
  const expected = costModel(config, { n: 1000, degree, lateDrops: 100 });
  for (const quantity of ["cpuSeconds", "bytes", "memoryBytes"] as const) {
    for (const party of ["client", "server"] as const) {
      const factor =
        times({ cpuSeconds: 1, bytes: 1, memoryBytes: 1 }, party === "client" ? 2 : 0.5)[quantity];
      assert.ok(Math.abs(there[party][quantity] / (factor * expected[party][quantity]) - 1) < 1e-12);
    }
  }
  assert.equal(extrapolate(60, { config, measured, model, dropped: 0 }).degree, 59);
});

Deno.test("a Cashier charges the time since its last charge, and what was saved by its price, also after an error", async () => {
  let now = 5;
  const saved = { agreements: 0, derivations: 0, verifications: 0 };
  const cashier = new Cashier(() => now, saved, { agreement: 1000, derivation: 100, verification: 10 });
  const meter = newMeter();
  assert.deepEqual(meter, { cpuSeconds: 0, savedSeconds: 0, sent: 0, received: 0, memoryBytes: 0 });
  now = 7;
  assert.equal(cashier.chargeNow(meter, () => (now += 1, saved.agreements += 2, "done")), "done");
  assert.deepEqual([meter.cpuSeconds, meter.savedSeconds], [3, 2000]);
  now = 20;
  cashier.skip();
  await cashier.charge(
    meter,
    () => Promise.resolve((now += 4, saved.derivations += 3, saved.verifications += 1)),
  );
  assert.deepEqual([meter.cpuSeconds, meter.savedSeconds], [7, 2310]);
  assert.throws(() =>
    cashier.chargeNow(meter, () => {
      now += 1;
      saved.verifications += 5;
      throw new Error("broken");
    }), /broken/);
  await assert.rejects(
    cashier.charge(meter, () => {
      now += 2;
      throw new Error("broken");
    }),
    /broken/,
  );
  assert.deepEqual([meter.cpuSeconds, meter.savedSeconds], [10, 2360]);
});

Deno.test("measureUnits() times 10 batches of 40 agreements, 400 derivations and 400 verifications, after a quarter of them", () => {
  const calls = { agreements: 0, batches: 0, derivations: 0, verifications: 0 };
  let time = 0;
  const provider = {
    ...nativeProvider,
    x25519: (secret: Uint8Array) => {
      calls.batches++;
      const agree = nativeProvider.x25519(secret);
      return (peer: Uint8Array) => {
        time += 1;
        calls.agreements++;
        const shared = agree(peer);
        assert.ok(shared !== undefined);
        return shared;
      };
    },
    hkdf: (...parameters: Parameters<typeof nativeProvider.hkdf>) => {
      time += 2;
      calls.derivations++;
      assert.equal(parameters[3], 32);
      return nativeProvider.hkdf(...parameters);
    },
    ed25519Verify: (...parameters: Parameters<typeof nativeProvider.ed25519Verify>) => {
      time += 3;
      calls.verifications++;
      assert.equal(parameters[1].length, 200);
      const right = nativeProvider.ed25519Verify(...parameters);
      assert.ok(right);
      return right;
    },
  };
  const units = measureUnits(provider, () => time);
  assert.deepEqual(units, { agreement: 1, derivation: 2, verification: 3 });
  assert.deepEqual(calls, { batches: 10 + 3, agreements: 13 * 40, derivations: 500, verifications: 500 });
});

Deno.test("a metered provider computes what the plain one computes, and counts what it has not computed again", () => {
  const { provider, saved, register } = meteredProvider(nativeProvider);
  const secrets = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill));
  const keys = secrets.map((secret) => provider.x25519PublicKey(secret));
  assert.deepEqual(keys, secrets.map(nativeProvider.x25519PublicKey));
  const exact = nativeProvider.x25519(secrets[0])(keys[1])!;
  const shared = provider.x25519(secrets[0])(keys[1])!;
  assert.deepEqual(shared, exact);
  assert.equal(saved.agreements, 0);
  const salt = new Uint8Array(32);
  const info = (from: number, to: number) => Uint8Array.of(1, from, 0, to, 0);
  for (const [from, to] of [[1, 2], [2, 1], [1, 3]]) {
    assert.deepEqual(
      provider.hkdf(shared, salt, info(from, to), 32),
      nativeProvider.hkdf(exact, salt, info(from, to), 32),
    );
  }
  assert.equal(saved.derivations, 0);
  shared.fill(0);
  // The other end of the pair: neither agreed nor derived again, and the first end's wiping changes nothing.
  const other = provider.x25519(secrets[1])(keys[0])!;
  assert.deepEqual(other, exact);
  assert.equal(saved.agreements, 1);
  for (const [from, to] of [[2, 1], [1, 2], [1, 3]]) {
    assert.deepEqual(
      provider.hkdf(other, salt, info(from, to), 32),
      nativeProvider.hkdf(exact, salt, info(from, to), 32),
    );
  }
  assert.equal(saved.derivations, 3);
  // A pair that both ends have asked for is forgotten; a derivation that both have asked for too.
  provider.x25519(secrets[0])(keys[1]);
  assert.equal(saved.agreements, 1);
  provider.hkdf(exact, salt, info(1, 2), 32);
  assert.equal(saved.derivations, 3);
  // Secrets that nobody registered are computed every time.
  const stranger = nativeProvider.x25519PublicKey(new Uint8Array(32).fill(9));
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(provider.x25519(secrets[2])(stranger), nativeProvider.x25519(secrets[2])(stranger));
    assert.deepEqual(
      provider.x25519(new Uint8Array(32).fill(8))(keys[0]),
      nativeProvider.x25519(new Uint8Array(32).fill(8))(keys[0]),
    );
  }
  assert.equal(saved.agreements, 1);
  register(stranger, new Uint8Array(32).fill(9));
  assert.deepEqual(
    provider.x25519(secrets[2])(stranger),
    provider.x25519(new Uint8Array(32).fill(9))(keys[2]),
  );
  assert.equal(saved.agreements, 2);
  const low = new Uint8Array(32);
  register(low, new Uint8Array(32).fill(7));
  for (let i = 0; i < 2; i++) assert.equal(provider.x25519(secrets[2])(low), undefined);
  assert.equal(saved.agreements, 2);
});

Deno.test("a metered provider repeats no verification of the same short message, and trusts no other for it", () => {
  const { provider, saved } = meteredProvider(nativeProvider);
  const seed = new Uint8Array(32).fill(3);
  const key = nativeProvider.ed25519PublicKey(seed);
  const signed = (length: number) => {
    const message = new Uint8Array(length).fill(length);
    return { message, signature: nativeProvider.ed25519Sign(seed, message) };
  };
  for (const [length, count] of [[10, 1], [999, 2], [1000, 2], [5000, 2]]) {
    const { message, signature } = signed(length);
    for (let i = 0; i < 2; i++) assert.equal(provider.ed25519Verify(key, message, signature), true);
    assert.equal(saved.verifications, count, `${length}`);
  }
  const { message, signature } = signed(10);
  assert.equal(provider.ed25519Verify(key, message.with(3, 1), signature), false);
  assert.equal(provider.ed25519Verify(key, message, signature.with(40, signature[40] ^ 1)), false);
  const stranger = nativeProvider.ed25519PublicKey(new Uint8Array(32).fill(4));
  assert.equal(provider.ed25519Verify(stranger, message, signature), false);
  assert.equal(saved.verifications, 2);
  assert.equal(provider.ed25519Verify(key, message, signature), true);
  assert.equal(saved.verifications, 3);
});

Deno.test("a metered provider tells keys apart by each of their first six bytes, and derivations by their last four", () => {
  let computed = 0;
  const inner = {
    ...nativeProvider,
    x25519: () => () => (computed++,
      Uint8Array.of(
        ...new Uint8Array(26),
        ...Uint8Array.of(computed, computed >> 8, computed >> 16),
        1,
        1,
        1,
      ).reverse()),
    hkdf: (_: Uint8Array, __: Uint8Array, info: Uint8Array) => info.slice(),
  };
  const { provider, saved, register } = meteredProvider(inner);
  const levels = [0, 1, 2, 127, 128, 255];
  const keys: Uint8Array[] = [];
  const draw = (head: number[]): void => {
    if (head.length === 6) return void keys.push(Uint8Array.of(...head, ...new Uint8Array(26)));
    for (const level of head.length % 2 === 0 ? levels : [0, 1, 128, 255]) draw([...head, level]);
  };
  draw([]);
  const own = new Uint8Array(32).fill(77);
  register(new Uint8Array(32).fill(78), own);
  for (const key of keys) register(key, new Uint8Array(32).fill(79));
  const agree = provider.x25519(own);
  for (const key of keys) agree(key);
  assert.equal(computed, keys.length);
  assert.equal(saved.agreements, 0);
  const shared = agree(new Uint8Array(32).fill(78)) ?? agree(keys[0])!;
  const salt = new Uint8Array(0);
  for (let at = 0; at < 4; at++) {
    for (const level of levels) {
      const info = new Uint8Array(9).with(5 + at, level);
      assert.deepEqual(provider.hkdf(shared, salt, info, 9), info);
    }
  }
});

Deno.test("plainVector() has 20 bits around zero, within any bound, and another vector for each site", () => {
  const config = { dimension: 4000, coordinateBound: 0x80000 };
  const signed = (site: number, coordinateBound = 0x80000) =>
    Array.from(plainVector({ ...config, coordinateBound }, site), (word) => word | 0);
  const [first, second] = [signed(0), signed(1)];
  assert.ok(Math.min(...first) >= -0x80000 && Math.max(...first) < 0x80000);
  assert.ok(Math.min(...first) < -0x7f000 && Math.max(...first) > 0x7f000);
  const mean = first.reduce((a, b) => a + b) / first.length;
  assert.ok(Math.abs(mean) < 4 * 0x80000 / Math.sqrt(3 * 4000), `${mean}`);
  assert.ok(first.filter((word, i) => word === second[i]).length < 5);
  assert.deepEqual(signed(0), first);
  assert.deepEqual(first.slice(0, 3), FIRST_WORDS);
  assert.deepEqual(signed(0, 0x80001), first);
  assert.deepEqual(signed(0, 1000), first.map((word) => word % 1000 + 0));
  assert.deepEqual(signed(0, 0x7ffff), first.map((word) => word % 0x7ffff + 0));
});

/** The linear congruential generator x -> 1664525 x + 1013904223 of Numerical Recipes, from 0x9e3779b1. */
const FIRST_WORDS: number[] = [];
{
  let x = 0x9e3779b1n;
  for (let i = 0; i < 3; i++) {
    x = (1664525n * x + 1013904223n) & 0xffffffffn;
    FIRST_WORDS.push(Number(x >> 12n) - 0x80000);
  }
}

Deno.test("a site whose upload is refused is in no sum, and the others' sum is exact", async () => {
  const [report] = await reports({ sites: 12, byzantine: 2 });
  assert.deepEqual([report.outcome, report.exact, report.survivors], ["finished", true, 11]);
  assert.deepEqual(report.refused, { chunk_length: 1, incomplete_vector: 1 });
  assert.deepEqual(report.blamed, ["site-00000", "site-00001"]);
});
