import type { OnProgress } from "../formats/progress.ts";
import { type FederationResult, runFederation } from "./aggregator.ts";
import { aggregatorApp } from "./api/mod.ts";
import { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import { EnrollmentBook } from "./enrollment_book.ts";
import { openServer } from "./http_server.ts";
import { observeAggregator } from "./telemetry_aggregator.ts";
import { RunFolder } from "./run_folder.ts";
import { SiteDesk } from "./site_desk.ts";

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
}

/**
 * Runs an aggregator behind its HTTP API until the federation is over.
 * @throws FedKimError `PortInUse`, or the code of whatever ended the federation
 */
export async function serveAggregator(options: AggregatorServiceOptions): Promise<FederationResult> {
  const { config, signal } = options;
  const book = await EnrollmentBook.open(config.state);
  const artefacts = new ArtefactStore();
  const run = await RunFolder.create(config.run);
  // Every long stage reports progress, so this is where a stop reaches all of them.
  const onProgress: OnProgress = (event) => {
    signal.throwIfAborted();
    options.onProgress(event);
  };
  const { federation, sites, rounds } = config;
  const desk = new SiteDesk({
    federation,
    sites,
    joinDeadlineMs: rounds.joinDeadlineMs,
    book,
    identity: book.identity,
    onProgress: options.onProgress,
    signal,
  });
  const maxBodyBytes = rounds.chunkBytes + MESSAGE_OVERHEAD;
  const app = aggregatorApp({ desk, book, artefacts, maxBodyBytes, federation, run: config.run });
  const observed = await observeAggregator({ config, desk, book, onListen: options.onMetrics });
  const { hostname, port } = config.listen;
  const handler = observed.handler((request, info) => app.fetch(request, info));
  const server = await openServer({ hostname, port, tls: config.tls, handler });
  options.onListen(server.url);
  try {
    return await runFederation({ config, book, desk, artefacts, run, onProgress });
  } finally {
    desk.close();
    await server.shutdown();
    await observed.close();
    await book.close();
  }
}
