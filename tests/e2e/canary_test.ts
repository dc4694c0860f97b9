import assert from "node:assert/strict";
import { join } from "node:path";
import { SITES, TestFederation } from "./_federation.ts";

/** A text and a number that occur nowhere by chance. */
const TEXT = "CANARY7Q";
const NUMBER = "103.71828459";

/** Puts the canaries into every record of a site: identifiers everywhere, a measured value where there are some. */
async function plant(site: string): Promise<{ texts: number; numbers: number }> {
  const planted = { texts: 0, numbers: 0 };
  for await (const { name } of Deno.readDir(site)) {
    const path = join(site, name, "records.jsonl");
    const text = (await Deno.readTextFile(path))
      .replace(/"(id|patient)":"/g, (match) => (planted.texts++, `${match}${TEXT}-`))
      .replace(/"vitals":\[\[[\d.]+/g, () => (planted.numbers++, `"vitals":[[${NUMBER}`));
    await Deno.writeTextFile(path, text);
  }
  return planted;
}

/** Files below a folder that hold a canary, as text or as little-endian floats. */
async function holders(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...await holders(path));
    else if (isFile && holdsCanary(await Deno.readFile(path))) found.push(path);
  }
  return found;
}

function holdsCanary(bytes: Uint8Array): boolean {
  const buffer = new Uint8Array(bytes);
  const text = new TextDecoder("latin1").decode(buffer);
  const float = (array: Float32Array | Float64Array) =>
    new TextDecoder("latin1").decode(new Uint8Array(array.buffer as ArrayBuffer));
  const wanted = [
    TEXT,
    NUMBER,
    float(Float32Array.of(Number(NUMBER))),
    float(Float64Array.of(Number(NUMBER))),
  ];
  return wanted.some((each) => text.includes(each));
}

Deno.test("a canary in every record is found nowhere outside the site's data folder", async () => {
  const federation = await TestFederation.create(await Deno.makeTempDir(), 1, 20_000);
  try {
    const { dir } = federation;
    for (const site of SITES) {
      const { texts, numbers } = await plant(`${dir}/data/${site}`);
      assert.ok(texts > 50 && numbers > 0, `${site}: ${texts} texts, ${numbers} numbers`);
    }
    assert.ok((await holders(`${dir}/data/${SITES[0]}`)).length >= 4, "the search finds what is there");
    federation.start();
    const { code, stdout, log } = await federation.finished();
    assert.equal(code, 0, log);
    const clean = (what: string, text: string) =>
      assert.ok(!holdsCanary(new TextEncoder().encode(text)), what);
    clean("the aggregator's log", log);
    clean("the aggregator's result", stdout);
    for (const { path, body } of federation.seen) assert.ok(!holdsCanary(body), `a body to ${path}`);
    assert.deepEqual(await holders(`${dir}/run`), []);
    assert.deepEqual(await holders(`${dir}/aggregator`), []);
    assert.deepEqual(await holders(`${dir}/sites`), []);
  } finally {
    await federation.close();
  }
});
