// A replica of the unmasking bench: leads, or helps whoever leads.
// deno run -A bench/federation/_unmask_process.ts '{…}', see UnmaskTask
import { openStore } from "../../src/federation/store/mod.ts";
import { helpUnmasking, sharedEngine } from "../../src/federation/unmasking/mod.ts";
import { defaultEngine, type MaskJob, nativeProvider } from "../../src/secure_agg/mod.ts";
import { say, told } from "./_processes.ts";
import type { UnmaskTask } from "./_unmask.ts";

const { place, lead, dimension, masks } = JSON.parse(Deno.args[0]) as UnmaskTask;
const store = await openStore(place);
// One thread for each replica: what is measured is what a second one adds.
const engine = defaultEngine(nativeProvider);
const stop = new AbortController();
if (lead) {
  const jobs: MaskJob[] = Array.from({ length: masks }, (_, i) => ({
    key: nativeProvider.sha256(Uint8Array.of(i, i >> 8)),
    negate: true,
  }));
  const shared = sharedEngine({ store, federation: "bench", fence: undefined, engine });
  say("ready");
  for await (const _ of told()) {
    const words = new Uint32Array(dimension);
    const begun = performance.now();
    await shared.apply(words, jobs, 0);
    const seconds = (performance.now() - begun) / 1000;
    const hash = nativeProvider.sha256(new Uint8Array(words.buffer));
    say("sum", { seconds, hash: [...hash].join() });
  }
} else {
  const helping = helpUnmasking(store, "bench", engine, stop.signal);
  say("ready");
  for await (const _ of told()) stop.abort();
  await helping;
}
await store.close();
Deno.exit(0);
