import type { DpPlan } from "../dp/mod.ts";
import type { LocalModelSpec, LocalWeights } from "../local/mod.ts";
import {
  defaultThreshold,
  generateIdentity,
  type Identity,
  SecAggClient,
  SecAggServer,
} from "../secure_agg/mod.ts";
import { sha256Hex } from "../formats/canonical_json.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import type { FederationPlan } from "./federation_plan.ts";
import { rosterOf, roundConfigOf } from "./round_order.ts";
import { stepContribution, type TrainingSite } from "./site_training.ts";
import { encodeFlat } from "./flat_model.ts";
import { encodeWeights } from "./weights_file.ts";

/**
 * The signed-plan form of an audit-only run, and fresh identities for its parties: rounds are configured from it as in
 * production.
 * @param dp the audit-only privacy plan
 * @param spec the local model, whose text encoders are left out
 * @param base its weights
 */
export function auditPlan(
  dp: DpPlan,
  spec: LocalModelSpec,
  base: LocalWeights,
): { readonly plan: FederationPlan; readonly identities: readonly Identity[] } {
  const { n, nMin, colluders } = dp.request.cohort;
  const identities = Array.from({ length: n }, (_, i) => generateIdentity(`audit-${i + 1}`));
  const plan: FederationPlan = {
    format: "fedkim-plan/1",
    federation: "audit",
    mode: "distributed",
    roster: identities.map(({ id, publicKey }) => ({ site: id, publicKey: toHex(publicKey) })),
    tasks: spec.heads.map(({ task }) => task),
    model: { spec, baseWeights: sha256Hex(encodeWeights(base)), textTable: sha256Hex("") },
    dp,
    secureAggregation: {
      profile: "strict",
      threshold: defaultThreshold(n, "strict"),
      nMin,
      colluders,
      chunkCoordinates: 65_536,
    },
  };
  return { plan, identities };
}

/** How a site computes what it hands to secure aggregation; the product's own is {@link stepContribution}. */
export type Contribute = (
  site: TrainingSite,
  flat: Float64Array,
  randomBytes: RandomBytes,
) => Promise<Uint32Array>;

/** One aggregation step in one process, with every party of it. */
export interface AuditStepOptions {
  /** The plan; its roster names the identities. */
  readonly plan: FederationPlan;
  /** Sites with their data, in the order of the roster. */
  readonly sites: readonly TrainingSite[];
  /** Private keys of the roster, in its order. */
  readonly identities: readonly Identity[];
  /** The federated parameters of this step `[d]`. */
  readonly flat: Float64Array;
  /** Step number, from 1. */
  readonly round: number;
  /** Default: what sites do in production. */
  readonly contribute?: Contribute;
  /** Default: the operating system's CSPRNG. */
  readonly randomBytes?: RandomBytes;
}

/** What an aggregation step gave. */
export interface AuditedStep {
  /** The unmasked sum modulo 2^32, as the aggregator has it. */
  readonly sum: Uint32Array;
  /** What each site handed in, in the order of the roster: colluding sites know their own. */
  readonly inputs: readonly Uint32Array[];
}

/**
 * Runs one step on the path that sites and aggregator run in production, in one process: training, clipping, noise
 * and rounding at every site, then all phases of secure aggregation.
 * @throws the error that ended the secure aggregation
 */
export async function runAuditStep(options: AuditStepOptions): Promise<AuditedStep> {
  const { plan, sites, identities, flat, round } = options;
  const { contribute = stepContribution, randomBytes = cryptoRandomBytes } = options;
  const config = roundConfigOf(plan, round, sha256Hex(encodeFlat(flat)));
  const enrolled = rosterOf(plan);
  const inputs: Uint32Array[] = [];
  const server = new SecAggServer({ config, enrolled });
  const clients = identities.map((identity, i) =>
    new SecAggClient({
      config,
      identity,
      enrolled,
      random: randomBytes,
      input: async () => {
        const vector = await contribute(sites[i], flat, randomBytes);
        // The client masks its input in place.
        inputs[i] = vector.slice();
        return vector;
      },
    })
  );
  clients.forEach((client, i) => server.receive(identities[i].id, client.begin()));
  for (await server.close(); server.phase !== "finished"; await server.close()) {
    if (server.phase === "aborted") throw server.error ?? stopped("the aggregator aborted");
    for (const [i, client] of clients.entries()) {
      const message = server.outboundFor(identities[i].id);
      if (message === undefined) continue;
      const step = await client.receive(message);
      for (const answer of step.outbound) server.receive(identities[i].id, answer);
      if (step.kind === "abort") throw step.error;
    }
  }
  if (server.result === undefined) throw stopped("no sum");
  return { sum: server.result.sum, inputs };
}

function stopped(found: string): FedKimError {
  return new FedKimError("ProtocolAbort", "The audited aggregation ended without a sum.", { found });
}
