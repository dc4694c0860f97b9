import { FedKimError } from "../../src/formats/errors.ts";
import type { Reply, Request } from "./_worker_side.ts";

/** How jobs are shared out. */
export interface PoolOptions<Job, Result> {
  /** Module of the worker; it calls `answerJobs`. */
  readonly worker: URL;
  /** Workers at once. */
  readonly size: number;
  /** Called when a job is done. */
  readonly onResult: (job: Job, result: Result, done: number) => void | Promise<void>;
}

/**
 * Runs jobs on several workers; the next free one takes the next job.
 * @returns results in the order of the jobs
 * @throws FedKimError `InternalError` for the first job that fails; all workers are stopped
 */
export async function runJobs<Job, Result>(
  jobs: readonly Job[],
  { worker, size, onResult }: PoolOptions<Job, Result>,
): Promise<Result[]> {
  const results = new Array<Result>(jobs.length);
  const workers = Array.from({ length: Math.min(size, jobs.length) }, () => {
    return new Worker(worker, { type: "module" });
  });
  let next = 0, done = 0;
  const serve = async (own: Worker): Promise<void> => {
    while (next < jobs.length) {
      const id = next++;
      results[id] = await ask<Job, Result>(own, { id, job: jobs[id] });
      await onResult(jobs[id], results[id], ++done);
    }
  };
  try {
    await Promise.all(workers.map(serve));
  } finally {
    for (const own of workers) own.terminate();
  }
  return results;
}

function ask<Job, Result>(worker: Worker, request: Request<Job>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const fail = (found: string): void =>
      reject(new FedKimError("InternalError", "A part of the experiments failed.", { found }));
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    worker.onmessage = ({ data }: MessageEvent<Reply<Result>>) => {
      if ("error" in data) fail(data.error);
      else resolve(data.result);
    };
    worker.postMessage(request);
  });
}
