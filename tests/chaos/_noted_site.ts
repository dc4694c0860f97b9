import { readClientConfig, runSite } from "../../src/federation/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { notingClient, writeVector } from "../federation/_noting_client.ts";

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
      createClient: notingClient((vector, { identity, config: { roundId } }) =>
        writeVector(`${notebook}/${identity.id}-${roundId}.u32`, vector)
      ),
    });
    return 0;
  } catch (error) {
    say(`${config.state}: ${error}`);
    return error instanceof FedKimError ? error.exitStatus : 70;
  }
}
