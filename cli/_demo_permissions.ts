/** What the demo grants the processes that it starts from source: of each verb's row, with places of its own. @module */
import { basename, dirname, join } from "node:path";
import { EMBEDDED_MODEL_FOLDER } from "../src/foundation/mod.ts";
import { fileInfo } from "../src/formats/file_info.ts";
import { ownBinary } from "./child_process.ts";
import { listed, type Place, VERB_PERMISSIONS, verbFlags } from "./verb_permissions.ts";

/** Where a demo's data are. */
export interface DemoPlaces {
  /** The run folder. */
  readonly run: string;
  /** Folders of the sites' data. */
  readonly sites: readonly { readonly name: string; readonly folder: string }[];
  /** Folders that the aggregator reads. */
  readonly public: readonly string[];
}

type Places = Readonly<Record<Place, readonly string[]>>;

const NOWHERE: Places = {
  "aggregator state": [],
  "site state": [],
  "client configuration": [],
  "aggregator configuration": [],
  "site data": [],
  "public data": [],
  "run": [],
  "model": [EMBEDDED_MODEL_FOLDER],
  "output": [],
  "input": [],
  "packages": [],
};

/** Options of `deno run` for the demo's processes; a program of its own needs none. */
export class DemoPermissions {
  private constructor(
    private readonly places: DemoPlaces,
    /** What all of them need, by every name. */
    private readonly common: Partial<Places>,
  ) {}

  /** Finds where Deno keeps its packages. */
  static async of(places: DemoPlaces): Promise<DemoPermissions> {
    if (ownBinary() !== undefined) return new DemoPermissions(places, {});
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
    const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
    return new DemoPermissions(places, {
      "packages": [npmCache, await realPathOf(npmCache)],
      "model": await allNames(NOWHERE.model),
    });
  }

  /** For the aggregator, which listens there: the run folder, but no site's state or data in it. */
  async aggregator(address: string): Promise<string[]> {
    const { run, sites } = this.places;
    const others = listed(await allNames([join(run, "sites"), ...sites.map(({ folder }) => folder)]));
    const own = {
      "aggregator configuration": [join(run, "aggregator.json")],
      "aggregator state": [join(run, "aggregator")],
      "public data": this.places.public,
      "run": [run],
    };
    const flags = await this.#flags("aggregator", own, address);
    return [...flags, `--deny-read=${others}`, `--deny-write=${others}`];
  }

  /** For a site's worker, which calls the aggregator: its own state and data. */
  client({ name, folder }: DemoPlaces["sites"][number], url: string): Promise<string[]> {
    const state = join(this.places.run, "sites", name);
    const own = { "site state": [state], "site data": [folder] };
    return this.#flags("client", own, new URL(url).host);
  }

  async #flags(
    verb: string,
    own: Partial<Places>,
    address: string,
  ): Promise<string[]> {
    const named = Object.entries(own).map(async ([place, paths]) => [place, await allNames(paths)] as const);
    const places: Places = { ...NOWHERE, ...this.common, ...Object.fromEntries(await Promise.all(named)) };
    return verbFlags(VERB_PERMISSIONS[verb], places, address);
  }
}

/** Folders deep in which links are looked for: a federation's part has its sets, and those their files. */
const LINK_DEPTH = 2;

/** Paths by every name that Deno asks about: as they are given, where they really lie, and where links in them lead. */
async function allNames(paths: readonly string[]): Promise<string[]> {
  const names = new Set(paths);
  for (const path of paths) {
    const real = await realPathOf(path);
    names.add(real);
    for await (const target of linksIn(real, LINK_DEPTH)) names.add(target);
  }
  return [...names];
}

/** The real path of what may not be there yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || dirname(path) === path) throw error;
    return join(await realPathOf(dirname(path)), basename(path));
  }
}

/** Where symbolic links in a folder lead; links to nowhere are left to whoever opens them. */
async function* linksIn(folder: string, depth: number): AsyncGenerator<string> {
  const info = await fileInfo(folder);
  if (info === undefined || !info.isDirectory) return;
  for await (const { name, isSymlink, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isSymlink && await fileInfo(path) !== undefined) yield await Deno.realPath(path);
    else if (isDirectory && depth > 0) yield* linksIn(path, depth - 1);
  }
}
