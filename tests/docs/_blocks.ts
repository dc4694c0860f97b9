import { join } from "node:path";
import { root } from "../_fedkim.ts";

/** A fenced block of a page. */
export interface Block {
  /** Page, from the root of the repository. */
  readonly page: string;
  /** Line of its fence. */
  readonly line: number;
  /** Language, and marks after it such as `run` or `tutorial`. */
  readonly language: string;
  readonly marks: readonly string[];
  readonly text: string;
}

/** All fenced blocks of a page's text, indented ones too. */
export function blocksOf(page: string, text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)```(.*)$/.exec(lines[i]);
    if (fence === null) continue;
    const [language, ...marks] = fence[2].trim().split(/\s+/);
    const start = i;
    const body: string[] = [];
    while (++i < lines.length && lines[i].trim() !== "```") body.push(lines[i].slice(fence[1].length));
    found.push({ page, line: start + 1, language, marks, text: `${body.join("\n")}\n` });
  }
  return found;
}

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

/** The words of a command line, without quotes, comment and prompt. */
export function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(#.*$)|(\S+)/g)]
    .filter(([, , , comment]) => comment === undefined)
    .map(([, double, single, , plain]) => double ?? single ?? plain);
  return words[0] === "$" ? words.slice(1) : words;
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
