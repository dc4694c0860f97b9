/**
 * Takes every guard of the mutation list out, one at a time, in a copy of the source, and checks that the named test
 * turns red: `deno run -A tests/secure_agg/mutate.ts [FILE.ts ...]`, all files or those named. Takes some minutes.
 */
import type { Mutation } from "./_mutation.ts";
import { MUTATIONS } from "./_mutations.ts";

const root = new URL("../../", import.meta.url).pathname;

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory) await copyTree(source, target);
    else await Deno.copyFile(source, target);
  }
}

/** Copies what the tests of this folder need. */
async function sandbox(): Promise<string> {
  const dir = await Deno.makeTempDir();
  for (
    const part of [
      "src/secure_agg",
      "src/formats",
      "tests/secure_agg",
      "tests/vectors/rfc",
      "tests/vectors/secure_agg",
    ]
  ) {
    await copyTree(`${root}${part}`, `${dir}/${part}`);
  }
  for (const file of ["deno.json", "deno.lock", "tests/_shared.ts"]) {
    await Deno.copyFile(`${root}${file}`, `${dir}/${file}`);
  }
  return dir;
}

async function turnsRed(dir: string, mutation: Mutation): Promise<boolean> {
  const path = `${dir}/src/secure_agg/${mutation.file}`;
  const source = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, source.replace(mutation.find, () => mutation.replace));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--filter", mutation.name, `tests/secure_agg/${mutation.test}`],
    cwd: dir,
    stdout: "null",
    stderr: "null",
  }).output();
  await Deno.writeTextFile(path, source);
  return !success;
}

const chosen = MUTATIONS.filter(({ file, test }) =>
  Deno.args.length === 0 || Deno.args.includes(file) || Deno.args.includes(test)
);
const dir = await sandbox();
const survived: Mutation[] = [];
for (const mutation of chosen) {
  const red = await turnsRed(dir, mutation);
  if (!red) survived.push(mutation);
  console.log(`${red ? "red" : "STILL GREEN"}  ${mutation.file}: ${mutation.find.split("\n")[0]}`);
}
await Deno.remove(dir, { recursive: true });
console.log(`${chosen.length - survived.length} of ${chosen.length} guards are noticed by their test`);
Deno.exit(survived.length === 0 ? 0 : 1);
