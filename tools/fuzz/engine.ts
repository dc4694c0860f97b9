import process from "node:process";
import { FedKimError } from "../../src/formats/errors.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import type { EdgeCoverage } from "./edges.ts";
import { mutate } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** More than this of new memory for one input is a finding, bytes: inputs are 64 KiB at most. */
export const MEMORY_BOUND = 256 * 2 ** 20;

/** Inputs between two questions for coverage. */
const BATCH = 16;

/** An input that a parser may not answer like this. */
export interface Finding {
  /** The target. */
  readonly target: string;
  /** What happened: an error of another type, a broken law, memory, or (from outside) a hang or a dead process. */
  readonly what: string;
  /** Where, as the first line of the stack in our source, to tell findings apart. */
  readonly where: string;
  /** The input. */
  readonly input: Uint8Array;
}

/** What one run of a target did. */
export interface FuzzOutcome {
  /** Inputs tried. */
  readonly inputs: number;
  /** Of these, accepted ones. */
  readonly accepted: number;
  /** Inputs that reached something new, beside the seeds. */
  readonly interesting: readonly Uint8Array[];
  /** Milliseconds of the slowest input. */
  readonly slowestMs: number;
  /** Findings, one for each place. */
  readonly findings: readonly Finding[];
}

/** How a run is bounded and watched. */
export interface FuzzOptions {
  /** Seed of the changes. */
  readonly seed: number;
  /** Most inputs. */
  readonly inputs: number;
  /** Most seconds of this process's CPU: a busy machine does not shorten the run. */
  readonly seconds: number;
  /** Keeps inputs that reach new code; without it changes are made of the seeds only. */
  readonly coverage?: EdgeCoverage;
  /** Inputs kept by earlier runs. */
  readonly kept?: readonly Uint8Array[];
  /** Told before each input is read, so that a watcher can name one that never ends. */
  readonly before?: (input: Uint8Array) => void;
}

/** Fuzzes one target in this process. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzOutcome> {
  const { coverage, seconds, inputs } = options;
  const random = new SeededRandom(options.seed);
  const corpus: Uint8Array[] = [...await target.seeds(), ...(options.kept ?? [])];
  const interesting: Uint8Array[] = [];
  const findings = new Map<string, Finding>();
  let accepted = 0;
  let slowestMs = 0;
  const attempt = async (input: Uint8Array): Promise<void> => {
    options.before?.(input);
    const began = performance.now();
    const finding = await tryInput(target, input);
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (finding === "accepted") accepted++;
    else if (finding !== "refused") findings.set(`${finding.what.slice(0, 60)}@${finding.where}`, finding);
  };
  for (const input of corpus) await attempt(input);
  coverage?.known(await coverage.fresh());
  const end = cpuSeconds() + seconds;
  let tried = corpus.length;
  while (tried < inputs && cpuSeconds() < end) {
    const batch = Array.from({ length: Math.min(BATCH, inputs - tried) }, () => {
      // Newer inputs are nearer to what is not known yet.
      const recent = random.next() < 0.3 ? Math.max(0, corpus.length - 8) : 0;
      const base = corpus[recent + random.integer(corpus.length - recent)];
      const other = corpus[random.integer(corpus.length)];
      return mutate(base, other, target.kind, target.words ?? [], random);
    });
    for (const input of batch) await attempt(input);
    tried += batch.length;
    if (coverage === undefined) continue;
    const fresh = new Set(await coverage.fresh());
    if (fresh.size === 0) continue;
    // Which of them was it? Asking V8 costs more than most parsers, so it is asked of each only now.
    for (const input of batch) {
      options.before?.(input);
      await tryInput(target, input);
      const mine = (await coverage.fresh()).filter((block) => fresh.delete(block));
      if (mine.length === 0) continue;
      coverage.known(mine);
      corpus.push(input);
      interesting.push(input);
    }
    coverage.known(fresh);
  }
  return { inputs: tried, accepted, interesting, slowestMs, findings: [...findings.values()] };
}

/** CPU that this process has used. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Reads one input and judges how the parser answered. */
export async function tryInput(
  target: FuzzTarget,
  input: Uint8Array,
): Promise<"accepted" | "refused" | Finding> {
  const before = memory();
  let verdict: "accepted" | "refused" | Finding = "accepted";
  try {
    await target.parse(input.slice());
  } catch (error) {
    if (error instanceof FedKimError) {
      verdict = error.message.length > 20_000 || error.code === "InternalError"
        ? finding(target, input, `a refusal of ${error.message.length} characters, ${error.code}`, error)
        : "refused";
    } else {
      verdict = finding(
        target,
        input,
        error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        error,
      );
    }
  }
  const grown = memory() - before;
  if (grown > MEMORY_BOUND) {
    return finding(target, input, `${Math.round(grown / 2 ** 20)} MiB for ${input.length} bytes`, undefined);
  }
  return verdict;
}

function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function finding(target: FuzzTarget, input: Uint8Array, what: string, error: unknown): Finding {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  const where = /(src|cli)\/[\w/]+\.ts:\d+/.exec(stack)?.[0] ?? "";
  return { target: target.name, what: what.slice(0, 300), where, input };
}
