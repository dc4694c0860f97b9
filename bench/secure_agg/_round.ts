import { fastestEngine, SecAggClient, SecAggServer } from "../../src/secure_agg/mod.ts";
import type { BenchCohort } from "./_cohort.ts";
import { cpuSeconds } from "./_measure.ts";

/** CPU seconds of the parts of a round, all parties in one process. */
export interface RoundCost {
  /** All clients together. */
  readonly clients: number;
  /** The server. */
  readonly server: number;
  /** Bytes one surviving client sent and received, the vector left out. */
  readonly overheadBytes: number;
}

/** Runs a whole round in memory, checks the sum, and splits its CPU time. The first `drops` sites drop after sharing. */
export async function measureRound(c: BenchCohort, drops: number): Promise<RoundCost> {
  const engine = fastestEngine();
  const { config, enrolled, ids } = c;
  const { dimension } = config;
  let [clientTime, serverTime, overheadBytes] = [0, 0, 0];
  const atServer = <T>(run: () => T): T => {
    const start = cpuSeconds();
    const value = run();
    serverTime += cpuSeconds() - start;
    return value;
  };
  const server = new SecAggServer({ config, enrolled, engine });
  const last = ids.length - 1;
  const note = (i: number, bytes: Uint8Array): void => {
    if (i === last && bytes.length < 4 * dimension) overheadBytes += bytes.length;
  };
  const clients: SecAggClient[] = [];
  for (const [i, identity] of ids.entries()) {
    const start = cpuSeconds();
    const input = (): Uint32Array => new Uint32Array(dimension).fill(i + 1);
    clients.push(new SecAggClient({ config, identity, enrolled, input, engine }));
    const advert = clients[i].begin();
    clientTime += cpuSeconds() - start;
    note(i, advert);
    atServer(() => server.receive(identity.id, advert));
  }
  for (;;) {
    const start = cpuSeconds();
    await server.close();
    serverTime += cpuSeconds() - start;
    if (server.error !== undefined) throw server.error;
    if (server.phase === "finished") break;
    for (const [i, client] of clients.entries()) {
      if (i < drops && server.phase !== "share_keys") continue;
      const message = atServer(() => server.outboundFor(ids[i].id))!;
      note(i, message);
      const begin = cpuSeconds();
      const step = await client.receive(message);
      const outbound = [...step.outbound];
      clientTime += cpuSeconds() - begin;
      for (const out of outbound) {
        note(i, out);
        atServer(() => server.receive(ids[i].id, out));
      }
    }
  }
  const expected = ids.reduce((sum, _, i) => i < drops ? sum : sum + i + 1, 0);
  if (!server.result!.sum.every((value) => value === expected)) throw new Error("the sum is wrong");
  return { clients: clientTime, server: serverTime, overheadBytes };
}
