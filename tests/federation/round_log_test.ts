import assert from "node:assert/strict";
import { encodeMessage, type ServerEvent } from "../../src/secure_agg/mod.ts";
import { RoundLog } from "../../src/federation/round_log.ts";
import { openStore, type Store } from "../../src/federation/store/mod.ts";

const begun = { order: Uint8Array.of(1, 2), sites: ["a", "b"] };

/** The store, and the largest number of entries that one read has asked it for. */
function watched(store: Store): { readonly store: Store; readonly largest: () => number } {
  let largest = 0;
  const proxy = new Proxy(store, {
    get(target, name) {
      if (name !== "read") return (Reflect.get(target, name) as () => unknown).bind(target);
      return (stream: string, after: number, limit: number) => {
        largest = Math.max(largest, limit);
        return target.read(stream, after, limit);
      };
    },
  });
  return { store: proxy, largest: () => largest };
}

Deno.test("a step's log gives back what was recorded, in order, a few entries in memory at a time", async () => {
  const { store, largest } = watched(await openStore(":memory:"));
  const log = new RoundLog(store, "round", undefined);
  assert.equal(await log.order(), undefined);
  await log.begin(begun);
  const spoken = Array.from({ length: 50 }, (_, i): ServerEvent => {
    if (i % 10 === 9) return { kind: "close" };
    if (i % 10 === 5) return { kind: "release", clientId: `s${i}` };
    return { kind: "message", clientId: `s${i}`, bytes: new Uint8Array([i]) };
  });
  for (const event of spoken) log.record(event);
  await log.flush();
  const order = await log.order();
  assert.deepEqual([[...order!.order], order!.sites], [[1, 2], ["a", "b"]]);
  assert.deepEqual(await Array.fromAsync(log.events()), spoken);
  assert.ok(largest() <= 4, `${largest()} entries at once`);
  await store.close();
});

Deno.test("a log that was dropped leaves no row behind, not even its counter", async () => {
  const store = await openStore(":memory:");
  const log = new RoundLog(store, "round", undefined);
  await log.begin(begun);
  assert.ok(await log.begun());
  await log.trim();
  assert.equal(await log.begun(), false);
  assert.equal(await store.newest("round"), 0);
  await store.close();
});

Deno.test("chunks alone are kept for the process; with anything else, and after it, for a loss of power", async () => {
  const store = await openStore(":memory:");
  const kept: (string | undefined)[] = [];
  const noting = new Proxy(store, {
    get(target, name) {
      if (name !== "append") return (Reflect.get(target, name) as () => unknown).bind(target);
      return (...args: Parameters<Store["append"]>) => {
        kept.push(args[3]);
        return target.append(...args);
      };
    },
  });
  const log = new RoundLog(noting, "round", undefined);
  const chunk = encodeMessage({
    type: "masked_chunk",
    sid: new Uint8Array(32),
    index: 0,
    chunk: 0,
    payload: new Uint8Array(4),
  });
  const said = (bytes: Uint8Array): ServerEvent => ({ kind: "message", clientId: "a", bytes });
  await log.begin(begun);
  for (
    const events of [[said(chunk)], [said(chunk), { kind: "close" } as const], [said(Uint8Array.of(1))], [
      said(chunk),
    ]]
  ) {
    for (const event of events) log.record(event);
    await log.flush();
  }
  assert.deepEqual(kept, ["power", "process", "power", "power", "process"]);
  await store.close();
});
