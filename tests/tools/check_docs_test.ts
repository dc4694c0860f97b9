import assert from "node:assert/strict";
import {
  anchorOf,
  commandFaults,
  errorPageFaults,
  evidenceFaults,
  linkFaults,
  symbolFaults,
} from "../../tools/check_docs.ts";
import { withTree } from "./_tree.ts";

const CODES = { ConfigError: 2, LedgerError: 23 };
const PAGE =
  "# Errors\n\n## ConfigError\n\nExit status: 2\n\n## LedgerError\n\nExit status: 23\n\n## How to report\n";

Deno.test("a page with a section and the status of every code has no faults", () => {
  assert.deepEqual(errorPageFaults(PAGE, CODES), []);
});

Deno.test("errorPageFaults() refuses a missing code, a wrong status and a code that nothing defines", () => {
  assert.match(
    errorPageFaults(PAGE.replace("## LedgerError", "## How"), CODES).join(),
    /no section "LedgerError"/,
  );
  assert.match(
    errorPageFaults(PAGE.replace("status: 23", "status: 2"), CODES).join(),
    /LedgerError exits with 23/,
  );
  assert.match(errorPageFaults(PAGE.replace("Exit status: 2\n", ""), CODES).join(), /says undefined/);
  assert.match(
    errorPageFaults(`${PAGE}\n## GhostError\n\nExit status: 9\n`, CODES).join(),
    /describes GhostError/,
  );
});

Deno.test("links to files, folders and headings of ours resolve, others are left alone", async () => {
  const page =
    "# Top\n[a](docs/x.md) [b](docs/x.md#two-words) [c](#top) [d](https://example.org) [e](docs)\n";
  const files = { "README.md": page, "docs/x.md": "# X\n## Two words\n" };
  assert.deepEqual(await withTree(files, (root) => linkFaults(root, ["README.md"])), []);
});

Deno.test("linkFaults() refuses a missing file, a missing heading, and reads no code blocks", async () => {
  const page = "[a](docs/none.md) [b](docs/x.md#nowhere)\n```\n[c](gone.md)\n```\n";
  const files = { "README.md": page, "docs/x.md": "# X\n" };
  const faults = await withTree(files, (root) => linkFaults(root, ["README.md"]));
  assert.equal(faults.length, 2);
  assert.match(faults[0], /docs\/none.md, which does not exist/);
  assert.match(faults[1], /no heading there/);
});

Deno.test("evidenceFaults() refuses a test that a page names and that does not exist", async () => {
  const page = "Shown by `tests/dp/plan_test.ts` and `tests/dp/`; run `cli/gone.ts`.\n";
  const files = { "docs/a.md": page, "tests/dp/plan_test.ts": "" };
  const faults = await withTree(files, (root) => evidenceFaults(root, ["docs/a.md"]));
  assert.deepEqual(faults, ["docs/a.md names cli/gone.ts, which does not exist"]);
});

Deno.test("symbolFaults() finds functions, types and members, and refuses symbols and files that are not there", async () => {
  const code = "export function alpha(): void {}\nexport class Beta {\n  async gamma(): Promise<void> {}\n" +
    "  readonly delta: number = 1;\n}\nexport type Epsilon = 1;\n// zeta is not defined\ncall(zeta);\n";
  const named = ["alpha", "Beta", "gamma", "delta", "Epsilon"].map((name) => `\`src/a.ts#${name}\``).join(
    " ",
  );
  const files = {
    "src/a.ts": code,
    "docs/good.md": named,
    "docs/bad.md": "`src/a.ts#zeta` `src/b.ts#alpha`",
  };
  const [good, bad] = await withTree(
    files,
    (root) => [symbolFaults(root, ["docs/good.md"]), symbolFaults(root, ["docs/bad.md"])],
  );
  assert.deepEqual(good, []);
  assert.deepEqual(bad, [
    "docs/bad.md: src/a.ts does not define zeta",
    "docs/bad.md names src/b.ts, which does not exist",
  ]);
});

Deno.test("anchors are those that GitHub gives", () => {
  assert.equal(anchorOf("What it protects, from whom?"), "what-it-protects-from-whom");
  assert.equal(anchorOf("`fedkim demo`"), "fedkim-demo");
});

Deno.test("commandFaults() wants the demo and the tests first, and only tasks that exist", () => {
  const fence = (...commands: string[]) => "```sh\n" + commands.join("\n") + "\n```\n";
  const [demo, test] = ["demo", "test"].map((task) => `npx -y deno@2.9.5 task ${task}`);
  const tasks = { demo: "", test: "" };
  assert.deepEqual(commandFaults(fence(demo) + fence(test), tasks), []);
  assert.match(commandFaults(fence(test, demo), tasks).join(), /not demo and test/);
  assert.match(commandFaults(`${demo}\n${test}\n`, tasks).join(), /not demo and test/);
  assert.match(commandFaults(fence(demo, test, "npx -y deno@2.9.5 task gone"), tasks).join(), /task gone/);
});
