import { FedKimError } from "../formats/errors.ts";

/** One question with its answer. */
export interface QuestionAnswer {
  /** The question. */
  readonly question: string;
  /** The answer. */
  readonly answer: string;
}

/**
 * Reads a JSON-lines corpus of questions and answers, gzip-compressed when its name ends in `.gz`. Other fields
 * are ignored; white space is collapsed.
 *
 * @param path the file
 * @returns the pairs in file order
 * @throws FedKimError `FormatError` when the file is missing or a line has no question and answer
 */
export async function readQuestionAnswers(path: string): Promise<QuestionAnswer[]> {
  const lines = (await readText(path)).split("\n").filter((line) => line !== "");
  return lines.map((line, index) => {
    try {
      const { question, answer } = JSON.parse(line) as Record<string, unknown>;
      if (typeof question === "string" && typeof answer === "string") {
        return { question: collapse(question), answer: collapse(answer) };
      }
    } catch {
      // Falls through to the typed error below.
    }
    throw new FedKimError("FormatError", `The corpus ${path} is malformed.`, {
      found: `line ${index + 1} without question and answer`,
      needed: 'one JSON object a line with "question" and "answer"',
    });
  });
}

async function readText(path: string): Promise<string> {
  try {
    if (!path.endsWith(".gz")) return await Deno.readTextFile(path);
    using file = await Deno.open(path);
    return await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  } catch (cause) {
    throw new FedKimError("FormatError", "The corpus cannot be read.", {
      found: `no readable file ${path}`,
      needed: "JSON lines, plain or gzip-compressed",
      remedy: "check the path",
      cause,
    });
  }
}

function collapse(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
