import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { type Beat, NORMAL_WAVES, type Wave } from "./ecg_model.ts";
import { clamp } from "./_stream.ts";

/** What one person's ECG looks like in every window. */
export interface EcgPerson {
  /** Mean R-R interval, seconds. */
  readonly meanRr: number;
  /** Standard deviation of slow (0.1 Hz) and respiratory (0.25 Hz) R-R oscillations, seconds. */
  readonly variability: number;
  /** Own strength of P, Q, R, S and T. */
  readonly gains: readonly number[];
  /** Share of windows with ventricular ectopy. */
  readonly ectopy: number;
  /** Share of windows in atrial fibrillation. */
  readonly fibrillation: number;
  /** Width of an ectopic QRS complex, seconds (standard deviation of the Gaussian). */
  readonly ectopicWidth: number;
  /** Direction of an ectopic QRS complex in this lead. */
  readonly ectopicSign: 1 | -1;
  /** Strength of this lead. */
  readonly leadGain: number;
  /** Breaths a second. */
  readonly breathsPerSecond: number;
}

/** Draws a person; the caller decides who has which rhythm. */
export function drawEcgPerson(
  random: SeededRandom,
  rhythm: { readonly ectopy: boolean; readonly fibrillation: boolean },
): EcgPerson {
  return {
    meanRr: clamp(0.82 + 0.12 * random.normal(), 0.55, 1.15),
    variability: 0.015 + 0.025 * random.next(),
    gains: NORMAL_WAVES.map(() => clamp(1 + 0.2 * random.normal(), 0.5, 1.6)),
    ectopy: rhythm.ectopy ? 0.35 + 0.6 * random.next() : 0,
    fibrillation: rhythm.fibrillation ? 0.5 + 0.5 * random.next() : 0,
    ectopicWidth: 0.035 + 0.015 * random.next(),
    ectopicSign: random.next() < 0.65 ? -1 : 1,
    leadGain: 0.8 + 0.4 * random.next(),
    breathsPerSecond: 0.2 + 0.1 * random.next(),
  };
}

/** Table I's waves at this heart rate: intervals shrink with the square root of R-R (Bazett), as in the paper. */
function normalWaves(person: EcgPerson, withP: boolean): Wave[] {
  const factor = Math.sqrt(1 / person.meanRr);
  const stretch = [Math.sqrt(factor), factor, 1, factor, Math.sqrt(factor)];
  return NORMAL_WAVES
    .map(({ theta, peak, width }, i) => ({
      theta: theta * stretch[i],
      peak: peak * person.gains[i],
      width: width * factor,
    }))
    .slice(withP ? 0 : 1);
}

/** A wide QRS complex without a P wave and a T wave of the other direction. */
function ectopicWaves(person: EcgPerson): Wave[] {
  const radians = 2 * Math.PI * person.ectopicWidth / person.meanRr;
  const sign = person.ectopicSign;
  return [
    { theta: 0, peak: 1.5 * sign, width: radians },
    { theta: 1.3, peak: -0.55 * sign, width: 1.3 * radians },
  ];
}

/**
 * Beats of one window. Sinus rhythm: R-R with a slow and a respiratory oscillation. Atrial fibrillation:
 * irregularly irregular R-R and no P waves. Ectopy: one to three early wide beats, each with a compensatory pause.
 */
export function rhythm(
  random: SeededRandom,
  person: EcgPerson,
  seconds: number,
  kind: { readonly ectopic: boolean; readonly fibrillating: boolean },
): Beat[] {
  const phases = [random.next(), random.next()].map((turn) => 2 * Math.PI * turn);
  const regular = normalWaves(person, !kind.fibrillating);
  const beats: Beat[] = [];
  for (let time = 0; time < seconds + 3;) {
    const slow = Math.sin(2 * Math.PI * 0.1 * time + phases[0]);
    const breathing = Math.sin(2 * Math.PI * person.breathsPerSecond * time + phases[1]);
    const rr = kind.fibrillating
      ? person.meanRr * 0.9 * Math.exp(0.22 * random.normal())
      : person.meanRr + person.variability * (slow + breathing) + 0.004 * random.normal();
    beats.push({ rr: clamp(rr, 0.35, 1.8), waves: regular });
    time += beats[beats.length - 1].rr;
  }
  if (kind.ectopic) {
    const within = Math.floor((seconds - 1.5) / person.meanRr);
    for (let count = 1 + random.integer(3); count > 0; count--) {
      const at = 2 + random.integer(Math.max(1, within - 2));
      const early = 0.55 + 0.15 * random.next();
      const before = beats[at - 1].rr;
      if (beats[at].waves !== regular || beats[at - 1].waves !== regular) continue;
      beats[at - 1] = { rr: before * early, waves: regular };
      beats[at] = { rr: beats[at].rr + before * (1 - early), waves: ectopicWaves(person) };
    }
  }
  return beats;
}
