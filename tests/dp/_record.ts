import assert from "node:assert/strict";
import { createHash } from "node:crypto";

/** Figures by name: numbers, texts, and lists and objects of them. */
export type Figures = Readonly<Record<string, () => unknown>>;

/** Where the figures of one part are kept. */
export function recordPath(part: string): URL {
  return new URL(`./record/${part}.json`, import.meta.url);
}

const ENGINE = new URL("./record/engine.txt", import.meta.url);

/** What the last bits of `Math.exp` and its like depend on: V8's version and the processor's architecture. */
function engine(): string {
  return `${Deno.version.v8} ${Deno.build.arch}\n`;
}

/** Whether the figures were recorded by this engine, so that every bit is the same. */
export function recordedHere(): boolean {
  return Deno.readTextFileSync(ENGINE) === engine();
}

/** Notes that this engine has recorded all figures. */
export function writeEngine(): void {
  Deno.writeTextFileSync(ENGINE, engine());
}

/** SHA-256 of the bytes of a list of numbers: equal only for equal bits. */
export function bitsOf(list: Uint32Array | Int32Array | Float64Array): string {
  const bytes = new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * One test for each figure: it is what was recorded when it was last checked against the golden file, to the last bit on
 * the engine that recorded it. Elsewhere numbers may differ by one part in 10^10, which no change of a method or of a
 * constant that matters stays below; texts not at all.
 */
export function testRecord(part: string, figures: Figures): void {
  const record = JSON.parse(Deno.readTextFileSync(recordPath(part))) as Readonly<Record<string, unknown>>;
  const exactly = recordedHere();
  for (const [name, figure] of Object.entries(figures)) {
    Deno.test(`${part} as recorded: ${name}`, async () => {
      const found = plain(await figure());
      if (exactly) assert.deepEqual(found, record[name]);
      else agrees(found, record[name], name);
    });
  }
  Deno.test(`${part}: every recorded figure has a test`, () => {
    assert.deepEqual(Object.keys(figures), Object.keys(record));
  });
}

/** As JSON keeps it; what is not finite as text. */
export function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(
      value,
      (_, item) => typeof item === "number" && !Number.isFinite(item) ? String(item) : item,
    ) ?? "null",
  );
}

function agrees(found: unknown, recorded: unknown, name: string): void {
  if (typeof found === "number" && typeof recorded === "number") {
    const gap = Math.abs(found - recorded);
    // Rounding noise of a transform is a number whose digits mean nothing.
    const allowed = name.endsWith(".transformNoise") ? 0.2 : 1e-10;
    assert.ok(gap <= allowed * Math.abs(recorded), `${name}: ${found}, recorded ${recorded}`);
  } else if (typeof found === "object" && found !== null) {
    assert.deepEqual(Object.keys(found), Object.keys(recorded ?? {}), name);
    for (const [key, item] of Object.entries(found)) {
      agrees(item, (recorded as Record<string, unknown>)[key], `${name}.${key}`);
    }
  } else assert.equal(found, recorded, name);
}
