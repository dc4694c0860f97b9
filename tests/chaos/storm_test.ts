import assert from "node:assert/strict";
import { prepareData } from "./_federation.ts";
import { runStorm } from "./_storm.ts";

/** A storm whose first events kill an aggregator and a site, cut, halve and hold the network, and fill two disks. */
const SEED = 10_092;
/** How long it rages; with the start before it and the calm after it, less than two minutes. */
const MINUTES = 1.1;
const PACE_MS = 5_000;

Deno.test("in a storm of kills, partitions and full disks every law holds after every event, and the run goes on", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const outcome = await runStorm({
      seed: SEED,
      topology: "sqlite",
      minutes: MINUTES,
      paceMs: PACE_MS,
      dir: `${dir}/run`,
      data: await prepareData(`${dir}/data`),
      cluster: undefined,
      say: (line) => console.log(JSON.stringify(line)),
    });
    const { kill, partition } = outcome.events;
    assert.ok(kill > 0 && partition > 0 && outcome.deaths > 0, JSON.stringify(outcome));
    assert.ok(outcome.summed > 0 && outcome.messages > 0 && outcome.audited > 0, JSON.stringify(outcome));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
