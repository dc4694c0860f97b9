import { type DpPlan, epsilonAt } from "../../dp/mod.ts";
import type { EpsilonCurve } from "./snapshot.ts";

/** Points of a curve; between two of them the later one bounds. */
const POINTS = 10;

/** Epsilon of the first steps of a plan's schedule, in the coalition view, by set. */
export async function composedAt(plan: DpPlan): Promise<EpsilonCurve[]> {
  const { steps, delta, neighboring } = plan.request;
  const curves: EpsilonCurve[] = [];
  for (const { population, step } of plan.events) {
    const guarantee = plan.guarantees.find((row) => row.population === population)!;
    const points: [number, number][] = [];
    for (let i = 1; i < POINTS; i++) {
      const count = Math.round(i * steps / POINTS);
      if (count < 1 || count === points.at(-1)?.[0]) continue;
      const event = { type: "self_composed", event: step, count } as const;
      points.push([count, epsilonAt(event, delta, { accountant: "pld", neighboring }).epsilon]);
      // Accounting takes a moment; sites' requests go first.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    points.push([steps, guarantee.epsilon]);
    curves.push({ population, unit: guarantee.unit, points });
  }
  return curves;
}
