// Kills real federations and checks the laws that must hold after it:
// deno run -A tools/chaos/main.ts [--seeds N] [--first N] [--parallel N] [--record FILE]
// or lets a storm of kills, partitions and full disks rage over one, and checks them after each event:
// deno run -A tools/chaos/main.ts --minutes N [--seed N] [--record FILE]
import { parseArgs } from "node:util";
import { prepareData } from "../../tests/chaos/_federation.ts";
import { killMany } from "./kills.ts";
import { storms } from "./storms.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seeds: { type: "string", default: "200" },
    first: { type: "string", default: "0" },
    parallel: { type: "string", default: "1" },
    minutes: { type: "string" },
    seed: { type: "string" },
    record: { type: "string" },
  },
});

const folder = await Deno.makeTempDir({ prefix: "fedkim-chaos-" });
try {
  const place = { folder, data: await prepareData(`${folder}/data`), record: values.record };
  const [seeds, first, parallel] = [values.seeds, values.first, values.parallel].map(Number);
  const seed = values.seed === undefined
    ? crypto.getRandomValues(new Uint32Array(1))[0]
    : Number(values.seed);
  const held = values.minutes === undefined
    ? await killMany(place, { seeds, first, parallel })
    : await storms(place, { minutes: Number(values.minutes), seed });
  if (!held) Deno.exitCode = 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}
Deno.exit();
