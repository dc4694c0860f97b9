import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import type { Change } from "./operators.ts";

/** One mutant: a change of one file. */
export interface Mutant extends Change {
  /** Path from the root of the tree. */
  readonly path: string;
  /** Line of the change, from 1. */
  readonly line: number;
  /** The text that is replaced. */
  readonly found: string;
  /** First 16 hexadecimal digits of the SHA-256 of path, file text and change: a verdict on it holds for ever. */
  readonly id: string;
}

/** Every mutant of these folders, in the order of paths and places. Deno's own parser finds them, by its linter. */
export async function listMutants(root: string, folders: readonly string[]): Promise<Mutant[]> {
  const work = await Deno.makeTempDir();
  const plugin = fileURLToPath(new URL("sites_plugin.ts", import.meta.url));
  const config = { lint: { plugins: [plugin], rules: { tags: [], include: ["mutation/sites"] } } };
  await Deno.writeTextFile(`${work}/deno.json`, JSON.stringify(config));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json", "--config", `${work}/deno.json`, ...folders],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(work, { recursive: true });
  const text = new TextDecoder().decode(stdout);
  if (text === "") throw new Error(`deno lint gave nothing: ${new TextDecoder().decode(stderr)}`);
  const { diagnostics, errors } = JSON.parse(text) as {
    diagnostics: readonly { filename: string; message: string }[];
    errors: readonly unknown[];
  };
  if (errors.length > 0) throw new Error(`deno lint could not read a file: ${JSON.stringify(errors[0])}`);
  const sources = new Map<string, string>();
  const mutants = diagnostics.map(({ filename, message }) => {
    const file = fileURLToPath(filename);
    if (!sources.has(file)) sources.set(file, Deno.readTextFileSync(file));
    return mutantOf(file.slice(root.length + 1), sources.get(file)!, JSON.parse(message) as Change);
  });
  return mutants.sort((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.start - b.start || a.end - b.end
  );
}

function mutantOf(path: string, text: string, change: Change): Mutant {
  const { start, end, replacement } = change;
  const id = createHash("sha256").update(JSON.stringify([path, text, start, end, replacement])).digest("hex");
  return {
    ...change,
    path,
    line: text.slice(0, start).split("\n").length,
    found: text.slice(start, end),
    id: id.slice(0, 16),
  };
}

/** A random sample without replacement, the same for the same seed and tree. */
export function sampleOf(mutants: readonly Mutant[], size: number, seed: number): Mutant[] {
  const shuffled = [...mutants];
  new SeededRandom(seed).shuffle(shuffled);
  return shuffled.slice(0, size);
}

/** The text of a file with the change made. */
export function mutated(text: string, { start, end, replacement }: Change): string {
  return text.slice(0, start) + replacement + text.slice(end);
}
