import assert from "node:assert/strict";
import {
  decodeMessage,
  encodeMessage,
  FedKimError,
  IndexSet,
  nativeProvider,
  SecAggServer,
  type SurvivorSignature,
  type UnmaskMessage,
  wasmEngine,
  worstLegalSplit,
} from "../../src/secure_agg/mod.ts";
import { maskSeedCommitment, pairMaskKey, selfMaskKey } from "../../src/secure_agg/key_schedule.ts";
import { combineShares, lagrangeAt, sharingField } from "../../src/secure_agg/shamir.ts";
import { cohort, makeClient, plainSum } from "./_harness.ts";

/** True if honest voters can give each of `targets` sites t - c votes of `dropped`, none for itself (greedy, exact here). */
function canDrop(targets: number, honest: number, perVoter: number, votes: number): boolean {
  // Voters outside the targets may vote for any `perVoter` targets, targets for any others: by symmetry the fullest
  // assignment gives every target at most honest - 1 votes, and all votes together bound the rest.
  const total = honest * Math.min(perVoter, targets) - (perVoter >= targets ? targets : 0);
  return votes <= honest - 1 && targets * votes <= total;
}

Deno.test("no legal split leaves fewer honest inputs in a sum than worstLegalSplit() says: all cohorts up to 14", () => {
  let tight = 0;
  for (let n = 3; n <= 14; n++) {
    for (let threshold = 2; threshold <= n; threshold++) {
      for (let nMin = threshold; nMin <= n; nMin++) {
        for (let colluders = 0; colluders < threshold && 2 * threshold > n + colluders; colluders++) {
          const honest = n - colluders;
          let dropped = 0;
          while (dropped < honest && canDrop(dropped + 1, honest, n - nMin, threshold - colluders)) dropped++;
          const left = honest - dropped;
          const bound = worstLegalSplit({ n, nMin, threshold, colluders });
          assert.ok(left >= bound, `${n} ${threshold} ${nMin} ${colluders}: ${left} < ${bound}`);
          if (left === bound && dropped > n - nMin) tight++;
        }
      }
    }
  }
  assert.ok(tight > 20, "the bound is reached by splits that no single view would allow");
});

Deno.test("worstLegalSplit() refuses cohorts for which it is not defined", () => {
  for (const change of [{ colluders: 5 }, { colluders: -1 }, { threshold: 7 }, { nMin: 8 }, { n: 6.5 }]) {
    assert.throws(
      () => worstLegalSplit({ n: 7, nMin: 5, threshold: 5, colluders: 1, ...change }),
      FedKimError,
    );
  }
});

/**
 * A lying server with one colluding site (number 6) in `default`: seven sites, t = 5, nMin = 5. It shows every honest
 * site a legal survivor set, together four votes `dropped` for each of the sites 3, 4 and 5, and keeps the colluder's
 * shares of both kinds. So it unmasks the sum of the honest sites 0, 1, 2 alone: three, as the bound says, although
 * every single view had five survivors.
 */
Deno.test("the worst legal split really works in the default profile, and gives exactly the bound", async () => {
  const c = cohort(7, { profile: "default", threshold: 5, nMin: 5 });
  const bound = worstLegalSplit({ n: 7, nMin: 5, threshold: 5, colluders: 1 });
  assert.equal(bound, 3);
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
  const clients = c.ids.map((_, i) => makeClient(c, i));
  clients.forEach((client, i) => server.receive(c.ids[i].id, client.begin()));
  const masked = c.ids.map(() => new Uint32Array(c.config.dimension));
  const commitments = new Map<number, Uint8Array>();
  const maskKeys: Uint8Array[] = [];
  const signatures: SurvivorSignature[] = [];
  for (const phase of ["share_keys", "masked_input"]) {
    await server.close();
    assert.equal(server.phase, phase);
    for (const [i, client] of clients.entries()) {
      const bytes = server.outboundFor(c.ids[i].id)!;
      const message = decodeMessage(bytes);
      if (message.type === "roster") {
        message.entries.forEach((entry, j) => {
          if (entry.kind === "advert") maskKeys[j] = entry.advert.maskKey;
        });
      } else if (message.type === "deliver_shares") {
        for (const { peer, commitment } of message.shares) commitments.set(peer, commitment);
      }
      for (const out of (await client.receive(bytes)).outbound) {
        server.receive(c.ids[i].id, out);
        const chunk = decodeMessage(out);
        if (chunk.type === "commit_vector") signatures.push({ index: i, signature: chunk.sharedSignature! });
        if (chunk.type === "masked_chunk") {
          const view = new DataView(chunk.payload.buffer, chunk.payload.byteOffset);
          const start = chunk.chunk * c.config.chunkCoordinates;
          for (let k = 0; k < chunk.payload.length / 4; k++) {
            masked[i][start + k] = view.getUint32(4 * k, true);
          }
        }
      }
    }
  }
  const sid = server.sid!;
  // Who is called dead to whom: everybody keeps five survivors, nobody is called dead to itself.
  const dead = [[3, 4], [3, 5], [4, 5], [4, 5], [3, 5], [3, 4]];
  const answers: UnmaskMessage[] = [];
  const ask = async (i: number, missing: readonly number[]): Promise<void> => {
    const survivors = IndexSet.of(7, [0, 1, 2, 3, 4, 5, 6].filter((j) => !missing.includes(j)));
    const request = {
      type: "unmask_request",
      sid,
      survivors,
      recordRoot: new Uint8Array(32),
      signatures: signatures.filter(({ index }) => index !== i && survivors.has(index)),
    } as const;
    const step = await clients[i].receive(encodeMessage(request));
    assert.ok(step.kind === "next", "a legal view");
    const answer = decodeMessage([...step.outbound][0]);
    assert.ok(answer.type === "unmask");
    answers.push(answer);
  };
  for (const [i, missing] of dead.entries()) await ask(i, missing);
  // The colluder would give both kinds; here one honest answer of it per kind stands in for its memory.
  const colluder = await twoFaces(c, clients[6], sid, signatures);
  const field = sharingField(7);
  const recover = (dealer: number, kind: "mask_seed" | "mask_key"): Uint8Array => {
    const shares = [...answers, ...colluder].flatMap(({ index, shares }) =>
      shares.filter((s) => s.peer === dealer && s.kind === kind).map(({ share }) => ({ x: index + 1, share }))
    );
    const chosen = [...new Map(shares.map((s) => [s.x, s])).values()].slice(0, 5);
    assert.equal(chosen.length, 5, `${kind} of ${dealer}`);
    return combineShares(
      field,
      lagrangeAt(field, chosen.map(({ x }) => x), 0),
      chosen.map(({ share }) => share),
    );
  };
  const sum = new Uint32Array(c.config.dimension);
  const alive = [0, 1, 2, 6];
  for (const i of alive) masked[i].forEach((value, k) => sum[k] += value);
  const engine = wasmEngine();
  for (const i of alive) {
    const seed = recover(i, "mask_seed");
    assert.deepEqual(maskSeedCommitment(nativeProvider, sid, i, seed), commitments.get(i));
    await engine.apply(sum, [{ key: selfMaskKey(nativeProvider, sid, i, seed), negate: true }], 0);
  }
  for (const gone of [3, 4, 5]) {
    const agree = nativeProvider.x25519(recover(gone, "mask_key"));
    const jobs = alive.map((i) => ({
      key: pairMaskKey(nativeProvider, sid, agree(maskKeys[i])!, gone, i),
      negate: i < gone,
    }));
    await engine.apply(sum, jobs, 0);
  }
  plainSum(c, [6]).forEach((value, k) => sum[k] -= value); // the colluder knows its own vector
  assert.deepEqual(sum, plainSum(c, [0, 1, 2]));
});

/** Both kinds of share that a colluding site holds of everybody: read from its state by two forks of one session. */
async function twoFaces(
  c: ReturnType<typeof cohort>,
  client: ReturnType<typeof makeClient>,
  sid: Uint8Array,
  signatures: readonly SurvivorSignature[],
): Promise<UnmaskMessage[]> {
  // A colluder keeps its shares; the honest client class wipes them after one answer, so replay the same session.
  const replay = await sameSession(c, 6);
  const faces: UnmaskMessage[] = [];
  for (const [face, missing] of [[client, []], [replay[0], [3, 4]], [replay[1], [4, 5]]] as const) {
    const survivors = IndexSet.of(
      7,
      [0, 1, 2, 3, 4, 5, 6].filter((j) => !(missing as readonly number[]).includes(j)),
    );
    const request = {
      type: "unmask_request",
      sid,
      survivors,
      recordRoot: new Uint8Array(32),
      signatures: signatures.filter(({ index }) => index !== 6 && survivors.has(index)),
    } as const;
    const step = await face.receive(encodeMessage(request));
    assert.ok(step.kind === "next");
    const answer = decodeMessage([...step.outbound][0]);
    assert.ok(answer.type === "unmask");
    faces.push(answer);
  }
  return faces;
}

/** Two more copies of one site, brought to the unmask phase of the very same session (all byte sources are fixed). */
async function sameSession(
  c: ReturnType<typeof cohort>,
  site: number,
): Promise<ReturnType<typeof makeClient>[]> {
  const copies: ReturnType<typeof makeClient>[] = [];
  for (let copy = 0; copy < 2; copy++) {
    const server = new SecAggServer({ config: c.config, enrolled: c.enrolled });
    const clients = c.ids.map((_, i) => makeClient(c, i));
    clients.forEach((client, i) => server.receive(c.ids[i].id, client.begin()));
    for (let phase = 0; phase < 2; phase++) {
      await server.close();
      for (const [i, client] of clients.entries()) {
        for (const out of (await client.receive(server.outboundFor(c.ids[i].id)!)).outbound) {
          server.receive(c.ids[i].id, out);
        }
      }
    }
    copies.push(clients[site]);
  }
  return copies;
}
