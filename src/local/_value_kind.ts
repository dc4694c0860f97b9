import type { ModalityKind } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import type { ModalityValue } from "./dataset.ts";
import type { TokenEmbedding } from "./token_embedding.ts";

/** Refuses a value of another kind than the encoder was made for, and a value without extent. */
export function checkKind(value: ModalityValue, kind: ModalityKind): void {
  if (value.kind === kind) {
    checkExtent(value);
    return;
  }
  throw new FedKimError(
    "DatasetError",
    "A modality has another kind than the model's encoder of that name.",
    {
      found: value.kind,
      needed: kind,
    },
  );
}

/**
 * An empty signal or image, or one with fewer values than it says, would become numbers that nobody measured.
 */
function checkExtent(value: ModalityValue): void {
  const extents = value.kind === "signal"
    ? [value.samples, value.leads]
    : value.kind === "image"
    ? [value.height, value.width]
    : value.kind === "timeseries"
    ? [value.steps, value.channels]
    : undefined;
  if (extents === undefined) return;
  const rate = value.kind === "signal" ? value.sampleRateHz : 1;
  const positive = [...extents, rate].every((extent) => extent > 0 && extent < Infinity);
  if (positive && "data" in value && value.data.length === extents[0] * extents[1]) return;
  throw new FedKimError(
    "DatasetError",
    `A value of kind ${value.kind} does not have the extent that it says.`,
    {
      found: `${extents.join(" x ")}, rate ${rate}, ${"data" in value ? value.data.length : 0} values`,
      needed: "positive extents and as many values as their product",
    },
  );
}

/** The token table, or an error that says how to get one. */
export function requireEmbedding(embedding: TokenEmbedding | undefined): TokenEmbedding {
  if (embedding !== undefined) return embedding;
  throw new FedKimError("ModelError", "A text encoder needs a token embedding.", {
    remedy: "pass the foundation model's embedding table, or make the model without a token dimension",
  });
}
