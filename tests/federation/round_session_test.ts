import assert from "node:assert/strict";
import { Mailbox } from "../../src/federation/mailbox.ts";
import { RoundSession } from "../../src/federation/round_session.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  enrolledHash,
  generateIdentity,
  type Identity,
  makeRoundConfig,
  SecAggClient,
  SecAggError,
} from "../../src/secure_agg/mod.ts";

const SITES = 12;
const DIMENSION = 100;
const DEADLINE = 60_000;

/** A round of twelve sites with four chunks each; at most eight may upload at a time. */
async function openRound(options: { present?: number; now?: () => number } = {}) {
  const stateFolder = await Deno.makeTempDir();
  const identities = Array.from({ length: SITES }, (_, i) => generateIdentity(`site-${i}`));
  const enrolled = new Map(identities.map((identity) => [identity.id, identity.publicKey]));
  const config = makeRoundConfig({
    taskId: "test",
    roundId: 1,
    nMax: SITES,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32),
    planHash: new Uint8Array(32),
    dimension: DIMENSION,
    chunkCoordinates: 32,
    coordinateBound: 1000,
  });
  const mailboxes = new Map(identities.map(({ id }) => [id, new Mailbox()]));
  const session = new RoundSession({
    config,
    enrolled,
    mailboxes,
    present: new Set([...mailboxes.keys()].slice(0, options.present)),
    phaseDeadlineMs: DEADLINE,
    ...(options.now === undefined ? {} : { now: options.now }),
    stateFolder,
  });
  const clientOf = (identity: Identity, value: number): SecAggClient =>
    new SecAggClient({
      config,
      identity,
      enrolled,
      input: () => new Uint32Array(DIMENSION).fill(value),
    });
  const running = session.run(new AbortController().signal);
  const close = () => Deno.remove(stateFolder, { recursive: true });
  return { identities, mailboxes, session, clientOf, running, close };
}

const isBusy = (error: unknown): boolean => error instanceof FedKimError && error.code === "NetworkError";

Deno.test("twelve sites that upload at once all get into the sum: a busy server is asked again", async () => {
  const { identities, mailboxes, session, clientOf, running, close } = await openRound();
  let busy = 0;
  const send = async (id: string, message: Uint8Array) => {
    for (;;) {
      try {
        return session.receive(id, message);
      } catch (error) {
        if (!isBusy(error)) throw error;
        busy++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  };
  const site = async (identity: Identity, value: number) => {
    const client = clientOf(identity, value);
    await send(identity.id, client.begin());
    for (let after = 0; client.phase !== "done";) {
      const letter = await mailboxes.get(identity.id)!.take(after, DEADLINE);
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
    assert.equal(outcome.survivors.length, SITES);
    assert.ok(outcome.sum.every((value) => value === 66));
  }
  assert.ok(busy > 0, "the server was never busy, so this test shows nothing");
  await close();
});

Deno.test("eight stalled uploads give their places up: others go on, and the very same vectors may come again", async () => {
  let time = 0;
  // The last two sites are not believed to be there, so that no phase waits for them.
  const round = await openRound({ present: SITES - 2, now: () => time });
  const { session, mailboxes, identities } = round;
  const clients = identities.map((identity, i) => round.clientOf(identity, i));
  const seen = identities.map(() => 0);
  const deliver = (i: number, messages: Iterable<Uint8Array>): void => {
    for (const message of messages) session.receive(identities[i].id, message);
  };
  /** What every site answers to its next letter. */
  const answers = async (sites: readonly number[]): Promise<Uint8Array[][]> => {
    const all: Uint8Array[][] = [];
    for (const i of sites) {
      const letter = (await mailboxes.get(identities[i].id)!.take(seen[i], DEADLINE))!;
      seen[i] = letter.sequence;
      const step = await clients[i].receive(letter.body);
      assert.equal(step.kind, "next");
      all.push([...step.outbound]);
    }
    return all;
  };
  const everybody = identities.map((_, i) => i).reverse(); // those that nobody waits for speak first
  for (const i of everybody) deliver(i, [clients[i].begin()]);
  const shares = await answers(everybody);
  everybody.forEach((i, at) => deliver(i, shares[at]));
  const uploads = new Map<number, Uint8Array[]>();
  const masked = await answers(everybody);
  everybody.forEach((i, at) => uploads.set(i, masked[at]));
  const stalled = [0, 1, 2, 3, 4, 5, 10, 11];
  const lively = [6, 7, 8, 9];

  for (const i of stalled) deliver(i, uploads.get(i)!.slice(0, 1));
  time = DEADLINE / 4 - 1;
  assert.throws(
    () => deliver(lively[0], uploads.get(lively[0])!),
    isBusy,
    "before the limit nobody is put out",
  );
  time = DEADLINE / 4;
  for (const i of lively) deliver(i, uploads.get(i)!);

  // One place is free for each release: another vector does not get it, the same one does.
  const changed = uploads.get(0)![0].slice();
  changed[changed.length - 1] ^= 1;
  assert.throws(
    () => session.receive(identities[0].id, changed),
    (error: unknown) => error instanceof SecAggError && error.reason === "conflicting_message",
  );
  assert.throws(
    () => deliver(0, uploads.get(0)!.slice(1)),
    (error: unknown) => error instanceof SecAggError && error.reason === "incomplete_vector",
    "released chunks are gone",
  );
  for (const i of stalled.slice(0, 6)) deliver(i, uploads.get(i)!);

  const survivors = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let phase = 0; phase < 2; phase++) {
    const messages = await answers(survivors);
    survivors.forEach((i, at) => deliver(i, messages[at]));
  }
  const outcome = await round.running;
  assert.ok(outcome.kind === "sum");
  assert.deepEqual(outcome.survivors, survivors.map((i) => identities[i].id));
  assert.ok(outcome.sum.every((value) => value === 45));
  assert.equal(session.missing.size, 0);
  await round.close();
});
