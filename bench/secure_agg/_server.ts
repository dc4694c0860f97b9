import {
  decodeMessage,
  IndexSet,
  nativeProvider,
  SecAggClient,
  SecAggServer,
  vectorMessages,
} from "../../src/secure_agg/mod.ts";
import { benchCohort } from "./_cohort.ts";
import { peakMemory } from "./_measure.ts";

/** Peak memory of a server, in a process of its own, after n uploads of d coordinates; bytes. */
async function measureServerMemory(n: number, dimension: number): Promise<number | undefined> {
  const threshold = Math.floor((2 * n) / 3) + 1;
  const c = benchCohort(n, dimension, { graph: { kind: "full" }, threshold, nMin: threshold });
  const { config, enrolled, ids } = c;
  const server = new SecAggServer({ config, enrolled });
  const clients = ids.map((identity) => {
    const client = new SecAggClient({ config, identity, enrolled, input: () => new Uint32Array(0) });
    server.receive(identity.id, client.begin());
    return client;
  });
  await server.close();
  for (const [i, client] of clients.entries()) {
    const { outbound } = await client.receive(server.outboundFor(ids[i].id)!);
    for (const out of outbound) server.receive(ids[i].id, out);
  }
  await server.close();
  const everybody = IndexSet.of(n, ids.keys());
  const owner = { config, sid: server.sid!, shared: everybody, provider: nativeProvider };
  // The server cannot tell a masked vector from any other words: one vector serves all uploads here.
  const words = new Uint32Array(dimension).fill(0x9e3779b9);
  for (const [index, identity] of ids.entries()) {
    if (decodeMessage(server.outboundFor(identity.id)!).type !== "deliver_shares") {
      throw new Error("no shares");
    }
    for (const message of vectorMessages({ ...owner, index, identity }, words)) {
      if (server.receive(identity.id, message).kind !== "accepted") throw new Error("an upload was refused");
      // The message is the sender's, so it must not count until the collector comes by.
      if (message.buffer instanceof ArrayBuffer) message.buffer.transfer(0);
    }
  }
  await server.close();
  return peakMemory();
}

if (import.meta.main) {
  const peak = await measureServerMemory(Number(Deno.args[0]), Number(Deno.args[1]));
  console.log(JSON.stringify(peak ?? null));
  Deno.exit(0);
}

/** Peak memory of a server in a fresh process. */
export async function measureServerMemoryAlone(n: number, dimension: number): Promise<number | undefined> {
  const args = ["run", "-A", import.meta.filename!, String(n), String(dimension)];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error("the server's process failed");
  return (JSON.parse(new TextDecoder().decode(stdout)) as number | null) ?? undefined;
}
