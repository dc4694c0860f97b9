import assert from "node:assert/strict";
import { type ClientMessage, decodeMessage, encodeMessage, signLabelled } from "../../src/secure_agg/mod.ts";
import { BlameLedger } from "../../src/secure_agg/blame.ts";
import { LagrangeCache, recoverSecret } from "../../src/secure_agg/recovery.ts";
import { combineShares, lagrangeAt, sharingField, splitSecret } from "../../src/secure_agg/shamir.ts";
import { subsets } from "../../src/secure_agg/_subsets.ts";
import { unmaskStatement } from "../../src/secure_agg/client_unmask.ts";
import { type Cohort, cohort, plainSum, type RoundOutcome, runRound, testRandom } from "./_harness.ts";

type Unmask = Extract<ClientMessage, { type: "unmask" }>;

/** Runs a round in which the shares released by some sites are changed and validly signed. */
async function withWrongShares(
  c: Cohort,
  change: (shares: Unmask["shares"], i: number) => Unmask["shares"],
  drops = new Map<number, "masked_input">(),
): Promise<RoundOutcome> {
  const { server: honest } = await runRound(c, { drops });
  return await runRound(c, {
    drops,
    toServer: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (message.type !== "unmask") return [bytes];
      const changed = { ...message, shares: change(message.shares, i) };
      const statement = unmaskStatement(honest.result!.transcript, changed);
      return [encodeMessage({ ...changed, signature: signLabelled(c.ids[i], "unmask", statement) })];
    },
  });
}

/** Unrelated bytes, so that two wrong shares do not cancel by accident. */
const flip = (share: Uint8Array): Uint8Array => testRandom(`garbage ${share}`)(share.length);

Deno.test("a holder that changes the shares it gives back is named, and the sum is still exact", async () => {
  const c = cohort(7, { threshold: 5, nMin: 5 });
  for (const drops of [new Map(), new Map([[6, "masked_input" as const]])]) {
    const { server } = await withWrongShares(
      c,
      (shares, i) => i === 0 ? shares.map((s) => ({ ...s, share: flip(s.share) })) : shares,
      drops,
    );
    const members = [0, 1, 2, 3, 4, 5, 6].filter((i) => !drops.has(i));
    assert.deepEqual(server.result!.sum, plainSum(c, members));
    assert.deepEqual(server.result!.blamed, [{ clientId: "s000", role: "holder", wrongShares: 7 }]);
  }
});

Deno.test("a dealer whose shares are wrong at several holders is named as the dealer", async () => {
  const c = cohort(8, { threshold: 5, nMin: 6 });
  const { server } = await withWrongShares(
    c,
    (shares, i) => i < 2 ? shares.map((s) => s.peer === 4 ? { ...s, share: flip(s.share) } : s) : shares,
  );
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4, 5, 6, 7]));
  assert.deepEqual(server.result!.blamed, [{ clientId: "s004", role: "dealer", wrongShares: 2 }]);
});

Deno.test("a single wrong share names both its dealer and its holder", async () => {
  const c = cohort(6, { threshold: 4, nMin: 5 });
  const { server } = await withWrongShares(
    c,
    (shares, i) => i === 0 ? shares.map((s) => s.peer === 3 ? { ...s, share: flip(s.share) } : s) : shares,
  );
  assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3, 4, 5]));
  assert.deepEqual(server.result!.blamed.map(({ clientId, role }) => `${clientId} ${role}`), [
    "s000 either",
    "s003 either",
  ]);
});

Deno.test("more wrong shares than there are spare ones end the round, name the dealer, and give no sum", async () => {
  const c = cohort(4);
  const { server } = await withWrongShares(
    c,
    (shares, i) => i < 2 ? shares.map((s) => s.peer === 3 ? { ...s, share: flip(s.share) } : s) : shares,
  );
  assert.equal(server.phase, "aborted");
  assert.equal(server.error!.reason, "unrecoverable_secret");
  assert.deepEqual(server.error!.blamed, ["s003"]);
  assert.equal(server.result, undefined);
});

Deno.test("recoverSecret() finds six liars among a hundred holders at t = 67, and refuses with too few shares", () => {
  const secret = testRandom("secret")(32);
  const shares = splitSecret(secret, 67, 100, testRandom("coefficients")).map((share, holder) => ({
    coordinate: holder + 1,
    holder,
    share: holder % 17 === 3 ? flip(share) : share,
  }));
  const ledger = new BlameLedger();
  const isRight = (candidate: Uint8Array): boolean => candidate.every((byte, i) => byte === secret[i]);
  const task = { shares, total: 100, threshold: 67, dealer: 5, dealerId: "d", isRight, ledger };
  assert.deepEqual(recoverSecret(task, new LagrangeCache()), secret);
  assert.deepEqual(ledger.blame(String), [{ clientId: "5", role: "dealer", wrongShares: 6 }]);
  assert.throws(() => recoverSecret({ ...task, shares: shares.slice(0, 66) }, new LagrangeCache()), {
    code: "BelowThreshold",
    reason: "too_few_shares",
  });
});

Deno.test("subsets() gives every subset once where there are few, and always the first items first", () => {
  const all = [...subsets([0, 1, 2, 3, 4, 5], 3, 100)].map((s) => s.join());
  assert.equal(all[0], "0,1,2");
  assert.equal(new Set(all).size, 20);
  assert.equal(all.length, 20);
  const many = [...subsets(Array.from({ length: 40 }, (_, i) => i), 20, 50)];
  assert.equal(many.length, 50);
  for (const subset of many) assert.equal(new Set(subset).size, 20);
  assert.deepEqual([...subsets([1, 2], 2, 10)], [[1, 2]]);
});

Deno.test("two holders that lie in concert, so that a subset with both is right, do not get others blamed", () => {
  const secret = testRandom("secret")(32);
  const honest = splitSecret(secret, 3, 8, testRandom("coefficients"));
  // Add to shares 1 and 2 what another polynomial with constant term zero has there: {1, 2, 3} then gives the secret.
  const field = sharingField(8);
  const offset = lagrangeAt(field, [1, 2, 3], 0);
  const forged = honest.map((share, i) => {
    if (i > 1) return share;
    const delta = combineShares(field, [field.multiply(field.inverse(offset[i]), 77)], [
      new Uint8Array(32).fill(1),
    ]);
    return share.map((byte, k) => byte ^ delta[k]);
  });
  const chosen = [0, 1, 2];
  assert.deepEqual(combineShares(field, offset, chosen.map((i) => forged[i])), secret, "the forgery works");
  // The first subset must be wrong, or nobody would look: holder 4 gives garbage and stands in front.
  const order = [3, 0, 1, 2, 4, 5, 6, 7];
  const shares = order.map((i) => ({
    coordinate: i + 1,
    holder: i,
    share: i === 3 ? flip(forged[i]) : forged[i],
  }));
  const ledger = new BlameLedger();
  const isRight = (candidate: Uint8Array): boolean => candidate.every((byte, i) => byte === secret[i]);
  recoverSecret(
    { shares, total: 8, threshold: 3, dealer: 9, dealerId: "d", isRight, ledger },
    new LagrangeCache(),
  );
  const named = [0, 1, 2, 3, 4, 5, 6, 7].filter((holder) => ledger.wrongShares(holder) > 0);
  assert.ok(named.every((holder) => [0, 1, 3].includes(holder)), `named ${named}`);
  assert.ok(named.includes(3));
});

Deno.test("recoverSecret() looks at 64 right subsets for the fewest liars, at no more", () => {
  const secret = testRandom("secret")(32);
  const isRight = (candidate: Uint8Array): boolean => candidate.every((byte, i) => byte === secret[i]);
  // Every group lies on a line of its own through the secret, so each pair inside of a group is right.
  const named = (groups: readonly number[]): boolean[] => {
    const total = 1 + groups.reduce((sum, size) => sum + size);
    const lines = groups.map((_, k) => splitSecret(secret, 2, total, testRandom(`line ${k}`)));
    const first = { coordinate: 1, holder: 0, share: testRandom("garbage")(32) };
    const shares = [first];
    for (const [k, size] of groups.entries()) {
      for (let i = 0; i < size; i++) {
        const holder = shares.length;
        shares.push({ coordinate: holder + 1, holder, share: lines[k][holder] });
      }
    }
    const ledger = new BlameLedger();
    const task = { shares, total, threshold: 2, dealer: 99, dealerId: "d", isRight, ledger };
    recoverSecret(task, new LagrangeCache());
    return shares.map(({ holder }) => ledger.wrongShares(holder) > 0);
  };
  const allBut = (size: number, from: number, to: number): boolean[] =>
    Array.from({ length: size }, (_, i) => i < from || i >= to);
  // 55 + 6 + 1 + 1 pairs stand before the first pair of the largest group, which is the 64th.
  assert.deepEqual(named([11, 4, 2, 2, 12]), allBut(32, 20, 32));
  // One more pair, and the largest group is not looked at any more.
  assert.deepEqual(named([11, 4, 2, 2, 2, 12]), allBut(34, 1, 12));
});
