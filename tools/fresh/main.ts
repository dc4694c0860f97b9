/**
 * `deno run -A tools/fresh/main.ts [demo] [test] [tutorial] [--keep NAME]...`: how long a newcomer waits. On a machine
 * with an empty home, an empty cache and no Deno, it clones the last commit and types the README's commands and the
 * tutorial's, word for word; `bench/results/fresh.md` gets the times. `--keep` passes on a variable of the environment:
 * behind a proxy with an authority of its own, Deno needs `--keep DENO_TLS_CA_STORE`.
 *
 * Not a part of `deno task test`: it downloads some hundred megabytes and takes as long as the tests themselves.
 *
 * @module
 */
import { join } from "node:path";
import { blocksOf } from "../_markdown_blocks.ts";
import { REPOSITORY } from "../_source_files.ts";
import { commitOf, type Ended, FreshMachine } from "./machine.ts";
import { machineInWords, pageOf, type Part, partsIn } from "./page.ts";

const PAGE = join(REPOSITORY, "bench/results/fresh.md");
/** Lines of a failed command's output that are shown. */
const SHOWN = 25;

/** What can be timed, and the commands of each part, as the pages of a clone give them. */
const PARTS = {
  demo: (clone: string) => readmeCommand(clone, "demo"),
  test: (clone: string) => readmeCommand(clone, "test"),
  tutorial: tutorialCommands,
} as const;

async function readmeCommand(clone: string, task: string): Promise<string[]> {
  const readme = await Deno.readTextFile(join(clone, "README.md"));
  const [command] = new RegExp(`^npx -y deno@[\\d.]+ task ${task}$`, "m").exec(readme) ?? [];
  if (command === undefined) throw new Error(`README.md shows no command for ${task}`);
  return [command];
}

/** The tutorial's commands in their order; where it gives a program, writing its file stands for typing it in. */
async function tutorialCommands(clone: string): Promise<string[]> {
  const page = "docs/tutorial.md";
  return blocksOf(page, await Deno.readTextFile(join(clone, page))).flatMap(({ marks, text }) => {
    if (!marks.includes("tutorial")) return [];
    const file = marks.find((mark) => mark.startsWith("file="))?.slice("file=".length);
    if (file !== undefined) return [`cat > ${file} <<'END'\n${text}END`];
    return text.replaceAll("\\\n", " ").split("\n").filter((line) => line !== "");
  });
}

async function timed(name: keyof typeof PARTS, kept: readonly string[]): Promise<Part> {
  const machine = await FreshMachine.make(REPOSITORY, kept);
  const load = Deno.loadavg()[0];
  const commit = await commitOf(machine.project);
  const ended: Ended[] = [];
  try {
    for (const command of await PARTS[name](machine.project)) {
      const end = await machine.run(command);
      ended.push(end);
      console.error(`${command.split("\n")[0]}: exit ${end.code} after ${end.seconds.toFixed(0)} s`);
      if (end.code === 0) continue;
      const log = await Deno.makeTempFile({ prefix: "fedkim-fresh-", suffix: ".log" });
      await Deno.writeTextFile(log, end.output);
      console.error(`${end.output.split("\n").slice(-SHOWN).join("\n")}\nAll of it: ${log}`);
      break;
    }
  } finally {
    await machine.remove();
  }
  const date = new Date().toISOString().slice(0, 10);
  return { name, kept, date, machine: machineInWords(), load, commit, ended };
}

const kept = Deno.args.flatMap((word, i) => Deno.args[i - 1] === "--keep" ? [word] : []);
const named = Deno.args.filter((word, i) => word !== "--keep" && Deno.args[i - 1] !== "--keep");
const known = Object.keys(PARTS) as (keyof typeof PARTS)[];
const wanted = known.filter((name) => named.length === 0 || named.includes(name));
if (wanted.length < named.length) {
  console.error(`There are these parts: ${known.join(", ")}.`);
  Deno.exit(2);
}
let failed = false;
for (const name of wanted) {
  const part = await timed(name, kept);
  failed ||= part.ended.some(({ code }) => code !== 0);
  const old = partsIn(await Deno.readTextFile(PAGE).catch(() => ""));
  await Deno.writeTextFile(PAGE, pageOf([...old.filter((other) => other.name !== name), part]));
}
Deno.exit(failed ? 1 : 0);
