import assert from "node:assert/strict";
import { join } from "node:path";
import { ERROR_EXIT_STATUS } from "../../src/formats/errors.ts";
import { API_PAGE, apiPage } from "../../tools/docs_api.ts";
import { CLI_PAGE, cliPage, verbs } from "../../tools/docs_cli.ts";
import { root } from "../_fedkim.ts";

/** A page without what the formatter may change: line breaks and the widths of tables. */
const words = (page: string): string => page.replace(/[\s|]+|-{3,}/g, " ").replace(/ +/g, " ").trim();
const pageAt = (path: string): Promise<string> => Deno.readTextFile(join(root, path));

Deno.test("docs/reference/cli.md is what the parser says (otherwise: deno run -A tools/docs_cli.ts)", async () => {
  assert.equal(words(await pageAt(CLI_PAGE)), words(cliPage()));
  assert.ok(verbs().includes("dataset import") && verbs().includes("demo") && !verbs().includes("help"));
});

Deno.test("docs/reference/api.md is what the routes say (otherwise: deno run -A tools/docs_api.ts)", async () => {
  assert.equal(words(await pageAt(API_PAGE)), words(apiPage()));
});

Deno.test("one table lists every exit status with its code", async () => {
  const rows = [...(await pageAt("docs/errors.md")).matchAll(/^\| (\d+) +\| \[(\w+)\]\(#(\w+)\)/gm)];
  const table = Object.fromEntries(rows.map(([, status, code]) => [code, Number(status)]));
  assert.deepEqual(table, { ...ERROR_EXIT_STATUS });
  for (const [, , code, anchor] of rows) assert.equal(anchor, code.toLowerCase());
});

Deno.test("every claim of the threat model has an assumption, a residual risk and evidence that exists", async () => {
  const page = await pageAt("docs/threat_model.md");
  const lines = page.split("## Claims")[1].split("\n## ")[0].split("\n").filter((line) =>
    line.startsWith("|")
  );
  const [header, , ...rows] = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(header, ["claim", "rests on", "residual risk", "evidence"]);
  assert.ok(rows.length >= 8);
  for (const row of rows) {
    assert.equal(row.length, 4, row[0]);
    assert.ok(row.every((cell) => cell !== ""), row[0]);
    const named = [...row[3].matchAll(/`([^`]+)`|\]\(([^)]+)\)/g)].map(([, code, link]) =>
      code ?? join("docs", link)
    );
    assert.ok(named.length > 0, `${row[0]} names no evidence`);
    for (const path of named) await Deno.stat(join(root, path));
  }
});

Deno.test("every cell of the comparison has a source, or says that none was found", async () => {
  const page = await pageAt("docs/comparison.md");
  assert.match(page, /Dated \d{4}-\d\d-\d\d/);
  const tables = page.split("\n## ").slice(1).flatMap((section) =>
    section.split("\n").filter((line) => line.startsWith("|")).slice(2)
  );
  assert.ok(tables.length >= 15);
  for (const line of tables) {
    const cells = line.split("|").slice(2, -1).map((cell) => cell.trim());
    assert.equal(cells.length, 6, line);
    for (const cell of cells) {
      const sourced = /\[[FNBDPO]\]|\]\(https:\/\/[^)]+\)/.test(cell);
      assert.ok(sourced || cell === "not found" || cell === "does not apply", cell);
    }
  }
});

Deno.test("the index of the documentation leads to every page", async () => {
  const index = await pageAt("docs/README.md");
  const below = async (folder: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(join(root, "docs", folder))) {
      const path = join(folder, name);
      if (isDirectory && name !== "adr") found.push(...await below(path));
      else if (name.endsWith(".md") && path !== "README.md") found.push(path);
    }
    return found;
  };
  for (const page of await below("")) {
    assert.ok(index.includes(`(${page})`), `${page} is not in docs/README.md`);
  }
});
