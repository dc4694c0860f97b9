import assert from "node:assert/strict";
import {
  advertiseKeys,
  advertLeaf,
  decodeMessage,
  encodeMessage,
  graphParams,
  IndexSet,
  nativeProvider,
  ringGraph,
  type RosterMessage,
  roundConfigHash,
  shareKeys,
} from "../../src/secure_agg/mod.ts";
import { openSession } from "../../src/secure_agg/session.ts";
import { type Cohort, cohort, type DropPoint, runRound, testRandom } from "./_harness.ts";

/** A ring just large enough that 14 of its neighbours can be missing around one site. */
function ringCohort(): Cohort {
  const n = 100;
  const { graph, threshold } = graphParams({ n, profile: "default", dimension: 2_000_000 });
  return cohort(n, { profile: "default", graph, threshold, nMin: 60, dimension: 3 });
}

Deno.test("a site on the ring refuses a survivor set in which too few of its neighbours live, whatever the total", async () => {
  const c = ringCohort();
  assert.ok(c.config.graph.kind === "ring");
  const degree = c.config.graph.degree;
  const { steps } = await runRound(c, {
    toClient: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (i !== 0 || message.type !== "unmask_request") {
        return i === 0 || message.type !== "unmask_request" ? bytes : undefined;
      }
      const closed = ringGraph(nativeProvider, message.sid, 100, degree).closed(0);
      const missing = new Set(closed.filter((peer) => peer !== 0).slice(0, degree - c.config.threshold + 1));
      const survivors = IndexSet.of(100, [...message.survivors].filter((peer) => !missing.has(peer)));
      assert.ok(survivors.size >= c.config.nMin);
      return encodeMessage({ ...message, survivors });
    },
  });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.code, "BelowThreshold");
  assert.equal(steps[0].error.reason, "too_few_neighbours");
});

Deno.test("the server ends a ring round in which a survivor has too few live neighbours", async () => {
  const c = ringCohort();
  assert.ok(c.config.graph.kind === "ring");
  const degree = c.config.graph.degree;
  const drops = new Map<number, DropPoint>();
  const { server } = await runRound(c, {
    drops,
    toClient: (bytes) => {
      const message = decodeMessage(bytes);
      if (message.type === "deliver_shares" && drops.size === 0) {
        const closed = ringGraph(nativeProvider, message.sid, 100, degree).closed(0);
        closed.filter((peer) => peer !== 0).slice(0, degree - c.config.threshold + 1).forEach((peer) =>
          drops.set(peer, "masked_input")
        );
      }
      return bytes;
    },
  });
  assert.equal(server.phase, "aborted");
  assert.equal(server.error!.reason, "too_few_neighbours");
});

Deno.test("openSession() refuses a ring that is not private for the roster that came", () => {
  const { config } = ringCohort();
  const leaves = Array.from({ length: 100 }, (_, i) => new Uint8Array(32).fill(i));
  assert.equal(openSession(nativeProvider, config, new Uint8Array(32), leaves).n, 100);
  // As if the configuration had been let through with one share fewer.
  const weak = { ...config, threshold: config.threshold - 1 };
  assert.throws(() => openSession(nativeProvider, weak, new Uint8Array(32), leaves), {
    reason: "unsafe_graph",
  });
});

Deno.test("the session id changes with the configuration and with every advertised key", () => {
  const { config } = cohort(4);
  const leaves = Array.from({ length: 4 }, (_, i) => new Uint8Array(32).fill(i));
  const sid = (hash: Uint8Array, list: readonly Uint8Array[]): string =>
    openSession(nativeProvider, config, hash, list).sid.join();
  const base = sid(new Uint8Array(32), leaves);
  assert.notEqual(sid(new Uint8Array(32).fill(1), leaves), base);
  for (let i = 0; i < 4; i++) {
    assert.notEqual(sid(new Uint8Array(32), leaves.with(i, new Uint8Array(32).fill(99))), base);
  }
  assert.notEqual(sid(new Uint8Array(32), leaves.toReversed()), base);
});

Deno.test("shareKeys() refuses a ring on which a site that is no neighbour appears twice", () => {
  const c = cohort(100, { ...ringCohort().config, nMax: 101 });
  const { config } = c;
  const configHash = roundConfigHash(config);
  const states = c.ids.map((identity, i) => {
    const step = advertiseKeys({
      config,
      configHash,
      identity,
      enrolled: c.enrolled,
      provider: nativeProvider,
      random: testRandom(`client ${i}`),
    });
    assert.ok(step.kind === "next");
    return step.state;
  });
  const rosterWith = (twice: number): RosterMessage | undefined => {
    const adverts = states.map(({ advert }) => advert);
    adverts.splice(twice, 0, adverts[twice]);
    const leaves = adverts.map((advert) => advertLeaf(nativeProvider, advert));
    const closed = openSession(nativeProvider, config, configHash, leaves).graph.closed(0);
    if (closed.includes(twice) || closed.includes(twice + 1)) return undefined;
    const entries = adverts.map((advert, i) =>
      i !== 0 && closed.includes(i)
        ? { kind: "advert" as const, advert }
        : { kind: "leaf" as const, leaf: leaves[i] }
    );
    return { type: "roster", configHash, entries };
  };
  const roster = Array.from({ length: 90 }, (_, i) => i + 1).map(rosterWith).find((found) =>
    found !== undefined
  );
  const step = shareKeys(states[0], roster!);
  assert.ok(step.kind === "abort");
  assert.equal(step.error.reason, "duplicate_client");
});
