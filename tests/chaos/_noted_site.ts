import { readClientConfig, runSite } from "../../src/federation/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { SecAggClient } from "../../src/secure_agg/mod.ts";

/** How a site worker with a notebook is run. */
export interface NotedSite {
  /** Its client.json. */
  readonly configFile: string;
  /** Folder in which it is written down what the site gives to masking, before it is masked. */
  readonly notebook: string;
  /** Stops it. */
  readonly signal: AbortSignal;
  /** Receives what it says about itself. */
  readonly say: (line: string) => void;
}

/** The product's site worker, which also writes a notebook. @returns its exit status */
export async function runNotedSite({ configFile, notebook, signal, say }: NotedSite): Promise<number> {
  const config = await readClientConfig(configFile);
  try {
    await runSite({
      config,
      signal,
      onEvent: (event) => say(`${config.state}: ${JSON.stringify(event)}`),
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
    say(`${config.state}: ${error}`);
    return error instanceof FedKimError ? error.exitStatus : 70;
  }
}
