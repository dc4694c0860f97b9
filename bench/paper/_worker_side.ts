/** What a worker is sent. */
export interface Request<Job> {
  readonly id: number;
  readonly job: Job;
}

/** What it sends back. */
export type Reply<Result> =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly error: string };

interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
}

/** Answers every job that the owner of this worker sends, one after the other. */
export function answerJobs<Job, Result>(run: (job: Job) => Promise<Result>): void {
  const scope = globalThis as unknown as WorkerScope;
  let last: Promise<void> = Promise.resolve();
  scope.onmessage = ({ data }: MessageEvent<Request<Job>>) => {
    last = last.then(async () => {
      let reply: Reply<Result>;
      try {
        reply = { id: data.id, result: await run(data.job) };
      } catch (error) {
        reply = { id: data.id, error: error instanceof Error ? error.stack ?? error.message : String(error) };
      }
      scope.postMessage(reply);
    });
  };
}
