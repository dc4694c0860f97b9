import assert from "node:assert/strict";
import { stepSequence } from "../../src/federation/letter_order.ts";
import { Mailbox } from "../../src/federation/mailbox.ts";
import { RoundLog } from "../../src/federation/round_log.ts";
import { RoundSession } from "../../src/federation/round_session.ts";
import { openStore, type Store } from "../../src/federation/store/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  enrolledHash,
  generateIdentity,
  type Identity,
  makeRoundConfig,
  SecAggClient,
  SecAggError,
} from "../../src/secure_agg/mod.ts";
import { DEADLINE, threeSites } from "./_three_sites.ts";

const SITES = 12;
const DIMENSION = 100;

/** A round of twelve sites with four chunks each; at most eight may upload at a time. */
async function openRound(options: { present?: number; now?: () => number; placeMs?: number } = {}) {
  const store = await openStore(":memory:");
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
  const session = await RoundSession.open({
    config,
    enrolled,
    order: new Uint8Array([7]),
    mailboxes,
    present: new Set([...mailboxes.keys()].slice(0, options.present)),
    phaseDeadlineMs: DEADLINE,
    uploadPlaces: 8,
    ...(options.now === undefined ? {} : { now: options.now }),
    ...(options.placeMs === undefined ? {} : { placeMs: options.placeMs }),
    log: new RoundLog(store, "round", undefined),
  });
  const clientOf = (identity: Identity, value: number): SecAggClient =>
    new SecAggClient({
      config,
      identity,
      enrolled,
      input: () => new Uint32Array(DIMENSION).fill(value),
    });
  const running = session.run(new AbortController().signal);
  const close = () => store.close();
  return { identities, mailboxes, session, clientOf, running, close };
}

const isBusy = (error: unknown): boolean => error instanceof FedKimError && error.code === "NetworkError";

Deno.test("admit() lets an upload wait for a place, so that nothing has to be sent twice", async () => {
  const round = await openRound();
  const { deliver, finish, uploads } = await atMaskedInput(round);
  const everybody = [...round.identities.keys()];
  const holding = new Set<number>();
  let most = 0;
  await Promise.all(everybody.map(async (i) => {
    for (const message of uploads.get(i)!) {
      const entered = await round.session.admit(round.identities[i].id);
      holding.add(i);
      most = Math.max(most, holding.size);
      await new Promise((resolve) => setTimeout(resolve, 0));
      // A commit gives the place back when it is taken, before it is on disk.
      if (message === uploads.get(i)!.at(-1)) holding.delete(i);
      await deliver(i, [message]); // never answered busy
      entered();
    }
  }));
  assert.equal(most, 8, "places are given out before the bytes come, and no more of them than there are");
  await finish(everybody);
  const outcome = await round.running;
  assert.ok(outcome.kind === "sum" && outcome.survivors.length === SITES);
  await round.close();
});

Deno.test("admit() sends a site away that finds no place in time, and lets everybody pass once the round is over", async () => {
  const round = await openRound({ placeMs: 1 });
  const { deliver, finish, uploads } = await atMaskedInput(round);
  for (let i = 0; i < 8; i++) await deliver(i, uploads.get(i)!.slice(0, 1));
  await assert.rejects(round.session.admit(round.identities[8].id), isBusy);
  (await round.session.admit(round.identities[0].id))(); // goes on with its upload
  for (let i = 0; i < 8; i++) await deliver(i, uploads.get(i)!.slice(1));
  for (let i = 8; i < SITES; i++) await deliver(i, uploads.get(i)!);
  const everybody = [...round.identities.keys()];
  await finish(everybody);
  assert.equal((await round.running).kind, "sum");
  (await round.session.admit(round.identities[8].id))();
  await round.close();
});

Deno.test("twelve sites that upload at once all get into the sum: a busy server is asked again", async () => {
  const { identities, mailboxes, session, clientOf, running, close } = await openRound();
  let busy = 0;
  const send = async (id: string, message: Uint8Array) => {
    for (;;) {
      try {
        return await session.receive(id, message);
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
    for (let after = stepSequence(1, "advertise_keys"); client.phase !== "done";) {
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

/** The sites of a round up to their masked vectors, whose messages the tests deliver as they like. */
async function atMaskedInput(round: Awaited<ReturnType<typeof openRound>>) {
  const { session, mailboxes, identities } = round;
  const clients = identities.map((identity, i) => round.clientOf(identity, i));
  const seen = identities.map(() => stepSequence(1, "advertise_keys"));
  const deliver = async (i: number, messages: Iterable<Uint8Array>): Promise<void> => {
    // What a session keeps is its own; a site sends the very same bytes again from its own copy.
    for (const message of messages) await session.receive(identities[i].id, message.slice());
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
  const phase = async (sites: readonly number[]): Promise<void> => {
    const messages = await answers(sites);
    for (const [at, i] of sites.entries()) await deliver(i, messages[at]);
  };
  /** The two phases after the masked vectors. */
  const finish = async (sites: readonly number[]): Promise<void> => {
    for (let left = 2; left > 0; left--) await phase(sites);
  };
  const everybody = identities.map((_, i) => i).reverse(); // those that nobody waits for speak first
  for (const i of everybody) await deliver(i, [clients[i].begin()]);
  await phase(everybody);
  const uploads = new Map<number, Uint8Array[]>();
  const masked = await answers(everybody);
  everybody.forEach((i, at) => uploads.set(i, masked[at]));
  return { deliver, finish, uploads };
}

Deno.test("eight stalled uploads give their places up: others go on, and the very same vectors may come again", async () => {
  let time = 0;
  // The last two sites are not believed to be there, so that no phase waits for them.
  const round = await openRound({ present: SITES - 2, now: () => time });
  const { session, identities } = round;
  const { deliver, finish, uploads } = await atMaskedInput(round);
  const stalled = [0, 1, 2, 3, 4, 5, 10, 11];
  const lively = [6, 7, 8, 9];

  for (const i of stalled) await deliver(i, uploads.get(i)!.slice(0, 1));
  time = DEADLINE / 4 - 1;
  await assert.rejects(
    deliver(lively[0], uploads.get(lively[0])!),
    isBusy,
    "before the limit nobody is put out",
  );
  time = DEADLINE / 4;
  for (const i of lively) await deliver(i, uploads.get(i)!);

  // One place is free for each release: another vector does not get it, the same one does.
  const changed = uploads.get(0)![0].slice();
  changed[changed.length - 1] ^= 1;
  await assert.rejects(
    session.receive(identities[0].id, changed),
    (error: unknown) => error instanceof SecAggError && error.reason === "conflicting_message",
  );
  await assert.rejects(
    deliver(0, uploads.get(0)!.slice(1)),
    (error: unknown) => error instanceof SecAggError && error.reason === "incomplete_vector",
    "released chunks are gone",
  );
  for (const i of stalled.slice(0, 6)) await deliver(i, uploads.get(i)!);

  const survivors = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  await finish(survivors);
  const outcome = await round.running;
  assert.ok(outcome.kind === "sum");
  assert.deepEqual(outcome.survivors, survivors.map((i) => identities[i].id));
  assert.ok(outcome.sum.every((value) => value === 45));
  assert.equal(session.missing.size, 0);
  await round.close();
});

Deno.test("an upload that goes on slowly keeps its place: it is given twice its longest pause, half a deadline at most", async () => {
  let time = 0;
  const round = await openRound({ now: () => time });
  const { deliver, finish, uploads } = await atMaskedInput(round);
  const slow = [0, 1, 2, 3, 4, 5, 6, 7];
  const [idle, pause] = [DEADLINE / 4, DEADLINE / 5];

  for (const i of slow) await deliver(i, uploads.get(i)!.slice(0, 1));
  time = pause;
  for (const i of slow) await deliver(i, uploads.get(i)!.slice(1, 2));
  time = pause + idle;
  await assert.rejects(deliver(8, uploads.get(8)!), isBusy, "later than the limit, but within its pace");
  time = pause + 2 * pause;
  await deliver(8, uploads.get(8)!);
  // One place was given away; those that go on are still taken where they were.
  for (const i of slow.slice(1)) await deliver(i, uploads.get(i)!.slice(2));
  for (const i of [0, 9, 10, 11]) await deliver(i, uploads.get(i)!);
  const everybody = round.identities.map((_, i) => i);
  await finish(everybody);
  const outcome = await round.running;
  assert.ok(outcome.kind === "sum" && outcome.survivors.length === SITES);
  await round.close();
});

Deno.test("bytes of a chunk that is under way keep an upload's place, for half a deadline after its last chunk at most", async () => {
  let time = 0;
  const round = await openRound({ now: () => time, placeMs: 1 });
  const { deliver, finish, uploads } = await atMaskedInput(round);
  const slow = [0, 1, 2, 3, 4, 5, 6, 7];
  const arriving = (): void => slow.forEach((i) => round.session.arriving(round.identities[i].id));
  const idle = DEADLINE / 4;

  for (const i of slow) await deliver(i, uploads.get(i)!.slice(0, 1));
  time = idle - 1;
  arriving();
  time = 2 * idle - 2;
  arriving();
  await assert.rejects(deliver(8, uploads.get(8)!), isBusy, "silent for less than the limit");
  time = 3 * idle - 3;
  arriving();
  await assert.rejects(deliver(8, uploads.get(8)!), isBusy, "half a deadline and the limit are not over");
  time = 3 * idle;
  arriving();
  await deliver(8, uploads.get(8)!); // bytes that never become a chunk hold no place for ever
  round.session.arriving("nobody");
  for (const i of round.identities.keys()) if (i !== 8) await deliver(i, uploads.get(i)!);
  const everybody = [...round.identities.keys()];
  await finish(everybody);
  const outcome = await round.running;
  assert.ok(outcome.kind === "sum" && outcome.survivors.length === SITES);
  await round.close();
});

/** A store whose next append waits, and then fails where it shall. */
function slowStore(store: Store): { store: Store; held: () => number; release: (fails?: boolean) => void } {
  const waiting: ((fails: boolean) => void)[] = [];
  return {
    held: () => waiting.length,
    release: (fails = false) => waiting.shift()!(fails),
    store: new Proxy(store, {
      get(target, name) {
        if (name !== "append") {
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        }
        return async (...args: Parameters<Store["append"]>) => {
          const fails = await new Promise<boolean>((resolve) => waiting.push(resolve));
          if (fails) throw new FedKimError("StoreError", "The disk is full.");
          return await target.append(...args);
        };
      },
    }),
  };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
};

Deno.test("nothing leaves before what it depends on is durable: neither the order, nor an answer, nor the next letter", async () => {
  const memory = await openStore(":memory:");
  const slow = slowStore(memory);
  const round = threeSites(16);
  const boxes = round.mailboxes();
  const opening = round.open(boxes, slow.store);
  await turns();
  assert.equal(await boxes.get("a")!.take(0, 0), undefined, "no order before it is on disk");
  slow.release();
  const session = await opening;
  assert.equal((await boxes.get("a")!.take(0, 0))?.kind, "round");
  const stop = new AbortController();
  const running = session.run(stop.signal);
  let answered = 0;
  const sent = round.clients.map((client, i) =>
    session.receive(round.identities[i].id, client.begin()).then(() => answered++)
  );
  await turns();
  assert.equal(answered, 0, "no answer before the message is on disk");
  const order = stepSequence(1, "advertise_keys");
  slow.release();
  await turns();
  assert.ok(answered > 0);
  assert.equal(await boxes.get("a")!.take(order, 0), undefined, "no roster before the close is on disk");
  slow.release();
  await Promise.all(sent);
  await turns();
  assert.equal((await boxes.get("a")!.take(order, 0))?.kind, "secagg");
  stop.abort(new Error("over"));
  await assert.rejects(running, /over/);
  await memory.close();
});

Deno.test("a session whose log cannot be written takes nothing more and ends, and what was durable can be carried on", async () => {
  const memory = await openStore(":memory:");
  const slow = slowStore(memory);
  const round = threeSites(16);
  const opening = round.open(round.mailboxes(), slow.store);
  await turns();
  slow.release();
  const session = await opening;
  const running = session.run(new AbortController().signal);
  const first = session.receive("a", round.clients[0].begin());
  await turns();
  slow.release(true);
  await assert.rejects(first, { code: "StoreError" });
  await assert.rejects(running, { code: "StoreError" });
  await assert.rejects(session.receive("b", round.clients[1].begin()), { code: "StoreError" });
  const boxes = round.mailboxes();
  const again = await round.open(boxes, memory);
  assert.deepEqual(again.progress.answered, []);
  const letter = await boxes.get("a")!.take(0, 0);
  assert.deepEqual([letter?.sequence, [...letter!.body]], [stepSequence(1, "advertise_keys"), [7]]);
  await memory.close();
});

Deno.test("a session that is opened anew after every single event gives the same letters and the exact sum", async () => {
  const store = await openStore(":memory:");
  const round = threeSites(16);
  const { identities, clients } = round;
  const after = identities.map(() => 0);
  let boxes = round.mailboxes();
  let session = await round.open(boxes, store);
  let stop = new AbortController();
  let running = session.run(stop.signal).catch(() => undefined);
  let restarts = 0;
  const restart = async () => {
    stop.abort(new Error("killed"));
    await running;
    boxes = round.mailboxes();
    session = await round.open(boxes, store);
    stop = new AbortController();
    running = session.run(stop.signal).catch(() => undefined);
    restarts++;
  };
  while (clients.some((client) => client.phase !== "done")) {
    for (const [i, { id }] of identities.entries()) {
      const letter = await boxes.get(id)!.take(after[i], 0);
      if (letter === undefined) continue;
      after[i] = letter.sequence;
      const step = letter.kind === "round"
        ? { kind: "next", outbound: [clients[i].begin()] } as const
        : await clients[i].receive(letter.body);
      assert.equal(step.kind, "next");
      for (const message of step.outbound) {
        await session.receive(id, message);
        const last = identities.every((other) => session.progress.answered.includes(other.id));
        if (session.progress.phase === "unmask" && last) break;
        await restart();
        // The answer was lost with the process: the site sends the same message again.
        await session.receive(id, message);
      }
    }
    await turns();
  }
  const outcome = await running;
  assert.ok(outcome?.kind === "sum");
  assert.ok(outcome.sum.every((value) => value === 6));
  assert.ok(restarts >= 3 * 5, `${restarts} restarts`);
  await store.close();
});
