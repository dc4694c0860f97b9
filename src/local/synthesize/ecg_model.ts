/**
 * The dynamical ECG model of McSharry, Clifford, Tarassenko and Smith (IEEE Trans. Biomed. Eng. 50, 2003): a point
 * runs round a limit cycle, one turn a beat, and is pushed up and down by one Gaussian for each of P, Q, R, S, T.
 * The push has the form of Sameni et al. (EURASIP J. Adv. Signal Process. 2007), in which a wave's height does not
 * depend on the heart rate: early beats and pauses then leave no step in the baseline.
 */

/** One Gaussian event of the cycle. */
export interface Wave {
  /** Angle on the cycle, radian; the R peak is at 0. */
  readonly theta: number;
  /** Height, millivolt; the sign is the wave's direction. */
  readonly peak: number;
  /** Width b_i, radian. */
  readonly width: number;
}

/** A beat: the time until the next R peak and the waves around its own R peak. */
export interface Beat {
  /** Interval from this R peak to the next, seconds. */
  readonly rr: number;
  /** Waves of this beat, over half a turn before and after its R peak. */
  readonly waves: readonly Wave[];
}

/** Angle, a_i and b_i of P, Q, R, S and T (McSharry et al. 2003, Table I). */
const TABLE_I: readonly (readonly [number, number, number])[] = [
  [-Math.PI / 3, 1.2, 0.25],
  [-Math.PI / 12, -5, 0.1],
  [0, 30, 0.1],
  [Math.PI / 12, -7.5, 0.1],
  [Math.PI / 2, 0.75, 0.4],
];

/** Scales the published model, whose R wave a b^2 / omega is 0.048 at 60 beats a minute, to an R wave of 1.2 mV. */
const MILLIVOLT_PER_UNIT = 1.2 / (30 * 0.1 ** 2 / (2 * Math.PI));

/** The published P, Q, R, S and T waves at 60 beats a minute. */
export const NORMAL_WAVES: readonly Wave[] = TABLE_I.map(([theta, a, b]) => ({
  theta,
  peak: MILLIVOLT_PER_UNIT * a * b * b / (2 * Math.PI),
  width: b,
}));

/** Integration steps a second. */
const STEPS_PER_SECOND = 200;

/** Breathing moves the baseline z0 with this amplitude, millivolt (McSharry et al. 2003, equation 2). */
const BASELINE_AMPLITUDE = 0.15;

/** dx/dt, dy/dt, dz/dt at one point, written to `out`. */
function derivative(
  [x, y, z]: readonly number[],
  omega: number,
  waves: readonly Wave[],
  baseline: number,
  out: number[],
): void {
  const alpha = 1 - Math.hypot(x, y);
  out[0] = alpha * x - omega * y;
  out[1] = alpha * y + omega * x;
  const angle = Math.atan2(y, x);
  let push = 0;
  for (const { theta, peak, width } of waves) {
    let delta = angle - theta;
    if (delta > Math.PI) delta -= 2 * Math.PI;
    else if (delta < -Math.PI) delta += 2 * Math.PI;
    const u = delta / width;
    if (Math.abs(u) < 6) push += peak * omega / width * u * Math.exp(-0.5 * u * u);
  }
  out[2] = -push - (z - baseline);
}

/**
 * Integrates the model by the fourth-order Runge-Kutta method and samples z. The R peak of beats[0] is at time 0;
 * each half turn belongs to the nearer R peak, so its waves come from that beat.
 * @param beats at least as many as `seconds` needs; the last one repeats
 * @param seconds length of the signal
 * @param sampleRateHz samples a second; a divisor of 200
 * @param breathsPerSecond respiratory frequency of the baseline
 * @returns millivolt, [seconds * sampleRateHz]
 */
export function integrateEcg(
  beats: readonly Beat[],
  seconds: number,
  sampleRateHz: number,
  breathsPerSecond: number,
): Float64Array {
  const h = 1 / STEPS_PER_SECOND;
  const stride = STEPS_PER_SECOND / sampleRateHz;
  const samples = new Float64Array(seconds * sampleRateHz);
  const k = [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]];
  const probe = [0, 0, 0];
  const last = beats.length - 1;
  let state = [1, 0, NORMAL_WAVES[2].peak];
  let beat = 0;
  const breathing = (time: number): number =>
    BASELINE_AMPLITUDE * Math.sin(2 * Math.PI * breathsPerSecond * time);
  const along = (slope: readonly number[], time: number): readonly number[] => {
    for (let i = 0; i < 3; i++) probe[i] = state[i] + time * slope[i];
    return probe;
  };
  for (let step = 0; step < samples.length * stride; step++) {
    if (step % stride === 0) samples[step / stride] = state[2];
    const omega = 2 * Math.PI / beats[Math.min(beat, last)].rr;
    const { waves } = beats[Math.min(state[1] >= 0 ? beat : beat + 1, last)];
    const time = step * h;
    derivative(state, omega, waves, breathing(time), k[0]);
    derivative(along(k[0], h / 2), omega, waves, breathing(time + h / 2), k[1]);
    derivative(along(k[1], h / 2), omega, waves, breathing(time + h / 2), k[2]);
    derivative(along(k[2], h), omega, waves, breathing(time + h), k[3]);
    const next = state.map((value, i) => value + (h / 6) * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]));
    // A turn ends where the angle passes 0 from below: there the next R-R interval begins.
    if (state[1] < 0 && next[1] >= 0) beat++;
    state = next;
  }
  return samples;
}
