import assert from "node:assert/strict";
import { decodeMessage, encodeMessage, IndexSet, type ServerMessage } from "../../src/secure_agg/mod.ts";
import { type Cohort, cohort, type DropPoint, type RoundOptions, runRound } from "./_harness.ts";
import { refusalOfSite0, refuses, type Tamper } from "./_adversary.ts";

for (const profile of ["strict", "default"] as const) {
  const type = profile === "strict" ? "survivors" : "unmask_request";
  const survivors = (members: number[], n = 6): Tamper => (message, i) =>
    message.type === type && i === 0 ? { ...message, survivors: IndexSet.of(n, members) } : message;
  const c = (): Cohort => cohort(6, { profile, threshold: 4, nMin: 4 });
  const dropped: RoundOptions = { drops: new Map<number, DropPoint>([[5, "share_keys"]]) };

  Deno.test(`a ${type} message that declares this site dead is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([1, 2, 3, 4]), dropped);
    assert.equal(error.reason, "self_declared_dead");
  });

  Deno.test(`a ${type} message below nMin is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([0, 1, 2]), dropped);
    assert.equal(error.code, "BelowThreshold");
    assert.equal(error.reason, "too_few_survivors");
  });

  Deno.test(`a ${type} message that revives a site that had dropped out is refused (${profile})`, async () => {
    const error = await refusalOfSite0(c(), survivors([0, 1, 2, 3, 4, 5]), dropped);
    assert.equal(error.reason, "revived_peer");
  });

  Deno.test(`a second request that calls a living peer dead is refused, and both are kept (${profile})`, async () => {
    const c6 = c();
    const requests: Uint8Array[] = [];
    const { clients, server } = await runRound(c6, {
      toClient: (bytes, i) => {
        if (i === 0 && decodeMessage(bytes).type === "unmask_request") requests.push(bytes);
        return bytes;
      },
    });
    assert.equal(server.phase, "finished");
    assert.equal(clients[0].phase, "done");
    // The same bytes again: the same answer again.
    const again = await clients[0].receive(requests[0]);
    assert.ok(again.kind === "next");
    assert.deepEqual([...again.outbound].map((bytes) => decodeMessage(bytes).type), ["unmask"]);
    const request = decodeMessage(requests[0]);
    assert.ok(request.type === "unmask_request");
    const second = encodeMessage({ ...request, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) });
    const step = await clients[0].receive(second);
    assert.ok(step.kind === "abort");
    assert.equal(step.error.reason, "conflicting_message");
    assert.deepEqual(step.error.evidence, [requests[0], second]);
    assert.equal(clients[0].phase, "aborted");
  });
}

Deno.test("unmask() refuses a survivor set other than the one that this site signed (strict)", async () => {
  const error = await refusalOfSite0(
    cohort(6, { threshold: 4, nMin: 4 }),
    (message, i) =>
      message.type === "unmask_request" && i === 0
        ? { ...message, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) }
        : message,
  );
  assert.equal(error.reason, "survivors_changed");
});

Deno.test("unmask() refuses a record of other shares or vectors than the one that this site signed (strict)", async () => {
  const error = await refusalOfSite0(
    cohort(5),
    (message, i) =>
      message.type === "unmask_request" && i === 0 ? { ...message, recordRoot: new Uint8Array(32) } : message,
  );
  assert.equal(error.reason, "survivors_changed");
});

Deno.test("a split view of the survivors ends in a refusal, not in a share (strict)", async () => {
  // Sites 0 to 2 are told that 5 is dead, the others that all live. Nobody can be shown t fitting signatures.
  const c = cohort(6, { threshold: 5, nMin: 5 });
  const { server, steps, refused } = await runRound(c, {
    toClient: (bytes, i) => {
      const message = decodeMessage(bytes);
      if (message.type !== "survivors" || i > 2) return bytes;
      return encodeMessage({ ...message, survivors: IndexSet.of(6, [0, 1, 2, 3, 4]) });
    },
  });
  assert.equal(server.phase, "aborted");
  assert.equal(server.error!.reason, "too_few_signatures");
  assert.deepEqual(refused.map(({ reason }) => reason), ["bad_signature", "bad_signature", "bad_signature"]);
  assert.ok(steps.every((step) => step?.kind === "next" && step.phase === "awaiting_unmask"));
});

Deno.test("unmask() refuses too few, repeated or foreign signatures (strict)", async () => {
  const request =
    (change: (m: Extract<ServerMessage, { type: "unmask_request" }>) => ServerMessage): Tamper => (m, i) =>
      m.type === "unmask_request" && i === 0 ? change(m) : m;
  await refuses(
    request((m) => ({ ...m, signatures: m.signatures.slice(1) })),
    "too_few_signatures",
    "BelowThreshold",
  );
  await refuses(request((m) => ({ ...m, signatures: [] })), "too_few_signatures", "BelowThreshold");
  await refuses(
    request((m) => ({ ...m, signatures: m.signatures.map((s, i) => ({ ...s, index: i + 1 })) })),
    "bad_signature",
  );
  await refuses(
    request((m) => ({
      ...m,
      signatures: [...m.signatures, { index: 77, signature: m.signatures[0].signature }],
    })),
    "bad_signature",
  );
  // A repeated signer does not even decode: the list must strictly ascend.
  await refuses(
    request((m) => ({ ...m, signatures: [m.signatures[0], ...m.signatures] })),
    "malformed_message",
  );
});

Deno.test("unmask() refuses signatures in a profile that has none", async () => {
  const extra = { index: 1, signature: new Uint8Array(64) };
  await refuses(
    (m, i) => m.type === "unmask_request" && i === 0 ? { ...m, signatures: [extra] } : m,
    "malformed_message",
    "ProtocolAbort",
    cohort(5, { profile: "curious" }),
  );
});

Deno.test("unmask() in strict refuses a request before the survivors were signed", async () => {
  const c = cohort(5);
  let request: Uint8Array | undefined;
  await runRound(c, {
    toClient: (bytes, i) => {
      if (i === 0 && decodeMessage(bytes).type === "unmask_request") request = bytes;
      return bytes;
    },
  });
  const { steps } = await runRound(c, {
    toClient: (bytes, i) => i === 0 && decodeMessage(bytes).type === "survivors" ? request! : bytes,
  });
  assert.ok(steps[0]?.kind === "abort");
  assert.equal(steps[0].error.code, "UnexpectedMessage");
});

Deno.test("a server that changes an earlier message on a retry is refused at every step, with both kept", async () => {
  for (const type of ["roster", "deliver_shares", "survivors"]) {
    const c = cohort(5);
    const sent = new Map<string, Uint8Array>();
    const { clients } = await runRound(c, {
      toClient: (bytes, i) => {
        if (i === 0) sent.set(decodeMessage(bytes).type, bytes);
        return bytes;
      },
    });
    const again = await clients[0].receive(sent.get(type)!);
    assert.equal(again.kind, "next", "an identical retry is answered alike");
    const other = sent.get(type)!.slice();
    other[other.length - 1] ^= 1;
    const step = await clients[0].receive(other);
    assert.ok(step.kind === "abort");
    assert.equal(step.error.reason, "conflicting_message");
    assert.equal(step.error.evidence.length, 2);
  }
});

Deno.test("bytes that are no message end the session with a typed error", async () => {
  const c = cohort(4);
  for (
    const bytes of [new Uint8Array(0), new Uint8Array(100), new TextEncoder().encode("<html>502</html>")]
  ) {
    const { steps } = await runRound(c, { toClient: (honest, i) => i === 0 ? bytes : honest });
    assert.ok(steps[0]?.kind === "abort");
    assert.equal(steps[0].error.reason, "malformed_message");
  }
});
