// Kills the aggregator at seeded random requests of a real federation and checks the laws that must hold after it:
// deno run -A bench/federation/crash.ts [first seed] [number of seeds] [kills per run]
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertExactRun } from "../../tests/e2e/_exact_run.ts";
import { TestFederation } from "../../tests/e2e/_federation.ts";

const STEPS = 4;
/** Requests of a run without kills: joining, three artefacts, letters and messages of four steps, for four sites. */
const REQUESTS = 250;
/** Seconds for which sites look for an aggregator that is away. */
const PATIENCE = 120;

const [first = 1, seeds = 10, kills = 4] = Deno.args.map(Number);
for (let seed = first; seed < first + seeds; seed++) {
  const random = new SeededRandom(seed);
  const points = Array.from({ length: kills }, () => random.integer(REQUESTS / kills));
  const federation = await TestFederation.create(
    await Deno.makeTempDir(),
    STEPS,
    30_000,
    120_000,
    {},
    PATIENCE,
  );
  try {
    const started = performance.now();
    let killed = 0;
    federation.start();
    for (const point of points) {
      let left = point;
      const ended = await Promise.race([
        federation.aggregator.status.then(() => true),
        new Promise<false>((resolve) => {
          federation.onSeen = () => {
            if (left-- === 0) resolve(false);
          };
        }),
      ]);
      if (ended) break;
      await federation.stopAggregator("SIGKILL");
      killed++;
      await federation.startAggregator();
    }
    federation.onSeen = () => {};
    const { code, log } = await federation.finished();
    if (code !== 0) throw new Error(`exit code ${code}\n${log}`);
    await assertExactRun(federation, STEPS);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `seed ${seed}: ${killed} kills after ${points.join(", ")} requests each, ${seconds} s, exact`,
    );
  } finally {
    await federation.close();
  }
}
