import { join, resolve } from "node:path";
import { ERROR_EXIT_STATUS, FedKimError } from "../src/formats/errors.ts";
import { toHex } from "../src/formats/hex.ts";
import type { Identity } from "../src/secure_agg/mod.ts";
import { readFederation } from "../src/local/mod.ts";
import { synthesizeFederation } from "../src/local/synthesize/mod.ts";
import {
  acceptInvite,
  encodeInvite,
  EnrollmentBook,
  type FederationResult,
  readIdentity,
  RUN_FILES,
  SITE_FILES,
  writePolicy,
} from "../src/federation/mod.ts";
import { mayHaveHardwareGpu } from "../src/tensor/mod.ts";
import { forgetServiceEnvironment } from "./_environment.ts";
import type { Options } from "./args.ts";
import { ChildProcess, selfCommand } from "./child_process.ts";
import { DemoPermissions } from "./_demo_permissions.ts";
import { describeResult, referenceOf } from "./demo_result.ts";
import { federationReport, privacySummary } from "./federation_report.ts";
import { renderHtml, renderTerminal } from "../src/dp/mod.ts";
import { STAGES } from "./stages.ts";
import { duration, out, paint, ProgressLine } from "./terminal.ts";
import { untilInterrupted } from "./signals.ts";

/** Seconds within which the aggregator must open its port. */
const START_SECONDS = 60;

/**
 * `fedkim demo`: the main job on one machine, over the same processes, protocol and files as a real federation: one
 * aggregator and one client process per site, each with its own state folder.
 */
export async function demo(asked: Options<"demo">): Promise<void> {
  // Its processes may not look at the machine's devices; this one may.
  const options = asked.backend === "auto" && !mayHaveHardwareGpu()
    ? { ...asked, backend: "wasm" as const }
    : asked;
  const started = performance.now();
  const children: ChildProcess[] = [];
  const stopAll = () => children.forEach((child) => child.stop());
  const signal = untilInterrupted(stopAll);
  signal.addEventListener("abort", stopAll);
  const line = new ProgressLine(STAGES);
  const run = resolve(
    options.out ?? join("runs", new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19)),
  );
  try {
    const data = await federationData(options, run, line);
    const result = await runProcesses(options, run, data, line, children, signal);
    const report = await federationReport(run);
    const page = join(run, RUN_FILES.report);
    await Deno.writeTextFile(page, renderHtml(report));
    const seconds = (performance.now() - started) / 1000;
    if (options.json) {
      out.result(JSON.stringify({ run, seconds, privacy: await privacySummary(run), tasks: result.tasks }));
      return;
    }
    out.result(renderTerminal(report));
    out.result(describeResult(result, await referenceOf(data.dir)));
    if (data.synthetic) {
      out.result("The data are synthetic: these figures say nothing about any patient or hospital.");
    }
    out.result(`\nDone in ${duration(seconds)}. Run folder: ${run}\nPrivacy report as a page: ${page}`);
  } finally {
    line.end();
    stopAll();
    await Promise.all(children.map((child) => child.exited));
  }
}

/** Starts aggregator and sites as processes of their own and waits for the federation's result. */
async function runProcesses(
  options: Options<"demo">,
  run: string,
  data: DemoData,
  line: ProgressLine,
  children: ChildProcess[],
  signal: AbortSignal,
): Promise<FederationResult> {
  signal.throwIfAborted();
  forgetServiceEnvironment();
  const granted = await DemoPermissions.of({ run, sites: data.sites, public: [data.public, data.test] });
  const { aggregator, url } = await startAggregator(options, run, data, granted, line, children);
  try {
    await enrollSites(options, run, data.sites, url);
  } catch (error) {
    // An aggregator that has just stopped knows better why a site cannot reach it.
    const code = await Promise.race([
      aggregator.exited,
      new Promise<0>((resolve) => setTimeout(resolve, 2000, 0)),
    ]);
    throw code === 0 ? error : failure(aggregator, code, run);
  }
  for (const site of data.sites) {
    signal.throwIfAborted();
    const config = join(run, "sites", site.name, "client.json");
    const child = new ChildProcess(
      site.name,
      selfCommand(["client", "--config", config], await granted.client(site, url)),
      run,
    );
    children.push(child);
    child.exited.then((code) => {
      if (code === 0 || signal.aborted) return;
      line.end();
      out.note(paint("yellow", `${child.name} stopped with exit code ${code}: ${child.lastError}`));
    });
  }
  const code = await aggregator.exited;
  line.end();
  signal.throwIfAborted();
  if (code !== 0) throw failure(aggregator, code, run);
  return JSON.parse(aggregator.stdout) as FederationResult;
}

/** Where the demo's data are. */
interface DemoData {
  readonly dir: string;
  readonly synthetic: boolean;
  readonly sites: readonly { readonly name: string; readonly folder: string }[];
  readonly public: string;
  readonly test: string;
}

async function federationData(options: Options<"demo">, run: string, line: ProgressLine): Promise<DemoData> {
  const dir = resolve(options.data ?? join(run, "data"));
  if (options.data === undefined) {
    out.note(
      "No --data given: making a synthetic federation (simulated ECGs, vital signs, labs and phantoms; no real patient).",
    );
    await synthesizeFederation(dir, { seed: options.seed, onProgress: (event) => line.update(event) });
  }
  const federation = await readFederation(dir);
  const sites = federation.sites.map(({ name, dir }) => ({ name, folder: dir }));
  return {
    dir,
    synthetic: options.data === undefined,
    sites,
    public: federation.public,
    test: federation.test,
  };
}

async function startAggregator(
  options: Options<"demo">,
  run: string,
  data: DemoData,
  granted: DemoPermissions,
  line: ProgressLine,
  children: ChildProcess[],
): Promise<{ aggregator: ChildProcess; url: string }> {
  const config = {
    federation: "demo",
    listen: { hostname: "127.0.0.1", port: options.port },
    state: join(run, "aggregator"),
    run,
    sites: data.sites.map((site) => site.name),
    data: { public: data.public, test: data.test },
    ...(options.task === undefined ? {} : { tasks: [options.task] }),
    privacy: { epsilon: options.epsilon, delta: options.delta, neighboring: "add_or_remove_one" },
    rounds: {
      ...(options.steps === undefined ? {} : { steps: options.steps }),
      phaseDeadlineMs: 20_000,
      joinDeadlineMs: 120_000,
    },
    injection: options.epochs === undefined ? {} : { epochs: options.epochs },
    seed: options.seed,
    backend: options.backend,
  };
  const file = join(run, "aggregator.json");
  await Deno.mkdir(run, { recursive: true });
  await Deno.writeTextFile(file, JSON.stringify(config, null, 2));
  const aggregator = new ChildProcess(
    "aggregator",
    selfCommand(
      ["aggregator", "--config", file, "--json"],
      await granted.aggregator(`127.0.0.1:${options.port}`),
    ),
    run,
    (event) => {
      if (event.event === "progress") line.update(event as unknown as Parameters<ProgressLine["update"]>[0]);
    },
  );
  children.push(aggregator);
  const listening = await Promise.race([
    aggregator.waitFor("listening", START_SECONDS),
    aggregator.exited.then((code) => {
      throw failure(aggregator, code, run);
    }),
  ]);
  return { aggregator, url: String(listening.url) };
}

/** Invites and enrolls every site, as hospitals would, then lets each pin the keys of the others in its policy. */
async function enrollSites(
  options: Options<"demo">,
  run: string,
  sites: DemoData["sites"],
  url: string,
): Promise<void> {
  const book = await EnrollmentBook.open(join(run, "aggregator"));
  const identities = new Map<string, Identity>();
  const stateOf = (site: string) => join(run, "sites", site);
  for (const { name } of sites) {
    await acceptInvite(stateOf(name), encodeInvite(await book.invite(name, url)));
    identities.set(name, await readIdentity(join(stateOf(name), SITE_FILES.identity)));
  }
  await book.close();
  const keys = Object.fromEntries([...identities].map(([name, { publicKey }]) => [name, toHex(publicKey)]));
  for (const { name, folder } of sites) {
    await writePolicy(join(stateOf(name), SITE_FILES.policy), {
      format: "fedkim-policy/1",
      site: name,
      maxEpsilon: options.epsilon,
      delta: options.delta,
      neighboring: "add_or_remove_one",
      minimumSites: 3,
      colluders: 1,
      peers: keys,
      allowedTasks: "all",
    }, identities.get(name)!);
    const config = { data: folder, state: stateOf(name), backend: options.backend, reconnectSeconds: 20 };
    await Deno.writeTextFile(join(stateOf(name), "client.json"), JSON.stringify(config));
  }
}

/** The aggregator's own error, passed on with its code; Ctrl-C in a terminal reaches it too, and maybe first. */
function failure(aggregator: ChildProcess, status: number, run: string): Error {
  if (status === ERROR_EXIT_STATUS.Interrupted) {
    return new DOMException("the aggregator was stopped by a signal", "AbortError");
  }
  const error = aggregator.error;
  return new FedKimError(
    error?.code ?? "InternalError",
    error?.message ?? `The aggregator stopped with exit code ${status}.`,
    {
      ...(error === undefined ? { remedy: `look at ${join(run, "logs", "aggregator.log")}` } : {}),
    },
  );
}
