import { join } from "node:path";
import { REPOSITORY } from "../_source_files.ts";
import { run } from "../compile/run.ts";
import { npmImports, PARTS } from "./stage.ts";

/** The modules that are started as Workers: their source and the name that the parts look for beside themselves. */
export const WORKERS = {
  "src/secure_agg/mask_worker.ts": "mask_worker",
  "src/secure_agg/_simulated_worker.ts": "_simulated_worker",
  "src/dp/plan/_update_worker.ts": "_update_worker",
} as const;

/** What takes the place of Node's modules and of the native provider in a browser. */
const REPLACED = {
  "src/secure_agg/native_provider.ts": "tools/npm/browser/native_provider.ts",
  "node:crypto": "tools/npm/browser/node_crypto.ts",
  "node:path": "tools/npm/browser/node_path.ts",
};

/** One ES module per part and Worker that needs nothing else, for `<script type="module">`: name and bytes. */
export async function browserModules(): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir();
  try {
    const here = (path: string) => path.startsWith("node:") ? path : join(REPOSITORY, path);
    const replaced = Object.entries(REPLACED).map(([from, to]) => [here(from), here(to)]);
    const config = join(folder, "deno.json");
    await Deno.writeTextFile(
      config,
      JSON.stringify({ imports: { ...npmImports(), ...Object.fromEntries(replaced) }, lock: false }),
    );
    const entries: [string, string][] = [
      ...PARTS.map((part): [string, string] => [`src/${part}/mod.ts`, part]),
      ...Object.entries(WORKERS),
    ];
    const modules = new Map<string, string>();
    for (const [entry, name] of entries) {
      const out = join(folder, `${name}.js`);
      await run(Deno.execPath(), [
        ...["bundle", "--quiet", "--platform=browser", "--minify", "--keep-names", "--config", config],
        ...["--output", out, join(REPOSITORY, entry)],
      ]);
      modules.set(`${name}.js`, withWorkers(await Deno.readTextFile(out)));
    }
    return modules;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Code that looks for its Workers as JavaScript. */
export function withWorkers(code: string): string {
  return Object.values(WORKERS).reduce(
    (text, name) => text.replaceAll(`"./${name}.ts"`, `"./${name}.js"`),
    code,
  );
}
