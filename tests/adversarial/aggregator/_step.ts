import { encodeUpdate } from "../../../src/dp/mod.ts";
import { rosterOf, roundConfigOf, sealRoundOrder } from "../../../src/federation/round_order.ts";
import {
  type ClientMessage,
  decodeMessage,
  encodeMessage,
  type RoundConfig,
  SecAggClient,
  SecAggServer,
  type ServerMessage,
} from "../../../src/secure_agg/mod.ts";
import { type Ending, type SiteName, SITES, VICTIM, type Worker, type World } from "./_world.ts";

/** A phase of the protocol, as the server names it. */
export type Phase = SecAggServer["phase"];

/** What the aggregator knows in the middle of a step. */
export interface Knowledge {
  readonly config: RoundConfig;
  /** The honest protocol's server, which the aggregator runs beside its lies, and the phase that it is in. */
  readonly server: SecAggServer;
  /** Everything that a site has said in this step. */
  readonly heard: (site: SiteName) => readonly ClientMessage[];
}

/** What a site is sent in place of the truth: messages, or bytes that are none. */
export type Lie = ServerMessage | Uint8Array | readonly (ServerMessage | Uint8Array)[] | undefined;

/** How a step is attacked. */
export interface Attack {
  /** Sites with a real worker, the victim by default; the others are honest protocol code in the aggregator's hands. */
  readonly workers?: readonly Worker[];
  /** What becomes of a phase's message to a real worker, which the honest server may not have; nothing holds it back. */
  readonly tamper?: (message: ServerMessage | undefined, known: Knowledge, site: SiteName) => Lie;
  /** The order that a real worker gets; the honest one by default. */
  readonly order?: (config: RoundConfig, site: SiteName) => Uint8Array;
  /** Changes what a site has sent before the aggregator's own server takes it. */
  readonly heard?: (message: ClientMessage, site: SiteName) => ClientMessage;
  /** True where a site is left out of a phase and all that follow. */
  readonly drop?: (site: SiteName, phase: Phase) => boolean;
  /** Hash of the model of this step; the pre-trained one by default. */
  readonly model?: string;
  /** Another number than that of the next step. */
  readonly round?: number;
  /** Takes down the vectors of the sites without a worker. */
  readonly vectors?: Map<SiteName, Uint32Array>;
  /** A phase goes on until this holds, besides. */
  readonly patience?: (known: Knowledge) => boolean;
}

/** What an attack came to. */
export interface Outcome {
  readonly round: number;
  /** How the victim's worker ended. */
  readonly ending: Ending;
  /** Protocol messages of the victim in this step. */
  readonly sent: readonly string[];
  /** How often the victim's ledger was charged for it. */
  readonly charges: number;
  /** The sum, where there is one. */
  readonly sum: Uint32Array | undefined;
  readonly survivors: readonly string[];
}

/** Starts the victim's worker, attacks it in the next step and lets it go home if it is still there. */
export async function attack(world: World, how: Attack = {}): Promise<Outcome> {
  const own = how.workers === undefined;
  const workers = how.workers ?? [world.start(VICTIM)];
  const since = world.aggregator.seen.length;
  const before = (await world.charged(VICTIM)).length;
  const round = how.round ?? ++world.round;
  await world.until(() => workers.every(isReady));
  const server = await step(world, workers, round, how);
  const ending = own ? await world.dismiss(workers[0]) : { error: undefined, events: workers[0].events };
  return {
    round,
    ending,
    sent: world.aggregator.sent(VICTIM, round, since),
    charges: (await world.charged(VICTIM)).length - before,
    sum: server.result?.sum,
    survivors: server.result?.survivors ?? [],
  };
}

function isReady(worker: Worker): boolean {
  return worker.over || worker.events.some(({ kind }) => kind === "accepted");
}

async function step(
  world: World,
  workers: readonly Worker[],
  round: number,
  how: Attack,
): Promise<SecAggServer> {
  const { aggregator, plan } = world;
  const config = roundConfigOf(plan, round, how.model ?? world.model());
  const server = new SecAggServer({ config, enrolled: rosterOf(plan) });
  const heard = new Map<SiteName, ClientMessage[]>(SITES.map((site) => [site, []]));
  const known: Knowledge = { config, server, heard: (site) => heard.get(site)! };
  const real = new Map(workers.map((worker) => [worker.site, worker]));
  const gone = new Set<SiteName>();
  /** Sites whose message the honest server would not have, or that gave up: the liar says nothing of it. */
  const refused = new Set<SiteName>();
  const take = (site: SiteName, bytes: Uint8Array) => {
    const decoded = decodeMessage(bytes) as ClientMessage;
    heard.get(site)!.push(decoded);
    const receipt = server.receive(
      site,
      how.heard === undefined ? bytes : encodeMessage(how.heard(decoded, site)),
    );
    if (receipt.kind === "refused" || decoded.type === "abort") refused.add(site);
  };
  aggregator.onMessage = (request, at) => {
    if (at === round) take(request.site as SiteName, request.body);
  };
  const dropped = (site: SiteName) => {
    if (how.drop?.(site, server.phase)) gone.add(site);
    return gone.has(site);
  };
  const honest = puppets(world, config, SITES.filter((site) => !real.has(site)), how.vectors);
  for (const site of SITES) {
    if (dropped(site)) continue;
    if (!real.has(site)) take(site, honest.get(site)!.begin());
    else {aggregator.post(
        site,
        "round",
        round,
        how.order?.(config, site) ?? sealRoundOrder(config, aggregator.identity),
      );}
  }
  for (;;) {
    await world.until(() =>
      (how.patience?.(known) ?? true) &&
      workers.every((worker) =>
        worker.over || isAborted(worker, round) || gone.has(worker.site) || refused.has(worker.site) ||
        server.answered.includes(worker.site)
      )
    );
    await server.close();
    refused.clear();
    if (server.phase === "finished" || server.phase === "aborted") return server;
    for (const site of SITES) {
      if (dropped(site)) continue;
      const message = server.outboundFor(site);
      if (real.has(site)) {
        const decoded = message && decodeMessage(message) as ServerMessage;
        const lies = [how.tamper === undefined ? decoded : how.tamper(decoded, known, site)].flat();
        for (const lie of lies) {
          if (lie !== undefined) {
            aggregator.post(site, "secagg", round, lie instanceof Uint8Array ? lie : encodeMessage(lie));
          }
        }
        if (lies.at(-1) === undefined) gone.add(site);
      } else if (message !== undefined) {
        for (const bytes of (await honest.get(site)!.receive(message)).outbound) take(site, bytes);
      }
    }
  }
}

function isAborted({ events }: Worker, round: number): boolean {
  return events.some((event) => event.kind === "aborted" && event.round === round);
}

/** Honest protocol code for sites without a worker: their vectors are noise shares alone. */
function puppets(
  world: World,
  config: RoundConfig,
  sites: readonly SiteName[],
  vectors?: Map<SiteName, Uint32Array>,
): Map<SiteName, SecAggClient> {
  const { plan } = world;
  return new Map(sites.map((site) => [
    site,
    new SecAggClient({
      config,
      identity: world.identities.get(site)!,
      enrolled: rosterOf(plan),
      input: () => {
        const vector = encodeUpdate(plan.dp, new Float64Array(config.dimension));
        vectors?.set(site, vector.slice());
        return vector;
      },
    }),
  ]));
}
