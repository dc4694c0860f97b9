import { z } from "zod";
import { FedKimError } from "../../formats/errors.ts";
import { canonicalJson } from "../../formats/canonical_json.ts";
import { decodeFlat, encodeFlat } from "../flat_model.ts";

/** How the scores of one task are put into bins; everything here comes from public data. */
export interface TaskBins {
  /** Logits at which the next bin begins, ascending, at most K - 1 of them. */
  readonly edges: readonly number[];
  /** Probability of yes that stands for a bin, one for each, ascending. */
  readonly probabilities: readonly number[];
  /** The first bin whose answer is yes. */
  readonly firstYes: number;
  /** Whether the probabilities were calibrated on public labels; otherwise they are the head's own. */
  readonly calibrated: boolean;
}

/** What is evaluated: the federated parameters after the last step, and how scores are binned. */
export interface EvaluationModel {
  /** Federated parameters `[d]`. */
  readonly flat: Float64Array;
  /** Bins by task. */
  readonly bins: Readonly<Record<string, TaskBins>>;
}

const rising = (values: readonly number[]) => values.every((value, i) => i === 0 || value > values[i - 1]);

const HeadSchema = z.strictObject({
  format: z.literal("fedkim-evaluation-model/1"),
  bins: z.record(
    z.string(),
    z.strictObject({
      edges: z.array(z.number()).min(1).max(49).refine(rising),
      probabilities: z.array(z.number().min(0).max(1)).min(2).max(50),
      firstYes: z.number().int().min(0).max(50),
      calibrated: z.boolean(),
    }).refine(({ edges, probabilities, firstYes }) =>
      probabilities.length === edges.length + 1 && firstYes <= probabilities.length
    ),
  ),
});

/** The model as an artefact: length of a JSON head, the head, then the parameters as float32. The order signs its hash. */
export function encodeEvaluationModel({ flat, bins }: EvaluationModel): Uint8Array {
  const head = new TextEncoder().encode(canonicalJson({ format: "fedkim-evaluation-model/1", bins }));
  const weights = encodeFlat(flat);
  const bytes = new Uint8Array(4 + head.length + weights.length);
  new DataView(bytes.buffer).setUint32(0, head.length, true);
  bytes.set(head, 4);
  bytes.set(weights, 4 + head.length);
  return bytes;
}

/**
 * Reads {@link encodeEvaluationModel}'s bytes.
 * @param bytes the artefact
 * @param dimension federated parameters of the plan's model
 * @param tasks tasks whose bins must be there
 * @param most bins of the plan
 * @throws FedKimError `ModelError` where they are damaged or do not fit the plan
 */
export function decodeEvaluationModel(
  bytes: Uint8Array,
  dimension: number,
  tasks: readonly string[],
  most: number,
): EvaluationModel {
  try {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    if (length > bytes.length - 4) throw new RangeError("cut short");
    const { bins } = HeadSchema.parse(JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))));
    for (const task of tasks) {
      if (!Object.hasOwn(bins, task)) throw new RangeError(`no bins for ${task}`);
      if (bins[task].probabilities.length > most) throw new RangeError(`too many bins for ${task}`);
    }
    return { flat: decodeFlat(bytes.subarray(4 + length), dimension), bins };
  } catch (cause) {
    if (cause instanceof FedKimError) throw cause;
    throw new FedKimError("ModelError", "The model to evaluate is damaged.", {
      needed: "a fedkim-evaluation-model/1 with bins for the plan's tasks",
      remedy: "tell the consortium",
      cause,
    });
  }
}

/** The bin of a score: how many edges it has reached. A score that is not finite is in the first one. */
export function binOf({ edges }: TaskBins, score: number): number {
  let bin = 0;
  while (bin < edges.length && score > edges[bin]) bin++;
  return bin;
}
