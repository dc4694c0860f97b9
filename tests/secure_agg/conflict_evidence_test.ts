import assert from "node:assert/strict";
import { decodeMessage, encodeMessage, type Message, type SecAggError } from "../../src/secure_agg/mod.ts";
import { cohort, plainSum, runRound } from "./_harness.ts";

/** A second message of the same kind, with another signature. */
function changed(message: Message): Uint8Array | undefined {
  if (!("signature" in message)) return undefined;
  const signature = message.signature.with(5, message.signature[5] ^ 1);
  return encodeMessage({ ...message, signature });
}

for (const profile of ["strict", "default"] as const) {
  Deno.test(`whoever sends a second, other message for one step of ${profile} is shown both of them`, async () => {
    const c = cohort(4, { profile });
    const sent = new Map<string, Uint8Array[]>();
    const { server, refused } = await runRound(c, {
      toServer: (bytes, i) => {
        const message = decodeMessage(bytes);
        const other = i === 1 ? changed(message) : undefined;
        if (other === undefined) return [bytes];
        sent.set(message.type, [bytes, other]);
        return [bytes, other];
      },
    });
    assert.deepEqual(server.result!.sum, plainSum(c, [0, 1, 2, 3]), "the first one counts");
    const shown = new Map(refused.map(({ error, reason }) => {
      const { evidence, details } = error as SecAggError & { details: { found: string } };
      assert.equal(reason, "conflicting_message");
      return [details.found, evidence];
    }));
    assert.deepEqual([...shown.keys()].sort(), [...sent.keys()].sort());
    for (const [type, both] of sent) {
      // A commit that was taken is not kept: then the second one is all there is.
      assert.deepEqual(shown.get(type), type === "commit_vector" ? both.slice(1) : both, type);
    }
    const signed = profile === "strict" ? ["sign_survivors"] : [];
    assert.deepEqual([...sent.keys()].sort(), [
      "advertise_keys",
      "commit_vector",
      "share_keys",
      ...signed,
      "unmask",
    ]);
  });
}
