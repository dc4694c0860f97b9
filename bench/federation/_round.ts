import { writeIdentities } from "./_cohort.ts";
import type { CohortSize, SitesTask } from "./_cohort.ts";
import type { Held } from "./_held.ts";
import { speak, type Speaker } from "./_processes.ts";

/** What one round over HTTP has cost. */
export interface MeasuredRound {
  /** Wall-clock seconds from the order to the sum. */
  readonly seconds: number;
  /** CPU seconds of the aggregator's process. */
  readonly cpuSeconds: number;
  /** Largest resident memory of the aggregator's process so far, bytes. */
  readonly peakBytes: number;
  /** Requests that it answered. */
  readonly requests: number;
  /** Wall-clock seconds of each phase. */
  readonly phases: readonly number[];
  /** What the aggregator holds after the round. */
  readonly held: Held;
  /** When the last upload was in, milliseconds since 1970. */
  readonly uploadedAt: number;
  /** Sites in the sum. */
  readonly survivors: number;
  /** True if the sum is that of what the sites put in. */
  readonly exact: boolean;
  /** Long polls that waited at the same time before the round. */
  readonly polls: number;
  /** CPU seconds of all sites together. */
  readonly sitesCpu: number;
  /** Of these, expanding masks. */
  readonly masksCpu: number;
}

/**
 * How the aggregator's process is told to use memory: glibc gives large buffers back when they are freed, instead of
 * keeping them for later, and V8 collects young objects before they are many and old ones before the heap has grown by
 * more than a fifth. Plain settings of the environment.
 */
export const AGGREGATOR_ENV = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  DENO_V8_FLAGS: "--max-semi-space-size=4,--heap-growing-percent=20",
} as const;

/** How to run a cohort. */
export interface RoundOptions {
  /** Its size. */
  readonly cohort: CohortSize;
  /** Processes that the sites are spread over. */
  readonly processes: number;
  /** See {@link SitesTask}. */
  readonly masks: SitesTask["masks"];
  /** Stands between sites and aggregator: gets its address and gives another one. */
  readonly through?: (url: string) => string;
  /** Called before and after every round. */
  readonly around?: (round: number, when: "before" | "after") => void;
  /** Called when all uploads are computed and may leave; without it each leaves as it is ready. */
  readonly uploads?: () => void;
}

/** Runs an aggregator and its sites as processes of their own. */
export async function measureRounds(options: RoundOptions): Promise<MeasuredRound[]> {
  const { cohort, processes, masks } = options;
  const dir = await Deno.makeTempDir({ prefix: "fedkim-bench-" });
  const started: Speaker[] = [];
  try {
    await writeIdentities(`${dir}/identities.json`, cohort.sites);
    const aggregator = speak("_aggregator_process.ts", [dir, JSON.stringify(cohort)], AGGREGATOR_ENV);
    started.push(aggregator);
    const { url, publicKey } = await aggregator.hear<{ url: string; publicKey: string }>("listening");
    const each = Math.ceil(cohort.sites / processes);
    const sites = Array.from({ length: processes }, (_, i) => {
      const first = i * each;
      const task: SitesTask = {
        dir,
        cohort,
        url: options.through?.(url) ?? url,
        key: publicKey,
        first,
        count: Math.min(each, cohort.sites - first),
        masks,
        hold: options.uploads !== undefined,
      };
      return speak("_sites_process.ts", [JSON.stringify(task)]);
    });
    started.push(...sites);
    const costs = async () => {
      const all = await Promise.all(sites.map(async (site) => {
        await site.tell("cost");
        return await site.hear<{ cpuSeconds: number; maskSeconds: number }>("cost");
      }));
      const sum = (of: (cost: typeof all[number]) => number) =>
        all.reduce((total, cost) => total + of(cost), 0);
      return { cpu: sum(({ cpuSeconds }) => cpuSeconds), masks: sum(({ maskSeconds }) => maskSeconds) };
    };
    const rounds: MeasuredRound[] = [];
    for (let round = 1; round <= cohort.rounds; round++) {
      const { polls } = await aggregator.hear<{ polls: number }>("ready");
      const before = await costs();
      options.around?.(round, "before");
      await aggregator.tell("go");
      if (options.uploads !== undefined) {
        await Promise.all(sites.map((site) => site.hear("holding")));
        options.uploads();
        await Promise.all(sites.map((site) => site.tell("go")));
      }
      const measured = await aggregator.hear<Omit<MeasuredRound, "polls" | "sitesCpu" | "masksCpu">>("round");
      options.around?.(round, "after");
      const after = await costs();
      const [sitesCpu, masksCpu] = [after.cpu - before.cpu, after.masks - before.masks];
      rounds.push({ ...measured, polls, sitesCpu, masksCpu });
    }
    await aggregator.tell("over");
    await Promise.all(started.map((process) => process.end()));
    return rounds;
  } finally {
    for (const process of started) await process.kill();
    await Deno.remove(dir, { recursive: true });
  }
}
