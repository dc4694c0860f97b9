import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { EnrollmentBook } from "../../../src/federation/mod.ts";
import { SITES } from "./_round.ts";
import type { LeastPrivilege } from "./_verbs.ts";

/** Everything below a folder: path, whether it is a folder, permission bits. */
async function walk(dir: string): Promise<{ path: string; folder: boolean; mode: number }[]> {
  const found: { path: string; folder: boolean; mode: number }[] = [];
  const { mode } = await Deno.stat(dir);
  found.push({ path: dir, folder: true, mode: mode! & 0o777 });
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = `${dir}/${name}`;
    if (isDirectory) found.push(...await walk(path));
    else found.push({ path, folder: false, mode: (await Deno.stat(path)).mode! & 0o777 });
  }
  return found;
}

/** After a whole round: who may read the state folders, and where keys stand. */
export async function inspectHost(user: LeastPrivilege, dir: string): Promise<void> {
  for (const part of ["aggregator", "sites"]) {
    for (const { path, folder, mode } of await walk(`${dir}/${part}`)) {
      assert.equal(mode, folder ? 0o700 : 0o600, `${path} has the mode ${mode.toString(8)}`);
    }
  }
  const keys: string[] = [];
  for (const owner of ["aggregator", ...SITES.map((site) => `sites/${site}`)]) {
    keys.push(JSON.parse(await Deno.readTextFile(`${dir}/${owner}/identity.json`)).privateKey);
  }
  assert.ok(keys.every((key) => /^[0-9a-f]{64}$/.test(key)) && new Set(keys).size === keys.length);
  const store = await EnrollmentBook.open(`${dir}/aggregator`);
  await store.close();
  for (
    const { path, folder } of [
      ...await walk(`${dir}/run`),
      ...await walk(`${dir}/sites`),
      ...await walk(`${dir}/aggregator`),
    ]
  ) {
    if (folder || path.endsWith("/identity.json")) continue;
    const bytes = await Deno.readFile(path);
    for (const key of keys) {
      assert.ok(!holds(bytes, new TextEncoder().encode(key)), `${path} holds a private key as text`);
      assert.ok(!holds(bytes, Uint8Array.fromHex(key)), `${path} holds the bytes of a private key`);
    }
  }
  for (const text of [...user.printed, ...user.commands]) {
    for (const key of keys) assert.ok(!text.includes(key), "a private key in an output or an argument");
  }
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  return new Uint8Array(buffer, byteOffset, length).length >= part.length &&
    Buffer.from(buffer, byteOffset, length).includes(part);
}
