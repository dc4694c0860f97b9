/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { encodeUpdate } from "./update.ts";
import type { DpPlan } from "./types.ts";

/** One request: the plan and the sum, answered with the ring vector or the text of an error. */
interface Request {
  readonly id: number;
  readonly plan: DpPlan;
  readonly sum: Float64Array<ArrayBuffer>;
}

self.onmessage = (event: MessageEvent<Request>) => {
  const { id, plan, sum } = event.data;
  try {
    const ring = encodeUpdate(plan, sum) as Uint32Array<ArrayBuffer>;
    self.postMessage({ id, ring }, [ring.buffer]);
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : "unknown" });
  }
};
