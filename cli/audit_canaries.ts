import { decodeSum, type DpPlan } from "../src/dp/mod.ts";
import {
  federatedParameters,
  type LocalModelSpec,
  perUnitGradients,
  type SetFeatures,
  type StemTokens,
  type TaskLabels,
} from "../src/local/mod.ts";
import { AUDIT_TASK, type AuditModel } from "./audit_model.ts";

/** Label that a head at zero, which answers 1/2, does not learn from. */
const SILENT = 0.5;

/** Artificial units of one set, each with a direction of the released vector almost to itself. */
export interface CanarySet {
  /** The set's features: real records first, then the canaries' records. */
  readonly features: SetFeatures;
  /** Names of the canary units. */
  readonly names: readonly string[];
  /** Canaries that share an output of the audit head; their directions differ by their tokens. */
  readonly perOutput: number;
}

/** Width of a token without its mean, which normalisation takes away. */
function directions(spec: LocalModelSpec): number {
  return spec.dEnc - 1;
}

/** Outputs of the audit head. */
function outputsOf(spec: LocalModelSpec): number {
  return spec.heads.find(({ task }) => task === AUDIT_TASK)!.outputs;
}

/** Number of canaries that a model holds. */
export function canaryCount(spec: LocalModelSpec): number {
  return outputsOf(spec) * directions(spec);
}

/**
 * Adds canaries to the audited set, as records: canary (k, j) shows token j of an orthogonal family and is labelled 1
 * for output k, 1/2 for all others. With the audit head at zero its gradient lies in the weights and the bias of
 * output k alone. A canary of a patient or image set has two records, so that clipping per record instead of per unit
 * would show.
 */
export function addCanaries(model: AuditModel): CanarySet {
  const { spec, target, features, units } = model;
  const set = features.sets.get(target.set)!;
  const encoder = spec.encoders.find(({ modality }) => modality === target.modality)!;
  const perOutput = directions(spec);
  const outputs = outputsOf(spec);
  const recordsEach = units.get(target.set) === "record" ? 1 : 2;
  const count = perOutput * outputs;
  const size = set.size + count * recordsEach;
  const grown = (data: Float32Array): Float32Array => {
    const out = new Float32Array(data.length / set.size * size);
    out.set(data);
    return out;
  };
  const flags = (data: Uint8Array): Uint8Array => {
    const out = new Uint8Array(data.length / set.size * size);
    out.set(data);
    return out;
  };
  const tokens = new Map<string, StemTokens>();
  for (const [modality, stem] of set.tokens) {
    const mask = stem.mask === undefined ? {} : { mask: flags(stem.mask) };
    tokens.set(modality, { data: grown(stem.data), present: flags(stem.present), ...mask });
  }
  const labels = new Map<string, TaskLabels>();
  for (const [task, known] of set.labels) {
    labels.set(task, { ...known, data: grown(known.data), known: flags(known.known) });
  }
  const rowsOf = new Map(set.rowsOf);
  const ids = [...set.ids];
  const names: string[] = [];
  const stem = tokens.get(target.modality)!;
  const audit = labels.get(AUDIT_TASK)!;
  let row = set.size;
  for (let k = 0; k < outputs; k++) {
    for (let j = 0; j < perOutput; j++) {
      const name = `canary-${k}-${j}`;
      const rows: number[] = [];
      for (let r = 0; r < recordsEach; r++, row++) {
        for (let t = 0; t < encoder.tokens; t++) {
          stem.data.set(cosine(j + 1, spec.dEnc), (row * encoder.tokens + t) * spec.dEnc);
        }
        stem.present[row] = 1;
        audit.known[row] = 1;
        audit.data.fill(SILENT, row * outputs, (row + 1) * outputs);
        audit.data[row * outputs + k] = 1;
        ids.push(`${name}-${r}`);
        rows.push(row);
      }
      rowsOf.set(name, rows);
      names.push(name);
    }
  }
  return { features: { ...set, size, ids, rowsOf, tokens, labels }, names, perOutput };
}

/** Basis vector j >= 1 of the discrete cosine transform, mean 0, mean square 1. */
function cosine(j: number, width: number): Float32Array {
  return Float32Array.from(
    { length: width },
    (_, i) => Math.SQRT2 * Math.cos((Math.PI * j * (2 * i + 1)) / (2 * width)),
  );
}

/** The set with the included canaries only. */
export function withIncluded(canaries: CanarySet, included: readonly boolean[]): SetFeatures {
  const rowsOf = new Map(canaries.features.rowsOf);
  canaries.names.forEach((name, i) => {
    if (!included[i]) rowsOf.delete(name);
  });
  return { ...canaries.features, rowsOf };
}

/** Where the audit head's output k lies in the released vector: the weights of its inputs, then its bias. */
function coordinates(spec: LocalModelSpec, k: number): number[] {
  const place = (part: string) =>
    federatedParameters(spec).parameters.find(({ name }) => name === `head.${AUDIT_TASK}.${part}`)!.offset;
  const [weight, bias] = [place("weight"), place("bias")];
  const outputs = outputsOf(spec);
  return [...Array.from({ length: spec.dEnc }, (_, i) => weight + i * outputs + k), bias + k];
}

/**
 * Directions of the canaries of one output, as unit vectors over its coordinates, [perOutput][dEnc + 1]. They are the
 * same for every output, since the head is zero. An attacker who knows the model computes them as it is done here.
 */
async function directionsOf(model: AuditModel, canaries: CanarySet): Promise<Float64Array[]> {
  const at = coordinates(model.spec, 0);
  const found: Float64Array[] = [];
  const first = canaries.names.slice(0, canaries.perOutput);
  await perUnitGradients(model.spec, model.weights, canaries.features, first, (gradient) => {
    const part = Float64Array.from(at, (index) => gradient[index]);
    const norm = Math.sqrt(part.reduce((sum, x) => sum + x * x, 0));
    found.push(part.map((x) => x / norm));
  });
  return found;
}

/** Scores canaries by least squares, which for noise equal on all coordinates is the attacker's best. */
export async function makeScorer(
  model: AuditModel,
  canaries: CanarySet,
): Promise<(plan: DpPlan, sum: Uint32Array) => Float64Array> {
  const basis = await directionsOf(model, canaries);
  const inverse = inverted(basis.map((a) => basis.map((b) => a.reduce((sum, x, i) => sum + x * b[i], 0))));
  const outputs = outputsOf(model.spec);
  const places = Array.from({ length: outputs }, (_, k) => coordinates(model.spec, k));
  return (plan, sum) => {
    const released = decodeSum(plan, sum);
    const scores = new Float64Array(canaries.names.length);
    places.forEach((at, k) => {
      const products = basis.map((u) => u.reduce((total, x, i) => total + x * released[at[i]], 0));
      inverse.forEach((line, j) => {
        scores[k * canaries.perOutput + j] = line.reduce((total, x, i) => total + x * products[i], 0);
      });
    });
    return scores;
  };
}

/** Inverse of a small, well-conditioned matrix, by elimination with pivots. */
function inverted(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((line, i) => [...line, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(rows[r][c]) > Math.abs(rows[pivot][c])) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot], rows[c]];
    const head = rows[c][c];
    rows[c] = rows[c].map((x) => x / head);
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = rows[r][c];
      rows[r] = rows[r].map((x, k) => x - factor * rows[c][k]);
    }
  }
  return rows.map((line) => line.slice(n));
}
