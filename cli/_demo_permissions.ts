/** What the demo grants the processes that it starts from source: of each verb's row, with places of its own. @module */
import { join } from "node:path";
import { EMBEDDED_MODEL_FOLDER } from "../src/foundation/mod.ts";
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

const NOWHERE: Readonly<Record<Place, readonly string[]>> = {
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
    private readonly packages: readonly string[],
  ) {}

  /** Finds where Deno keeps its packages. */
  static async of(places: DemoPlaces): Promise<DemoPermissions> {
    if (ownBinary() !== undefined) return new DemoPermissions(places, []);
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
    const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
    return new DemoPermissions(places, [npmCache]);
  }

  /** For the aggregator, which listens there: the run folder, but no site's state or data in it. */
  aggregator(address: string): string[] {
    const { run, sites } = this.places;
    const others = listed([join(run, "sites"), ...sites.map(({ folder }) => folder)]);
    const own = {
      "aggregator configuration": [join(run, "aggregator.json")],
      "aggregator state": [join(run, "aggregator")],
      "public data": this.places.public,
      "run": [run],
    };
    return [...this.#flags("aggregator", own, address), `--deny-read=${others}`, `--deny-write=${others}`];
  }

  /** For a site's worker, which calls the aggregator: its own state and data. */
  client({ name, folder }: DemoPlaces["sites"][number], url: string): string[] {
    const state = join(this.places.run, "sites", name);
    const own = { "site state": [state], "site data": [folder] };
    return this.#flags("client", own, new URL(url).host);
  }

  #flags(verb: string, own: Partial<Record<Place, readonly string[]>>, address: string): string[] {
    return verbFlags(VERB_PERMISSIONS[verb], { ...NOWHERE, "packages": this.packages, ...own }, address);
  }
}
