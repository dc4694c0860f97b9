import { openCluster } from "../../tests/_postgres.ts";
import { runStorm } from "../../tests/chaos/_storm.ts";
import type { Topology } from "../../tests/chaos/_storm_schedule.ts";
import type { ChaosPlace } from "./kills.ts";
import { type Life, stormTable } from "./storm_summary.ts";

/** Longest life of one federation, minutes; then one of the other topology is enrolled. */
const LIFE_MINUTES = 5;
/** No life is begun for less. */
const SHORTEST_MINUTES = 0.5;
/** Longest time between two events, milliseconds. */
const PACE_MS = 8_000;

/**
 * One storm after the other until the time is over, by turns over a federation with SQLite and over two replicas with
 * PostgreSQL. @returns true where every law held
 */
export async function storms(
  { folder, data, record }: ChaosPlace,
  { minutes, seed }: { readonly minutes: number; readonly seed: number },
): Promise<boolean> {
  const cluster = await openCluster();
  const topologies: readonly Topology[] = cluster === undefined ? ["sqlite"] : ["sqlite", "postgres"];
  const lives: Life[] = [];
  const started = performance.now();
  const left = () => minutes - (performance.now() - started) / 60_000;
  console.log(JSON.stringify({ seed, minutes, topologies }));
  try {
    for (let life = 0; life === 0 || left() > SHORTEST_MINUTES; life++) {
      const topology = topologies[(seed + life) % topologies.length];
      const own = { seed: seed + life, topology, minutes: Math.min(LIFE_MINUTES, left()) };
      const outcome = await runStorm({
        ...own,
        paceMs: PACE_MS,
        dir: `${folder}/${life}`,
        data,
        cluster,
        say: (line) => console.log(JSON.stringify({ seed: own.seed, ...line })),
      });
      lives.push({ ...own, outcome });
      console.log(JSON.stringify(lives.at(-1)));
      if (record !== undefined) await Deno.writeTextFile(record, stormTable(lives));
    }
    console.log(stormTable(lives));
    return true;
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    return false;
  } finally {
    await cluster?.remove();
  }
}
