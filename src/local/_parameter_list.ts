import { FedKimError } from "../formats/errors.ts";
import { encoderLayers, headLayer, layerParameters } from "./_architecture.ts";
import type { EncoderSpec, HeadSpec, ParameterSpec } from "./spec.ts";

/**
 * Every tensor of a model: federated ones first, then learned ones that stay as public pre-training leaves
 * them, then the statistics of the stems.
 */
export function parameterList(
  encoders: readonly EncoderSpec[],
  heads: readonly HeadSpec[],
  dEnc: number,
  federate: readonly string[],
): ParameterSpec[] {
  const learned = learnedParameters(encoders, heads, dEnc, federate);
  return [
    ...learned.filter((parameter) => parameter.federated),
    ...learned.filter((parameter) => !parameter.federated),
    ...stemParameters(encoders, dEnc),
    ...targetParameters(heads),
  ];
}

/** Every learned tensor; it is federated where a trained task needs it and a pattern names it. */
function learnedParameters(
  encoders: readonly EncoderSpec[],
  heads: readonly HeadSpec[],
  dEnc: number,
  federate: readonly string[],
): ParameterSpec[] {
  const patterns = federate.map((pattern) =>
    new RegExp(`^${pattern.split("*").map((part) => part.replace(/[^\w-]/g, "\\$&")).join(".*")}$`)
  );
  const layers = [
    ...encoders.flatMap((encoder) =>
      encoderLayers(encoder, dEnc).map((layer) => ({ layer, needed: encoder.federated }))
    ),
    ...heads.map((head) => ({ layer: headLayer(head, dEnc), needed: true })),
  ];
  const parameters = layers.flatMap(({ layer, needed }) =>
    layerParameters(layer).map(({ name, shape }) => {
      return { name, shape, federated: needed && patterns.some((pattern) => pattern.test(name)) };
    })
  );
  if (parameters.some(({ federated }) => federated)) return parameters;
  throw new FedKimError("ConfigError", "No parameter of this model would be federated.", {
    found: federate.join(", ") || "no pattern",
    needed: "a pattern that names a trained layer, for example head.*",
  });
}

function stemParameters(encoders: readonly EncoderSpec[], dEnc: number): ParameterSpec[] {
  return encoders.flatMap(({ modality, views, attention }) =>
    views.flatMap(({ name, features }) => {
      const prefix = `stem.${modality}.${name}`;
      const statistics = [
        { name: `${prefix}.mean`, shape: [features], federated: false },
        { name: `${prefix}.scale`, shape: [features], federated: false },
      ];
      if (attention !== undefined) return statistics;
      return [
        ...statistics,
        { name: `${prefix}.projection`, shape: [features, dEnc], federated: false },
        { name: `${prefix}.offset`, shape: [dEnc], federated: false },
      ];
    })
  );
}

/** A regression is learned in units of the public labels' spread, around their mean. */
function targetParameters(heads: readonly HeadSpec[]): ParameterSpec[] {
  return heads.filter(({ type }) => type === "regression").flatMap(({ task }) => [
    { name: `target.${task}.mean`, shape: [1], federated: false },
    { name: `target.${task}.scale`, shape: [1], federated: false },
  ]);
}
