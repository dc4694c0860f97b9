import { join } from "node:path";
import { type Block, blocksOf } from "../../tools/_markdown_blocks.ts";
import { root } from "../_fedkim.ts";

export type { Block };

/** The blocks of README.md, of every page below docs/, and of the module documentation of mod.ts. */
export async function allBlocks(): Promise<Block[]> {
  const pages: string[] = ["README.md"];
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
      if (isDirectory) await visit(join(folder, name));
      else if (name.endsWith(".md")) pages.push(join(folder, name));
    }
  };
  await visit("docs");
  const read = (path: string) => Deno.readTextFile(join(root, path));
  const found = await Promise.all(pages.map(async (page) => blocksOf(page, await read(page))));
  const doc = /^\/\*\*([\s\S]*?)\*\//.exec(await read("mod.ts"))![1].replace(/^ \* ?/gm, "");
  return [...found.flat(), ...blocksOf("mod.ts", doc).map((block) => ({ ...block, marks: ["run"] }))];
}

/** The commands of a shell block, as lists of words: continuation lines joined, comments and prompts left out. */
export function commandsOf({ text }: Block): string[][] {
  return text.replaceAll("\\\n", " ").split("\n").map(wordsOf).filter((words) => words.length > 0);
}

/** The words of a command line, without quotes, comment, prompt and variables that are set for it. */
export function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(#.*$)|(\S+)/g)]
    .filter(([, , , comment]) => comment === undefined)
    .map(([, double, single, , plain]) => double ?? single ?? plain);
  const first = words.findIndex((word) => word !== "$" && !/^[A-Z_]+=/.test(word));
  return first < 0 ? [] : words.slice(first);
}

/** The file that a `deno run` of a command line starts, through whichever of its spellings. */
export function startedFile(words: readonly string[]): string | undefined {
  const rest = words[0] === "npx" && /^deno@/.test(words[2]) ? words.slice(3) : words.slice(1);
  if (!["npx", "deno"].includes(words[0]) || rest[0] !== "run") return undefined;
  return rest.find((word) => word.endsWith(".ts"));
}

/**
 * The arguments that a command gives to `fedkim`, through whichever of its spellings; undefined for other programs.
 * @param tasks the tasks of deno.json
 */
export function fedkimArguments(
  words: readonly string[],
  tasks: Readonly<Record<string, string>>,
): string[] | undefined {
  const [task, ...rest] = words[0] === "npx" ? words.slice(4) : words.slice(2);
  if (words[0] === "fedkim") return words.slice(1);
  const throughTask = (words[0] === "npx" && /^deno@/.test(words[2]) && words[3] === "task") ||
    (words[0] === "deno" && words[1] === "task");
  const verb = /^deno run -A cli\/main\.ts ?(.*)$/.exec(tasks[task] ?? "");
  if (!throughTask || verb === null) return undefined;
  return [...verb[1].split(" ").filter((word) => word !== ""), ...rest];
}
