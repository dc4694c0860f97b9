import assert from "node:assert/strict";
import fc from "fast-check";
import {
  initServerOptimizer,
  type ServerOptimizerConfig,
  serverStep,
} from "../../src/federation/server_optimizer.ts";

const base: ServerOptimizerConfig = {
  name: "fedadam",
  learningRate: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  adaptivity: 1e-8,
  anchorDecay: 0,
  decaySteps: 0,
};

Deno.test("the first FedAdam step has the size of the learning rate in every coordinate", () => {
  const gradient = Float64Array.of(3, -0.002, 5e4);
  const { parameters } = serverStep(
    base,
    initServerOptimizer(3),
    new Float64Array(3),
    new Float64Array(3),
    gradient,
  );
  [-0.1, 0.1, -0.1].forEach((wanted, i) => assert.ok(Math.abs(parameters[i] - wanted) < 1e-5));
});

Deno.test("FedAdam does not depend on a public scale of the aggregate", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 8 }),
      (values) => {
        const run = (scale: number) => {
          let state = initServerOptimizer(values.length);
          let parameters = new Float64Array(values.length);
          for (let step = 1; step <= 4; step++) {
            const gradient = Float64Array.from(
              values,
              (value) => scale * (value + Math.sign(value) * 0.1 * step),
            );
            ({ state, parameters } = serverStep(
              base,
              state,
              parameters,
              new Float64Array(values.length),
              gradient,
            ) as never);
          }
          return parameters;
        };
        const one = run(1);
        run(1024).forEach((value, i) => assert.ok(Math.abs(value - one[i]) < 1e-4));
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("every rule goes down a quadratic", () => {
  for (const name of ["fedavg", "fedadam", "fedyogi"] as const) {
    let state = initServerOptimizer(2);
    let parameters: Float64Array = Float64Array.of(3, -2);
    for (let step = 0; step < 400; step++) {
      const gradient = parameters.map((value) => 2 * value);
      ({ state, parameters } = serverStep(
        { ...base, name, learningRate: 0.02 },
        state,
        parameters,
        new Float64Array(2),
        gradient,
      ));
    }
    assert.ok(Math.hypot(...parameters) < 0.2, `${name} ends at ${parameters}`);
  }
});

Deno.test("anchorDecay pulls back to the public start", () => {
  const anchor = Float64Array.of(1);
  const config = { ...base, anchorDecay: 0.5 };
  const { parameters } = serverStep(
    config,
    initServerOptimizer(1),
    Float64Array.of(3),
    anchor,
    Float64Array.of(0),
  );
  assert.equal(parameters[0], 2);
});

Deno.test("serverStep() refuses an aggregate of another size", () => {
  assert.throws(
    () =>
      serverStep(base, initServerOptimizer(2), new Float64Array(2), new Float64Array(2), new Float64Array(3)),
    { code: "ModelError" },
  );
});
