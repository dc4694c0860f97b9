import assert from "node:assert/strict";
import type { Mailbox } from "../../src/federation/mailbox.ts";
import { RoundLog } from "../../src/federation/round_log.ts";
import type { RoundOutcome, RoundSession } from "../../src/federation/round_session.ts";
import { openStore, type Store } from "../../src/federation/store/mod.ts";
import { threeSites } from "./_three_sites.ts";

const DIMENSION = 17_000;
/** Chunks of 24 kB, and a last one of 20 kB: they lie in files. */
const CHUNK = 6016;

Deno.test("an aggregator that restarts after every chunk goes on with half an upload, and leaves no vector on disk", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/store.sqlite`;
  const files = () => [...Deno.readDirSync(`${path}-spool`)].map(({ name }) => name);
  const { identities, clients, mailboxes, open } = threeSites(DIMENSION, CHUNK);
  let store: Store;
  let boxes: Map<string, Mailbox>;
  let session: RoundSession;
  let stop: AbortController;
  let running: Promise<RoundOutcome | undefined>;
  const start = async () => {
    store = await openStore(path);
    await store.tidy();
    boxes = mailboxes();
    session = await open(boxes, store);
    stop = new AbortController();
    running = session.run(stop.signal).catch(() => undefined);
  };
  await start();
  let restarts = 0;
  const after = identities.map(() => 0);
  while (clients.some((client) => client.phase !== "done")) {
    for (const [i, { id }] of identities.entries()) {
      const letter = await boxes!.get(id)!.take(after[i], 0);
      if (letter === undefined) continue;
      after[i] = letter.sequence;
      const step = letter.kind === "round"
        ? { kind: "next", outbound: [clients[i].begin()] } as const
        : await clients[i].receive(letter.body);
      assert.equal(step.kind, "next");
      for (const message of step.outbound) {
        await session!.receive(id, message.slice());
        if (session!.progress.phase !== "masked_input" || message.length < CHUNK) continue;
        stop!.abort(new Error("killed"));
        await running!;
        await store!.close();
        await Deno.writeFile(`${path}-spool/${crypto.randomUUID()}`, new Uint8Array(9)); // a torn body without a row
        await start();
        restarts++;
        // The answer was lost with the process: the site sends the same chunk again, and no file grows by it.
        assert.equal(await session!.receive(id, message.slice()), false, "it is known");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const outcome = await running!;
  assert.ok(outcome?.kind === "sum" && outcome.sum.every((value) => value === 6));
  assert.equal(restarts, 3 * Math.ceil(DIMENSION / CHUNK));
  assert.equal(files().length, restarts, "one file of each process, and nothing torn");
  await new RoundLog(store!, "round", undefined).trim();
  assert.deepEqual(files(), []);
  await store!.close();
  await Deno.remove(folder, { recursive: true });
});
