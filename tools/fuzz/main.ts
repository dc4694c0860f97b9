/**
 * `deno run -A tools/fuzz/main.ts [TARGET ...]`: coverage-guided fuzzing of every parser. Inputs are changed as bytes,
 * text or JSON trees; those that reach new blocks of our source, as V8 counts them, are changed further. A parser may
 * accept or throw a `FedKimError`: any other error, a broken law, a hang, a dead process or much memory is a finding.
 * `--seconds S` of CPU in all, beside what loading takes, `--seed N`, `--keep` adds findings and interesting inputs to `tests/vectors/fuzz/`, `--json`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { keep } from "./kept.ts";
import { type ListedTarget, listTargets } from "./targets/mod.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** A row of the result. */
interface Row {
  readonly target: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly blocks: number;
  readonly slowestMs: number;
  readonly findings: readonly { readonly what: string; readonly where: string; readonly input: string }[];
}

async function run({ group, name, foreign }: ListedTarget, seconds: number): Promise<Row> {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-fuzz-run-" });
  const child = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--v8-flags=--max-old-space-size=1024",
      new URL("child.ts", import.meta.url).pathname,
      group,
      name,
      options.seed,
      String(seconds),
      folder,
    ],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  const read = async (file: string) => await Deno.readFile(`${folder}/${file}`).catch(() => undefined);
  const [outcome, hang] = [await read("outcome.json"), await read("hang.bin")];
  await Deno.remove(folder, { recursive: true });
  if (outcome !== undefined) {
    const { interesting, ...row } = JSON.parse(new TextDecoder().decode(outcome));
    if (options.keep && !foreign) {
      const findings = row.findings.map((one: { what: string; input: string }) => ({
        what: one.what,
        input: Uint8Array.fromBase64(one.input),
      }));
      await keep(name, findings, interesting.map((text: string) => Uint8Array.fromBase64(text)));
    }
    return { target: name, ...row };
  }
  const what = hang === undefined
    ? `the process ended with ${child.code}: ${new TextDecoder().decode(child.stderr).slice(-400)}`
    : "a hang";
  if (options.keep && !foreign && hang !== undefined) await keep(name, [{ what, input: hang }], []);
  const findings = [{ what, where: "", input: (hang ?? new Uint8Array()).toBase64() }];
  return { target: name, inputs: 0, accepted: 0, blocks: 0, slowestMs: 0, findings };
}

const chosen = (await listTargets())
  .filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const rows: Row[] = [];
for (const target of chosen) {
  const row = await run(target, Number(options.seconds) / chosen.length);
  rows.push(row);
  const { inputs, accepted, blocks, slowestMs, findings } = row;
  console.error(
    `${target.name.padEnd(24)} ${inputs} inputs, ${accepted} accepted, ${blocks} blocks, slowest ${
      slowestMs.toFixed(0)
    } ms`,
  );
  for (const { what, where, input } of findings) {
    console.error(`  ${what}\n    at ${where}: ${input.slice(0, 200)}`);
  }
}
if (options.json) console.log(JSON.stringify(rows, null, 1));
// The targets' own modules may keep timers.
Deno.exit(rows.some(({ findings }) => findings.length > 0) ? 1 : 0);
