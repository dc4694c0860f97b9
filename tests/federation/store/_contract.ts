import assert from "node:assert/strict";
import fc from "fast-check";
import type { Store } from "../../../src/federation/store/mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const fenced = { code: "StoreError", details: { reason: "fenced" } };
const isFenced = (error: Error & { code?: string; details?: { reason?: string } }) =>
  error.code === fenced.code && error.details?.reason === "fenced";

/** The contract of {@link Store}: every step holds for each implementation. `open` gives another handle on the same data. */
export async function storeContract(t: Deno.TestContext, open: () => Promise<Store>): Promise<void> {
  const store = await open();
  const other = await open();
  try {
    await t.step("documents are read as written, replaced, removed and listed by code point", async () => {
      assert.equal(await store.get("d", "absent"), undefined);
      const key = fc.string({ unit: "grapheme-composite", maxLength: 12 }).filter((k) => !k.includes("\0"));
      await fc.assert(
        fc.asyncProperty(key, fc.uint8Array({ maxLength: 300 }), async (name, value) => {
          await store.put("p", name, value);
          assert.deepEqual(await other.get("p", name), new Uint8Array(value));
        }),
        { numRuns: 40 },
      );
      for (const name of ["b", "a", "B", "é", "aa"]) await store.put("k", name, bytes(name));
      assert.deepEqual(await other.keys("k"), ["B", "a", "aa", "b", "é"]);
      await store.delete("k", "aa");
      await store.delete("k", "aa");
      assert.deepEqual(await other.keys("k"), ["B", "a", "b", "é"]);
    });

    await t.step(
      "update() loses no change of anybody, and a change that throws changes nothing",
      async () => {
        const add = (old: Uint8Array | undefined) => bytes(String(Number(text(old) ?? "0") + 1));
        await Promise.all(
          Array.from({ length: 60 }, (_, i) => (i % 2 ? store : other).update("u", "n", add)),
        );
        assert.equal(text(await store.get("u", "n")), "60");
        await assert.rejects(
          store.update("u", "n", () => {
            throw new RangeError("no");
          }),
          RangeError,
        );
        assert.equal(text(await store.update("u", "n", () => undefined)), "60");
      },
    );

    await t.step("transactions that wait together are each done as a whole or not at all", async () => {
      const no = () => {
        throw new RangeError("no");
      };
      const settled = await Promise.allSettled(
        Array.from({ length: 150 }, async (_, i) => {
          await store.append("g", [bytes(`${i}`)]);
          if (i % 3 === 0) await store.update("g", `${i}`, no);
          else await store.put("g", `${i}`, bytes(`${i}`));
        }),
      );
      assert.deepEqual(
        settled.map(({ status }) => status === "rejected"),
        settled.map((_, i) => i % 3 === 0),
      );
      assert.equal((await other.keys("g")).length, 100);
      const entries = (await other.read("g", 0, 1000)).map(({ body }) => Number(text(body)));
      assert.deepEqual(entries.sort((a, b) => a - b), settled.map((_, i) => i));
    });

    await t.step(
      "entries of any size, whole or in pieces, come back as they were written, in order",
      async () => {
        const large = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * 31 + seed);
        const sizes = [0, 3, 16_383, 16_384, 300_001];
        const bodies = sizes.map((length, i) => i % 2 ? [large(5, i), large(length, i)] : large(length, i));
        const copies = bodies.map((body) =>
          body instanceof Uint8Array ? body : Uint8Array.of(...body[0], ...body[1])
        );
        await store.append("sizes", bodies.slice(0, 4), undefined, "process");
        await store.append("sizes", bodies.slice(4));
        await Promise.all(
          [5, 6, 7].map((i) =>
            (i % 2 ? store : other).append("sizes", [large(100_000, i)], undefined, "process")
          ),
        );
        await store.tidy();
        const entries = await other.read("sizes", 0, 100);
        assert.deepEqual(entries.slice(0, 5).map(({ body }) => body), copies);
        assert.deepEqual(entries.slice(5).map(({ body }) => body[0]).sort(), [5, 6, 7]);
        assert.deepEqual((await store.read("sizes", 3, 1)).map(({ body }) => body.length), [16_389]);
        await store.trim("sizes", 4);
        assert.deepEqual((await other.read("sizes", 0, 1))[0].body, copies[4]);
        await store.forget("sizes");
        assert.deepEqual(await other.read("sizes", 0, 100), []);
        await store.append("sizes", [large(100_000, 8)]);
        assert.deepEqual((await other.read("sizes", 0, 9)).map(({ sequence, body }) => [sequence, body[0]]), [
          [1, 8],
        ]);
      },
    );

    await t.step("a stream that is forgotten leaves nothing, and only its leader may forget it", async () => {
      const fence = (await store.acquire("forget", "me", 60_000))!;
      await store.append("f", [bytes("a"), bytes("b")], fence);
      await assert.rejects(store.forget("f", { ...fence, token: fence.token - 1 }), isFenced);
      assert.equal(await other.newest("f"), 2);
      await store.forget("f", fence);
      assert.equal(await other.newest("f"), 0);
      assert.deepEqual(await other.read("f", 0, 10), []);
    });

    await t.step("a log keeps order, numbers each entry once, and never reuses a number", async () => {
      assert.equal(await store.newest("l"), 0);
      assert.equal(await store.append("l", [bytes("a"), bytes("b")]), 2);
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).append("l", [bytes(`${i}`)])),
      );
      const all = await other.read("l", 0, 100);
      assert.deepEqual(all.map(({ sequence }) => sequence), Array.from({ length: 22 }, (_, i) => i + 1));
      assert.deepEqual(new Set(all.slice(2).map(({ body }) => text(body))).size, 20);
      assert.deepEqual((await store.read("l", 20, 1)).map(({ sequence }) => sequence), [21]);
      await store.trim("l", 22);
      assert.deepEqual(await other.read("l", 0, 100), []);
      assert.equal(await other.append("l", [bytes("c")]), 23);
      assert.equal(await store.append("l", []), 23);
      assert.equal(await store.appendAfter("l", 22, [bytes("late")]), undefined);
      assert.equal(await store.appendAfter("l", 23, [bytes("d")]), 24);
      assert.equal(await store.appendAfter("fresh", 1, [bytes("x")]), undefined);
      const race = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? store : other).appendAfter("fresh", 0, [bytes("x")])),
      );
      assert.deepEqual(race.filter((sequence) => sequence !== undefined), [1]);
    });

    await t.step(
      "wait() wakes for another handle's entry, at once for an old one, and not for nothing",
      async () => {
        const waiting = store.wait("w", 0, 20_000);
        await other.append("w", [bytes("x")]);
        if (other !== store) assert.equal(await waiting, true);
        assert.equal(await other.wait("w", 0, 20_000), true);
        assert.equal(await store.wait("w", 1, 5), false);
        const stop = new AbortController();
        const aborted = store.wait("w", 1, 20_000, stop.signal);
        stop.abort();
        assert.equal(await aborted, false);
        assert.equal(await store.wait("w", 1, 20_000, stop.signal), false);
      },
    );

    await t.step("once() is true for one caller only, and again after its time", async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).once("nonce", "same", 60_000)),
      );
      assert.equal(answers.filter(Boolean).length, 1);
      assert.equal(await store.once("nonce", "other", 60_000), true);
      assert.equal(await store.once("elsewhere", "same", -1), true);
      await untilLater();
      assert.equal(await other.once("elsewhere", "same", 60_000), true);
    });

    await t.step("a lease has one holder, and a write with a lost fence changes nothing", async () => {
      const first = (await store.acquire("lead", "a", 60_000))!;
      assert.equal(await other.acquire("lead", "b", 60_000), undefined);
      assert.deepEqual(await store.acquire("lead", "a", 60_000), first);
      assert.equal(await store.renew(first, -1), true); // it expires
      await untilLater();
      const second = (await other.acquire("lead", "b", 60_000))!;
      assert.ok(second.token > first.token);
      assert.equal(await store.renew(first, 60_000), false);
      await store.put("f", "k", bytes("b"), second);
      await assert.rejects(store.put("f", "k", bytes("a"), first), isFenced);
      await assert.rejects(store.append("fl", [bytes("a")], first), isFenced);
      await assert.rejects(store.update("f", "k", () => bytes("a"), first), isFenced);
      await assert.rejects(store.delete("f", "k", first), isFenced);
      await assert.rejects(store.trim("fl", 9, first), isFenced);
      await assert.rejects(store.append("fl", [new Uint8Array(100_000)], first), isFenced);
      assert.equal(text(await store.get("f", "k")), "b");
      assert.equal(await store.newest("fl"), 0);
      await store.release(first);
      assert.equal(await store.acquire("lead", "a", 60_000), undefined);
      await other.release(second);
      assert.ok((await store.acquire("lead", "a", 60_000))!.token > second.token);
    });

    await t.step("a job is worked on by one at a time, and a lost claim hands in nothing", async () => {
      for (const key of ["1", "0", "2"]) await store.enqueue("q", key, bytes(`job ${key}`));
      await store.enqueue("q", "0", bytes("another"));
      // The last one's time is over at once, so it must be taken when nobody else asks any more.
      const both = await Promise.all([store.claim("q", 60_000), other.claim("q", 60_000)]);
      const claimed = [...both, await store.claim("q", -1)];
      assert.deepEqual(new Set(claimed.map((job) => job!.key)).size, 3);
      assert.ok(claimed.every((job) => text(job!.payload) === `job ${job!.key}`));
      await untilLater();
      const late = claimed[2]!;
      const again = (await other.claim("q", 60_000))!;
      assert.equal(again.key, late.key);
      assert.equal(await other.claim("q", 60_000), undefined);
      assert.equal(await store.finish(late, bytes("late")), false);
      assert.equal(await other.finish(again, bytes("good")), true);
      assert.equal(await other.finish(again, bytes("twice")), false);
      assert.deepEqual((await store.results("q")).map(({ key, result }) => [key, text(result)]), [[
        late.key,
        "good",
      ]]);
      await store.drop("q");
      assert.deepEqual(await other.results("q"), []);
      assert.equal(await other.claim("q", 60_000), undefined);
    });
  } finally {
    await store.close();
    if (other !== store) await other.close();
  }
}

/** A store's clock counts milliseconds; this passes when it has moved on. */
async function untilLater(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
