/**
 * `deno run examples/accounting_only.ts`: only the accountant. How private is a training run of somebody else's, and
 * how much noise does a wanted epsilon take? No data, no model, no network, no permission.
 *
 * @module
 */
import { calibrateNoiseMultiplier, type DpEvent, epsilonAt, maxSteps } from "@fedkim/fedkim/dp";

/** DP-SGD: in each step a patient takes part with probability q, and the sum gets Gaussian noise. */
const dpSgd = (sigma: number, steps: number): DpEvent => ({
  type: "self_composed",
  count: steps,
  event: { type: "poisson", q: 0.02, event: { type: "gaussian", sigma } },
});
const neighboring = "add_or_remove_one";
const delta = 1e-5;

const tight = epsilonAt(dpSgd(1.1, 1000), delta, { neighboring });
const renyi = epsilonAt(dpSgd(1.1, 1000), delta, { neighboring, accountant: "rdp" });
console.log(
  `sigma 1.1, 1000 steps: epsilon <= ${tight.epsilon.toFixed(3)} (PLD), ${renyi.epsilon.toFixed(3)} (RDP)`,
);

const target = { epsilon: 3, delta, neighboring } as const;
const sigma = calibrateNoiseMultiplier((noise) => dpSgd(noise, 1000), target);
console.log(`epsilon 3 over 1000 steps: noise multiplier ${sigma.toFixed(3)}`);

const steps = maxSteps((count) => dpSgd(1.1, count), target);
console.log(`epsilon 3 with sigma 1.1: ${steps} steps`);
