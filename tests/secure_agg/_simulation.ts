import { simulate, type SimulatedRoundReport, type SimulationOptions } from "../../src/secure_agg/mod.ts";

/** Reports of a simulation, with a clock that stands still: bytes, memory and outcomes are then always the same. */
export async function reports(options: Partial<SimulationOptions>): Promise<SimulatedRoundReport[]> {
  const found: SimulatedRoundReport[] = [];
  const all = { sites: 8, dimension: 50, drop: 0, rounds: 1, profile: "strict" as const, byzantine: 0 };
  for await (const report of simulate({ ...all, pick: () => 0, clock: () => 0, ...options })) {
    found.push(report);
  }
  return found;
}
