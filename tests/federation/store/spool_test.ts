import assert from "node:assert/strict";
import { join } from "node:path";
import { openStore } from "../../../src/federation/store/mod.ts";
import { storeContract } from "./_contract.ts";
import { fill, fullDiskTest } from "../operations/_full_disk.ts";

const large = (seed: number) => new Uint8Array(100_000).fill(seed);

/** A fresh folder with a store's path in it, and where its large bodies lie. */
async function withFolder(
  body: (path: string, spool: string, files: () => string[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "store.sqlite");
  const spool = `${path}-spool`;
  await body(path, spool, () => [...Deno.readDirSync(spool)].map(({ name }) => name));
  await Deno.remove(folder, { recursive: true });
}

const seeds = (entries: readonly { readonly body: Uint8Array }[]) => entries.map(({ body }) => body[0]);

Deno.test("a store in memory keeps the contract, without a file", async (t) => {
  const store = openStore(":memory:");
  await storeContract(t, () => store);
});

Deno.test("a large body is in a file of its owner alone, and small ones are not", async () => {
  await withFolder(async (path, spool, files) => {
    const store = await openStore(path);
    await store.append("s", [new Uint8Array(1000)]);
    await assert.rejects(Deno.stat(spool), Deno.errors.NotFound);
    await store.append("s", [large(1)]);
    await store.append("s", [large(2)], undefined, "process");
    assert.equal(files().length, 1);
    assert.equal((await Deno.stat(spool)).mode! & 0o777, 0o700);
    assert.equal((await Deno.stat(join(spool, files()[0]))).mode! & 0o777, 0o600);
    await store.forget("s");
    assert.deepEqual(files(), [], "what was summed is gone from the disk");
    await store.close();
  });
});

Deno.test("tidy() removes what a killed process has left behind, and nothing that an entry needs", async () => {
  await withFolder(async (path, spool, files) => {
    const first = await openStore(path);
    await first.append("kept", [large(1)]);
    await first.close();
    const kept = files();
    await Deno.writeFile(join(spool, crypto.randomUUID()), large(9));
    const store = await openStore(path);
    await store.append("new", [large(2)], undefined, "process");
    await store.tidy();
    assert.ok(files().length === 2 && files().includes(kept[0]));
    assert.deepEqual(seeds(await store.read("kept", 0, 9)), [1]);
    assert.deepEqual(seeds(await store.read("new", 0, 9)), [2]);
    const fence = (await store.acquire("lead", "me", 60_000))!;
    await assert.rejects(store.tidy({ ...fence, token: fence.token + 1 }), { code: "StoreError" });
    await store.close();
  });
});

Deno.test("kill -9 while large bodies are written: every entry that is there is whole, and all acknowledged ones are there", async () => {
  await withFolder(async (path, _, files) => {
    const module = new URL("../../../src/federation/store/mod.ts", import.meta.url).href;
    const script = `${path}.ts`;
    await Deno.writeTextFile(
      script,
      `import { openStore } from ${JSON.stringify(module)};
      const store = await openStore(${JSON.stringify(path)});
      const append = async (i) => {
        const bodies = [new Uint8Array(1_000_000).fill(i), new Uint8Array(70_000).fill(i)];
        await store.append("s", bodies, undefined, i % 3 ? "process" : "power");
        console.log(i);
      };
      for (let i = 0;; i += 2) await Promise.all([append(i), append(i + 1)]);`,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--config",
        new URL("../../../deno.json", import.meta.url).pathname,
        script,
      ],
      stdout: "piped",
    }).spawn();
    let told = "";
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      told += piece;
      if (told.split("\n").length > 20) {
        child.kill("SIGKILL");
        break;
      }
    }
    await child.status;
    const acknowledged = told.split("\n").slice(0, -1).length;
    const store = await openStore(path);
    await store.tidy();
    const entries = await store.read("s", 0, 10_000);
    assert.ok(entries.length >= 2 * acknowledged, `${entries.length} entries, ${acknowledged} acknowledged`);
    for (const [i, { sequence, body }] of entries.entries()) {
      assert.equal(sequence, i + 1);
      assert.equal(body.length, i % 2 ? 70_000 : 1_000_000);
      // Whoever appends at the same time may come first, but both of its entries do.
      assert.ok(body.every((byte) => byte === entries[i - i % 2].body[0]));
    }
    await store.append("s", [large(1)]);
    await store.forget("s");
    assert.deepEqual(files(), []);
    await store.close();
  });
});

/** What a loss of power may leave of a file: everything up to `whole`, and nothing or zeros after it. */
async function losePower(path: string, whole: number, how: "short" | "zeros"): Promise<void> {
  using file = await Deno.open(path, { write: true });
  const { size } = await file.stat();
  await file.truncate(whole);
  if (how === "zeros") await file.truncate(size);
}

for (const how of ["short", "zeros"] as const) {
  Deno.test(`the loss of power (${how}) takes large bodies that nobody was told to survive it, and no others`, async () => {
    await withFolder(async (path, spool, files) => {
      const before = await openStore(path);
      await before.append("s", [large(1)], undefined, "process");
      await before.append("s", [new Uint8Array([2])]); // for power: takes the one before it along
      await before.append("s", [large(3)], undefined, "process");
      await before.append("s", [new Uint8Array([4])], undefined, "process");
      await before.close();
      await losePower(join(spool, files()[0]), 150_000, how);
      const store = await openStore(path);
      assert.deepEqual(seeds(await store.read("s", 0, 2)), [1, 2]);
      assert.deepEqual(seeds(await store.read("s", 0, 3)), [1, 2, 4], "a page is full where there is more");
      assert.equal(await store.append("s", [large(5)]), 5, "no number comes twice");
      assert.deepEqual(seeds(await store.read("s", 0, 9)), [1, 2, 4, 5]);
      await store.close();
    });
  });
}

Deno.test("a large body that was durable and is gone or changed is named, not left out", async () => {
  await withFolder(async (path, spool, files) => {
    const damaged = { code: "StoreError", details: { reason: "damaged" } };
    const before = await openStore(path);
    await before.append("s", [large(1)], undefined, "process");
    await before.append("s", [new Uint8Array([2])]);
    await before.close();
    const store = await openStore(path);
    using file = await Deno.open(join(spool, files()[0]), { write: true });
    await file.seek(50_000, Deno.SeekMode.Start);
    await file.write(new Uint8Array([7]));
    const isDamaged = (error: { code?: string; details?: { reason?: string } }) =>
      error.code === damaged.code && error.details?.reason === "damaged";
    await assert.rejects(store.read("s", 0, 9), isDamaged);
    await Deno.remove(join(spool, files()[0]));
    await assert.rejects(store.read("s", 0, 9), isDamaged);
    await store.close();
  });
});

fullDiskTest(
  "on a full disk a large body is refused, leaves no bytes, and the next one is whole",
  async (dir) => {
    const store = await openStore(`${dir}/store.sqlite`);
    await store.append("s", [large(1)], undefined, "process");
    fill(dir);
    await assert.rejects(store.append("s", [new Uint8Array(3_000_000)], undefined, "process"), {
      code: "StoreError",
      message: /No space left/,
    });
    await Deno.remove(`${dir}/filler`);
    await store.append("s", [large(2)], undefined, "process");
    await store.append("s", [new Uint8Array([3])]);
    await store.close();
    const [{ name }] = [...Deno.readDirSync(`${dir}/store.sqlite-spool`)];
    assert.equal((await Deno.stat(`${dir}/store.sqlite-spool/${name}`)).size, 200_000);
    const again = await openStore(`${dir}/store.sqlite`);
    assert.deepEqual(seeds(await again.read("s", 0, 9)), [1, 2, 3]);
    await again.close();
  },
);
