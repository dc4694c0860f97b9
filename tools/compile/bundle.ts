import { join, posix } from "node:path";
import { REPOSITORY } from "../_source_files.ts";
import { dependencyVersion, type FileReference, filesBelow, packageFolder } from "./assets.ts";
import type { Recipe } from "./recipes.ts";
import { run } from "./run.ts";
import type { TarMember } from "./tar.ts";

/** Where the bundled modules lie in an unpacked program: as deep as `src/<folder>/` is in the repository. */
const MODULES = "src/bundle";
/** Where the WASM files of TensorFlow.js lie in an unpacked program. */
const WASM = "wasm";
/** The builds of the backend that Deno can choose; the third one needs threads, which Deno does not offer it. */
const WASM_FILES = ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm.wasm"];

/** The start file of a program in its unpacked folder. */
export const startFile = (recipe: Recipe): string => `${recipe.name}.js`;

/**
 * All programs with everything that they read: bundled and split modules, Workers, models and WASM, as the files of one
 * folder, each program with a start file. What a module finds by `import.meta.url` lies where the same address leads from the bundle.
 */
export async function bundlePrograms(
  recipes: readonly Recipe[],
  references: readonly FileReference[],
): Promise<TarMember[]> {
  const started = references.filter(({ kind }) => kind === "module");
  const entries = [...recipes.map(({ entry }) => entry), ...started.map(({ target }) => target)];
  const modules = await bundle(entries);
  const files = new Map<string, Uint8Array>();
  const add = (path: string, bytes: Uint8Array): void => {
    const same = files.get(path)?.every((byte, i) => byte === bytes[i]) ?? true;
    if (path.startsWith("..") || !same) throw new Error(`two different files would lie at ${path}`);
    files.set(path, bytes);
  };
  for (const [path, bytes] of modules) add(posix.join(MODULES, path), bytes);
  for (const { specifier, target, kind } of references) {
    const place = posix.join(MODULES, specifier);
    if (kind === "module") {
      add(
        place,
        text(`import ${JSON.stringify(`./${posix.relative(posix.dirname(place), compiled(target))}`)};\n`),
      );
    } else {
      for await (const [path, bytes] of filesBelow(join(REPOSITORY, target))) {
        add(posix.join(place, path), bytes);
      }
    }
  }
  const backend = "@tensorflow/tfjs-backend-wasm";
  const folder = await packageFolder(backend, dependencyVersion(backend));
  for (const name of WASM_FILES) {
    add(posix.join(WASM, name), await Deno.readFile(join(folder, "dist", name)));
  }
  for (const recipe of recipes) add(startFile(recipe), text(startText(recipe)));
  return [...files].toSorted(([a], [b]) => a < b ? -1 : 1).map(([path, bytes]) => ({ path, bytes }));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
/** The path of a bundled entry in the unpacked program. */
const compiled = (module: string): string => posix.join(MODULES, module.replace(/\.ts$/, ".js"));

/**
 * What the CommonJS parts of a bundle expect of their surroundings: `require` for the modules of Node that are built
 * into Deno, and `__dirname`, where TensorFlow.js looks for its WASM files.
 */
function startText(recipe: Recipe): string {
  return [
    'import { createRequire } from "node:module";',
    "globalThis.require = createRequire(import.meta.url);",
    `globalThis.__dirname = import.meta.dirname + "/${WASM}";`,
    `await import("./${compiled(recipe.entry)}");`,
    "",
  ].join("\n");
}

/** Bundles entries together; shared code goes into common chunks. */
async function bundle(entries: readonly string[]): Promise<readonly (readonly [string, Uint8Array])[]> {
  const folder = await Deno.makeTempDir();
  try {
    await run(Deno.execPath(), [
      "bundle",
      "--quiet",
      "--platform=deno",
      "--code-splitting",
      "--minify",
      "--keep-names",
      `--outdir=${folder}`,
      ...entries,
    ], { cwd: REPOSITORY });
    return await Array.fromAsync(filesBelow(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
