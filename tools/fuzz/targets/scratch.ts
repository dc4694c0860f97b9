import { join } from "node:path";

let folder: string | undefined;
let count = 0;

/** A folder of this process for parsers that read files; in memory where the machine has such a place. */
export function scratch(): string {
  if (folder !== undefined) return folder;
  const memory = "/dev/shm";
  let dir: string | undefined;
  try {
    if (Deno.statSync(memory).isDirectory) dir = memory;
  } catch { /* No such place: the system's own. */ }
  folder = Deno.makeTempDirSync({ prefix: "fedkim-fuzz-", ...(dir === undefined ? {} : { dir }) });
  return folder;
}

/** Removes the folder again. */
export function removeScratch(): void {
  if (folder !== undefined) Deno.removeSync(folder, { recursive: true });
  folder = undefined;
}

/** Writes the input into a file of this name and gives its path. */
export function asFile(name: string, input: Uint8Array): string {
  const path = join(scratch(), name);
  Deno.writeFileSync(path, input);
  return path;
}

/** A path that does not exist yet. */
export function freshPath(): string {
  return join(scratch(), `out-${count++}`);
}
