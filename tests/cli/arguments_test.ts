import assert from "node:assert/strict";
import { readArguments } from "../../cli/args.ts";
import { verbs } from "../../tools/docs_cli.ts";
import { wordsOf } from "../docs/_blocks.ts";

/** What a refused command line says. */
function complaint(...args: string[]): string {
  const parsed = readArguments(args);
  assert.ok(!("command" in parsed), `${args.join(" ")} was accepted`);
  assert.equal(parsed.status, 2);
  assert.equal(parsed.stdout, "");
  return parsed.stderr;
}

/** What help prints. */
function help(...args: string[]): string {
  const parsed = readArguments([...args, "--help"], 5000);
  assert.ok(!("command" in parsed));
  assert.equal(parsed.status, 0);
  return parsed.stdout;
}

const VERBS = verbs();

Deno.test("a misspelt verb, second verb or option is one line that names what was meant at that place", () => {
  assert.match(complaint("demmo"), /`demmo`\. Did you mean `demo`\?\n$/);
  assert.match(complaint("privacy-reprt", "x"), /Did you mean `privacy-report`/);
  assert.match(complaint("verify", "acounting", "x"), /Did you mean `accounting`\?/);
  assert.match(complaint("foundation", "inspct", "x"), /Did you mean `inspect`\?\n$/);
  assert.match(complaint("demo", "--stepps", "3"), /Did you mean `--steps`/);
  assert.match(complaint("demo", "--port", "0", "--epsilom=3"), /Did you mean `--epsilon`/);
  assert.match(complaint("predict", "--tsak", "x"), /Did you mean `--task`/);
  assert.doesNotMatch(complaint("zzzzzzzzzz"), /Did you mean/);
  for (const line of [complaint("demmo"), complaint("demo", "--stepps", "3")]) {
    assert.equal(line.trimEnd().split("\n").length, 1);
  }
});

Deno.test("a value of the wrong kind is refused with the option's name", () => {
  assert.match(complaint("demo", "--steps", "x"), /--steps.*integer.*"x"/);
  assert.match(complaint("demo", "--backend", "gpu"), /--backend.*auto/);
  assert.match(complaint("simulate", "--sites", "2"), /--sites/);
});

Deno.test("--help of every verb has an example that the parser accepts as this verb", () => {
  for (const verb of VERBS) {
    const [, line] = /Examples?: (fedkim .*)$/m.exec(help(...verb.split(" "))) ?? [];
    assert.ok(line !== undefined, `${verb} has no example`);
    for (const example of line.split("; ")) {
      const parsed = readArguments(wordsOf(example).slice(1));
      assert.ok("command" in parsed, `${example}: ${"stderr" in parsed ? parsed.stderr : ""}`);
      assert.equal(parsed.command.verb, verb);
    }
  }
});

Deno.test("no argument at all names the first verb and the help, which lists every verb once without its options", () => {
  assert.match(complaint(), /needs a verb.*`fedkim demo`.*`fedkim --help`/);
  const whole = help();
  assert.match(whole, /^.*\nUsage: fedkim VERB \[OPTION\.\.\.\]/);
  assert.doesNotMatch(whole, /--epsilon/);
  for (const verb of VERBS) assert.match(whole, new RegExp(`^  ${verb.split(" ")[0]} +[A-Z]`, "m"), verb);
});

Deno.test("every option of every verb says what it is for", () => {
  for (const verb of VERBS) {
    // deno-lint-ignore no-control-regex
    const lines = help(...verb.split(" ")).replace(/\x1b\[[0-9;]*m/g, "").split("\n");
    const silent = lines.filter((line) =>
      /^ {2}--/.test(line) && !/^ {2}--[a-z-]+( [A-Z=,]+)? {2,}[A-Z]/.test(line)
    );
    assert.deepEqual(silent, [], verb);
  }
});

Deno.test("every verb takes --json", () => {
  for (const verb of VERBS) assert.match(help(...verb.split(" ")), /--json/, verb);
});
