import { readIdentity, SITE_FILES, writePolicy } from "../../src/federation/mod.ts";
import { decodeMessage } from "../../src/secure_agg/mod.ts";
import { openPolicy } from "../federation/_plan.ts";
import { SITES, type TestFederation } from "./_federation.ts";

/** Lets every site of a federation be evaluated on a share of its patients, as its policy allows. */
export async function letEvaluate(
  dir: string,
  evaluation: { readonly maxEpsilon: number; readonly minimumCount: number },
  heldOutAt: (site: string) => number = () => 0.5,
): Promise<void> {
  for (const site of SITES) {
    const state = `${dir}/sites/${site}`;
    const identity = await readIdentity(`${state}/${SITE_FILES.identity}`);
    await writePolicy(`${state}/${SITE_FILES.policy}`, { ...openPolicy(site), evaluation }, identity);
    await holdOut(dir, site, heldOutAt(site));
  }
}

/** Sets which share of its patients a site holds out. */
export async function holdOut(dir: string, site: string, heldOut: number): Promise<void> {
  const path = `${dir}/sites/${site}/client.json`;
  const config = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...config, heldOut }));
}

/** Resolves when a site sends a message of a type in a round. */
export function reached(federation: TestFederation, round: number, type: string): Promise<void> {
  return new Promise((resolve) => {
    federation.onSeen = ({ path, body }) => {
      if (path === `/v1/rounds/${round}/messages` && decodeMessage(body).type === type) resolve();
    };
  });
}
