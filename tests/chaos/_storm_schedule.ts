import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { SITES } from "./_federation.ts";
import { POSTGRES } from "./_scenarios.ts";

/** How a federation keeps its state, and so who can be harmed. */
export type Topology = "sqlite" | "postgres";

/** Aggregators of a topology. */
export const AGGREGATORS: Readonly<Record<Topology, readonly string[]>> = {
  sqlite: ["aggregator"],
  postgres: ["first", "second"],
};

/** Disks of a federation: of the aggregators' state, of the run's folder, and one for each site. */
export const DISKS = ["aggregator", "run", ...SITES] as const;

/** How the network between sites and aggregators is broken until it heals. */
export type Partition =
  /** Connections end, and no new one opens. */
  | "cut"
  /** Connections end for the sites alone, and half of each request still arrives. */
  | "half_open"
  /** Nothing is lost and nothing passes: requests and answers wait. */
  | "delay";

/** What happens to a federation. */
export type StormEvent =
  | { readonly kind: "kill"; readonly victim: string }
  | { readonly kind: "partition"; readonly how: Partition; readonly sites: readonly string[] }
  | { readonly kind: "full_disk"; readonly disk: (typeof DISKS)[number] }
  /** The oldest partition or full disk is over. */
  | { readonly kind: "heal" };

/** An event, and what has to come before it. */
export interface Planned {
  readonly event: StormEvent;
  /** Least time since the event before, milliseconds. */
  readonly afterMs: number;
  /** True where a step is to end first, if it does so soon. */
  readonly afterStep: boolean;
}

/** Troubles at a time. */
const MOST_TROUBLES = 2;

/**
 * What happens, one after the other, without end: made from the seed alone, whatever becomes of the federation.
 * @param seed the seed
 * @param topology who can be killed
 * @param paceMs longest time between two events, milliseconds
 */
export function* stormOf(seed: number, topology: Topology, paceMs: number): Generator<Planned> {
  const random = new SeededRandom(seed);
  const oneOf = <T>(items: readonly T[]): T => items[random.integer(items.length)];
  const victims = [...AGGREGATORS[topology], ...AGGREGATORS[topology], ...SITES];
  if (topology === "postgres") victims.push(POSTGRES);
  const event = (troubles: number): StormEvent => {
    const kinds = ["kill", "kill", "partition", "partition", "full_disk"] as const;
    const kind = troubles === MOST_TROUBLES ? "heal" : oneOf([...kinds, ...(troubles > 0 ? HEALS : [])]);
    if (kind === "kill") return { kind, victim: oneOf(victims) };
    if (kind === "full_disk") return { kind, disk: oneOf(DISKS) };
    if (kind === "heal") return { kind };
    const how = oneOf(["cut", "half_open", "delay"] as const);
    // One site, two of them, or all.
    const count = oneOf([1, 1, 2, SITES.length]);
    const order = [...SITES];
    random.shuffle(order);
    return { kind, how, sites: order.slice(0, count) };
  };
  for (let troubles = 0;;) {
    const next = event(troubles);
    if (next.kind === "heal") troubles--;
    else if (next.kind !== "kill") troubles++;
    yield {
      event: next,
      afterMs: Math.round(random.next() * paceMs),
      afterStep: troubles === 0 && random.integer(2) === 0,
    };
  }
}

/** A trouble lasts about two events. */
const HEALS = ["heal", "heal", "heal", "heal"] as const;
