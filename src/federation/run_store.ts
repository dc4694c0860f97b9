import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { RoundLog } from "./round_log.ts";
import { decodeStepState, encodeStepState, type StepState } from "./step_state.ts";
import type { Bytes, Fence, Store } from "./store/mod.ts";

/** Metric lines that are read from the store at once. */
const PAGE = 1000;

const RecordSchema = z.strictObject({
  planHash: z.string(),
  configHash: z.string(),
  state: z.enum(["aggregation", "injection", "finished", "failed"]),
  sealedPlan: z.string(),
  result: z.unknown().optional(),
});

/** Where a federation's newest run stands. `failed` and `finished` runs are over: the next start begins a new one. */
export type RunRecord = z.infer<typeof RecordSchema>;

/** A line of `metrics.jsonl`. */
export type MetricLine = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly round: number;
};

/**
 * The durable state of a federation's newest run, beside identity and members. One process leads and writes: each write
 * carries its fence, so one that has lost the lead changes nothing any more.
 */
export class RunStore {
  /**
   * @param store where everything is kept
   * @param federation name of the federation
   * @param fence proof that this process leads
   */
  constructor(
    private readonly store: Store,
    private readonly federation: string,
    private readonly fence: Fence | undefined,
  ) {}

  /** The newest run; undefined where there was none. @throws FedKimError `StoreError` */
  async record(): Promise<RunRecord | undefined> {
    const bytes = await this.store.get("run", this.federation);
    if (bytes === undefined) return undefined;
    const parsed = RecordSchema.safeParse(JSON.parse(text(bytes)));
    if (parsed.success) return parsed.data;
    throw new FedKimError("StoreError", "The record of the run is damaged.", {
      reason: "damaged",
      remedy: "restore the aggregator's store from a backup",
    });
  }

  /** Begins a run: what sites will fetch is durable before the plan, and the plan before anybody sees it. */
  async begin(record: Omit<RunRecord, "state" | "result">, baseWeights: Uint8Array): Promise<void> {
    await this.store.put("run_base", record.planHash, baseWeights, this.fence);
    await this.#write({ ...record, state: "aggregation" });
  }

  /** Notes that a run has come to another state. */
  async advance(record: RunRecord, state: "injection"): Promise<void> {
    await this.#write({ ...record, state });
  }

  /** Ends a run and drops what only its continuation would need. */
  async end(record: RunRecord, state: "finished" | "failed", result?: unknown): Promise<void> {
    const { planHash } = record;
    await this.#write({ ...record, state, ...(result === undefined ? {} : { result }) });
    await this.store.delete("run_base", planHash, this.fence);
    await this.store.delete("run_step", planHash, this.fence);
    await this.store.delete("run_evaluation", planHash, this.fence);
    for (const site of await this.store.keys(sitesOf(planHash))) {
      await this.store.delete(sitesOf(planHash), site, this.fence);
    }
    const stream = metricsOf(planHash);
    await this.store.trim(stream, await this.store.newest(stream), this.fence);
  }

  /** The public-pretrained weights of a run, as sites fetch them. */
  async baseWeights(planHash: string): Promise<Bytes> {
    const bytes = await this.store.get("run_base", planHash);
    if (bytes !== undefined) return bytes;
    throw new FedKimError("StoreError", "The weights of the unfinished run are gone.", {
      reason: "damaged",
      remedy: "restore the aggregator's store from a backup",
    });
  }

  /** The state after the last step that is over; undefined before the first. */
  async step(planHash: string): Promise<StepState | undefined> {
    const bytes = await this.store.get("run_step", planHash);
    return bytes && decodeStepState(bytes);
  }

  /** Replaces the state after a step, as a whole. */
  async saveStep(planHash: string, state: StepState): Promise<void> {
    await this.store.put("run_step", planHash, encodeStepState(state), this.fence);
  }

  /** The model that sites evaluate, as they fetch it; undefined before the evaluation. */
  async evaluationModel(planHash: string): Promise<Bytes | undefined> {
    return await this.store.get("run_evaluation", planHash);
  }

  /** Keeps the model that sites evaluate: a round that is carried on must offer the very same bytes. */
  async saveEvaluationModel(planHash: string, model: Uint8Array): Promise<void> {
    await this.store.put("run_evaluation", planHash, model, this.fence);
  }

  /** The write-ahead log of a step. */
  log(planHash: string, round: number): RoundLog {
    return new RoundLog(this.store, `round/${planHash}/${round}`, this.fence);
  }

  /** Sites that have accepted the plan, each with the newest step when it joined. */
  async accepted(planHash: string): Promise<Map<string, number>> {
    const accepted = new Map<string, number>();
    for (const site of await this.store.keys(sitesOf(planHash))) {
      const bytes = await this.store.get(sitesOf(planHash), site);
      if (bytes !== undefined) accepted.set(site, Number(text(bytes)));
    }
    return accepted;
  }

  /** Notes that a site has accepted the plan, having joined when `since` was the newest step. */
  async accept(planHash: string, site: string, since: number): Promise<void> {
    await this.store.put(sitesOf(planHash), site, new TextEncoder().encode(String(since)), this.fence);
  }

  /** Notes that a site has joined anew and has to accept again. */
  async leave(planHash: string, site: string): Promise<void> {
    await this.store.delete(sitesOf(planHash), site, this.fence);
  }

  /** Appends to the run's metrics. */
  async metric(planHash: string, line: MetricLine): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(line));
    await this.store.append(metricsOf(planHash), [bytes], this.fence);
  }

  /** All metrics of a run, each once: a step that was carried on after a crash may have noted the same line twice. */
  async metrics(planHash: string): Promise<MetricLine[]> {
    const lines = new Map<string, MetricLine>();
    for (let after = 0;;) {
      const entries = await this.store.read(metricsOf(planHash), after, PAGE);
      for (const { sequence, body } of entries) {
        after = sequence;
        const line = JSON.parse(text(body)) as MetricLine;
        lines.set(`${line.kind} ${line.round}`, line);
      }
      if (entries.length < PAGE) return [...lines.values()];
    }
  }

  async #write(record: RunRecord): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    await this.store.put("run", this.federation, bytes, this.fence);
  }
}

function sitesOf(planHash: string): string {
  return `run_site/${planHash}`;
}

function metricsOf(planHash: string): string {
  return `metrics/${planHash}`;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
