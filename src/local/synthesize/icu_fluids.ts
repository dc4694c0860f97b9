import type { SeededRandom } from "../../tensor/seeded_random.ts";
import type { IcuState } from "./icu_state.ts";
import { INFUSIONS, QUARTERS } from "./icu_channels.ts";
import { clamp, logistic } from "./_stream.ts";

/** Log-odds of each infusion under a state: catecholamines follow shock, sedatives follow ventilation. */
function infusionLogits(state: IcuState): Readonly<Record<string, number>> {
  const shock = state.circulation;
  const sedation = state.ventilated ? 2 : 0;
  const cardiac = state.group === "cardiac" ? 1.2 : 0;
  return {
    norepi: -4 + 2 * shock,
    vasopressin: -5.5 + 2 * shock,
    epinephrine: -6 + 1.6 * shock,
    dopamine: -5.2 + 1.2 * shock + cardiac,
    dobutamine: -5.5 + 1 * shock + cardiac,
    phenylephrine: -4.6 + 1.5 * shock,
    propofol: -2.6 + sedation,
    fentanyl: -2.9 + sedation,
    midazolam: -4.4 + sedation,
    dexmed: -4.8 + 0.8 * sedation,
    insulin: -2.9,
    heparin: -3.2 + cardiac,
    amiodarone: -4.2 + cardiac,
    nicardipine: -3.8 - shock + (state.group === "neurologic" ? 1.5 : 0),
    diltiazem: -4.2 + cardiac,
    crystalloid: -2.4 + 0.6 * shock,
  };
}

/**
 * Inputs of the first day: intake of each quarter in ml (null when no fluid chart was kept), then 0/1 of every
 * infusion. Shock is treated with fluid first and catecholamines.
 */
export function synthesizeInputs(random: SeededRandom, state: IcuState): (number | null)[] {
  const charted = random.next() < 0.7;
  const level = Math.log(420) + 0.35 * state.circulation + 0.5 * random.normal();
  const intake = QUARTERS.map((_, quarter) => {
    const early = quarter === 0 ? 0.3 * Math.max(0, state.circulation) : 0;
    const amount = random.next() < 0.12 ? 0 : Math.exp(level + early + 0.45 * random.normal());
    return charted ? Math.round(clamp(amount, 0, 7000)) : null;
  });
  const logits = infusionLogits(state);
  return [...intake, ...INFUSIONS.map((drug) => random.next() < logistic(logits[drug]) ? 1 : 0)];
}

/**
 * Outputs of the first day in ml: all output of each quarter, then urine (null when not charted). Failing kidneys
 * and a failing circulation both lower urine.
 */
export function synthesizeOutputs(random: SeededRandom, state: IcuState): (number | null)[] {
  const charted = random.next() < 0.75;
  const catheter = random.next() < 0.75;
  const level = Math.log(470) - 0.5 * state.kidneys - 0.15 * state.circulation + 0.3 * random.normal();
  const urine = QUARTERS.map(() => Math.round(clamp(Math.exp(level + 0.35 * random.normal()), 0, 3500)));
  const other = QUARTERS.map(() => random.next() < 0.3 ? Math.round(50 + 250 * random.next()) : 0);
  return [
    ...urine.map((ml, quarter) => charted ? ml + other[quarter] : null),
    ...urine.map((ml) => charted && catheter ? ml : null),
  ];
}
