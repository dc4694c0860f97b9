import { join } from "node:path";
import { type LedgerBudget, openLedger } from "../dp/mod.ts";
import { checkWeights, describeSpec, type SiteIndex } from "../local/mod.ts";
import {
  type Identity,
  SecAggClient,
  type SecAggClientOptions,
  type SecAggError,
} from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { asDiskFull } from "../formats/durable_file.ts";
import { fromHex, toHex } from "../formats/hex.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { AggregatorClient } from "./aggregator_client.ts";
import { cachedArtefact } from "./artefact_cache.ts";
import type { ClientConfig } from "./config.ts";
import { evaluationAt, federationPlanHash, lastRound, openPlan } from "./federation_plan.ts";
import { decodeFlat } from "./flat_model.ts";
import { readIdentity } from "./identity_file.ts";
import { populationsHeld, signHoldings } from "./holdings.ts";
import { checkCountersignedHead, parseJoined } from "./ledger_head.ts";
import type { Letter } from "./mailbox.ts";
import { passes } from "./passing_trouble.ts";
import { gatePlan } from "./plan_gate.ts";
import { fromProblem, printable } from "./problem.ts";
import { openRoundOrder, rosterOf } from "./round_order.ts";
import { sendStepMessages } from "./step_messages.ts";
import { withSpan } from "./telemetry.ts";
import { readTextTable } from "./text_table.ts";
import { outboundClient } from "./tls_client.ts";
import { readWeights } from "./weights_file.ts";
import { readPolicy, type SitePolicy } from "./site_policy.ts";
import {
  type EvaluatingSite,
  evaluationContribution,
  evaluationHash,
  heldOutPopulation,
} from "./site_evaluation/mod.ts";
import { SitePatients } from "./site_patients.ts";
import { type PinnedAggregator, readPinnedAggregator, SITE_FILES, SiteProgress } from "./site_state.ts";
import {
  prepareTraining,
  stepContribution,
  type StoredTrainingSite,
  type TrainingSite,
} from "./site_training.ts";

/** How often a masked vector is sent anew, from its start, after it lost its place at a busy aggregator. */
const MAX_RESENDS = 16;

/** What a step's model may carry besides its parameters, bytes. */
const MODEL_HEAD_BYTES = 2 ** 20;

/** What a site worker says about itself, locally; nothing of it is sent. */
export type SiteEvent =
  | { readonly kind: "joined"; readonly aggregator: string }
  | {
    readonly kind: "accepted";
    readonly planHash: string;
    readonly steps: number;
    /** Learned layers of which sites share parameters, and how many. */
    readonly federated: Readonly<Record<string, number>>;
  }
  | { readonly kind: "training"; readonly round: number; readonly step: number; readonly steps: number }
  | { readonly kind: "step"; readonly round: number; readonly steps: number }
  | { readonly kind: "evaluated"; readonly round: number }
  | {
    /** Values of this site lay outside the agreed bound and were taken to it: its data or its encoder are unusual. */
    readonly kind: "saturated";
    readonly round: number;
    readonly coordinates: number;
  }
  | { readonly kind: "aborted"; readonly round: number; readonly reason: string }
  | { readonly kind: "finished"; readonly steps: number };

/** What a site worker needs. */
export interface SiteWorkerOptions {
  /** Its configuration. */
  readonly config: ClientConfig;
  /** Receives local events. */
  readonly onEvent: (event: SiteEvent) => void;
  /** Stops the worker; the ledger stays consistent. */
  readonly signal: AbortSignal;
  /** Source of keys, masks, sampling and noise (default: the operating system's CSPRNG). */
  readonly randomBytes?: RandomBytes;
  /** Makes the secure-aggregation client of a step (default: the product's own). */
  readonly createClient?: (options: SecAggClientOptions) => SecAggClient;
}

/** Everything that stays the same while the worker runs. */
interface Site {
  readonly options: SiteWorkerOptions;
  readonly identity: Identity;
  readonly pinned: PinnedAggregator;
  readonly policy: SitePolicy;
  readonly patients: SitePatients;
  /** Records that are trained on. */
  readonly data: SiteIndex;
  readonly ledger: Awaited<ReturnType<typeof openLedger>>;
  readonly progress: SiteProgress;
  readonly connection: AggregatorClient;
  readonly randomBytes: RandomBytes;
}

/** A site that is prepared for a plan, with what its evaluation needs. */
type PreparedSite = StoredTrainingSite & Pick<EvaluatingSite, "text" | "heldOut">;

/** A step in progress. */
interface ActiveStep {
  readonly round: number;
  readonly client: SecAggClient;
}

/** What has become of a step once its messages are sent. */
interface Sent {
  /** The step; undefined where it has gone on without this site (its charge stays). */
  readonly step: ActiveStep | undefined;
  /** The letter that came with the answer to the last message; undefined where it is still to be asked for. */
  readonly letter: Letter | undefined;
}

/**
 * Runs a site until the federation is over: joins, checks the plan against the site's own policy, and answers each
 * step. Opens no port. The ledger is charged, durably, before anything of a step leaves the site.
 * @throws FedKimError with the code of whatever stopped it
 */
export async function runSite(options: SiteWorkerOptions): Promise<void> {
  const { config } = options;
  const path = (file: keyof typeof SITE_FILES) => join(config.state, SITE_FILES[file]);
  const identity = await readIdentity(path("identity"));
  const pinned = await readPinnedAggregator(config.state);
  const policy = await readPolicy(path("policy"), identity);
  const patients = await SitePatients.open(config, options.randomBytes);
  const data = await patients.trained();
  const ledger = await openLedger(path("ledger"), { site: identity.id, budgets: budgetsOf(data, policy) });
  const http = await outboundClient(config);
  try {
    await patients.fixSplit(ledger.status().plans.length > 0);
    await serve({
      options,
      identity,
      pinned,
      policy,
      patients,
      data,
      ledger,
      progress: await SiteProgress.open(config.state),
      connection: new AggregatorClient(
        pinned.url,
        identity,
        config.reconnectSeconds * 1000,
        options.signal,
        http,
      ),
      randomBytes: options.randomBytes ?? cryptoRandomBytes,
    });
  } finally {
    ledger.close();
    http?.close();
  }
}

/** A budget for each set, and where the policy allows evaluations one for the set's held-out units. */
function budgetsOf(data: SiteIndex, policy: SitePolicy): LedgerBudget[] {
  const { neighboring, maxEpsilon, delta, evaluation } = policy;
  return data.sets.flatMap(({ name, manifest: { privacyUnit: unit } }) => [
    { population: name, unit, neighboring, delta, epsilon: maxEpsilon },
    ...(evaluation === undefined ? [] : [
      { population: heldOutPopulation(name), unit, neighboring, delta, epsilon: evaluation.maxEpsilon },
    ]),
  ]);
}

async function serve(site: Site): Promise<void> {
  let after = await join_(site);
  let training: PreparedSite | undefined;
  let step: ActiveStep | undefined;
  let brought: Letter | undefined;
  let steps = 0;
  using kept = new DisposableStack();
  for (;;) {
    const letter = brought ?? await nextLetter(site, after);
    brought = undefined;
    if (letter === undefined) continue;
    if (letter === "not_joined") {
      step = undefined;
      after = await join_(site);
      continue;
    }
    after = letter.sequence;
    if (letter.kind === "plan") {
      training = await takePlan(site, letter, training, kept);
      if (!(await acceptPlan(site, training))) after = await join_(site);
    } else if (letter.kind === "round") {
      ({ step, letter: brought } = await beginStep(site, required(training), letter));
      if (step !== undefined) steps++;
    } else if (letter.kind === "secagg") {
      if (step?.round === letter.round) ({ step, letter: brought } = await answer(site, step, letter));
    } else if (letter.kind === "abort") {
      step = undefined;
      site.options.onEvent({
        kind: "aborted",
        round: letter.round,
        reason: printable(new TextDecoder().decode(letter.body)),
      });
    } else {
      await site.connection.acknowledge(after);
      if (letter.body.length > 0) throw fromProblem(farewellOf(letter.body), 200);
      site.options.onEvent({ kind: "finished", steps });
      return;
    }
  }
}

/** The problem that a farewell tells of. @throws FedKimError `FormatError` where it is no JSON */
function farewellOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new FedKimError("FormatError", "The aggregator's farewell is malformed.", { cause });
  }
}

/** The next letter; `not_joined` where the aggregator knows this site no more, after a restart before the plan. */
async function nextLetter(site: Site, after: number): Promise<Letter | "not_joined" | undefined> {
  try {
    return await site.connection.nextLetter(after);
  } catch (error) {
    if (isNotJoined(error)) return "not_joined";
    throw error;
  }
}

function isNotJoined(error: unknown): boolean {
  return error instanceof FedKimError && error.details.reason === "not_joined";
}

/** Joins and guards against roll-back: the newest countersigned head must be in this site's ledger. */
async function join_(site: Site): Promise<number> {
  const holdsOut = site.options.config.heldOut > 0;
  const answer = parseJoined(
    await site.connection.postJson<unknown>("/v1/join", {
      head: site.ledger.head(),
      holdings: signHoldings(
        site.identity,
        populationsHeld(site.data.sets.map(({ name }) => name), holdsOut),
      ),
    }),
  );
  if (answer.head !== null) {
    checkCountersignedHead(answer.head, site.identity.id, fromHex(site.pinned.publicKey)!);
    site.ledger.requireHead({ sequence: answer.head.sequence, hash: answer.head.hash });
  }
  site.options.onEvent({ kind: "joined", aggregator: site.pinned.url });
  return answer.newest;
}

/** Prepares a plan; one that this process has prepared already keeps its features. */
async function takePlan(
  site: Site,
  letter: Letter,
  training: PreparedSite | undefined,
  kept: DisposableStack,
): Promise<PreparedSite> {
  if (training !== undefined) {
    const planHash = federationPlanHash(openPlan(letter.body, fromHex(site.pinned.publicKey)!));
    if (planHash === federationPlanHash(training.plan)) return training;
  }
  const next = kept.use(await preparePlan(site, letter));
  training?.[Symbol.dispose](); // the old plan's features, so that many plans do not fill the disk
  return next;
}

/** Checks a plan, prepares its training and commits its schedule to the ledger; tells the aggregator of a refusal. */
async function preparePlan(site: Site, letter: Letter): Promise<PreparedSite> {
  using unfinished = new DisposableStack();
  try {
    const plan = openPlan(letter.body, fromHex(site.pinned.publicKey)!);
    const privacyUnits = new Map(site.data.sets.map((set) => [set.name, set.manifest.privacyUnit]));
    gatePlan(plan, site.policy, site.identity, privacyUnits);
    const fetched = (hash: string) => cachedArtefact(site.options.config.state, hash, site.connection);
    const base = await readWeights(await fetched(plan.model.baseWeights));
    checkWeights(plan.model.spec, base);
    const text = await readTextTable(await fetched(plan.model.textTable));
    const { state } = site.options.config;
    const training = unfinished.use(await prepareTraining(plan, base, site.data, text, state));
    const heldOut = plan.evaluation === undefined
      ? { ...site.data, sets: [] }
      : await site.patients.heldOut(site.data);
    await commit(site, training);
    unfinished.move();
    return Object.assign(training, { text, heldOut });
  } catch (error) {
    // Only the code travels: why a site refuses is the site's own business.
    const known = asDiskFull(site.options.config.state, error);
    const code = known instanceof FedKimError ? known.code : "InternalError";
    if (!(known instanceof FedKimError && passes(known))) {
      const refusal = { accepted: false, planHash: sha256Hex(letter.body), code };
      await site.connection.postJson("/v1/plan/answer", refusal).catch(() => {});
    }
    throw known;
  }
}

/** Reserves the training's schedule, and the evaluation's under a hash of its own. */
async function commit({ ledger }: Site, training: TrainingSite): Promise<void> {
  const { plan } = training;
  const planHash = federationPlanHash(plan);
  const steps = { planHash, schedules: eventsOf(training, 1), delta: plan.dp.request.delta };
  const schedules = plan.evaluation === undefined ? [] : eventsOf(training, lastRound(plan));
  // A site may hold none of the evaluated sets.
  if (plan.evaluation === undefined || schedules.length === 0) return void await ledger.commit(steps);
  const { delta } = plan.evaluation.dp.request;
  await ledger.commit(steps, { planHash: evaluationHash(planHash), schedules, delta });
}

/** Accepts a prepared plan; false where the aggregator knows this site no more, after a restart in between. */
async function acceptPlan(site: Site, training: StoredTrainingSite): Promise<boolean> {
  const { plan } = training;
  const planHash = federationPlanHash(plan);
  try {
    const head = site.ledger.head();
    await site.connection.postJson("/v1/plan/answer", { planHash, accepted: true, head });
  } catch (error) {
    if (isNotJoined(error)) return false;
    throw error;
  }
  const shared = describeSpec(plan.model.spec).layers.filter(({ federated }) => federated > 0);
  const federated = Object.fromEntries(shared.map(({ layer, federated }) => [layer, federated]));
  site.options.onEvent({ kind: "accepted", planHash, steps: plan.dp.request.steps, federated });
  return true;
}

/** Charges the ledger, durably, then opens the step with fresh keys and the new ledger head. */
async function beginStep(
  site: Site,
  training: PreparedSite,
  letter: Letter,
): Promise<Sent> {
  const { plan } = training;
  const config = openRoundOrder(letter.body, fromHex(site.pinned.publicKey)!, plan);
  const planHash = federationPlanHash(plan);
  await site.progress.begin(planHash, config.roundId);
  const { roundId: round } = config;
  const evaluation = evaluationAt(plan, round);
  const charges = eventsOf(training, round).map(({ population, step }) => ({ population, event: step }));
  const booked = evaluation === undefined ? planHash : evaluationHash(planHash);
  const head = charges.length === 0
    ? site.ledger.head()
    : await site.ledger.charge({ planHash: booked, round, charges });
  const createClient = site.options.createClient ?? ((options) => new SecAggClient(options));
  const client = createClient({
    config,
    identity: site.identity,
    enrolled: rosterOf(plan),
    random: site.randomBytes,
    // Called once, when the shares of all others have arrived.
    input: async () => {
      const most = 4 * plan.dp.request.dimension + MODEL_HEAD_BYTES;
      const bytes = await site.connection.artefact(toHex(config.modelHash), most);
      await site.patients.leaveOutWithdrawn(site.data, training.features);
      if (evaluation !== undefined) return await evaluate(site, training, bytes, round);
      const flat = decodeFlat(bytes, config.dimension);
      const vector = await withSpan(
        "fedkim.train",
        { "fedkim.step": round },
        () =>
          stepContribution(training, flat, site.randomBytes, {
            round,
            onStep: (step, steps) => site.options.onEvent({ kind: "training", round, step, steps }),
          }),
      );
      site.options.onEvent({ kind: "step", round, steps: plan.dp.request.steps });
      return vector;
    },
  });
  const step = { round: config.roundId, client };
  const query = `?head=${head.sequence}.${head.hash}`;
  return await send(site, step, [client.begin()], letter.sequence, query);
}

/** The held-out patients' noised counts. */
async function evaluate(
  { patients, randomBytes, options }: Site,
  training: PreparedSite,
  artefact: Uint8Array,
  round: number,
): Promise<Uint32Array> {
  const withdrawn = (patient: string) => patients.hasWithdrawn(patient);
  const vector = await withSpan(
    "fedkim.evaluate",
    { "fedkim.step": round },
    () => evaluationContribution({ ...training, withdrawn }, artefact, randomBytes),
  );
  options.onEvent({ kind: "evaluated", round });
  return vector;
}

/** Answers a protocol message; what ends the step alone leaves the worker ready for the next one. */
async function answer(site: Site, step: ActiveStep, letter: Letter): Promise<Sent> {
  const before = step.client.saturatedCoordinates;
  const next = await step.client.receive(letter.body);
  const coordinates = step.client.saturatedCoordinates - before;
  // The count depends on records: it is said here and nowhere else.
  if (coordinates > 0) site.options.onEvent({ kind: "saturated", round: step.round, coordinates });
  const sent = await send(site, step, next.outbound, letter.sequence);
  if (next.kind === "next") return sent;
  if (!endsStepOnly(next.error)) throw next.error;
  site.options.onEvent({ kind: "aborted", round: step.round, reason: next.error.message });
  return { step: undefined, letter: undefined };
}

/** Sends a step's messages, all those that answer the letter with the number `after`. */
async function send(
  site: Site,
  step: ActiveStep,
  messages: Iterable<Uint8Array>,
  after: number,
  query = "",
): Promise<Sent> {
  const { connection } = site;
  const path = `/v1/rounds/${step.round}/messages${query}`;
  for (let again = 0;; again++) {
    try {
      const letter = await sendStepMessages(connection, path, messages, after);
      return { step, letter };
    } catch (error) {
      if (!(error instanceof FedKimError)) throw error;
      // The place of a stalled upload was given to another site: the very same bytes are sent again.
      if (error.details.reason === "incomplete_vector" && again < MAX_RESENDS) continue;
      if (error.code !== "UnexpectedMessage" && error.details.reason !== "incomplete_vector") throw error;
      site.options.onEvent({ kind: "aborted", round: step.round, reason: error.message });
      return { step: undefined, letter: undefined };
    }
  }
}

/**
 * True for ends that can happen between honest parties: too few sites, a server that gave the step up, or a model that
 * is gone because the step is over. Everything else is evidence of a lie or a defect here, and stops the worker.
 */
function endsStepOnly(error: SecAggError): boolean {
  if (error.code === "BelowThreshold" || error.reason === "server_aborted") return true;
  const { cause } = error;
  return error.reason === "local_failure" && cause instanceof FedKimError && cause.code === "ArtefactGone";
}

/** Events of a round for the populations that this site holds. */
function eventsOf({ plan, populations }: TrainingSite, round: number): FederationEvents {
  const evaluation = evaluationAt(plan, round);
  const held = evaluation === undefined ? populations : populations.map(heldOutPopulation);
  return (evaluation ?? plan).dp.events.filter((event) => held.includes(event.population));
}

type FederationEvents = TrainingSite["plan"]["dp"]["events"];

function required(training: PreparedSite | undefined): PreparedSite {
  if (training !== undefined) return training;
  throw new FedKimError("UnexpectedMessage", "A step was ordered before a plan was accepted.", {
    remedy: "tell the consortium",
  });
}
