import { fastestEngine, SecAggClient, SecAggServer } from "../../src/secure_agg/mod.ts";
import type { BenchCohort } from "./_cohort.ts";
import { cpuOf } from "./_measure.ts";

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
  const { config, enrolled, ids } = c;
  const { dimension } = config;
  let [clientTime, serverTime, overheadBytes] = [0, 0, 0];
  const atClients = async (run: () => unknown): Promise<number> => clientTime += await cpuOf(run);
  const atServer = async (run: () => unknown): Promise<number> => serverTime += await cpuOf(run);
  const server = new SecAggServer({ config, enrolled, engine });
  const last = ids.length - 1;
  const note = (i: number, bytes: Uint8Array): void => {
    if (i === last && bytes.length < 4 * dimension) overheadBytes += bytes.length;
  };
  const vectors = ids.map((_, i) => new Uint32Array(dimension).fill(i + 1)); // the sites' own work
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
      new SecAggClient({ config, identity, enrolled, input: () => vectors[i], engine })
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
