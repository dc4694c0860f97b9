import { defaultEngine, type MaskEngine, nativeProvider } from "../secure_agg/mod.ts";
import { type ErrorCode, FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { type FederationResult, runFederation } from "./aggregator.ts";
import { aggregatorApp } from "./api/mod.ts";
import { ArtefactStore } from "./artefact_store.ts";
import { AuditLog } from "./audit_log.ts";
import type { AggregatorConfig } from "./config.ts";
import { DeskView } from "./desk_view.ts";
import { EnrollmentBook } from "./enrollment_book.ts";
import { pause } from "./pause.ts";
import { openServer, type RequestHandler } from "./http_server.ts";
import { LeaderProxy, replicaClient } from "./leader_proxy.ts";
import { lead, type LeadershipOptions, type Term } from "./leadership.ts";
import { observeAggregator } from "./telemetry_aggregator.ts";
import type { Strategy } from "./strategies/mod.ts";
import { RunFolder } from "./run_folder.ts";
import { type RunRecord, RunStore } from "./run_store.ts";
import { SiteDesk } from "./site_desk.ts";
import { helpUnmasking, type PooledEngine, pooledEngine, sharedEngine } from "./unmasking/mod.ts";
import { restoreRun } from "./unfinished_run.ts";

/** Room for a chunk's header in a request body, bytes. */
const MESSAGE_OVERHEAD = 65_536;

/** What the aggregator service needs. */
export interface AggregatorServiceOptions {
  /** Its configuration. */
  readonly config: AggregatorConfig;
  /** Receives progress. */
  readonly onProgress: OnProgress;
  /** Called once the port is open. */
  readonly onListen: (url: string) => void;
  /** Called once the port of the metrics is open, where there is one. */
  readonly onMetrics?: (url: string) => void;
  /** Stops the service. */
  readonly signal: AbortSignal;
  /** A server's rule of one's own, instead of the one that the configuration names. */
  readonly strategy?: Strategy;
}

/**
 * Runs an aggregator behind its HTTP API until the federation is over. Of several replicas on one store one leads; the
 * others pass requests on to it and take over when it is gone. A run that was interrupted is carried on.
 * @throws FedKimError `PortInUse`, `ConfigError` where an unfinished run has another configuration, or the code of
 * whatever ended the federation
 */
export async function serveAggregator(options: AggregatorServiceOptions): Promise<FederationResult> {
  const { config, signal } = options;
  const { federation } = config;
  const book = await EnrollmentBook.open(config.state, config.store);
  const { store } = book;
  const proxy = new LeaderProxy(store, await replicaClient(config.tls));
  const follow: RequestHandler = (request) => proxy.fetch(request);
  let answer = follow;
  const pool = pooledEngine(defaultEngine(nativeProvider));
  const desk = new DeskView(federation);
  const observed = await observeAggregator({ config, desk, book, onListen: options.onMetrics });
  const { hostname, port } = config.listen;
  const handler = observed.handler((request, info) => answer(request, info));
  const server = await openServer({ hostname, port, tls: config.tls, handler });
  options.onListen(server.url);
  try {
    const before = await new RunStore(store, federation, undefined).record();
    const address = config.advertise ?? server.url;
    const onLeader = (leader: string | undefined) => proxy.follow(leader);
    for (;;) {
      const term = await leadOrHelp({ store, federation, address, signal, onLeader }, pool);
      try {
        return await serveTerm(options, book, term, pool, before, (next, served) => {
          answer = next;
          desk.show(served);
        });
      } catch (error) {
        if (signal.aborted || !(term.signal.aborted || isStoreTrouble(error))) throw error;
      } finally {
        answer = follow;
        desk.show(undefined);
        await term.end();
      }
    }
  } finally {
    proxy.close();
    pool.close();
    await server.shutdown();
    await observed.close();
    await book.close();
  }
}

/** Waits for the lead, and works on the sums of whoever has it meanwhile. */
async function leadOrHelp(options: LeadershipOptions, pool: PooledEngine): Promise<Term> {
  const { store, federation, signal } = options;
  const led = new AbortController();
  const helping = helpUnmasking(store, federation, pool, AbortSignal.any([signal, led.signal]));
  helping.catch(() => {}); // told below
  try {
    return await lead(options);
  } finally {
    led.abort();
    await helping;
  }
}

/** Leads from taking the run up to its end, or to the loss of the lead. */
async function serveTerm(
  options: AggregatorServiceOptions,
  book: EnrollmentBook,
  { fence, signal }: Term,
  pool: MaskEngine,
  before: RunRecord | undefined,
  serve: (handler: RequestHandler, desk: SiteDesk) => void,
): Promise<FederationResult> {
  const { config } = options;
  const { federation, sites, rounds } = config;
  const own = options.strategy === undefined ? {} : { strategy: options.strategy };
  const runs = new RunStore(book.store, federation, fence);
  const ended = endedMeanwhile(before, await runs.record());
  if (ended !== undefined) return ended;
  await book.store.tidy(fence);
  const audit = new AuditLog(book.store, fence);
  const artefacts = new ArtefactStore();
  // Replicas share a database; a file of this process has nobody to share with.
  const engine = config.store === undefined
    ? pool
    : sharedEngine({ store: book.store, federation, fence, engine: pool });
  const run = await RunFolder.create(config.run);
  // Every long stage reports progress, so this is where a stop reaches all of them.
  const onProgress: OnProgress = (event) => {
    signal.throwIfAborted();
    options.onProgress(event);
  };
  const desk = new SiteDesk({
    federation,
    sites,
    joinDeadlineMs: rounds.joinDeadlineMs,
    book,
    run: runs,
    audit,
    identity: book.identity,
    onProgress: options.onProgress,
    signal,
  });
  try {
    const restored = await restoreRun({ config, book, desk, artefacts, run, runs });
    const maxBodyBytes = rounds.chunkBytes + MESSAGE_OVERHEAD;
    const app = aggregatorApp({ desk, book, artefacts, maxBodyBytes, federation, run: config.run });
    serve((request, info) => app.fetch(request, info), desk);
    const result = await runFederation(
      { config, book, desk, artefacts, run, runs, audit, engine, onProgress, ...own },
      restored,
    );
    // The run is over and kept; only its pages stay up, and a stop ends them.
    await pause(config.listen.stayMs, signal);
    return result;
  } finally {
    desk.close();
  }
}

/** What became of a run that another replica has ended while this one waited. */
function endedMeanwhile(
  before: RunRecord | undefined,
  now: RunRecord | undefined,
): FederationResult | undefined {
  const over = (record: RunRecord | undefined) => record?.state === "finished" || record?.state === "failed";
  if (now === undefined || !over(now) || (over(before) && before?.planHash === now.planHash)) {
    return undefined;
  }
  if (now.state === "finished") return now.result as FederationResult;
  const { code, message } = now.result as { code: ErrorCode; message: string };
  throw new FedKimError(code, message);
}

/** The database is away, or another replica leads: nothing that ends the service. */
function isStoreTrouble(error: unknown): boolean {
  return error instanceof FedKimError && error.code === "StoreError" &&
    error.details.reason !== "damaged" && error.details.reason !== "disk_full";
}
