// Many sites in one process, each with its own address, connection and keys; everything but training is real.
// deno run -A bench/federation/_sites_process.ts '{…}', see SitesTask
import { AggregatorClient } from "../../src/federation/aggregator_client.ts";
import { federationPlanHash, openPlan } from "../../src/federation/federation_plan.ts";
import { decodeFlat } from "../../src/federation/flat_model.ts";
import type { Letter } from "../../src/federation/mailbox.ts";
import { openRoundOrder, rosterOf } from "../../src/federation/round_order.ts";
import { sendStepMessages } from "../../src/federation/step_messages.ts";
import { fromHex, toHex } from "../../src/formats/hex.ts";
import { cryptoRandomBytes } from "../../src/formats/random_bytes.ts";
import {
  type ClientStep,
  defaultEngine,
  type MaskEngine,
  nativeProvider,
  SecAggClient,
} from "../../src/secure_agg/mod.ts";
import { cpuSeconds } from "../secure_agg/_measure.ts";
import { contribution, readIdentities, type SitesTask } from "./_cohort.ts";
import { say, told } from "./_processes.ts";

const { dir, url, key, first, count, masks, hold } = JSON.parse(Deno.args[0]) as SitesTask;
const identities = await readIdentities(`${dir}/identities.json`);
const aggregatorKey = fromHex(key)!;
const head = { sequence: 0, hash: "0".repeat(64) };
const engine = defaultEngine(nativeProvider);
let maskMs = 0;
let release = (): void => {};
const go = new Promise<void>((resolve) => release = resolve);
let held = 0;
/** The plan is the same for all: its privacy numbers, which every site recomputes once a run, are recomputed once here. */
let opened: ReturnType<typeof openPlan> | undefined;

/** Expands all masks, or the site's own only: pair masks of sites that all stay cancel in the sum. */
const siteEngine: MaskEngine = {
  name: engine.name,
  apply(words, jobs, at) {
    const begun = performance.now();
    const done = engine.apply(words, masks === "all" ? jobs : jobs.slice(0, 1), at);
    maskMs += performance.now() - begun;
    return done;
  },
};

async function runSite(number: number): Promise<void> {
  const identity = identities[number];
  const http = Deno.createHttpClient({ localAddress: `127.1.${number >> 8}.${number & 255}` });
  const connection = new AggregatorClient(url, identity, 600_000, new AbortController().signal, http);
  let { newest: after } = await connection.postJson<{ newest: number }>("/v1/join", { head });
  let client: SecAggClient | undefined;
  let plan: ReturnType<typeof openPlan> | undefined;
  let brought: Letter | undefined;
  for (;;) {
    const letter = brought ?? await connection.nextLetter(after);
    brought = undefined;
    if (letter === undefined) continue;
    after = letter.sequence;
    if (letter.kind === "plan") {
      plan = opened ??= openPlan(letter.body, aggregatorKey);
      const planHash = federationPlanHash(plan);
      await connection.postJson("/v1/plan/answer", { planHash, accepted: true, head });
    } else if (letter.kind === "round") {
      const config = openRoundOrder(letter.body, aggregatorKey, plan!);
      client = new SecAggClient({
        config,
        identity,
        enrolled: rosterOf(plan!),
        random: cryptoRandomBytes,
        engine: siteEngine,
        input: async () => {
          decodeFlat(await connection.artefact(toHex(config.modelHash)), config.dimension);
          return contribution(number, config.dimension);
        },
      });
      const path = `/v1/rounds/${letter.round}/messages?head=${head.sequence}.${head.hash}`;
      brought = await sendStepMessages(connection, path, [client.begin()], after);
    } else if (letter.kind === "secagg") {
      brought = await send(connection, letter, await client!.receive(letter.body));
    } else if (letter.kind === "done") {
      return http.close();
    } else throw new Error(new TextDecoder().decode(letter.body));
  }
}

/** Sends the answer to a letter; the next letter may come with the answer to that. */
async function send(
  connection: AggregatorClient,
  { round, sequence }: Letter,
  step: ClientStep,
): Promise<Letter | undefined> {
  if (step.kind === "abort") throw step.error;
  let messages = step.outbound;
  if (hold && step.phase === "awaiting_survivors") {
    messages = [...messages];
    if (++held === count) say("holding");
    await go;
  }
  return await sendStepMessages(connection, `/v1/rounds/${round}/messages`, messages, sequence);
}

(async () => {
  for await (const word of told()) {
    if (word === "go") release();
    else say("cost", { cpuSeconds: cpuSeconds(), maskSeconds: maskMs / 1000 });
  }
})();
await Promise.all(Array.from({ length: count }, (_, i) => runSite(first + i)));
Deno.exit(0);
