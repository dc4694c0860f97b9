import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { type FederationResult, runFederation } from "./aggregator.ts";
import { aggregatorApp } from "./api/mod.ts";
import { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import { EnrollmentBook } from "./enrollment_book.ts";
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
  const server = listen(config, (request, info) => app.fetch(request, info), options.onListen);
  try {
    return await runFederation({ config, book, desk, artefacts, run, onProgress });
  } finally {
    desk.close();
    await server.shutdown();
    await book.close();
  }
}

function listen(
  config: AggregatorConfig,
  handler: Deno.ServeHandler<Deno.NetAddr>,
  onListen: (url: string) => void,
): Deno.HttpServer {
  const { hostname, port } = config.listen;
  try {
    return Deno.serve({
      hostname,
      port,
      onListen: (address) => onListen(`http://${address.hostname}:${address.port}`),
    }, handler);
  } catch (cause) {
    if (cause instanceof Deno.errors.AddrInUse) {
      throw new FedKimError("PortInUse", `The port ${port} is taken on ${hostname}.`, {
        remedy: "stop the other program, or choose another port with --port (0 takes a free one)",
        cause,
      });
    }
    throw cause;
  }
}
