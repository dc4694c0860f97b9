/**
 * `deno run -A tools/check_layers.ts`: imports point downwards only, a folder is entered through its `mod.ts`, folders
 * have no cycles, `_name.ts` stays in its folder, and nothing in the product calls `Math.random`.
 *
 * @module
 */
import { posix } from "node:path";
import { importsOf, withoutComments } from "./_code_text.ts";
import { report, REPOSITORY, type SourceFile, sourceFiles } from "./_source_files.ts";

/** What each folder of `src/` may import of the others; arrows point downwards. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  formats: [],
  tensor: ["formats"],
  secure_agg: ["formats"],
  dp: ["formats"],
  local: ["formats", "tensor", "dp"],
  foundation: ["formats", "tensor", "local"],
  m3oe: ["formats", "tensor", "local", "foundation"],
  federation: ["formats", "tensor", "secure_agg", "dp", "local", "foundation", "m3oe"],
};

/** Packages that only these folders may import. */
const PACKAGE_HOME: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(npm:)?@tensorflow\//, ["src/tensor"]],
  [/^(npm:)?@optique\//, ["cli"]],
  [/^(npm:)?(hono|@hono)(\/|@|$)/, ["src/federation", "cli"]],
];

/** Files of another folder that may be imported without its `mod.ts`. */
const OPEN_FILES = /^src\/(formats\/[^/_][^/]*|tensor\/seeded_random)\.ts$/;

/** Folder of `src/` (or `cli`, or the file itself at the root) that a path belongs to. */
function layerOf(path: string): string {
  const parts = path.split("/");
  return parts[0] === "src" ? parts[1] : parts.length > 1 ? parts[0] : "root";
}

/** One import of a file of ours by another. */
interface Edge {
  readonly from: string;
  readonly to: string;
}

function layerFault({ from, to }: Edge): string | undefined {
  const [source, target] = [layerOf(from), layerOf(to)];
  if (source === target || source === "root" || source === "cli") {
    return source !== "cli" && target === "cli" && source !== target ? `${from} imports ${to}` : undefined;
  }
  if (!(source in MAY_IMPORT)) return `${from}: folder src/${source} has no place in the layers`;
  if (MAY_IMPORT[source].includes(target)) return undefined;
  return `${from} imports ${to}: ${source} may import only ${
    MAY_IMPORT[source].join(", ") || "nothing of ours"
  }`;
}

/** A folder is entered only through its `mod.ts`, and a private file not at all. */
function doorFault({ from, to }: Edge): string | undefined {
  const [home, target] = [posix.dirname(from), posix.dirname(to)];
  if (home === target || home.startsWith(`${target}/`)) return undefined;
  if (posix.basename(to) === "mod.ts" || OPEN_FILES.test(to) || target === ".") return undefined;
  return `${from} imports ${to}: go through ${target}/mod.ts`;
}

/** Cycles between folders of the same parent, each folder with everything below it taken as one. */
function folderCycles(edges: readonly Edge[]): string[] {
  const graph = new Map<string, Map<string, Edge>>();
  for (const edge of edges) {
    const [from, to] = [posix.dirname(edge.from).split("/"), posix.dirname(edge.to).split("/")];
    let shared = 0;
    while (shared < from.length && shared < to.length && from[shared] === to[shared]) shared++;
    if (shared >= from.length || shared >= to.length) continue;
    const [a, b] = [from, to].map((parts) => parts.slice(0, shared + 1).join("/"));
    if (!graph.has(a)) graph.set(a, new Map());
    graph.get(a)?.set(b, edge);
  }
  const done = new Set<string>();
  const faults: string[] = [];
  const visit = (folder: string, path: readonly string[]): void => {
    if (path.includes(folder)) {
      faults.push(`folders in a cycle: ${[...path.slice(path.indexOf(folder)), folder].join(" -> ")}`);
    }
    if (path.includes(folder) || done.has(folder)) return;
    for (const next of graph.get(folder)?.keys() ?? []) visit(next, [...path, folder]);
    done.add(folder);
  };
  for (const folder of graph.keys()) visit(folder, []);
  return faults;
}

/** Every folder of `src/` explains itself in a `mod.ts` with named exports only. */
function modFaults(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const folders = new Set(
    files.map(({ path }) => posix.dirname(path)).filter((folder) => folder.startsWith("src/")),
  );
  const missing = [...folders].filter((folder) => !paths.has(`${folder}/mod.ts`))
    .map((folder) => `${folder} has no mod.ts`);
  const mods = files.filter(({ path }) =>
    path.startsWith("src/") && path.endsWith("/mod.ts") || path === "mod.ts"
  );
  return [
    ...missing,
    ...mods.filter(({ text }) => !text.includes("@module")).map(({ path }) => `${path} has no @module doc`),
    ...mods.filter(({ text }) => /^export\s+(\*(?!\s+as)|default)/m.test(withoutComments(text)))
      .map(({ path }) => `${path} has an export that is not by name`),
  ];
}

/** Imports of packages outside their home, and calls of `Math.random`. */
function contentFaults({ path, text }: SourceFile): string[] {
  const faults = importsOf(text).flatMap((specifier) =>
    PACKAGE_HOME.filter(([name, homes]) =>
      name.test(specifier) && !homes.some((home) => path.startsWith(`${home}/`))
    )
      .map(([, homes]) => `${path} imports ${specifier}: only ${homes.join(" and ")} may`)
  );
  withoutComments(text).split("\n").forEach((line, index) => {
    if (/\bMath\s*(\.\s*random\b|\[\s*["'`]random)/.test(line)) {
      faults.push(
        `${path}:${index + 1} uses Math.random: secrets come from RandomBytes, seeds from SeededRandom`,
      );
    }
  });
  return faults;
}

/** All faults of the tree at `root` against the layer rules; an empty list when it keeps them. */
export function checkLayers(root: string): string[] {
  const files = sourceFiles(root, ["mod.ts", "src", "cli"]);
  const edges = files.flatMap(({ path, text }) =>
    importsOf(text).filter((specifier) => specifier.startsWith(".") && specifier.endsWith(".ts"))
      .map((specifier) => ({ from: path, to: posix.join(posix.dirname(path), specifier) }))
  );
  return [
    ...edges.flatMap((edge) => [layerFault(edge), doorFault(edge)]).filter((fault) => fault !== undefined),
    ...folderCycles(edges),
    ...modFaults(files),
    ...files.flatMap(contentFaults),
  ];
}

if (import.meta.main) {
  report("layers", checkLayers(REPOSITORY), "imports point downwards, folders keep their doors");
}
