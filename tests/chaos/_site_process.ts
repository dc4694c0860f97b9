// The product's site workers with a notebook: what they give to masking is written down before it is masked.
// Arguments: notebook folder, then one client.json for each site that lives in this process.
import { readClientConfig, runSite } from "../../src/federation/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { SecAggClient } from "../../src/secure_agg/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";

const [notebook, ...configs] = Deno.args;

async function site(configFile: string): Promise<number> {
  const config = await readClientConfig(configFile);
  const say = (text: string) => console.error(`${config.state}: ${text}`);
  try {
    await runSite({
      config,
      signal: new AbortController().signal,
      onEvent: (event) => say(JSON.stringify(event)),
      createClient: (options) =>
        new SecAggClient({
          ...options,
          input: async () => {
            const vector = await options.input();
            const file = `${notebook}/${options.identity.id}-${options.config.roundId}.u32`;
            await Deno.writeFile(file, new Uint8Array(vector.slice().buffer));
            return vector;
          },
        }),
    });
    return 0;
  } catch (error) {
    say(String(error));
    return error instanceof FedKimError ? error.exitStatus : 70;
  }
}

await selectBackend("cpu");
Deno.exit(Math.max(...await Promise.all(configs.map(site))));
