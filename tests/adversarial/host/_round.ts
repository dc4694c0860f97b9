import { synthesizeFederation } from "../../../src/local/synthesize/mod.ts";
import { EMBEDDED_MODEL_FOLDER } from "../../../src/foundation/mod.ts";
import type { Place } from "../../../cli/verb_permissions.ts";
import { root } from "../../_fedkim.ts";
import { LeastPrivilege } from "./_verbs.ts";

/** The sites of the round. */
export const SITES = ["site-midwest", "site-south", "site-west"] as const;

/** Enough patients for one task. */
const SMALL = {
  site: { icu: 30, cxr: 4, ecg: 1, vqa: 2 },
  public: { icu: 60, cxr: 8, ecg: 2, vqa: 4 },
  test: { icu: 40, cxr: 8, ecg: 2, vqa: 4 },
};

/** A port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Where Deno keeps packages. */
async function packageFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: root })
    .output();
  return `${JSON.parse(new TextDecoder().decode(stdout)).npmCache}`;
}

/** Data and configuration of a small federation in a folder; nothing runs yet. */
export async function prepareRound(dir: string): Promise<LeastPrivilege> {
  await synthesizeFederation(`${dir}/data`, { seed: 7, patients: SMALL });
  const port = freePort();
  const config = {
    federation: "least",
    listen: { hostname: "127.0.0.1", port },
    state: `${dir}/aggregator`,
    run: `${dir}/run`,
    sites: SITES,
    tasks: ["icu_mortality"],
    data: { public: `${dir}/data/public`, test: `${dir}/data/test` },
    privacy: { epsilon: 8, delta: 1e-5, neighboring: "add_or_remove_one" },
    rounds: { steps: 1, phaseDeadlineMs: 60_000, joinDeadlineMs: 120_000 },
    injection: { epochs: 1 },
    backend: "wasm",
  };
  await Deno.writeTextFile(`${dir}/aggregator.json`, JSON.stringify(config));
  return new LeastPrivilege(await placesIn(dir), `127.0.0.1:${port}`);
}

/** Where the places of the permission table lie below a folder. */
export async function placesIn(dir: string): Promise<Record<Place, string[]>> {
  return {
    "aggregator state": [`${dir}/aggregator`],
    "site state": [`${dir}/sites`],
    "client configuration": SITES.map((site) => `${dir}/${site}.json`),
    "aggregator configuration": [`${dir}/aggregator.json`],
    "site data": SITES.map((site) => `${dir}/data/${site}`),
    "public data": [`${dir}/data/public`, `${dir}/data/test`],
    "run": [`${dir}/run`],
    "model": [EMBEDDED_MODEL_FOLDER],
    "output": [`${dir}/out`],
    "input": [`${dir}/input`],
    "packages": [await packageFolder()],
  };
}
