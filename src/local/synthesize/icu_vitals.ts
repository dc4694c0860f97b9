import type { SeededRandom } from "../../tensor/seeded_random.ts";
import type { IcuState } from "./icu_state.ts";
import { VITAL_STEPS } from "./icu_channels.ts";
import { clamp, rounded } from "./_stream.ts";

/** Hour-to-hour correlation of a vital sign. */
const PERSISTENCE = 0.8;

/** Share of hours with a value, by group of channels that a monitor or nurse reports together. */
const REPORTED = {
  heart: 0.92,
  pressure: 0.85,
  breathing: 0.82,
  temperature: 0.28,
  saturation: 0.87,
} as const;

/** One AR(1) course of standard deviation `sd` around zero, one value an hour. */
function autoregressive(random: SeededRandom, sd: number): number[] {
  const course = [sd * random.normal()];
  const innovation = sd * Math.sqrt(1 - PERSISTENCE ** 2);
  while (course.length < VITAL_STEPS) {
    course.push(PERSISTENCE * course[course.length - 1] + innovation * random.normal());
  }
  return course;
}

/**
 * Hourly vital signs of the first day, [24][7], null = not measured: AR(1) courses around levels that the organ
 * states set (shock: fast heart and low pressure; failing lungs: fast breathing and low saturation; infection:
 * fever), inside physiological ranges.
 */
export function synthesizeVitals(random: SeededRandom, state: IcuState): (number | null)[][] {
  const { circulation, lungs, infection } = state;
  const heart = 82 + 9 * circulation + 4 * infection + 8 * random.normal();
  const mean = 82 - 9 * circulation + 6 * random.normal();
  const pulse = clamp(56 - 4 * circulation + 9 * random.normal(), 22, 110);
  const breathing = 18.5 + 2.6 * lungs + 0.8 * circulation + 1.6 * random.normal();
  const temperature = 36.8 + 0.35 * infection + 0.3 * random.normal();
  const saturation = 96.8 - 1.6 * Math.max(-1, lungs) + 0.8 * random.normal();
  const courses = [6, 7, 4, 2.2, 0.25, 1.2].map((sd) => autoregressive(random, sd));
  // Some patients leave the unit before the day is over: nothing is measured from then on.
  const end = random.next() < 0.12 ? 8 + random.integer(VITAL_STEPS - 8) : VITAL_STEPS;
  return Array.from({ length: VITAL_STEPS }, (_, hour) => {
    const value = (share: number, raw: number, low: number, high: number, decimals: number): number | null =>
      hour < end && random.next() < share ? rounded(clamp(raw, low, high), decimals) : null;
    const meanNow = clamp(mean + courses[1][hour], 35, 150);
    const pulseNow = clamp(pulse + courses[2][hour], 15, 120);
    const cuff = random.next() < REPORTED.pressure ? 1 : 0;
    return [
      value(REPORTED.heart, heart + courses[0][hour], 30, 200, 0),
      value(cuff, meanNow + (2 / 3) * pulseNow, 50, 240, 0),
      value(cuff, meanNow - (1 / 3) * pulseNow, 20, 140, 0),
      value(cuff, meanNow, 35, 150, 0),
      value(REPORTED.breathing, breathing + courses[3][hour], 6, 55, 0),
      value(REPORTED.temperature, temperature + courses[4][hour], 33, 41.5, 1),
      value(REPORTED.saturation, saturation + courses[5][hour], 60, 100, 0),
    ];
  });
}
