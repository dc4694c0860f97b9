/**
 * Benchmark of the injection: {@link runM3oeBench} measures what a training step costs over plain LoRA and over the
 * frozen base, and what merged inference costs, and writes `bench/results/m3oe.md`.
 *
 * @module
 */
export { runM3oeBench } from "./speed.ts";
