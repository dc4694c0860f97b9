// One aggregator, as in production but for training: HTTP service, store on disk, round log, secure aggregation.
// deno run -A bench/federation/_aggregator_process.ts DIR '{"sites":…,"dimension":…,"rounds":…}' [POSTGRES_URL]
import { aggregatorApp } from "../../src/federation/api/mod.ts";
import { ArtefactStore } from "../../src/federation/artefact_store.ts";
import {
  ENROLL_LABEL,
  EnrollmentBook,
  enrollmentStatement,
  STORE_FILE,
} from "../../src/federation/enrollment_book.ts";
import { federationPlanHash, sealPlan } from "../../src/federation/federation_plan.ts";
import { encodeFlat } from "../../src/federation/flat_model.ts";
import { openServer } from "../../src/federation/http_server.ts";
import { RoundLog } from "../../src/federation/round_log.ts";
import { rosterOf, roundConfigOf, sealRoundOrder } from "../../src/federation/round_order.ts";
import { RoundSession } from "../../src/federation/round_session.ts";
import { RunStore } from "../../src/federation/run_store.ts";
import { SiteDesk } from "../../src/federation/site_desk.ts";
import { toHex } from "../../src/formats/hex.ts";
import { type ServerEvent, signLabelled } from "../../src/secure_agg/mod.ts";
import { cpuSeconds, peakMemory } from "../secure_agg/_measure.ts";
import { addContribution, type CohortSize, planOf, readIdentities } from "./_cohort.ts";
import { held } from "./_held.ts";
import { say, told } from "./_processes.ts";

const PHASE_MS = 900_000;
const seconds = (): string => (performance.now() / 1000).toFixed(0);

/** A round log that notes when phases were closed. */
class TimedLog extends RoundLog {
  readonly closed: number[] = [];

  override record(event: ServerEvent): void {
    if (event.kind === "close") {
      this.closed.push(performance.now());
      if (cohort.sites >= 500) {
        console.error(`phase ${this.closed.length} over, ${seconds()} s after the start`);
      }
    }
    super.record(event);
  }
}

const [dir, size, place] = Deno.args;
const cohort = JSON.parse(size) as CohortSize;
const identities = await readIdentities(`${dir}/identities.json`);
const book = await EnrollmentBook.open(`${dir}/aggregator`, place);
await Promise.all(identities.map(async (identity) => {
  const { secret } = await book.invite(identity.id, "http://127.0.0.1");
  const key = toHex(identity.publicKey);
  const proof = signLabelled(
    identity,
    ENROLL_LABEL,
    enrollmentStatement(identity.id, secret, key),
  );
  await book.enroll(identity.id, secret, key, toHex(proof));
}));
const runs = new RunStore(book.store, "bench", undefined);
const desk = new SiteDesk({
  federation: "bench",
  sites: identities.map(({ id }) => id),
  joinDeadlineMs: PHASE_MS,
  book,
  run: runs,
  audit: book.audit,
  identity: book.identity,
  onProgress: () => {},
  signal: new AbortController().signal,
});
const artefacts = new ArtefactStore();
const plan = planOf(cohort, identities);
const planHash = federationPlanHash(plan);
const maxBodyBytes = 4 * plan.secureAggregation.chunkCoordinates + 65_536;
const app = aggregatorApp({ desk, book, artefacts, maxBodyBytes, federation: "bench", run: dir });
let requests = 0;
const server = await openServer({
  hostname: "127.0.0.1",
  port: 0,
  handler: (request, info) => {
    requests++;
    return app.fetch(request, info);
  },
});
desk.offer({ hash: planHash, sealed: new Uint8Array(sealPlan(plan, book.identity)), steps: cohort.rounds });
say("listening", { url: server.url, publicKey: toHex(book.identity.publicKey) });
await desk.allAccepted();
if (cohort.sites >= 500) console.error(`all sites have accepted, ${seconds()} s after the start`);

const words = told();
for (let round = 1; round <= cohort.rounds; round++) {
  const waiting = () => [...desk.mailboxes.values()].filter(({ awaited }) => awaited).length;
  while (waiting() < cohort.sites) await new Promise((resolve) => setTimeout(resolve, 20));
  say("ready", { polls: waiting() });
  await words.next();
  const modelHash = artefacts.put(encodeFlat(new Float64Array(cohort.dimension).fill(round)));
  const config = roundConfigOf(plan, round, modelHash);
  const log = new TimedLog(book.store, `round/${planHash}/${round}`, undefined);
  const [begun, cpu, before] = [performance.now(), cpuSeconds(), requests];
  const outcome = await desk.runSession(round, () =>
    RoundSession.open({
      config,
      enrolled: rosterOf(plan),
      order: sealRoundOrder(config, book.identity),
      mailboxes: desk.mailboxes,
      present: desk.present,
      phaseDeadlineMs: PHASE_MS,
      log,
    }));
  const took = (performance.now() - begun) / 1000;
  const used = cpuSeconds() - cpu;
  if (outcome.kind === "aborted") throw outcome.error;
  const expected = new Uint32Array(cohort.dimension);
  for (const site of outcome.survivors) addContribution(expected, Number(site.slice(-4)));
  artefacts.delete(modelHash);
  await log.trim();
  const times = [begun, ...log.closed];
  say("round", {
    seconds: took,
    cpuSeconds: used,
    peakBytes: peakMemory(),
    requests: requests - before,
    phases: times.slice(1).map((at, i) => (at - times[i]) / 1000),
    ...(place === undefined ? { held: held(`${dir}/aggregator/${STORE_FILE}`) } : {}),
    uploadedAt: performance.timeOrigin + log.closed[2],
    survivors: outcome.survivors.length,
    exact: outcome.sum.every((value, k) => value === expected[k]),
  });
}
await words.next(); // sites end with the farewell: what they have cost is asked before it
await desk.farewell(undefined, 10_000);
desk.close();
await server.shutdown();
await book.close();
Deno.exit(0);
