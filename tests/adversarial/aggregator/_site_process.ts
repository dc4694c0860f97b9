// The product's site worker with a notebook: what it gives to masking is written down first.
// Arguments: client.json, notebook folder.
import { readClientConfig, runSite } from "../../../src/federation/mod.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";
import { notingClient, writeVector } from "../../federation/_noting_client.ts";

const [configFile, notebook] = Deno.args;
await selectBackend("cpu");
try {
  await runSite({
    config: await readClientConfig(configFile),
    signal: new AbortController().signal,
    onEvent: () => {},
    createClient: notingClient((vector, { config }) =>
      writeVector(`${notebook}/${config.roundId}-${crypto.randomUUID()}.u32`, vector)
    ),
  });
  Deno.exit(0);
} catch (error) {
  Deno.exit(error instanceof FedKimError ? error.exitStatus : 70);
}
