/**
 * Benchmarks of local models: {@link runLocalBench} measures the speed of training steps and writes
 * `bench/results/local.md`; {@link runQualityBench} measures AUROC against epsilon in both privacy modes on
 * the shared federation and writes `docs/results.md` with its plot (about a quarter of an hour).
 *
 * @module
 */
export { runQualityBench } from "./quality.ts";
export { runSpeedBench as runLocalBench } from "./speed.ts";
