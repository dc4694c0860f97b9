import { existsSync } from "node:fs";
import { relative } from "node:path";

/** A TypeScript file of the tree. */
export interface SourceFile {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string;
  /** Its text. */
  readonly text: string;
}

/** All `.ts` files below some folders (or the files themselves) of a tree, in the order of their paths. */
export function sourceFiles(root: string, places: readonly string[]): SourceFile[] {
  const found: SourceFile[] = [];
  const visit = (path: string): void => {
    if (Deno.statSync(path).isDirectory) {
      for (const { name } of Deno.readDirSync(path)) {
        if (name !== "node_modules" && !name.startsWith(".")) visit(`${path}/${name}`);
      }
    } else if (path.endsWith(".ts")) {
      found.push({ path: relative(root, path).replaceAll("\\", "/"), text: Deno.readTextFileSync(path) });
    }
  };
  for (const place of places) if (existsSync(`${root}/${place}`)) visit(`${root}/${place}`);
  return found.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** The root of this repository. */
export const REPOSITORY = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** Prints the faults of a check and ends the process with status 1 where there are any. */
export function report(check: string, faults: readonly string[], summary: string): void {
  for (const fault of faults) console.error(`${check}: ${fault}`);
  if (faults.length > 0) {
    console.error(`${check}: ${faults.length} fault(s)`);
    Deno.exit(1);
  }
  console.log(`${check}: ${summary}`);
}
