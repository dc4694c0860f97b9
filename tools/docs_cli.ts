/**
 * `deno run -A tools/docs_cli.ts`: writes `docs/reference/cli.md` from the parser's own help, so that page and program
 * cannot disagree.
 *
 * @module
 */
import { join } from "node:path";
import { type Command, legalWords, readArguments } from "../cli/args.ts";
import { DOCUMENTS } from "../cli/documents.ts";
import { REPOSITORY } from "./_source_files.ts";

/** Where the page is, from the root of the repository. */
export const CLI_PAGE = "docs/reference/cli.md";

const WIDTH = 108;
/** Words that the parser adds to every program. */
const GENERIC = new Set(["help", "completion"]);

/** Every verb that can be run, such as `demo` and `dataset import`. */
export function verbs(): string[] {
  const words = (before: string[]) => legalWords(before, "").filter((word) => /^[a-z]/.test(word));
  return words([]).filter((verb) => !GENERIC.has(verb)).flatMap((verb) => {
    const second = words([verb]);
    return second.length === 0 ? [verb] : second.map((word) => `${verb} ${word}`);
  });
}

/** The help of a verb, as printed. */
function helpOf(verb: string): string {
  const parsed = readArguments([...verb.split(" "), "--help"], WIDTH);
  if ("command" in parsed) throw new Error(`${verb} --help runs the verb`);
  // deno-lint-ignore no-control-regex
  return parsed.stdout.replace(/\x1b\[[0-9;]*m/g, "").replace(/[ \t]+$/gm, "").trim();
}

/** What a verb prints with `--json`, as tables. */
function documentsOf(verb: string): string {
  return DOCUMENTS[verb as Command["verb"]].map(({ when, fields }) =>
    [
      `With \`--json\`${when === undefined ? "" : `, ${when}`}:\n`,
      "| field | kind | meaning |",
      "| --- | --- | --- |",
      ...Object.entries(fields).map(([name, [kind, meaning]]) =>
        `| \`${name}\` | ${kind.replace("?", ", may be absent").replace("|null", " or null")} | ` +
        `${meaning.replaceAll("|", "\\|")} |`
      ),
      "",
    ].join("\n")
  ).join("\n");
}

/** The whole page. */
export function cliPage(): string {
  const sections = verbs().map((verb) =>
    `## fedkim ${verb}\n\n\`\`\`text\n${helpOf(verb)}\n\`\`\`\n\n${documentsOf(verb)}`
  );
  return [
    "# Command line\n",
    "Made by `tools/docs_cli.ts` from the program's own help; do not edit it by hand. `fedkim` stands for",
    "`npx -y deno@2.9.5 task fedkim` in a checkout, or for the single binary. `--json` prints one JSON document on",
    'stdout and nothing else there: on success with the fields below, on failure `{"error": {"code", "message"}}`.',
    "Exit statuses are listed in [errors](../errors.md). `fedkim completion bash`, `zsh` or",
    "`fish` prints a completion script. `NO_COLOR` turns colours off.\n",
    ...sections,
  ].join("\n");
}

if (import.meta.main) {
  await Deno.writeTextFile(join(REPOSITORY, CLI_PAGE), cliPage());
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", join(REPOSITORY, CLI_PAGE)] }).output();
  console.log(`wrote ${CLI_PAGE}`);
}
