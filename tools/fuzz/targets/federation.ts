import { createPlan, parseEvent, parsePlan } from "../../../src/dp/mod.ts";
import { SITE_FILES } from "../../../src/federation/mod.ts";
import {
  checkAggregatorConfig,
  checkClientConfig,
  readAggregatorConfig,
  readClientConfig,
} from "../../../src/federation/mod.ts";
import { decodeFlat, encodeFlat } from "../../../src/federation/flat_model.ts";
import { openPlan, sealPlan } from "../../../src/federation/federation_plan.ts";
import { decodeInvite, encodeInvite } from "../../../src/federation/invite.ts";
import { readIdentity } from "../../../src/federation/identity_file.ts";
import { PatientKey } from "../../../src/federation/patient_key.ts";
import { openRoundOrder, roundConfigOf, sealRoundOrder } from "../../../src/federation/round_order.ts";
import {
  decodeEvaluationModel,
  encodeEvaluationModel,
} from "../../../src/federation/site_evaluation/evaluation_model.ts";
import { readPolicy } from "../../../src/federation/site_policy.ts";
import { readPinnedAggregator, SiteProgress } from "../../../src/federation/site_state.ts";
import { decodeStepState, encodeStepState } from "../../../src/federation/step_state.ts";
import { certificatesOf, readPem } from "../../../src/federation/tls.ts";
import { decodeShard, encodeShard } from "../../../src/federation/unmasking/shard.ts";
import { readWithdrawals } from "../../../src/federation/withdrawal.ts";
import { canonicalJson } from "../../../src/formats/canonical_json.ts";
import { fromHex, toHex } from "../../../src/formats/hex.ts";
import { parseLocalModelSpec } from "../../../src/local/mod.ts";
import { encodeRoundConfig, identityFromPrivateKey, signLabelled } from "../../../src/secure_agg/mod.ts";
import { aggregator, makePlan, policy, sites } from "../../../tests/federation/_plan.ts";
import { type FuzzTarget, jsonBytes, law, sameBytes, textOf, utf8 } from "../target.ts";
import { asFile, scratch } from "./scratch.ts";

const plan = makePlan();
const key = identityFromPrivateKey("a", new Uint8Array(32).fill(7));

/** JSON of an input, or undefined where it is none: then the reader under test has nothing to do with it. */
function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(input));
  } catch {
    return undefined;
  }
}

/** A signature that a reader accepts, so that what is behind it is reached. */
function signed(label: string, value: unknown, by = aggregator): string {
  return toHex(signLabelled(by, label, utf8(canonicalJson(value ?? null))));
}

/** What travels between sites and aggregator, and what both keep. */
export const FEDERATION_TARGETS: readonly FuzzTarget[] = [
  {
    name: "plan",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(JSON.parse(textOf(sealPlan(plan, aggregator))).plan)]),
    parse: (input) => {
      const value = jsonOf(input);
      if (value === undefined) return openPlan(input, aggregator.publicKey);
      let signature: string;
      try {
        signature = signed("fedkim/plan/1", value);
      } catch {
        signature = "";
      }
      openPlan(jsonBytes({ plan: value, signature }), aggregator.publicKey);
    },
  },
  {
    name: "dp_plan",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(plan.dp)]),
    parse: (input) => void parsePlan(jsonOf(input)),
  },
  {
    name: "dp_plan_request",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes({ ...plan.dp.request, target: { noiseMultiplier: 1.5 } })]),
    parse: (input) => {
      const made = createPlan(jsonOf(input) as never);
      law(
        made.guarantees.every(({ epsilon }) => epsilon > 0 && Number.isFinite(epsilon)),
        "an epsilon that bounds nothing",
      );
    },
  },
  {
    name: "dp_event",
    kind: "json",
    seeds: () =>
      Promise.resolve([
        jsonBytes({
          type: "self_composed",
          count: 3,
          event: { type: "poisson", q: 0.1, event: { type: "gaussian", sigma: 2 } },
        }),
        jsonBytes({ type: "composed", events: [{ type: "laplace", b: 1 }, { type: "no_op" }] }),
      ]),
    parse: (input) => parseEvent(jsonOf(input)),
  },
  {
    name: "local_spec",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(plan.model.spec)]),
    parse: (input) => parseLocalModelSpec(jsonOf(input)),
  },
  {
    name: "round_order",
    kind: "bytes",
    seeds: () => Promise.resolve([encodeRoundConfig(roundConfigOf(plan, 1, "2".repeat(64)))]),
    parse: (input) => {
      const signature = toHex(signLabelled(aggregator, "fedkim/round/1", input));
      const order = jsonBytes({ format: "fedkim-round/1", config: toHex(input), signature });
      sameBytes(encodeRoundConfig(openRoundOrder(order, aggregator.publicKey, plan)), input);
    },
  },
  {
    name: "round_order_envelope",
    kind: "json",
    seeds: () => Promise.resolve([sealRoundOrder(roundConfigOf(plan, 1, "2".repeat(64)), aggregator)]),
    parse: (input) => openRoundOrder(input, aggregator.publicKey, plan),
  },
  {
    name: "policy",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(policy)]),
    parse: async (input) => {
      const value = jsonOf(input);
      let signature = "";
      try {
        signature = signed("fedkim/policy/1", value, key);
      } catch { /* No canonical form: the reader says so. */ }
      const path = asFile(
        "policy.json",
        value === undefined ? input : jsonBytes({ policy: value, signature }),
      );
      const read = await readPolicy(path, key);
      law(read.maxEpsilon > 0 && Number.isFinite(read.maxEpsilon), "a policy without a bound");
    },
  },
  {
    name: "identity",
    kind: "json",
    seeds: () =>
      Promise.resolve([jsonBytes({
        format: "fedkim-identity/1",
        site: "a",
        publicKey: toHex(sites[0].publicKey),
        privateKey: toHex(sites[0].privateKey.reveal()),
      })]),
    parse: async (input) => {
      const identity = await readIdentity(asFile(SITE_FILES.identity, input));
      law(
        toHex(identity.publicKey) === JSON.parse(textOf(input)).publicKey,
        "a public key that is not the private key's",
      );
    },
  },
  {
    name: "invite",
    kind: "json",
    seeds: () =>
      Promise.resolve([jsonBytes({
        format: "fedkim-invite/1",
        site: "a",
        url: "https://fed.example.org",
        aggregatorPublicKey: "0".repeat(64),
        secret: "1".repeat(64),
      })]),
    parse: (input) => {
      const token = `fk1.${input.toBase64({ alphabet: "base64url", omitPadding: true })}`;
      const invite = decodeInvite(token);
      law(fromHex(invite.secret) !== undefined, "a secret that is no hexadecimal text");
      decodeInvite(encodeInvite(invite));
    },
  },
  {
    name: "invite_text",
    kind: "text",
    seeds: () => Promise.resolve([utf8("fk1.eyJmb3JtYXQiOiJmZWRraW0taW52aXRlLzEifQ")]),
    parse: (input) => decodeInvite(textOf(input)),
  },
  ...siteFiles(),
  {
    name: "aggregator_config",
    kind: "json",
    seeds: () =>
      Promise.resolve([jsonBytes({
        federation: "f",
        listen: { hostname: "127.0.0.1", port: 0 },
        state: "s",
        run: "r",
        sites: ["a", "b", "c"],
        data: { public: "p", test: "t" },
        privacy: { epsilon: 8, delta: 1e-5, neighboring: "add_or_remove_one" },
        rounds: { steps: 3, phaseDeadlineMs: 1000 },
        injection: { epochs: 1 },
        tls: { cert: "c.pem", key: "k.pem" },
      })]),
    parse: async (input) => {
      await readAggregatorConfig(asFile("aggregator.json", input));
      checkAggregatorConfig(jsonOf(input) as never, "The configuration");
    },
  },
  {
    name: "client_config_toml",
    kind: "text",
    words: ["state = ", "data = ", "[", "]]", '"""', "1979-05-27T07:32:00Z", "0b1", "inf", "= {", "."],
    seeds: () => Promise.resolve([utf8('state = "s"\ndata = "d"\nbackend = "wasm"\nreconnectSeconds = 5\n')]),
    parse: async (input) => await readClientConfig(asFile("client.toml", input)),
  },
  {
    name: "client_config",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes({ state: "s", data: "d", backend: "wasm" })]),
    parse: (input) => checkClientConfig(jsonOf(input) as never, "The configuration"),
  },
  {
    name: "step_state",
    kind: "bytes",
    words: ['"d":', '"memory":-1', '"memory":0', '"best":{', '"round":-1', "null"],
    seeds: () =>
      Promise.resolve([encodeStepState({
        round: 1,
        abortsInARow: 0,
        flat: new Float64Array([1, 2]),
        optimizer: { step: 1, dimension: 2, memory: [new Float64Array(2), new Float64Array(2)] },
        best: { round: 1, mean: 0.5 },
      })]),
    parse: (input) => {
      const state = decodeStepState(input);
      law(Number.isSafeInteger(state.round) && state.round >= 0, "a step that is no number of steps");
      law(state.flat.length === state.optimizer.dimension, "a model of another dimension than its optimizer");
      const head = new DataView(input.buffer, input.byteOffset).getUint32(0, true);
      law(
        input.length === 4 + head + 8 * (1 + state.optimizer.memory.length) * state.flat.length,
        "trailing bytes",
      );
    },
  },
  {
    name: "shard",
    kind: "bytes",
    seeds: () =>
      Promise.resolve([
        encodeShard({ first: 16, length: 32, jobs: [{ key: new Uint8Array(32), negate: true }] }),
      ]),
    parse: (input) => sameBytes(encodeShard(decodeShard(input)), input),
  },
  {
    name: "flat_model",
    kind: "bytes",
    seeds: () => Promise.resolve([encodeFlat(new Float64Array([0, 1.5, -2]))]),
    parse: (input) => sameBytes(encodeFlat(decodeFlat(input, 3)), input),
  },
  {
    name: "evaluation_model",
    kind: "bytes",
    words: ['"edges":[', '"probabilities":[', '"firstYes":', "1e999"],
    seeds: () =>
      Promise.resolve([encodeEvaluationModel({
        flat: new Float64Array([1, 2]),
        bins: { t: { edges: [0], probabilities: [0.2, 0.8], firstYes: 1, calibrated: true } },
      })]),
    parse: (input) => {
      const { bins } = decodeEvaluationModel(input, 2, ["t"], 4);
      law(bins.t.firstYes <= bins.t.probabilities.length, "a first yes behind the last bin");
    },
  },
  {
    name: "pem",
    kind: "text",
    words: ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "MIIB", "=="],
    seeds: () =>
      Promise.resolve([utf8("-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n")]),
    parse: async (input) => {
      const path = asFile("cert.pem", input);
      certificatesOf(await readPem(path, "CERTIFICATE"), path);
    },
  },
];

/** The small JSON files of a site's state folder. */
function siteFiles(): FuzzTarget[] {
  return [
    {
      name: "pinned_aggregator",
      kind: "json",
      seeds: () =>
        Promise.resolve([
          jsonBytes({ format: "fedkim-aggregator/1", url: "http://127.0.0.1:1", publicKey: "0".repeat(64) }),
        ]),
      parse: async (input) => {
        asFile(SITE_FILES.aggregator, input);
        await readPinnedAggregator(scratch());
      },
    },
    {
      name: "withdrawals",
      kind: "json",
      seeds: () =>
        Promise.resolve([jsonBytes({
          format: "fedkim-withdrawals/1",
          keyId: "k",
          patients: [{ pseudonym: "0".repeat(64), at: "2026-11-23T00:00:00Z" }],
        })]),
      parse: async (input) => {
        asFile(SITE_FILES.withdrawals, input);
        await readWithdrawals(scratch());
      },
    },
    {
      name: "site_progress",
      kind: "json",
      seeds: () => Promise.resolve([jsonBytes({ planHash: "0".repeat(64), lastRound: 3 })]),
      parse: async (input) => {
        asFile(SITE_FILES.progress, input);
        await SiteProgress.open(scratch());
      },
    },
    {
      name: "patient_key",
      kind: "json",
      seeds: () => Promise.resolve([jsonBytes({ format: "fedkim-patient-key/1", key: "0".repeat(64) })]),
      parse: async (input) => {
        asFile(SITE_FILES.patientKey, input);
        (await PatientKey.open(scratch())).pseudonym("withdrawn", "p");
      },
    },
  ];
}
