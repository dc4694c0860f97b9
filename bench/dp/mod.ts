/**
 * Speed of the differential-privacy folder, each figure beside a naive implementation timed in the same
 * run.
 *
 * The naive versions are what the literature prints: pairwise composition with a recursive transform,
 * quadrature on a fixed grid, big-integer samplers, loops over plain arrays. They answer the same
 * questions; where they are slow they are timed on a smaller size and the table says so. Results go to the
 * terminal and to `bench/results/dp.md`.
 *
 * @module
 */
import {
  createPlan,
  type DpEvent,
  encodeUpdate,
  epsilonAt,
  OffThreadEncoder,
  rotate,
  roundToRing,
  sampleDiscreteGaussian,
} from "../../src/dp/mod.ts";
import process from "node:process";
import { cryptoRandomBytes } from "../../src/formats/random_bytes.ts";
import {
  naiveCompose,
  naiveDiscreteGaussian,
  naiveEncode,
  naiveEpsilon,
  naiveLoss,
  naivePower,
  naiveRdp,
} from "./naive.ts";

const ADD = { neighboring: "add_or_remove_one" } as const;
const INTERVAL = 1e-4;
const MILLION = 1 << 20;
/** The naive accountants are timed at this coarser grid: at the fine one they take minutes. */
const NAIVE_INTERVAL = 1e-3;

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly target: string;
  readonly naive: string;
}

/** First and best CPU time of a few runs, in milliseconds, and the last value. */
function time<T>(runs: number, body: (run: number) => T): { first: number; best: number; value: T } {
  let first = 0;
  let best = Infinity;
  let value!: T;
  for (let run = 0; run < runs; run++) {
    const start = process.cpuUsage();
    value = body(run);
    const { user, system } = process.cpuUsage(start);
    const spent = (user + system) / 1000;
    if (run === 0) first = spent;
    best = Math.min(best, spent);
  }
  return { first, best, value };
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

/** Each run gets another sigma, so that nothing comes out of a cache. */
function sampled(sigma: number, count: number): DpEvent {
  return {
    type: "self_composed",
    event: { type: "poisson", q: 0.01, event: { type: "gaussian", sigma } },
    count,
  };
}

function pldRow(): Row {
  const ours = time(
    4,
    (run) => epsilonAt(sampled(1 + run * 1e-9, 100_000), 1e-6, { ...ADD, gridInterval: INTERVAL }).epsilon,
  );
  const naive = time(
    1,
    () => naiveEpsilon(naivePower(naiveLoss(0.01, 1, NAIVE_INTERVAL), 100_000), NAIVE_INTERVAL, 1e-6),
  );
  return {
    what: "PLD epsilon, 100,000 compositions, grid 1e-4, both directions",
    ours: `${ms(ours.first)} first, ${ms(ours.best)} best (epsilon ${ours.value.toFixed(4)})`,
    target: "600 ms",
    naive: `${ms(naive.best)} at grid 1e-3, one direction (epsilon ${
      naive.value.toFixed(1)
    }: it rounds every loss up)`,
  };
}

function heterogeneousRow(): Row {
  const sigmas = Array.from({ length: 50 }, (_, i) => 1 + i * 0.02);
  const ours = time(2, (run) => {
    const events = sigmas.map((s) => sampled(s + run * 1e-9, 100));
    return epsilonAt({ type: "composed", events }, 1e-6, { ...ADD, gridInterval: INTERVAL }).epsilon;
  });
  const few = sigmas.slice(0, 5);
  const naive = time(1, () => {
    const losses = few.map((s) => naivePower(naiveLoss(0.01, s, NAIVE_INTERVAL), 100));
    return naiveEpsilon(losses.reduce(naiveCompose), NAIVE_INTERVAL, 1e-6);
  });
  return {
    what: "PLD epsilon, 50 distinct events, grid 1e-4, both directions",
    ours: `${ms(ours.first)} first, ${ms(ours.best)} best`,
    target: "3 s",
    naive: `${ms(naive.best)} for 5 of them at grid 1e-3, one direction`,
  };
}

function rdpRow(): Row {
  const ours = time(
    5,
    (run) => epsilonAt(sampled(1 + run * 1e-9, 100_000), 1e-6, { ...ADD, accountant: "rdp" }).epsilon,
  );
  const orders = Array.from({ length: 150 }, (_, i) => 1.1 + i * 0.1);
  const naive = time(2, () => orders.map((order) => naiveRdp(order, 0.01, 1)));
  return {
    what: "RDP epsilon, 100,000 compositions",
    ours: `${ms(ours.first)} first, ${ms(ours.best)} best`,
    target: "40 ms",
    naive: `${ms(naive.best)} for 150 orders by Simpson's rule`,
  };
}

function samplerRows(): Row[] {
  return [100, 1e6].map((sigma) => {
    const variance = { numerator: BigInt(sigma * sigma), denominator: 1n };
    const out = new Float64Array(MILLION);
    const ours = time(3, () => sampleDiscreteGaussian(out, variance, cryptoRandomBytes));
    const naive = time(1, () => {
      for (let i = 0; i < 2000; i++) naiveDiscreteGaussian(variance.numerator, cryptoRandomBytes);
    });
    return {
      what: `exact discrete Gaussian, sigma ${sigma}, per sample`,
      ours: `${((ours.best * 1000) / MILLION).toFixed(2)} µs`,
      target: "1.5 µs",
      naive: `${((naive.best * 1000) / 2000).toFixed(0)} µs (big integers, as printed)`,
    };
  });
}

function encodeRow(): Row {
  const vector = new Float64Array(MILLION).fill(1e-3);
  const ours = time(4, () => roundToRing(rotate(vector, "bench"), 1e5, 2 ** 30, cryptoRandomBytes));
  const plain = Array.from(vector.subarray(0, MILLION / 4));
  const naive = time(1, () => naiveEncode(plain, 1e5));
  return {
    what: "encode 1,048,576 coordinates: rotate, scale, round",
    ours: `${ms(ours.first)} first, ${ms(ours.best)} best`,
    target: "60 ms",
    naive: `${ms(naive.best)} for a quarter of them`,
  };
}

async function updateRows(): Promise<Row[]> {
  const plan = createPlan({
    populations: [{ name: "bench", unit: "record", samplingRate: 0.01, maxGradNorm: 1 }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps: 100,
    dimension: 1_000_000,
    cohort: { n: 4, nMin: 4, colluders: 1 },
    maxUnitsPerStep: 500,
    delta: 1e-6,
    target: { noiseMultiplier: 1 },
  });
  const direct = time(2, () => encodeUpdate(plan, new Float64Array(1_000_000)));
  using encoder = new OffThreadEncoder();
  await encoder.encode(plan, new Float64Array(1_000_000));
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const start = performance.now();
  await encoder.encode(plan, new Float64Array(1_000_000));
  const whole = performance.now() - start;
  clearInterval(timer);
  return [{
    what: "one client step of 1,000,000 coordinates: round and add exact noise",
    ours: `${ms(direct.best)}; off the main thread ${ms(whole)}, event loop blocked at most ${ms(longest)}`,
    target: "off the main thread",
    naive: "–",
  }];
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((r) => `| ${r.what} | ${r.ours} | ${r.target} | ${r.naive} |`);
  return ["| what | ours | target | naive |", "| --- | --- | --- | --- |", ...lines].join("\n");
}

/** Times everything, prints a table and writes `bench/results/dp.md`. */
export async function runDpBench(): Promise<void> {
  const rows = [pldRow(), heterogeneousRow(), rdpRow(), ...samplerRows(), encodeRow(), ...await updateRows()];
  const text = [
    "# Differential privacy: speed",
    "",
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} threads, ${Deno.build.target}. CPU ` +
    "times of one run, garbage collection and compilation included; off-thread times are wall times.",
    "",
    table(rows),
    "",
  ].join("\n");
  console.log(text);
  const results = new URL("../results/", import.meta.url);
  await Deno.mkdir(results, { recursive: true });
  await Deno.writeTextFile(new URL("dp.md", results), text);
}

if (import.meta.main) await runDpBench();
