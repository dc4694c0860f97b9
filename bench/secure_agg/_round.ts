import {
  type CohortParams,
  fastestEngine,
  graphParams,
  SecAggClient,
  SecAggServer,
} from "../../src/secure_agg/mod.ts";
import { type BenchCohort, benchCohort } from "./_cohort.ts";
import { cpuOf } from "./_measure.ts";
import { between, measureYardstick, type Yardstick } from "./_yardstick.ts";

/** CPU seconds of the parts of a round, all parties in one process. */
export interface RoundCost {
  /** All clients together. */
  readonly clients: number;
  /** The server. */
  readonly server: number;
  /** Bytes one surviving client sent and received, the vector left out. */
  readonly overheadBytes: number;
}

/**
 * Runs a whole round in memory, checks the sum, and splits its CPU time. The first `drops` sites drop after sharing.
 * Each phase is timed side by side, not message by message: asking for the time costs as much as a small message.
 */
export async function measureRound(c: BenchCohort, drops: number): Promise<RoundCost> {
  const engine = fastestEngine();
  const { config, ids } = c;
  // Every party pins keys of its own: an imported key is found again by the array it came in.
  const pinned = () => new Map([...c.enrolled].map(([id, key]) => [id, key.slice()]));
  const { dimension } = config;
  let [clientTime, serverTime, overheadBytes] = [0, 0, 0];
  const atClients = async (run: () => unknown): Promise<number> => clientTime += await cpuOf(run);
  const atServer = async (run: () => unknown): Promise<number> => serverTime += await cpuOf(run);
  const server = new SecAggServer({ config, enrolled: pinned(), engine });
  const last = ids.length - 1;
  const note = (i: number, bytes: Uint8Array): void => {
    if (i === last && bytes.length < 4 * dimension) overheadBytes += bytes.length;
  };
  const vectors = ids.map((_, i) => new Uint32Array(dimension).fill(i + 1)); // the sites' own work
  const enrolled = ids.map(pinned);
  let clients: SecAggClient[] = [];
  let sent: { readonly i: number; readonly bytes: Uint8Array }[] = [];
  const deliver = (): void => {
    for (const { i, bytes } of sent) {
      note(i, bytes);
      if (server.receive(ids[i].id, bytes).kind !== "accepted") throw new Error("a message was refused");
    }
    sent = [];
  };
  await atClients(() => {
    clients = ids.map((identity, i) =>
      new SecAggClient({ config, identity, enrolled: enrolled[i], input: () => vectors[i], engine })
    );
    sent = clients.map((client, i) => ({ i, bytes: client.begin() }));
  });
  for (;;) {
    let told: { readonly i: number; readonly bytes: Uint8Array }[] = [];
    await atServer(async () => {
      deliver();
      await server.close();
      if (server.error !== undefined) throw server.error;
      const present = [...ids.keys()].filter((i) => i >= drops || server.phase === "share_keys");
      told = present.map((i) => ({ i, bytes: server.outboundFor(ids[i].id)! }));
    });
    if (server.phase === "finished") break;
    await atClients(async () => {
      for (const { i, bytes } of told) {
        note(i, bytes);
        const step = await clients[i].receive(bytes);
        for (const out of step.outbound) sent.push({ i, bytes: out });
      }
    });
  }
  const expected = ids.reduce((sum, _, i) => i < drops ? sum : sum + i + 1, 0);
  if (!server.result!.sum.every((value) => value === expected)) throw new Error("the sum is wrong");
  return { clients: clientTime, server: serverTime, overheadBytes };
}

/** Names of the graphs that rounds of a hundred sites are measured on. */
export type RoundGraph = "full" | "ring";

/** Graph and threshold of a hundred sites: the ring is what long vectors get. */
export const roundParams = (graph: RoundGraph): CohortParams =>
  graphParams({ n: 100, profile: "strict", dimension: graph === "full" ? 0 : 2_000_000 });

/** A round in a process of its own. */
export interface LoneRound extends RoundCost {
  /** The primitives, just before and just after the round in the same process. */
  readonly yardstick: Yardstick;
  /** Name of the mask engine that the process chose. */
  readonly engine: string;
}

const [SITES, DIMENSION, DROPS] = [100, 100_000, 5];

/** CPU seconds that the agreements, verifications and masks of a round take by a yardstick. */
export function primitivesOf(graph: RoundGraph, yardstick: Yardstick): number {
  const { graph: shape, threshold } = roundParams(graph);
  const k = shape.kind === "ring" ? shape.degree : SITES - 1;
  const survivors = SITES - DROPS;
  const agreements = 2 * SITES * k + 2 * SITES + DROPS * k;
  const verifications = SITES * (k + 2) + survivors * (threshold + 3);
  const masks = SITES * (k + 1) + survivors + DROPS * k;
  return agreements * yardstick.agreement + verifications * yardstick.verification +
    masks * 4 * DIMENSION / 1e9 * yardstick.gigabyte;
}

if (import.meta.main) {
  // A process of its own per round: code that is not yet compiled is part of what one round costs.
  const cohort = benchCohort(SITES, DIMENSION, roundParams(Deno.args[0] as RoundGraph));
  const before = measureYardstick();
  const cost = await measureRound(cohort, DROPS);
  const yardstick = between(before, measureYardstick());
  console.log(JSON.stringify({ ...cost, yardstick, engine: fastestEngine().name } satisfies LoneRound));
  Deno.exit(0);
}

/** {@link measureRound} of a hundred sites, d = 100,000, five late drops, in a fresh process. */
export async function measureRoundAlone(graph: RoundGraph): Promise<LoneRound> {
  const args = ["run", "-A", import.meta.filename!, graph];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error("the round's process failed");
  return JSON.parse(new TextDecoder().decode(stdout)) as LoneRound;
}
