import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { SITES } from "./_federation.ts";

/** What is killed in a run, and when; made from a seed alone. */
export interface Scenario {
  readonly kind: "aggregator" | "site" | "replica" | "postgres" | "random";
  /** Aggregators; more than one share a PostgreSQL server. */
  readonly aggregators: readonly string[];
  /** Sites with a process of their own. */
  readonly alone: readonly string[];
  /** Places at which processes kill themselves, see `_kill_preload.ts`. */
  readonly kills: Readonly<Record<string, readonly string[]>>;
  /** What is killed from outside, and at which request: of all, or of those to one path. */
  readonly outside: readonly { readonly at: number; readonly path?: string; readonly victim: string }[];
  readonly phaseDeadlineMs: number;
}

/** The PostgreSQL server as a victim. */
export const POSTGRES = "postgres";

/** Kinds in the order in which seeds take them; every third run walks the aggregator's journal. */
const KINDS = ["aggregator", "site", "replica", "aggregator", "postgres", "random"] as const;
/** Requests of a run without kills, about. */
const REQUESTS = 110;
/** So long that no phase ends for a process that is on its way up again, however busy the machine is. */
const PATIENT_MS = 600_000;
/** So short that a run which lost a site goes on soon. */
const SHORT_MS = 8_000;

/** The scenario of a seed. The n-th run of an aggregator dies first at the n-th write of its journal. */
export function scenarioOf(seed: number): Scenario {
  const random = new SeededRandom(seed);
  const between = (least: number, most: number) => least + random.integer(most - least + 1);
  const side = () => random.integer(2) === 0 ? "before" : "after";
  const kind = KINDS[seed % KINDS.length];
  const plain = {
    kind,
    aggregators: ["aggregator"],
    alone: [],
    kills: {},
    outside: [],
    phaseDeadlineMs: PATIENT_MS,
  };
  if (kind === "aggregator") {
    const record = 1 + Math.floor(seed / 3) % 90;
    const kills = [record, between(1, 40), between(1, 40)].map((k) => `store:${side()}:${k}`);
    return { ...plain, kills: { aggregator: kills } };
  }
  if (kind === "site") {
    const site = SITES[random.integer(SITES.length)];
    const place = () => {
      const what = ["file", "torn", "request"][random.integer(3)];
      return `${what}:${side()}:${between(1, what === "request" ? 18 : 9)}`;
    };
    return { ...plain, alone: [site], kills: { [site]: [place(), place()] }, phaseDeadlineMs: SHORT_MS };
  }
  if (kind === "replica") {
    const place = (most: number) => `store:${side()}:${between(1, most)}`;
    return {
      ...plain,
      aggregators: ["first", "second"],
      kills: { first: [place(90), place(40)], second: [place(90)] },
    };
  }
  if (kind === "postgres") {
    const at = [between(1, REQUESTS >> 1), between(1, REQUESTS)].sort((a, b) => a - b);
    return {
      ...plain,
      aggregators: ["first", "second"],
      outside: at.map((at) => ({ at, victim: POSTGRES })),
    };
  }
  const alone = [SITES[0], SITES[1]];
  const victims = ["aggregator", ...alone];
  const outside = [1, 2, 3].map(() => ({ at: between(1, REQUESTS), victim: victims[random.integer(3)] }))
    .sort((a, b) => a.at - b.at);
  return { ...plain, alone, outside, phaseDeadlineMs: SHORT_MS };
}
