import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { parameterList } from "./_parameter_list.ts";
import { type LocalModelSpec, MAX_ATTENTION_BLOCKS } from "./spec.ts";

const size = z.number().int().min(1).max(1 << 24);
const blocks = z.number().int().min(1).max(MAX_ATTENTION_BLOCKS);
const name = z.string().regex(/^[\w.-]{1,128}$/);

const SpecSchema = z.strictObject({
  format: z.literal("fedkim-local-model/1"),
  dEnc: size,
  encoders: z.array(z.strictObject({
    modality: name,
    kind: z.enum(["timeseries", "vector", "image", "signal", "text"]),
    channels: z.array(z.string()),
    views: z.array(z.strictObject({ name, features: size })).min(1),
    tokens: size,
    hidden: size,
    attention: z.strictObject({ blocks, heads: size }).optional(),
    federated: z.boolean(),
  })).min(1),
  heads: z.array(z.strictObject({
    task: name,
    set: name,
    type: z.enum(["binary", "multiclass", "multilabel", "regression", "open"]),
    answers: z.array(z.string()).optional(),
    modalities: z.array(name).min(1),
    outputs: size,
  })).min(1),
  parameters: z.array(z.strictObject({ name, shape: z.array(size), federated: z.boolean() })).min(1),
});

/**
 * Reads a model description that somebody else made, e.g. a signed plan. Every tensor is derived again from encoders and
 * heads and has to be there once, with that shape: two layers on the same coordinates would be clipped as one and added
 * as two.
 *
 * @param value parsed JSON
 * @returns the description
 * @throws FedKimError `ModelError` naming what does not follow
 */
export function parseLocalModelSpec(value: unknown): LocalModelSpec {
  const parsed = SpecSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refused(`${issue.path.join(".")}: ${issue.message}`);
  }
  const spec = parsed.data as LocalModelSpec;
  requireUnique("encoders of modality", spec.encoders.map((encoder) => encoder.modality));
  requireUnique("heads of task", spec.heads.map((head) => head.task));
  requireUnique("tensors", spec.parameters.map((parameter) => parameter.name));
  for (const { modality, attention, views } of spec.encoders) {
    if (attention !== undefined && (views.length !== 1 || spec.dEnc % attention.heads !== 0)) {
      throw refused(
        `the attention encoder of ${modality} has ${views.length} views and ${attention.heads} heads`,
      );
    }
  }
  requireTensorsForBlocks(spec);
  const modalities = new Set(spec.encoders.map((encoder) => encoder.modality));
  for (const head of spec.heads) {
    const unknown = head.modalities.find((modality) => !modalities.has(modality));
    if (unknown !== undefined) throw refused(`the head ${head.task} reads ${unknown}, which has no encoder`);
    requireUnique(`modalities of ${head.task}`, head.modalities);
    if (head.outputs !== (head.answers?.length ?? 1)) {
      throw refused(
        `the head ${head.task} has ${head.outputs} outputs for ${head.answers?.length ?? 1} answers`,
      );
    }
  }
  const derived = new Map(
    parameterList(spec.encoders, spec.heads, spec.dEnc, ["*"]).map((item) => [item.name, item]),
  );
  for (const parameter of spec.parameters) {
    const mine = derived.get(parameter.name);
    if (mine === undefined) throw refused(`the tensor ${parameter.name} belongs to no layer`);
    if (mine.shape.join() !== parameter.shape.join()) {
      throw refused(
        `the tensor ${parameter.name} has shape [${parameter.shape}] where its layer has [${mine.shape}]`,
      );
    }
    if (parameter.federated && !mine.federated) {
      throw refused(`the tensor ${parameter.name} cannot be federated`);
    }
  }
  if (spec.parameters.length !== derived.size) {
    throw refused(`${spec.parameters.length} of ${derived.size} tensors`);
  }
  const firstFrozen = spec.parameters.findIndex((parameter) => !parameter.federated);
  if (firstFrozen >= 0 && spec.parameters.slice(firstFrozen).some((parameter) => parameter.federated)) {
    throw refused("a federated tensor behind a frozen one");
  }
  return spec;
}

/** Before the tensors are derived: what that costs shall follow from the description's length, not from its numbers. */
function requireTensorsForBlocks({ encoders, parameters }: LocalModelSpec): void {
  const blocks = encoders.reduce((sum, { attention }) => sum + (attention?.blocks ?? 0), 0);
  if (blocks > parameters.length) {
    throw refused(`${blocks} blocks of attention in ${parameters.length} tensors`);
  }
}

function requireUnique(what: string, names: readonly string[]): void {
  const twice = names.find((item, i) => names.indexOf(item) !== i);
  if (twice !== undefined) throw refused(`two ${what} ${twice}`);
}

function refused(found: string): FedKimError {
  return new FedKimError(
    "ModelError",
    "The local model's description does not follow from its encoders and heads.",
    {
      found,
      needed: "every tensor of every layer once, with the layer's shape",
      remedy: "tell whoever made the plan",
    },
  );
}
