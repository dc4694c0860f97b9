import { DEFAULT_IMPORT_LIMITS } from "../limits.ts";
import { badFile, badValue } from "../source_errors.ts";
import { openSource } from "../source_files.ts";

/** Streams the lines of `records.jsonl` as plain objects. */
export async function* recordLines(path: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const file = await openSource(path);
  let rest = "";
  let line = 0;
  const parse = (text: string): Readonly<Record<string, unknown>> | undefined => {
    line++;
    if (text.trim() === "") return undefined;
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        return value as Record<string, unknown>;
      }
    } catch {
      // Falls through to the same refusal as any other line that is no object.
    }
    throw badValue(
      { file: path, record: `line ${line}` },
      "a line that is no JSON object",
      "one JSON object per line",
    );
  };
  for await (const chunk of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > 16 * DEFAULT_IMPORT_LIMITS.rowCharacters) {
      throw badFile(path, "records", "a line without end");
    }
    for (const text of lines) {
      const record = parse(text);
      if (record !== undefined) yield record;
    }
  }
  const last = parse(rest);
  if (last !== undefined) yield last;
}
