import { FedKimError } from "../formats/errors.ts";

/** Reads a JSON object from a model folder; `absent` is the value of a file that may be missing. */
export async function readJsonFile(
  path: string,
  absent?: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (absent !== undefined && cause instanceof Deno.errors.NotFound) return absent;
    throw new FedKimError("FormatError", "A file of the model folder cannot be read.", {
      found: `no readable file ${path}`,
      needed: "a Hugging Face model folder with config.json, tokenizer.json and safetensors",
      remedy: "check the folder, or copy the model again",
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the typed error below.
  }
  throw new FedKimError("FormatError", `The file ${path} is malformed.`, {
    found: "text that is not a JSON object",
    needed: "a JSON object",
    remedy: "copy the model folder again",
  });
}
