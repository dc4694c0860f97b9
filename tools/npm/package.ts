import { join, posix } from "node:path";
import { gzipSync } from "node:zlib";
import { VERSION } from "../../src/formats/version.ts";
import { filesBelow } from "../compile/assets.ts";
import { run } from "../compile/run.ts";
import { tar } from "../compile/tar.ts";
import { browserModules, withWorkers } from "./browser.ts";
import { dependencies, PACKAGE, PARTS, stage } from "./stage.ts";

/** Gives the parts Deno's file API where it exists; the ledger locks its file, which Node and browsers do not offer. */
const DENO_MODULE = `export const Deno = globalThis.Deno ?? new Proxy({}, {
  get() {
    throw new Error("The ledger locks and syncs its file and needs Deno for that: run this with Deno.");
  },
});
`;

/** The files of the npm package by their path in it: modules and types by `deno pack`, and one bundle for browsers. */
export async function packageFiles(): Promise<Map<string, Uint8Array>> {
  const folder = await Deno.makeTempDir();
  try {
    const project = join(folder, "project");
    await stage(project);
    const archive = join(folder, "packed.tgz");
    await run(
      Deno.execPath(),
      ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", archive],
      {
        cwd: project,
      },
    );
    await run("tar", ["-xzf", archive, "-C", folder]);
    const files = new Map<string, Uint8Array>();
    for await (const [path, bytes] of filesBelow(join(folder, "package"))) {
      files.set(path, path.startsWith("src/") ? portable(path, bytes) : bytes);
    }
    for (const [name, code] of await browserModules()) files.set(`browser/${name}`, encode(code));
    files.set("deno.js", encode(DENO_MODULE));
    files.set("package.json", encode(JSON.stringify(manifest(), null, 2) + "\n"));
    return files;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes the package as npm's tarball. @returns its path */
export async function writePackage(folder: string): Promise<string> {
  const files = [...await packageFiles()].toSorted(([a], [b]) => a < b ? -1 : 1);
  const path = join(folder, `${PACKAGE.slice(1).replace("/", "-")}-${VERSION}.tgz`);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(
    path,
    gzipSync(tar(files.map(([name, bytes]) => ({ path: `package/${name}`, bytes }))), { level: 9 }),
  );
  return path;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A module or its types without what only Deno understands. */
function portable(path: string, bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  if (path.endsWith(".d.ts")) return encode(text.replaceAll(/\bDeno\.FsFile\b/g, "unknown"));
  const code = withWorkers(text);
  if (!/\bDeno\.\w/.test(code)) return encode(code);
  return encode(`import { Deno } from "${posix.relative(posix.dirname(path), "deno.js")}";\n${code}`);
}

function manifest(): Record<string, unknown> {
  const exported = (part: string) => ({
    types: `./src/${part}/mod.d.ts`,
    browser: `./browser/${part}.js`,
    default: `./src/${part}/mod.js`,
  });
  return {
    name: PACKAGE,
    version: VERSION,
    description: "Secure aggregation and differential privacy of FedKIM, for Node, Deno and browsers",
    type: "module",
    license: "Apache-2.0",
    exports: Object.fromEntries(PARTS.map((part) => [`./${part}`, exported(part)])),
    sideEffects: false,
    engines: { node: ">=20" },
    dependencies: dependencies(),
  };
}
