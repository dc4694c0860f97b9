import assert from "node:assert/strict";
import fc from "fast-check";
import { checkAggregatorConfig } from "../../../src/federation/config.ts";
import {
  initServerOptimizer,
  type ServerOptimizerConfig,
  serverStep,
} from "../../../src/federation/server_optimizer.ts";
import { decodeStepState, encodeStepState } from "../../../src/federation/step_state.ts";
import { STRATEGIES, type Strategy, strategyNamed } from "../../../src/federation/strategies/mod.ts";

const constants = { beta1: 0.9, beta2: 0.99, adaptivity: 1e-8 };
const base: ServerOptimizerConfig = {
  name: "fedavg",
  learningRate: 0.1,
  ...constants,
  anchorDecay: 0,
  decaySteps: 0,
};
const vector = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 3, maxLength: 3 })
  .map((values) => Float64Array.from(values));

/** Some steps of a rule, with its state through the store's bytes between any two of them. */
function run(config: ServerOptimizerConfig, gradients: readonly Float64Array[]): Float64Array {
  let optimizer = initServerOptimizer(3);
  let flat: Float64Array = Float64Array.of(1, -1, 0);
  for (const gradient of gradients) {
    const next = serverStep(config, optimizer, flat, new Float64Array(3), gradient);
    const state = {
      round: 1,
      abortsInARow: 0,
      best: undefined,
      flat: next.parameters,
      optimizer: next.state,
    };
    ({ flat, optimizer } = decodeStepState(encodeStepState(state)));
  }
  return flat;
}

Deno.test("a zero sum moves nothing, under every shipped strategy", () => {
  for (const name of STRATEGIES) {
    const zeros = [new Float64Array(3), new Float64Array(3)];
    assert.deepEqual(run({ ...base, name }, zeros), Float64Array.of(1, -1, 0));
  }
});

Deno.test("every strategy keeps to its promise: as many vectors as it asked for, and its inputs unchanged", () => {
  for (const name of STRATEGIES) {
    const strategy = strategyNamed(name, constants);
    fc.assert(fc.property(fc.array(vector, { minLength: 1, maxLength: 5 }), (gradients) => {
      let memory: readonly Float64Array[] = Array.from(
        { length: strategy.memory },
        () => new Float64Array(3),
      );
      gradients.forEach((gradient, i) => {
        const before = [gradient, ...memory].map((values) => values.slice());
        const step = strategy.direction(memory, gradient, i + 1);
        assert.deepEqual([gradient, ...memory], before);
        assert.equal(step.memory.length, strategy.memory);
        memory = step.memory;
      });
    }));
  }
});

Deno.test("FedAvg and FedProx go down the aggregate itself; FedProx differs at the sites", () => {
  const gradients = [Float64Array.of(1, 2, 3), Float64Array.of(-1, 0, 4)];
  const plain = { ...base, beta1: 0 };
  assert.deepEqual(run(plain, gradients), run({ ...plain, name: "fedprox" }, gradients));
  run(plain, gradients).forEach((value, i) => {
    assert.ok(Math.abs(value - ([1, -1, 0][i] - 0.1 * (gradients[0][i] + gradients[1][i]))) < 1e-12);
  });
});

Deno.test("a strategy of one's own drives the step and is remembered across a restart", () => {
  const adagrad: Strategy = {
    name: "adagrad",
    memory: 1,
    direction([squares], gradient) {
      const next = squares.map((value, i) => value + gradient[i] ** 2);
      return { direction: gradient.map((g, i) => g / (Math.sqrt(next[i]) + 1e-12)), memory: [next] };
    },
  };
  const gradient = Float64Array.of(3, -4, 0);
  const two = run({ ...base, strategy: adagrad }, [gradient, gradient]);
  [-1, 1, 0].forEach((sign, i) => {
    assert.ok(Math.abs(two[i] - ([1, -1, 0][i] + sign * 0.1 * (1 + Math.SQRT1_2))) < 1e-9);
  });
});

Deno.test("a strategy that gives something else than it promised ends the step with ModelError", () => {
  const broken = (direction: Float64Array, memory: Float64Array[]): ServerOptimizerConfig => ({
    ...base,
    strategy: { name: "broken", memory: 0, direction: () => ({ direction, memory }) },
  });
  const gradient = [new Float64Array(3)];
  assert.throws(() => run(broken(new Float64Array(2), []), gradient), { code: "ModelError" });
  assert.throws(() => run(broken(new Float64Array(3), [new Float64Array(3)]), gradient), {
    code: "ModelError",
  });
  assert.throws(() => run(broken(Float64Array.of(NaN, 0, 0), []), gradient), { code: "ModelError" });
});

Deno.test("the state of a run of an older version, two moments and no count of them, is still read", () => {
  const head = { round: 3, abortsInARow: 0, d: 1, optimizerStep: 3 };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const bytes = new Uint8Array(4 + text.length + 24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, text.length, true);
  bytes.set(text, 4);
  [1, 2, 3].forEach((value, i) => view.setFloat64(4 + text.length + 8 * i, value, true));
  const { flat, optimizer } = decodeStepState(bytes);
  assert.deepEqual([[...flat], optimizer.memory.map((values) => [...values])], [[1], [[2], [3]]]);
});

Deno.test("fedprox is refused where sites would not pull towards the round's start", () => {
  const config = (more: Record<string, unknown>) =>
    checkAggregatorConfig({
      federation: "f",
      state: "s",
      run: "r",
      sites: ["a", "b", "c"],
      data: { public: "p" },
      privacy: { neighboring: "add_or_remove_one" },
      optimizer: { name: "fedprox" },
      ...more,
    }, "The test's configuration");
  assert.throws(() => config({}), { code: "ConfigError" });
  assert.throws(() => config({ mode: "local" }), { code: "ConfigError" });
  assert.equal(config({ mode: "local", local: { proximal: 0.1 } }).optimizer.name, "fedprox");
});
