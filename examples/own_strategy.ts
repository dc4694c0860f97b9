/**
 * `deno run examples/own_strategy.ts`: a server strategy of one's own. Four sites fit a line to numbers that never
 * leave them; in each round the server learns the noised sum of clipped gradients and nothing else, and moves the
 * parameters by a rule that this file defines (FedAdagrad: Reddi et al. 2021, Algorithm 2). Whatever the rule does
 * with the private sum costs no further privacy.
 *
 * @module
 */
import {
  addClippedUnit,
  createPlan,
  decodeSum,
  type DpPlan,
  encodeUpdate,
  planHash,
  poissonSample,
} from "@fedkim/fedkim/dp";
import {
  cryptoRandomBytes,
  enrolledHash,
  generateIdentity,
  makeRoundConfig,
  SecAggClient,
  SecAggServer,
} from "@fedkim/fedkim/secure_agg";

/** A server's rule: what it remembers, and one step down an aggregated gradient. */
interface Strategy<State> {
  init(dimension: number): State;
  step(state: State, parameters: Float64Array, gradient: Float64Array): void;
}

const adagrad: Strategy<Float64Array> = {
  init: (dimension) => new Float64Array(dimension),
  step(squares, parameters, gradient) {
    gradient.forEach((g, i) => {
      squares[i] += g * g;
      parameters[i] -= 0.5 * g / (Math.sqrt(squares[i]) + 1e-3);
    });
  },
};

/** A patient's numbers. */
interface Patient {
  readonly x: number;
  readonly y: number;
}

const STEPS = 30;
const SAMPLING_RATE = 0.3;
const CLIP = 1;
const PATIENTS = 250;
const identities = ["north", "south", "east", "west"].map((name) => generateIdentity(name));
const enrolled = new Map(identities.map(({ id, publicKey }) => [id, publicKey]));
/** Every site sees another part of the line y = 2 x - 1. */
const sites = identities.map((identity, site) => ({
  identity,
  patients: Array.from({ length: PATIENTS }, (_, i): Patient => {
    const x = (site + i / PATIENTS) / 2 - 1;
    return { x, y: 2 * x - 1 };
  }),
}));

const plan = createPlan({
  populations: [{ name: "line", unit: "patient", samplingRate: SAMPLING_RATE, maxGradNorm: CLIP }],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: STEPS,
  dimension: 2,
  cohort: { n: 4, nMin: 3, colluders: 1 },
  maxUnitsPerStep: 1024,
  delta: 1e-5,
  target: { epsilon: 4 },
});
console.log(`epsilon ${plan.guarantees[0].epsilon.toFixed(2)} for every patient over ${STEPS} rounds`);

const line = new Float64Array(2);
const memory = adagrad.init(2);
for (let round = 1; round <= STEPS; round++) {
  const sum = decodeSum(plan, await secureSum(plan, round));
  // The divisor is public: the number of patients that a round is expected to draw.
  const gradient = sum.map((value) => value * CLIP / (SAMPLING_RATE * 4 * PATIENTS));
  adagrad.step(memory, line, gradient);
}
console.log(`learned y = ${line[0].toFixed(2)} x + ${line[1].toFixed(2)} (the truth: y = 2 x - 1)`);

/** One site's answer to a round: sampled, clipped, summed, noised, as residues for the masks. */
function contribution(patients: readonly Patient[]): Uint32Array {
  const sum = new Float64Array(2);
  const drawn = poissonSample(patients.map((_, i) => String(i)), SAMPLING_RATE, cryptoRandomBytes);
  for (const { x, y } of drawn.map((i) => patients[Number(i)])) {
    const error = line[0] * x + line[1] - y;
    addClippedUnit(sum, Float64Array.of(error * x, error), CLIP);
  }
  return encodeUpdate(plan, sum, cryptoRandomBytes);
}

/** The protocol, with all parties in this process. */
async function secureSum(plan: DpPlan, round: number): Promise<Uint32Array> {
  const config = makeRoundConfig({
    taskId: "line",
    roundId: round,
    nMax: sites.length,
    nMin: plan.request.cohort.nMin,
    enrolledHash: enrolledHash(enrolled),
    modelHash: new Uint8Array(32),
    planHash: Uint8Array.fromHex(planHash(plan)),
    dimension: plan.request.dimension,
    coordinateBound: plan.encoding.coordinateLimit,
  });
  const server = new SecAggServer({ config, enrolled });
  const clients = sites.map(({ identity, patients }) =>
    new SecAggClient({ config, identity, enrolled, input: () => contribution(patients) })
  );
  clients.forEach((client, i) => server.receive(identities[i].id, client.begin()));
  while (server.result === undefined) {
    await server.close();
    if (server.phase === "aborted") throw server.error;
    for (const [i, client] of clients.entries()) {
      const message = server.outboundFor(identities[i].id);
      if (message === undefined) continue;
      for (const answer of (await client.receive(message)).outbound) server.receive(identities[i].id, answer);
    }
  }
  return server.result.sum;
}
