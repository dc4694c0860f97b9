/** What the tests of the mutated folders read: copied into every sandbox. */
const PARTS = ["src", "cli", "tests", "models", "docs", "mod.ts", "deno.json", "deno.lock"];

/**
 * The source as it was when a state folder was begun: verdicts of several runs then speak about one source, whatever
 * is edited meanwhile.
 */
export async function frozenSource(root: string, state: string): Promise<string> {
  const frozen = `${state}/tree`;
  if (await Deno.stat(frozen).then(() => true, () => false)) return frozen;
  await copyAll(`${root}/src`, `${frozen}.part/src`);
  await Deno.rename(`${frozen}.part`, frozen);
  return frozen;
}

/** Copies of the tree, one for each worker, with a frozen source and today's tests: the tree is never changed. */
export async function makeSandboxes(root: string, frozen: string, count: number): Promise<string[]> {
  const dir = await Deno.makeTempDir({ prefix: "fedkim_mutation_" });
  const copies: string[] = [];
  for (let i = 0; i < count; i++) {
    const copy = `${dir}/${i}`;
    for (const part of PARTS) await copyAll(`${part === "src" ? frozen : root}/${part}`, `${copy}/${part}`);
    copies.push(copy);
  }
  return copies;
}

/** Removes what {@link makeSandboxes} made. */
export async function removeSandboxes(copies: readonly string[]): Promise<void> {
  for (const copy of copies) await Deno.remove(copy, { recursive: true });
}

async function copyAll(from: string, to: string): Promise<void> {
  if (!(await Deno.stat(from)).isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copyAll(`${from}/${name}`, `${to}/${name}`);
}
