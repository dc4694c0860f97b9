import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { readArguments } from "../../cli/args.ts";
import { checkAggregatorConfig, checkClientConfig, type ConfigFields } from "../../src/federation/config.ts";
import { createIdentity } from "../../src/federation/identity_file.ts";
import { fedkim, root } from "../_fedkim.ts";
import { allBlocks, type Block, commandsOf, fedkimArguments, startedFile } from "./_blocks.ts";

const blocks = await allBlocks();
const of = (language: string): Block[] => blocks.filter((block) => block.language === language);
const place = ({ page, line }: Block): string => `${page}:${line}`;
const { tasks } = JSON.parse(await Deno.readTextFile(join(root, "deno.json"))) as {
  tasks: Record<string, string>;
};

/** The file in which a page asks its reader to save a block. */
const fileOf = ({ marks }: Block): string | undefined =>
  marks.find((mark) => mark.startsWith("file="))?.slice("file=".length);

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function deno(...args: string[]): Promise<string> {
  const env = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const output = await new Deno.Command(Deno.execPath(), { args, cwd: root, env }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.ok(output.success, text(output.stderr));
  return text(output.stdout);
}

Deno.test("every ts block type-checks, and those that are marked `run` run", async () => {
  const found = of("ts");
  assert.ok(found.some(({ page }) => page === "mod.ts"), "mod.ts has an example");
  await inFolder(async (dir) => {
    const files = found.map((block, i) => ({ block, file: join(dir, `block_${i}.ts`) }));
    for (const { block, file } of files) await Deno.writeTextFile(file, block.text);
    const config = ["--no-lock", "--config", join(root, "deno.json")];
    await deno("check", ...config, ...files.map(({ file }) => file));
    for (const { block, file } of files.filter(({ block }) => block.marks.includes("run"))) {
      const out = await deno(
        "run",
        "--no-check",
        "--allow-read",
        "--allow-env",
        "--allow-sys",
        ...config,
        file,
      );
      assert.ok(out !== "" || !block.text.includes("console.log"), place(block));
    }
  });
});

Deno.test("every fedkim command of a page is one that the parser accepts, and every other task or file exists", () => {
  let accepted = 0;
  const written = new Set(blocks.map(fileOf));
  for (const block of [...of("sh"), ...of("bash"), ...blocks.filter(({ language }) => language === "")]) {
    for (const words of commandsOf(block)) {
      const args = fedkimArguments(words, tasks);
      const file = startedFile(words);
      if (file !== undefined) {
        assert.ok(written.has(file) || existsSync(join(root, file)), `${place(block)}: ${file}`);
      } else if (args !== undefined) {
        const parsed = readArguments(args);
        const said = "command" in parsed ? "" : parsed.stderr;
        assert.ok("command" in parsed || parsed.status === 0, `${place(block)}: ${words.join(" ")}: ${said}`);
        accepted++;
      } else if (words[0] === "npx") {
        assert.ok(words[4] in tasks, `${place(block)}: no task ${words[4]}`);
      }
    }
  }
  assert.ok(accepted >= 20, `${accepted} commands`);
});

Deno.test("every toml and json block can be read, and a configuration fits the schema of its service", () => {
  const minimal = {
    federation: "demo",
    state: "state",
    run: "run",
    sites: ["a", "b", "c"],
    data: { public: "public" },
    privacy: { neighboring: "add_or_remove_one" },
  };
  let checked = 0;
  for (const block of of("toml")) {
    const value = parseToml(block.text) as ConfigFields;
    const marked = block.marks.includes("aggregator");
    if (!marked && block.page !== "docs/configuration.md") continue;
    checked++;
    if (typeof value.data === "string") checkClientConfig(value, place(block));
    else checkAggregatorConfig(marked ? value : { ...minimal, ...value }, place(block));
  }
  assert.ok(checked >= 5);
  for (const block of of("json")) assert.equal(typeof JSON.parse(block.text), "object", place(block));
});

Deno.test("the how-to's mapping imports a table, and inspect accepts what it made", async () => {
  const page = blocks.filter(({ page }) => page === "docs/how_to/bring_your_data.md");
  await inFolder(async (dir) => {
    const rows = Array.from(
      { length: 12 },
      (_, i) => `${i},p${i},${1 + i / 4},${i % 3 === 0 ? "yes" : "no"}`,
    );
    await Deno.writeTextFile(join(dir, "icu.toml"), page.find(({ language }) => language === "toml")!.text);
    await Deno.writeTextFile(
      join(dir, "stays.csv"),
      `stay_id,person_id,lactate,shock\n${rows.join("\n")}\n`,
    );
    await Deno.writeFile(join(dir, "key.bin"), crypto.getRandomValues(new Uint8Array(32)));
    const [imports, inspects] = commandsOf(page.find(({ text }) => text.includes("dataset import"))!);
    const inDir = (words: string[]) =>
      words.slice(1).map((word) => /^(icu\.toml|key\.bin|data(\/.*)?)$/.test(word) ? join(dir, word) : word);
    const first = await fedkim(...inDir(imports));
    assert.equal(first.code, 0, first.stderr);
    const second = await fedkim(...inDir(inspects), "--json");
    assert.equal(second.code, 0, second.stderr);
    assert.equal(JSON.parse(second.stdout).datasets[0].records, 12);
  });
});

Deno.test("the commands of the how-tos about models, clusters and budgets run in a folder that has what they name", async () => {
  await inFolder(async (dir) => {
    const keys = ["north", "west", "st-anna"].map((name, i) => [name, String(i).repeat(64)]);
    await Deno.mkdir(join(dir, "models"));
    await Deno.symlink(join(root, "models/medlm-tiny"), join(dir, "models/mine"));
    await Deno.mkdir(join(dir, "site"));
    await createIdentity(join(dir, "site/identity.json"), "mercy");
    await Deno.writeTextFile(join(dir, "peers.json"), JSON.stringify(Object.fromEntries(keys)));
    const here = (text: string) =>
      text.replace("/var/lib/fedkim", dir)
        .replace(/(^|=)(models\/mine|aggregator\.toml|peers\.json|site)$/, `$1${dir}/$2`);
    let ran = 0;
    for (const name of ["own_foundation_model", "kubernetes", "choose_epsilon"]) {
      const page = blocks.filter((block) => block.page === `docs/how_to/${name}.md`);
      const config = page.find(({ marks }) => marks.includes("aggregator"));
      if (config !== undefined) await Deno.writeTextFile(join(dir, "aggregator.toml"), config.text);
      for (const block of page.filter(({ language }) => language === "sh")) {
        for (const words of commandsOf(block)) {
          const { code, stderr } = await fedkim(...fedkimArguments(words, tasks)!.map(here));
          assert.equal(code, 0, `${place(block)}: ${words.join(" ")}\n${stderr}`);
          ran++;
        }
      }
    }
    assert.ok(ran >= 6, `${ran} commands`);
  });
});

Deno.test("the tutorial's commands run in their order and leave the files that it names", async () => {
  await inFolder(async (dir) => {
    for (const block of blocks.filter(({ marks }) => marks.includes("tutorial"))) {
      const saved = fileOf(block);
      if (saved !== undefined) {
        await Deno.writeTextFile(join(dir, saved), block.text);
        continue;
      }
      for (const words of commandsOf(block)) {
        const started = startedFile(words);
        if (started !== undefined) {
          const config = ["--no-lock", "--config", join(root, "deno.json")];
          assert.match(await deno("run", "-A", ...config, join(dir, started)), /^\d+\.\d\d \d+\.\d\d$/m);
          continue;
        }
        const args = fedkimArguments(words, tasks)!.map((word) =>
          word.startsWith("tutorial/") ? join(dir, word) : word
        );
        const { code, stderr } = await fedkim(...args);
        assert.equal(code, 0, `${place(block)}: ${words.join(" ")}\n${stderr}`);
      }
    }
    for (const file of ["report.html", "shock.csv", "shock.model-card.md", "run/run.json"]) {
      assert.ok(existsSync(join(dir, "tutorial", file)), file);
    }
  });
});
