import { dirname, join, posix } from "node:path";
import { withoutComments } from "../_code_text.ts";
import { REPOSITORY, type SourceFile, sourceFiles } from "../_source_files.ts";

/** Something that a module finds beside itself by `new URL(..., import.meta.url)`. */
export interface FileReference {
  /** The module that names it, from the root of the repository. */
  readonly from: string;
  /** The relative address as written. */
  readonly specifier: string;
  /** What it leads to, from the root of the repository. */
  readonly target: string;
  /** A module that is started, or a file or folder that is read. */
  readonly kind: "module" | "data";
}

const REFERENCE = /\bnew\s+URL\s*\(\s*["']([^"']+)["']\s*,\s*import\.meta\.url/g;

/** Every reference of some modules. */
export function referencesOf(files: readonly SourceFile[]): FileReference[] {
  return files.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(REFERENCE)].map(([, specifier]) => ({
      from: path,
      specifier,
      target: posix.join(posix.dirname(path), specifier),
      kind: specifier.endsWith(".ts") ? "module" as const : "data" as const,
    }))
  );
}

/** The references of the product: what a program needs beside its own modules. */
export function productReferences(): FileReference[] {
  return referencesOf(sourceFiles(REPOSITORY, ["src", "cli"]));
}

/** All files below a path of the repository (or the file itself), with their paths below it. */
export async function* filesBelow(path: string, below = ""): AsyncGenerator<readonly [string, Uint8Array]> {
  if ((await Deno.stat(path)).isFile) {
    yield [below, await Deno.readFile(path)];
    return;
  }
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  for (const name of names) yield* filesBelow(join(path, name), posix.join(below, name));
}

/** Folder of an npm package in Deno's cache. @throws Error where it is not there */
export async function packageFolder(name: string, version: string): Promise<string> {
  const { npmCache } = await denoInfo();
  for await (const { name: registry } of Deno.readDir(npmCache)) {
    const folder = join(npmCache, registry, name, version);
    const found = await Deno.stat(join(folder, "package.json")).then(() => true, () => false);
    if (found) return folder;
  }
  throw new Error(`${name}@${version} is not in Deno's cache: run "deno install" first`);
}

async function denoInfo(): Promise<{ npmCache: string }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: REPOSITORY })
    .output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The exact version of a direct dependency in `deno.json`. */
export function dependencyVersion(name: string): string {
  const { imports } = JSON.parse(Deno.readTextFileSync(join(REPOSITORY, "deno.json")));
  const version = /@([^@]+)$/.exec(imports[name] ?? "")?.[1];
  if (version === undefined) throw new Error(`deno.json has no exact version of ${name}`);
  return version;
}

/** Makes the folder of a file. */
export async function makeFolderOf(path: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
}
