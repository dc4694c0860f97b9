import type { AggregatorConfig } from "./config.ts";
import type { EnrollmentBook } from "./enrollment_book.ts";
import type { RequestHandler } from "./http_server.ts";
import { AggregatorMetrics, type MetricSources, routeOf } from "./metrics_aggregator.ts";
import { serveMetrics } from "./metrics_server.ts";
import { type Span, startSpan, withSpan } from "./telemetry.ts";
import { type ObservedDesk, type OnStretch, watchSteps } from "./telemetry_steps.ts";

/** What is observed. */
export interface ObservedAggregator {
  /** Its configuration. */
  readonly config: Pick<AggregatorConfig, "metrics" | "run" | "sites">;
  /** Where sites are met. */
  readonly desk: ObservedDesk & Pick<MetricSources, "status"> & {
    readonly mailboxes: { readonly size: number };
  };
  /** Whose store is probed. */
  readonly book: Pick<EnrollmentBook, "store">;
  /** Called once the metrics' port is open. */
  readonly onListen?: ((url: string) => void) | undefined;
}

/** Metrics and traces of a running aggregator. */
export interface AggregatorObserver {
  /** Wraps the handler of requests. */
  handler(handler: RequestHandler): RequestHandler;
  /** Ends open spans and closes the metrics' port. */
  close(): Promise<void>;
}

/**
 * Attaches traces, and where the configuration asks for them metrics, to an aggregator.
 * @throws FedKimError as `serveMetrics`
 */
export async function observeAggregator(options: ObservedAggregator): Promise<AggregatorObserver> {
  const { config, desk, book } = options;
  const metrics = config.metrics.enabled
    ? new AggregatorMetrics({
      status: () => desk.status(),
      joined: () => desk.mailboxes.size,
      probeStore: () => book.store.newest("ready"),
      run: config.run,
      sites: config.sites.length,
    })
    : undefined;
  const server = metrics && await serveMetrics(config.metrics, () => metrics.render());
  if (server !== undefined) options.onListen?.(server.url);
  const stops = [watchSteps(desk, spans())];
  if (metrics !== undefined) stops.push(watchSteps(desk, metrics.onStretch));
  return {
    handler: (handler) => traced(metrics === undefined ? handler : metrics.measured(handler)),
    async close() {
      for (const stop of stops) stop();
      await server?.shutdown();
    },
  };
}

/** One trace for the federation: its stages, in them steps, in them phases. */
function spans(): OnStretch {
  const open: Span[] = [];
  return ({ kind, name }) => {
    const span = startSpan(`fedkim.${kind} ${name}`, { [`fedkim.${kind}`]: name }, open.at(-1));
    if (span !== undefined) open.push(span);
    return () => {
      span?.end();
      if (span !== undefined) open.pop();
    };
  };
}

/** A span for each request, in the trace of the site that sent it. */
function traced(handler: RequestHandler): RequestHandler {
  return (request, info) => {
    const route = routeOf(request.method, new URL(request.url).pathname);
    return withSpan(`fedkim.serve ${route}`, { "http.route": route }, () => handler(request, info));
  };
}
