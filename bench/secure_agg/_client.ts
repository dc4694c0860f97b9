import {
  advertiseKeys,
  advertLeaf,
  type ClientAwaitingRoster,
  cryptoRandomBytes,
  decodeMessage,
  fastestEngine,
  graphParams,
  IndexSet,
  maskInput,
  nativeProvider,
  openSession,
  receiveShares,
  type RosterMessage,
  roundConfigHash,
  shareKeys,
  signLabelled,
  signSurvivors,
  transcriptHash,
  unmask,
} from "../../src/secure_agg/mod.ts";
import { benchCohort } from "./_cohort.ts";
import { cpuSeconds, peakMemory } from "./_measure.ts";

/** What one client of a large cohort costs. */
export interface ClientCost {
  /** CPU seconds by phase. */
  readonly phases: Readonly<Record<string, number>>;
  /** Sum over all phases. */
  readonly total: number;
  /** Largest resident memory of the process, bytes. */
  readonly peak: number | undefined;
  /** Degree of the graph. */
  readonly degree: number;
  /** Sharing threshold. */
  readonly threshold: number;
}

/** One client of n sites through a strict round, its neighbours' messages made beforehand and not counted. */
export async function measureClient(n: number, dimension: number): Promise<ClientCost> {
  const params = graphParams({ n, profile: "strict", dimension: 2_000_000 });
  const { ids, enrolled, config } = benchCohort(n, dimension, params);
  const configHash = roundConfigHash(config);
  const provider = nativeProvider;
  const engine = fastestEngine();
  const phases: Record<string, number> = {};
  const timed = async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
    const start = cpuSeconds();
    const value = await run();
    phases[name] = (phases[name] ?? 0) + cpuSeconds() - start;
    return value;
  };
  const open = <T extends { kind: string }>(step: T): Extract<T, { kind: "next" }> => {
    if (step.kind !== "next") throw new Error("a phase was refused");
    return step as Extract<T, { kind: "next" }>;
  };
  const begin = (i: number) =>
    open(
      advertiseKeys({ config, configHash, identity: ids[i], enrolled, provider, random: cryptoRandomBytes }),
    );
  const states: ClientAwaitingRoster[] = [];
  for (let i = 0; i < n; i++) states.push(begin(i).state);
  const own = await timed("advertise keys", () => begin(0));
  states[0] = own.state;
  const leaves = states.map(({ advert }) => advertLeaf(provider, advert));
  const rosterFor = (neighbours: ReadonlySet<number>): RosterMessage => ({
    type: "roster",
    configHash,
    entries: states.map(({ advert }, i) =>
      neighbours.has(i) ? { kind: "advert", advert } : { kind: "leaf", leaf: leaves[i] }
    ),
  });
  const session = openSession(provider, config, configHash, leaves);
  const around = (i: number): Set<number> => new Set(session.graph.closed(i).filter((peer) => peer !== i));
  const { sid } = session;
  const ownRoster = rosterFor(around(0));
  const shared = await timed("share keys", () => open(shareKeys(own.state, ownRoster)));
  const shares = [...around(0)].map((peer) => {
    const dealt = decodeMessage(open(shareKeys(states[peer], rosterFor(around(peer)))).outbound);
    if (dealt.type !== "share_keys") throw new Error("not a share message");
    const { ciphertext } = dealt.ciphertexts.find((c) => c.peer === 0)!;
    return { peer, commitment: dealt.commitment, ciphertext };
  });
  const everybody = IndexSet.of(n, Array.from({ length: n }, (_, i) => i));
  const survivors = IndexSet.of(n, [...everybody].filter((i) => i % 20 !== 19));
  const input = new Uint32Array(dimension).fill(5);
  const ready = await timed(
    "open shares",
    () => open(receiveShares(shared.state, { type: "deliver_shares", sid, shared: everybody, shares })),
  );
  const masked = await timed("mask input", async () => open(await maskInput(ready.state, input, engine)));
  await timed("upload messages", () => {
    for (const message of masked.upload) if (message.length === 0) throw new Error("empty");
  });
  const recordRoot = new Uint8Array(32);
  if (masked.state.kind !== "awaiting_survivors") throw new Error("not strict");
  const waiting = masked.state;
  const signed = await timed(
    "sign survivors",
    () => open(signSurvivors(waiting, { type: "survivors", sid, survivors, recordRoot })),
  );
  const transcript = transcriptHash(provider, { sid, shared: everybody, survivors, recordRoot });
  const signatures = [...around(0)].filter((i) => survivors.has(i)).slice(0, config.threshold).map((
    index,
  ) => ({
    index,
    signature: signLabelled(ids[index], "sign_survivors", transcript),
  }));
  await timed(
    "unmask",
    () => open(unmask(signed.state, { type: "unmask_request", sid, survivors, recordRoot, signatures })),
  );
  const total = Object.values(phases).reduce((a, b) => a + b, 0);
  const degree = params.graph.kind === "ring" ? params.graph.degree : n - 1;
  return { phases, total, peak: peakMemory(), degree, threshold: params.threshold };
}

if (import.meta.main) {
  // A process of its own per dimension: peak memory is of the whole process.
  console.log(JSON.stringify(await measureClient(Number(Deno.args[0]), Number(Deno.args[1]))));
  Deno.exit(0);
}

/** {@link measureClient} in a fresh process. */
export async function measureClientAlone(n: number, dimension: number): Promise<ClientCost> {
  const args = ["run", "-A", import.meta.filename!, String(n), String(dimension)];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (!success) throw new Error("the client's process failed");
  return JSON.parse(new TextDecoder().decode(stdout)) as ClientCost;
}
