import { type PoolOptions, runJobs } from "./_pool.ts";

/** How jobs are run that may have been done before. */
export interface KeptOptions<Job, Result> extends Omit<PoolOptions<Job, Result>, "onResult"> {
  /** What a job is recognised by: all that its result depends on. */
  readonly nameOf: (job: Job) => string;
  /** A file of finished jobs; without one, nothing is kept. */
  readonly keep: string | undefined;
  /** Called when a job is done that had not been kept. */
  readonly onDone: (job: Job, result: Result, done: number, missing: number) => void;
}

interface Kept<Result> {
  readonly name: string;
  readonly result: Result;
}

/**
 * Runs the jobs that the file of finished jobs lacks, and adds each to it as it ends.
 * @returns results of all jobs, in their order
 */
export async function runMissing<Job, Result>(
  jobs: readonly Job[],
  { worker, size, nameOf, keep, onDone }: KeptOptions<Job, Result>,
): Promise<Result[]> {
  const known = new Map((await readKept<Result>(keep)).map(({ name, result }) => [name, result]));
  const missing = jobs.filter((job) => !known.has(nameOf(job)));
  await runJobs<Job, Result>(missing, {
    worker,
    size,
    onResult: async (job, result, done) => {
      known.set(nameOf(job), result);
      if (keep !== undefined) {
        const line: Kept<Result> = { name: nameOf(job), result };
        await Deno.writeTextFile(keep, JSON.stringify(line) + "\n", { append: true });
      }
      onDone(job, result, done, missing.length);
    },
  });
  return jobs.map((job) => known.get(nameOf(job))!);
}

/**
 * Results of the jobs that were kept, without running any.
 * @returns one per job, in their order; undefined for a job that was not run
 */
export async function keptResults<Job, Result>(
  jobs: readonly Job[],
  { nameOf, keep }: Pick<KeptOptions<Job, Result>, "nameOf" | "keep">,
): Promise<(Result | undefined)[]> {
  const known = new Map((await readKept<Result>(keep)).map(({ name, result }) => [name, result]));
  return jobs.map((job) => known.get(nameOf(job)));
}

async function readKept<Result>(path: string | undefined): Promise<Kept<Result>[]> {
  if (path === undefined) return [];
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
