import { join } from "node:path";
import { sha256Hex } from "../../formats/canonical_json.ts";
import { RUN_FILES } from "../run_folder.ts";
import type { ArtefactRow } from "./snapshot.ts";

interface Known {
  readonly mtime: number;
  readonly row: ArtefactRow;
}

/** Hashes of a run's files, computed again only where a file has changed. */
export class FileHashes {
  readonly #known = new Map<string, Known>();

  /** @param run the run's folder */
  constructor(private readonly run: string) {}

  /** Every file that is there, by name. */
  async list(): Promise<ArtefactRow[]> {
    const injection = await names(join(this.run, RUN_FILES.injection));
    const files = [
      RUN_FILES.run,
      RUN_FILES.weights,
      ...injection.map((name) => `${RUN_FILES.injection}/${name}`),
    ];
    const rows = await Promise.all(files.map((name) => this.#row(name)));
    return rows.filter((row) => row !== undefined);
  }

  async #row(name: string): Promise<ArtefactRow | undefined> {
    const path = join(this.run, name);
    const info = await Deno.stat(path).catch(() => undefined);
    if (info === undefined) return undefined;
    const mtime = info.mtime?.getTime() ?? 0;
    const known = this.#known.get(name);
    if (known?.mtime === mtime && known.row.size === info.size) return known.row;
    const row = { name, size: info.size, hash: sha256Hex(await Deno.readFile(path)) };
    this.#known.set(name, { mtime, row });
    return row;
  }
}

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) if (isFile) found.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}
