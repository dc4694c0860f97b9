import assert from "node:assert/strict";
import type { SimulationOptions } from "../../src/secure_agg/mod.ts";
import { testRandom } from "./_harness.ts";
import { reports } from "./_simulation.ts";

const RECORD = new URL("./record/simulation.json", import.meta.url);

/** One of each: all honest, late dropouts, lies of each kind, and so many sites that most rosters are not read. */
const COHORTS: Readonly<Record<string, Partial<SimulationOptions>>> = {
  "eight honest sites": {},
  "lies of each kind, then without the liars": { sites: 12, byzantine: 3, rounds: 2 },
  "late dropouts of the curious profile": { sites: 12, drop: 2, profile: "curious" },
  "a late dropout of the default profile, picked from the end": {
    ...{ sites: 10, drop: 1, byzantine: 1, profile: "default", dimension: 700 },
    pick: (n) => n - 1,
  },
  "too many dropouts": { sites: 9, drop: 4 },
  "more sites than rosters are read in full": { sites: 103, profile: "curious", dimension: 20 },
};

/**
 * What the simulation says by a clock that ticks once a reading, with random bytes that are always the same: so every
 * second that is charged, to whom, and in which phase, is a number that can be compared.
 */
async function figures(options: Partial<SimulationOptions>): Promise<unknown> {
  const { getRandomValues } = crypto;
  const random = testRandom("simulation");
  crypto.getRandomValues =
    ((target: Uint8Array) => (target.set(random(target.length)), target)) as typeof getRandomValues;
  try {
    let ticks = 0;
    const progress: Record<string, number> = {};
    const rounds = await reports({
      ...options,
      clock: () => ++ticks,
      progress: (round, phase, done, total) => progress[`${round} ${phase} of ${total}`] = done,
    });
    return JSON.parse(JSON.stringify({ ticks, progress, rounds }));
  } finally {
    crypto.getRandomValues = getRandomValues;
  }
}

if (import.meta.main) {
  const rows: string[] = [];
  for (const [name, options] of Object.entries(COHORTS)) {
    rows.push(`${JSON.stringify(name)}: ${JSON.stringify(await figures(options))}`);
  }
  await Deno.writeTextFile(RECORD, `{\n${rows.join(",\n")}\n}\n`);
} else {
  const record = JSON.parse(Deno.readTextFileSync(RECORD)) as Readonly<Record<string, unknown>>;
  for (const [name, options] of Object.entries(COHORTS)) {
    Deno.test(`the figures of a simulated round as recorded: ${name}`, async () => {
      assert.deepEqual(await figures(options), record[name]);
    });
  }
}
