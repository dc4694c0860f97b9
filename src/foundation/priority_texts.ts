import { FedKimError } from "../formats/errors.ts";

const FILE = new URL("../../models/priority_texts.txt", import.meta.url);

/**
 * The texts whose words are single tokens in the embedded model: questions, descriptions and answers of the tasks
 * that FedKIM ships with, one a line.
 *
 * @returns the lines
 * @throws FedKimError `FormatError` when the file is missing
 */
export async function readPriorityTexts(): Promise<string[]> {
  try {
    return (await Deno.readTextFile(FILE)).split("\n").filter((line) => line !== "");
  } catch (cause) {
    throw new FedKimError("FormatError", "The list of priority texts cannot be read.", {
      found: `no readable file ${FILE.pathname}`,
      remedy: "check that the installation is complete",
      cause,
    });
  }
}
