import { FedKimError } from "../formats/errors.ts";
import type { OnProgress } from "../formats/progress.ts";
import { Aggregator, type FederationResult } from "./aggregator.ts";
import { aggregatorApp } from "./aggregator_app.ts";
import { ArtefactStore } from "./artefact_store.ts";
import type { AggregatorConfig } from "./config.ts";
import { EnrollmentBook } from "./enrollment_book.ts";
import { RunFolder } from "./run_folder.ts";

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
  const { config, onProgress } = options;
  const book = await EnrollmentBook.open(config.state);
  const artefacts = new ArtefactStore();
  const run = await RunFolder.create(config.run);
  const aggregator = new Aggregator({ config, book, artefacts, run, onProgress, signal: options.signal });
  const app = aggregatorApp(aggregator, book, artefacts, config.rounds.chunkBytes + MESSAGE_OVERHEAD);
  const server = listen(config, (request) => app.fetch(request), options.onListen);
  try {
    return await aggregator.run();
  } finally {
    aggregator.close();
    await server.shutdown();
  }
}

function listen(
  config: AggregatorConfig,
  handler: (request: Request) => Response | Promise<Response>,
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
