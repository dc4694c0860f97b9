import { join } from "node:path";
import { ROUTES } from "./api/mod.ts";
import { MetricRegistry } from "./metrics.ts";
import { RUN_FILES } from "./run_folder.ts";
import type { RequestHandler } from "./http_server.ts";
import type { OnStretch } from "./telemetry_steps.ts";

/** Bounds of request times, seconds; the last ones are for long polls. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Bounds of phase and stage times, seconds. */
const PHASE_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];

/** What is looked at when the page is asked for. */
export interface MetricSources {
  /** Stage, step and number of present sites. */
  status(): { readonly stage: string; readonly step: number | null; readonly present: number };
  /** Number of sites that have joined. */
  joined(): number;
  /** Asks the store for anything; its time is the store's latency. */
  probeStore(): Promise<unknown>;
  /** The run's folder, whose `metrics.jsonl` says how each step ended. */
  readonly run: string;
  /** Number of sites of the configuration. */
  readonly sites: number;
}

/**
 * The aggregator's metrics. No label names a site, and no value is one site's: counts of sites, sums over all of them
 * and times of the server itself.
 */
export class AggregatorMetrics {
  readonly #registry = new MetricRegistry();
  readonly #requests = this.#registry.counter("fedkim_http_requests_total", "Requests by route and status.");
  readonly #requestSeconds = this.#registry.histogram(
    "fedkim_http_request_seconds",
    "Time to answer by route; a long poll waits for its letter.",
    REQUEST_SECONDS,
  );
  readonly #uploadBytes = this.#registry.counter(
    "fedkim_upload_bytes_total",
    "Bytes of secure-aggregation messages taken from all sites.",
  );
  readonly #phaseSeconds = this.#registry.histogram(
    "fedkim_phase_seconds",
    "Duration of a step's phases.",
    PHASE_SECONDS,
  );
  readonly #stageSeconds = this.#registry.histogram(
    "fedkim_stage_seconds",
    "Duration of the federation's stages.",
    PHASE_SECONDS,
  );
  readonly #stage = this.#registry.gauge("fedkim_stage", "1 for the stage that the federation is in.");
  readonly #step = this.#registry.gauge("fedkim_step", "Number of the newest aggregation step.");
  readonly #present = this.#registry.gauge("fedkim_sites_present", "Sites that are believed to answer.");
  readonly #joined = this.#registry.gauge("fedkim_sites_joined", "Sites that have joined.");
  readonly #expected = this.#registry.gauge("fedkim_sites_expected", "Sites of the configuration.");
  readonly #steps = this.#registry.counter(
    "fedkim_steps_total",
    "Steps of this run by how they ended: summed or aborted.",
  );
  readonly #dropouts = this.#registry.counter(
    "fedkim_dropouts_total",
    "Sites that were missing in a summed step, added over the steps.",
  );
  readonly #store = this.#registry.gauge(
    "fedkim_store_probe_seconds",
    "How long the store took to answer when this page was asked for.",
  );
  readonly #memory = this.#registry.gauge("process_resident_memory_bytes", "Resident memory of the process.");
  readonly #started = this.#registry.gauge("process_start_time_seconds", "When the process started.");

  /** @param sources what is looked at */
  constructor(private readonly sources: MetricSources) {
    this.#started.set((Date.now() - performance.now()) / 1000);
    this.#expected.set(sources.sites);
  }

  /** Counts and times the requests of a handler. */
  measured(handler: RequestHandler): RequestHandler {
    return async (request, info) => {
      const start = performance.now();
      const route = routeOf(request.method, new URL(request.url).pathname);
      const response = await handler(request, info);
      this.#requests.add(1, { route, status: String(response.status) });
      this.#requestSeconds.observe((performance.now() - start) / 1000, { route });
      if (route === UPLOAD && response.ok) {
        this.#uploadBytes.add(Number(request.headers.get("content-length") ?? 0));
      }
      return response;
    };
  }

  /** Times phases and stages; for `watchSteps`. */
  readonly onStretch: OnStretch = ({ kind, name }) => {
    const start = performance.now();
    return () => {
      const seconds = (performance.now() - start) / 1000;
      if (kind === "phase") this.#phaseSeconds.observe(seconds, { phase: name });
      if (kind === "stage") this.#stageSeconds.observe(seconds, { stage: name });
    };
  };

  /** The page, with everything looked up anew. */
  async render(): Promise<string> {
    const { stage, step, present } = this.sources.status();
    this.#stage.clear();
    this.#stage.set(1, { stage });
    if (step !== null) this.#step.set(step);
    this.#present.set(present);
    this.#joined.set(this.sources.joined());
    this.#memory.set(Deno.memoryUsage().rss);
    const start = performance.now();
    await this.sources.probeStore();
    this.#store.set((performance.now() - start) / 1000);
    await this.#countSteps();
    return this.#registry.render();
  }

  /** Counts the run's steps from its file, so that the counters go on after a restart. */
  async #countSteps(): Promise<void> {
    const { run, sites } = this.sources;
    const text = await Deno.readTextFile(join(run, RUN_FILES.metrics)).catch(() => "");
    this.#steps.clear();
    this.#dropouts.clear();
    for (const outcome of ["summed", "aborted"]) this.#steps.add(0, { outcome });
    this.#dropouts.add(0);
    for (const line of text.split("\n")) {
      const { kind, sites: summed } = parsed(line);
      if (kind === "aborted") this.#steps.add(1, { outcome: "aborted" });
      if (kind !== "step") continue;
      this.#steps.add(1, { outcome: "summed" });
      if (typeof summed === "number") this.#dropouts.add(sites - summed);
    }
  }
}

/** A line of `metrics.jsonl`; nothing for one that is still being written. */
function parsed(line: string): { readonly kind?: unknown; readonly sites?: unknown } {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

/** The route of secure-aggregation messages. */
const UPLOAD = `POST ${ROUTES.message.path}`;

const TEMPLATES = Object.values(ROUTES).map(({ method, path }) => ({
  method: method.toUpperCase(),
  route: `${method.toUpperCase()} ${path}`,
  pattern: new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`),
}));

/** The route that a request belongs to, of a fixed list: strangers cannot make new series by asking for new paths. */
export function routeOf(method: string, pathname: string): string {
  if (pathname === "/dashboard" || pathname.startsWith("/dashboard/")) return "dashboard";
  if (pathname === "/openapi.json") return "GET /openapi.json";
  return TEMPLATES.find((template) => template.method === method && template.pattern.test(pathname))?.route ??
    "other";
}
