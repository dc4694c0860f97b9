import type { SiteWorkerOptions } from "../../src/federation/mod.ts";
import { SecAggClient } from "../../src/secure_agg/mod.ts";

type CreateClient = NonNullable<SiteWorkerOptions["createClient"]>;
type ClientOptions = Parameters<CreateClient>[0];

/** The product's client, which first tells a test what it is about to mask. */
export function notingClient(
  note: (vector: Uint32Array, options: ClientOptions) => void | Promise<void>,
): CreateClient {
  return (options) =>
    new SecAggClient({
      ...options,
      input: async () => {
        const vector = await options.input();
        await note(vector, options);
        return vector;
      },
    });
}

/** Writes a vector to a file of the notebook. */
export async function writeVector(file: string, vector: Uint32Array): Promise<void> {
  await Deno.writeFile(file, new Uint8Array(vector.slice().buffer));
}
