import assert from "node:assert/strict";
import { Mailbox } from "../../src/federation/mailbox.ts";
import { RoundSession } from "../../src/federation/round_session.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { enrolledHash, generateIdentity, makeRoundConfig, SecAggClient } from "../../src/secure_agg/mod.ts";

Deno.test("twelve sites that upload at once all get into the sum: a busy server is asked again", async () => {
  const stateFolder = await Deno.makeTempDir();
  const identities = Array.from({ length: 12 }, (_, i) => generateIdentity(`site-${i}`));
  const enrolled = new Map(identities.map((identity) => [identity.id, identity.publicKey]));
  const config = makeRoundConfig({
    taskId: "test",
    roundId: 1,
    nMax: 12,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32),
    planHash: new Uint8Array(32),
    dimension: 100,
    chunkCoordinates: 32,
    coordinateBound: 1000,
  });
  const mailboxes = new Map(identities.map(({ id }) => [id, new Mailbox()]));
  const session = new RoundSession({
    config,
    enrolled,
    mailboxes,
    present: new Set(mailboxes.keys()),
    phaseDeadlineMs: 60_000,
    stateFolder,
  });
  const running = session.run(new AbortController().signal);
  let busy = 0;
  const send = async (id: string, message: Uint8Array) => {
    for (;;) {
      try {
        return session.receive(id, message);
      } catch (error) {
        if (!(error instanceof FedKimError) || error.code !== "NetworkError") throw error;
        busy++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  };
  const site = async (identity: typeof identities[number], value: number) => {
    const client = new SecAggClient({
      config,
      identity,
      enrolled,
      input: () => new Uint32Array(100).fill(value),
    });
    await send(identity.id, client.begin());
    for (let after = 0; client.phase !== "done";) {
      const letter = await mailboxes.get(identity.id)!.take(after, 60_000);
      after = letter!.sequence;
      const step = await client.receive(letter!.body);
      assert.equal(step.kind, "next");
      for (const message of step.outbound) {
        await send(identity.id, message);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  };
  await Promise.all(identities.map((identity, i) => site(identity, i)));
  const outcome = await running;
  assert.equal(outcome.kind, "sum");
  if (outcome.kind === "sum") {
    assert.equal(outcome.survivors.length, 12);
    assert.ok(outcome.sum.every((value) => value === 66));
  }
  assert.ok(busy > 0, "the server was never busy, so this test shows nothing");
  await Deno.remove(stateFolder, { recursive: true });
});
