import assert from "node:assert/strict";
import { type ErrorCode, FedKimError } from "../../src/formats/errors.ts";

/** Path of a file that another program wrote. */
export function fixture(name: string): string {
  return new URL(`fixtures/${name}`, import.meta.url).pathname;
}

/** Runs a test in a folder of its own that is removed afterwards. */
export async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "fedkim-import-" });
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The promise must fail with a typed error of this code whose message contains every text. */
export async function refuses(promise: Promise<unknown>, code: ErrorCode, ...texts: string[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof FedKimError, `not a FedKimError: ${error}`);
    assert.equal(error.code, code, error.message);
    for (const text of texts) assert.ok(error.message.includes(text), `${error.message} lacks ${text}`);
    return true;
  });
}

/** As {@link refuses} for a function that throws at once. */
export async function throwsTyped(call: () => unknown, code: ErrorCode, ...texts: string[]): Promise<void> {
  await refuses((async () => await call())(), code, ...texts);
}

/** Compresses with the platform's gzip. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A task's texts, which no test looks at. */
export function taskText(name: string, ...modalities: string[]): Record<string, unknown> {
  return { name, question: "?", description: "d", modalities, modalityDescription: "m" };
}

/** A set's texts, which no test looks at. */
export const SET = { name: "set", licence: "test", privacyUnit: "patient" } as const;

/** Sum of numbers. */
export function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
