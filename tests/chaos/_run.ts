import pg from "pg";
import type { Cluster } from "../_postgres.ts";
import { ChaosFederation } from "./_federation.ts";
import { Standstill } from "./_standstill.ts";
import { assertLaws, assertWholeCheckpoints, type Outcome } from "./_laws.ts";
import { POSTGRES, type Scenario } from "./_scenarios.ts";

/** Aggregation steps of a run. */
const STEPS = 2;

/** Where runs take place. */
export interface Place {
  /** A folder for this run. */
  readonly dir: string;
  /** Data, see `prepareData`. */
  readonly data: string;
  /** For replicas; undefined where no server is installed. */
  readonly cluster: Cluster | undefined;
}

/** Runs one federation through a scenario and checks the laws. @throws with the logs where one is broken */
export async function runScenario(scenario: Scenario, { dir, data, cluster }: Place): Promise<Outcome> {
  const { aggregators, alone, kills, phaseDeadlineMs } = scenario;
  const store = aggregators.length > 1 ? await freshDatabase(cluster!) : undefined;
  const federation = await ChaosFederation.create({
    dir,
    data,
    steps: STEPS,
    phaseDeadlineMs,
    store,
    aggregators,
    alone,
    kills,
  });
  const standstill = new Standstill();
  federation.onLine = () => standstill.moved();
  try {
    federation.onKilled = () => assertWholeCheckpoints(federation);
    const outside = killFromOutside(federation, scenario, cluster);
    federation.start();
    await Promise.race([standstill.reached, outside, finished(federation)]);
    const everySite = scenario.alone.length === 0;
    const outcome = await assertLaws(federation, everySite);
    const crashes = scenario.outside.filter(({ victim }) => victim === POSTGRES).length;
    return { ...outcome, deaths: outcome.deaths + crashes };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${logsOf(federation)}`, {
      cause: error,
    });
  } finally {
    standstill.stop();
    await federation.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Kills what the scenario names at its requests; rejects when that fails, and never resolves. */
function killFromOutside(
  federation: ChaosFederation,
  { outside }: Scenario,
  cluster: Cluster | undefined,
): Promise<never> {
  const plan = [...outside];
  const count = new Map<string, number>();
  let restarted = Promise.resolve();
  return new Promise((_, reject) => {
    federation.onSeen = async ({ path }) => {
      for (const key of ["", path]) count.set(key, (count.get(key) ?? 0) + 1);
      const [next] = plan;
      if (next === undefined || (count.get(next.path ?? "") ?? 0) < next.at) return;
      const { victim } = next;
      plan.shift();
      if (victim !== POSTGRES) return await federation.kill(victim);
      // One crash at a time, however close their requests are.
      restarted = restarted.then(() => cluster!.crash()).then(() => cluster!.start());
      await restarted.catch(reject);
    };
  });
}

/** Resolves when every aggregator has ended well and every site that was never killed too. */
async function finished(federation: ChaosFederation): Promise<void> {
  for (const [name, kept] of federation.aggregators) {
    const code = await kept.ended;
    if (code !== undefined && code !== 0) throw new Error(`${name} ended with exit code ${code}`);
  }
  for (const [name, kept] of federation.sites) {
    // One that was killed at the very end finds nobody any more when it comes back.
    if (kept.deaths > 0) await kept.close();
    else if (await kept.ended !== 0) throw new Error(`${name} ended with exit code ${await kept.ended}`);
  }
}

/** An empty database of its own for a run. */
export async function freshDatabase({ url }: Cluster): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const name = `chaos_${crypto.randomUUID().replaceAll("-", "")}`;
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return url.replace(/\/postgres$/, `/${name}`);
}

/** The ends of everybody's logs. */
export function logsOf({ parties }: ChaosFederation): string {
  return [...parties].map(([name, { log }]) => `--- ${name}\n${log.slice(-4000)}`).join("\n");
}
