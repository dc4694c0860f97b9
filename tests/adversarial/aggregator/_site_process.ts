// The product's site worker with a notebook: what it gives to masking is written down first.
// Arguments: client.json, notebook folder.
import { readClientConfig, runSite } from "../../../src/federation/mod.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { SecAggClient } from "../../../src/secure_agg/mod.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";

const [configFile, notebook] = Deno.args;
await selectBackend("cpu");
try {
  await runSite({
    config: await readClientConfig(configFile),
    signal: new AbortController().signal,
    onEvent: () => {},
    createClient: (options) =>
      new SecAggClient({
        ...options,
        input: async () => {
          const vector = await options.input();
          const file = `${notebook}/${options.config.roundId}-${crypto.randomUUID()}.u32`;
          await Deno.writeFile(file, new Uint8Array(vector.slice().buffer));
          return vector;
        },
      }),
  });
  Deno.exit(0);
} catch (error) {
  Deno.exit(error instanceof FedKimError ? error.exitStatus : 70);
}
