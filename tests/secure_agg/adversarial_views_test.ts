import assert from "node:assert/strict";
import {
  advertiseKeys,
  type ClientAwaitingUnmask,
  decodeMessage,
  encodeMessage,
  graphParams,
  IndexSet,
  makeRoundConfig,
  nativeProvider,
  openSession,
  type RoundConfig,
  signLabelled,
  transcriptHash,
  unmask,
  type UnmaskRequestMessage,
  worstLegalSplit,
} from "../../src/secure_agg/mod.ts";
import { type Cohort, cohort, runRound, testRandom } from "./_harness.ts";

/**
 * Smallest cluster of honest sites whose sum a lying server can unmask in `default`, by search over all splits of both
 * sets: `o` honest sites are left out of the cluster's masks (its U1), `t` are called dropped to enough voters. A voter
 * has D = n - nMin absences to spend on both. A share of b is only released to who signed the same U1, so threshold - c
 * honest voters must leave the o sites out too.
 */
function smallestCluster(
  { n, nMin, threshold, colluders }: Parameters<typeof worstLegalSplit>[0],
  bound: boolean,
): number {
  const [honest, votesNeeded, d] = [n - colluders, threshold - colluders, n - nMin];
  let smallest = honest;
  for (let o = 0; o <= d; o++) {
    for (let t = 0; o + t < honest; t++) {
      const cluster = honest - o - t;
      // With the rule, votesNeeded voters of cluster and dropped share its U1; without it only the cluster itself does.
      const leaving = bound ? Math.max(cluster, votesNeeded) : cluster;
      const dropped = Math.min(t, Math.max(0, leaving - cluster));
      if (leaving > cluster + t) continue;
      const votes = cluster * Math.min(t, d - o) + dropped * Math.min(Math.max(t - 1, 0), d - o) +
        (t - dropped) * Math.min(Math.max(t - 1, 0), d) + o * Math.min(t, d);
      if (votes >= t * votesNeeded) smallest = Math.min(smallest, cluster);
    }
  }
  return smallest;
}

Deno.test("worstLegalSplit() holds against splits of U1 and U2 together, and would not if U1 were not signed", () => {
  let undercut = 0;
  for (let n = 3; n <= 24; n++) {
    for (let threshold = 2; threshold <= n; threshold++) {
      for (let nMin = Math.max(3, threshold); nMin <= n; nMin++) {
        for (let colluders = 1; colluders < threshold && 2 * threshold > n + colluders; colluders++) {
          const split = { n, nMin, threshold, colluders };
          const bound = worstLegalSplit(split);
          assert.ok(smallestCluster(split, true) >= bound, JSON.stringify(split));
          if (smallestCluster(split, false) < bound) undercut++;
        }
      }
    }
  }
  assert.ok(undercut > 100, "the attack that the signatures of U1 stop is real");
  assert.equal(smallestCluster({ n: 6, nMin: 4, threshold: 4, colluders: 1 }, false), 1);
});

/** A `default` round in which site 0 is told that site 5 never shared keys; the others are told the truth. */
async function leftOut(
  change: (request: UnmaskRequestMessage, i: number) => UnmaskRequestMessage,
): Promise<{ reasons: (string | undefined)[]; refused: string[] }> {
  const c = cohort(6, { profile: "default", threshold: 4, nMin: 4 });
  const { steps, refused } = await runRound(c, {
    toClient: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (message.type === "deliver_shares" && i === 0) {
        const shared = IndexSet.of(6, [0, 1, 2, 3, 4]);
        return encodeMessage({
          ...message,
          shared,
          shares: message.shares.filter(({ peer }) => shared.has(peer)),
        });
      }
      return message.type === "unmask_request" ? encodeMessage(change(message, i)) : bytes;
    },
  });
  return {
    reasons: steps.map((step) => step?.kind === "abort" ? step.error.reason : undefined),
    refused: refused.map(({ reason }) => reason),
  };
}

Deno.test("the server refuses a vector that is masked for another U1 than its own (default)", async () => {
  const { refused } = await leftOut((request) => request);
  assert.deepEqual(refused, ["bad_signature"]);
});

Deno.test("unmask() releases no share of b for a site that masked its vector for another U1 (default)", async () => {
  const everybody = IndexSet.of(6, [0, 1, 2, 3, 4, 5]);
  const c = cohort(6, { profile: "default", threshold: 4, nMin: 4 });
  const shared = IndexSet.of(6, [0, 1, 2, 3, 4]);
  const signatureOf0 = (request: UnmaskRequestMessage): Uint8Array =>
    signLabelled(c.ids[0], "sign_shared", sharedStatementOf(request.sid, shared));
  const none = await leftOut((request) => ({ ...request, survivors: everybody }));
  assert.deepEqual(none.reasons.slice(1), Array(5).fill("too_few_signatures"));
  const other = await leftOut((request) => ({
    ...request,
    survivors: everybody,
    signatures: [{ index: 0, signature: signatureOf0(request) }, ...request.signatures],
  }));
  assert.deepEqual(other.reasons.slice(1), Array(5).fill("bad_signature"));
});

/** docs/protocol.md: what `sign_shared` covers. */
function sharedStatementOf(sid: Uint8Array, shared: IndexSet): Uint8Array {
  const label = new TextEncoder().encode("FedKIM/SA1/shared");
  const bits = shared.toBytes();
  return nativeProvider.sha256(
    Uint8Array.of(label.length, 0),
    label,
    Uint8Array.of(32, 0, 0, 0),
    sid,
    Uint8Array.of(bits.length, 0, 0, 0),
    bits,
  );
}

/** A site of a ring of a hundred that signed the survivors, and signatures of all its neighbours. */
function ringSite(): { state: ClientAwaitingUnmask; request: UnmaskRequestMessage; c: Cohort } {
  const params = graphParams({ n: 100, profile: "strict", dimension: 2_000_000 });
  const c = cohort(100, { ...params, dimension: 3 });
  const leaves = c.ids.map((_, i) => new Uint8Array(32).fill(i));
  const session = openSession(nativeProvider, c.config, new Uint8Array(32), leaves);
  const all = IndexSet.of(100, c.ids.keys());
  const fields = { sid: session.sid, survivors: all, recordRoot: new Uint8Array(32) };
  const signed = transcriptHash(nativeProvider, { ...fields, shared: all });
  const step = advertiseKeys({
    config: c.config,
    configHash: new Uint8Array(32),
    identity: c.ids[0],
    enrolled: c.enrolled,
    provider: nativeProvider,
    random: testRandom("ring"),
  });
  assert.ok(step.kind === "next");
  const closed = session.graph.closed(0);
  const shares = { maskSeed: step.state.maskSecret, maskKey: step.state.encryptionSecret };
  return {
    c,
    state: {
      kind: "awaiting_unmask",
      context: step.state.context,
      session,
      index: 0,
      identityKeys: new Map(closed.map((peer) => [peer, c.ids[peer].publicKey])),
      shared: all,
      held: new Map(closed.map((peer) => [peer, shares])),
      signed,
    },
    request: {
      type: "unmask_request",
      ...fields,
      signatures: closed.map((index) => ({
        index,
        signature: signLabelled(c.ids[index], "sign_survivors", signed),
      })),
    },
  };
}

Deno.test("unmask() on the ring wants t signatures besides its own: at the edge of a split view there are t with it", () => {
  const { state, request, c } = ringSite();
  const { threshold } = c.config;
  const own = request.signatures.filter(({ index }) => index === 0);
  const others = request.signatures.filter(({ index }) => index !== 0);
  const take = (count: number): UnmaskRequestMessage => ({
    ...request,
    signatures: [...own, ...others.slice(0, count)].sort((a, b) => a.index - b.index),
  });
  const refused = unmask(state, take(threshold - 1));
  assert.ok(refused.kind === "abort");
  assert.equal(refused.error.reason, "too_few_signatures");
  assert.equal(unmask(state, take(threshold)).kind, "next");
});

Deno.test("unmask() counts no signature twice, even where no decoder has checked the list", () => {
  const { state, request, c } = ringSite();
  const one = request.signatures.find(({ index }) => index !== 0)!;
  const step = unmask(state, { ...request, signatures: Array(c.config.threshold + 1).fill(one) });
  assert.ok(step.kind === "abort");
  assert.equal(step.error.reason, "bad_signature");
});

Deno.test("a ring is never sized for fewer corrupt sites than the configuration says collude", () => {
  const ring = { nMax: 300, nMin: 270, graph: { kind: "ring", degree: 114 }, colluders: 1 } as const;
  const base = cohort(10).config;
  const make = (change: Partial<RoundConfig>): RoundConfig =>
    makeRoundConfig({ ...base, ...ring, ...change });
  const none = { gammaMillionths: 0 };
  assert.throws(() => make({ ...none, threshold: 58 }), { code: "ConfigError" });
  assert.doesNotThrow(() => make({ ...none, threshold: 59 }));
  assert.throws(() => make({ ...none, threshold: 59, colluders: 60 }), { code: "ConfigError" });
});

Deno.test("a ring that falls back to the full graph keeps 2t above n plus the corrupt sites", () => {
  const base = cohort(10).config;
  const config = { ...base, nMax: 300, nMin: 100, graph: { kind: "ring", degree: 114 } as const };
  const leaves = Array.from({ length: 115 }, (_, i) => new Uint8Array(32).fill(i));
  const open = (threshold: number) =>
    openSession(nativeProvider, { ...config, threshold }, new Uint8Array(32), leaves);
  assert.ok(open(64).graph.complete);
  assert.throws(() => open(63), { reason: "unsafe_graph" });
});

Deno.test("a refusal carries what the server said last and what it says now", async () => {
  const c = cohort(5);
  const said: Uint8Array[] = [];
  const { steps } = await runRound(c, {
    toClient: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (i !== 0) return bytes;
      const out = message.type === "survivors"
        ? encodeMessage({ ...message, survivors: IndexSet.of(5, [1, 2, 3, 4]) })
        : bytes;
      said.push(out);
      return out;
    },
  });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.reason, "self_declared_dead");
  assert.deepEqual(steps[0].error.evidence, said.slice(-2));
});
