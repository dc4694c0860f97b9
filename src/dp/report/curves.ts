import { epsilonAt, privacyCurve, tradeOff } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import type { DpPlan } from "../plan/mod.ts";
import type { ReportCurves } from "./types.ts";

/** Points of the epsilon plot. */
const ROUND_POINTS = 12;
/** False-positive rates of the trade-off plot, denser where the curve bends. */
const RATES = [
  ...Array.from({ length: 20 }, (_, i) => (i * i) / 4000),
  ...Array.from({ length: 19 }, (_, i) => 0.1 + i / 20),
];
/** Grid of the plots: the eye needs no more. */
const PLOT_INTERVAL = 1e-3;

/** Curves of every population against the coalition, after `steps` steps. */
export function reportCurves(plan: DpPlan, steps: number): ReportCurves[] {
  const { neighboring, delta } = plan.request;
  const known = new Map<string, Omit<ReportCurves, "population">>();
  return plan.events.map(({ population, step }) => {
    const key = JSON.stringify(step);
    const curves = known.get(key) ?? curvesOf(step, steps, delta, neighboring);
    known.set(key, curves);
    return { population, ...curves };
  });
}

function curvesOf(
  step: DpEvent,
  steps: number,
  delta: number,
  neighboring: DpPlan["request"]["neighboring"],
): Omit<ReportCurves, "population"> {
  const options = { neighboring, gridInterval: PLOT_INTERVAL } as const;
  const repeated = (count: number): DpEvent => ({ type: "self_composed", event: step, count });
  const rounds = new Set<number>([1]);
  for (let i = 1; i <= ROUND_POINTS; i++) rounds.add(Math.max(1, Math.round((i * steps) / ROUND_POINTS)));
  const epsilonByRound = [...rounds].map((round): [number, number] => [
    round,
    epsilonAt(repeated(round), delta, round === steps ? { neighboring } : options).epsilon,
  ]);
  const largest = Math.min(1e4, 4 + 4 * epsilonByRound[epsilonByRound.length - 1][1]);
  const epsilons = Array.from({ length: 160 }, (_, i) => largest * (i / 159) ** 2);
  const curve = privacyCurve(repeated(steps), epsilons, options);
  return {
    epsilonByRound,
    tradeOff: [...RATES, 1].map((rate): [number, number] => [rate, tradeOff(curve, rate)]),
    truePositiveRate: 1 - tradeOff(curve, 0.001),
  };
}
