import {
  type ClientStep,
  defaultEngine,
  type Enrolled,
  enrolledHash,
  type Identity,
  identityFromPrivateKey,
  makeRoundConfig,
  nativeProvider,
  type RandomBytes,
  type RoundConfig,
  type RoundConfigFields,
  SecAggClient,
  type SecAggClientOptions,
  SecAggServer,
  type SecAggServerOptions,
  type ServerState,
} from "../../src/secure_agg/mod.ts";

/** A reproducible byte source for tests: the ChaCha20 key stream of SHA-256(seed). */
export function testRandom(seed: string): RandomBytes {
  const key = nativeProvider.sha256(new TextEncoder().encode(seed));
  let counter = 0;
  return (length) => {
    const bytes = nativeProvider.chacha20(key, new Uint8Array(12), counter, length).slice();
    counter += Math.ceil(length / 64);
    return bytes;
  };
}

/** Identities named s000, s001, ... from fixed seeds. */
export function identities(n: number): Identity[] {
  return Array.from({ length: n }, (_, i) => {
    const id = `s${String(i).padStart(3, "0")}`;
    return identityFromPrivateKey(id, testRandom(`identity ${id}`)(32));
  });
}

export interface Cohort {
  readonly ids: readonly Identity[];
  readonly enrolled: Enrolled;
  readonly config: RoundConfig;
  /** Plain vector of site i, as residues; a fresh copy on every call. */
  readonly input: (i: number) => Uint32Array;
}

/** n enrolled sites and a small round; fields override the configuration. */
export function cohort(n: number, fields: Partial<RoundConfigFields> = {}): Cohort {
  const ids = identities(n);
  const enrolled = new Map(ids.map(({ id, publicKey }) => [id, publicKey]));
  const config = makeRoundConfig({
    taskId: "test",
    roundId: 7,
    nMax: n,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32).fill(1),
    planHash: new Uint8Array(32).fill(2),
    dimension: 37,
    coordinateBound: 1000,
    chunkCoordinates: 16,
    ...fields,
  });
  const mask = 0xffffffff >>> (32 - config.ringBits);
  const input = (i: number): Uint32Array => {
    const random = testRandom(`input ${i}`)(4 * config.dimension);
    const words = new Uint32Array(random.buffer, 0, config.dimension);
    const width = 2 * config.coordinateBound + 1;
    return words.map((word) => ((word % width) - config.coordinateBound) & mask);
  };
  return { ids, enrolled, config, input };
}

/** The sum of the plain vectors of these sites, mod 2^b. */
export function plainSum({ config, input }: Cohort, members: Iterable<number>): Uint32Array {
  const sum = new Uint32Array(config.dimension);
  for (const i of members) input(i).forEach((value, j) => sum[j] += value);
  const mask = 0xffffffff >>> (32 - config.ringBits);
  return sum.map((value) => value & mask);
}

/** When a site disappears: before it answers in this phase, or in the middle of its upload. */
export type DropPoint = Exclude<ServerState["phase"], "finished" | "aborted"> | "mid_upload";

export interface RoundOptions {
  readonly drops?: ReadonlyMap<number, DropPoint>;
  readonly client?: (i: number) => Partial<SecAggClientOptions>;
  readonly server?: Partial<SecAggServerOptions>;
  /** Changes, replaces or drops what the server sends to a site. */
  readonly toClient?: (bytes: Uint8Array, i: number, phase: ServerState["phase"]) => Uint8Array | undefined;
  /** Changes what a site sends; more than one message may come back. */
  readonly toServer?: (bytes: Uint8Array, i: number) => Uint8Array[];
}

export interface RoundOutcome {
  readonly server: SecAggServer;
  readonly clients: readonly SecAggClient[];
  /** Last step of every client. */
  readonly steps: readonly (ClientStep | undefined)[];
  /** The phase that was closed last. */
  readonly lastClosed: ServerState["phase"];
  /** Errors with which the server refused a message. */
  readonly refused: { readonly i: number; readonly reason: string; readonly error: Error }[];
}

export function makeClient(c: Cohort, i: number, options: Partial<SecAggClientOptions> = {}): SecAggClient {
  return new SecAggClient({
    config: c.config,
    identity: c.ids[i],
    enrolled: c.enrolled,
    input: () => c.input(i),
    random: testRandom(`client ${i}`),
    engine: defaultEngine(nativeProvider),
    ...options,
  });
}

/** A whole round in memory. Every phase is closed when all messages are delivered. */
export async function runRound(c: Cohort, options: RoundOptions = {}): Promise<RoundOutcome> {
  const server = new SecAggServer({ config: c.config, enrolled: c.enrolled, ...options.server });
  const clients = c.ids.map((_, i) => makeClient(c, i, options.client?.(i)));
  const steps: (ClientStep | undefined)[] = c.ids.map(() => undefined);
  const refused: { i: number; reason: string; error: Error }[] = [];
  const gone = new Set<number>();
  const send = (i: number, bytes: Uint8Array): void => {
    for (const out of options.toServer?.(bytes, i) ?? [bytes]) {
      const receipt = server.receive(c.ids[i].id, out);
      if (receipt.kind === "refused") refused.push({ i, reason: receipt.error.reason, error: receipt.error });
    }
  };
  const leaves = (i: number): boolean => {
    if (options.drops?.get(i) === server.phase) gone.add(i);
    return gone.has(i);
  };
  clients.forEach((client, i) => {
    if (!leaves(i)) send(i, client.begin());
  });
  let lastClosed: ServerState["phase"] = server.phase;
  for (;;) {
    lastClosed = server.phase;
    await server.close();
    if (server.phase === "finished" || server.phase === "aborted") break;
    for (const [i, client] of clients.entries()) {
      if (leaves(i)) continue;
      const honest = server.outboundFor(c.ids[i].id);
      if (honest === undefined) continue;
      const bytes = options.toClient === undefined ? honest : options.toClient(honest, i, server.phase);
      if (bytes === undefined) continue;
      const step = await client.receive(bytes);
      steps[i] = step;
      if (step.kind === "abort") gone.add(i);
      for (const out of step.outbound) {
        send(i, out);
        if (server.phase === "masked_input" && options.drops?.get(i) === "mid_upload") {
          gone.add(i);
          break;
        }
      }
    }
  }
  return { server, clients, steps, lastClosed, refused };
}
