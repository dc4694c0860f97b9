import { join } from "node:path";
import { asDiskFull, writeDurable } from "../formats/durable_file.ts";

/** File names inside a run's folder. */
export const RUN_FILES = {
  run: "run.json",
  metrics: "metrics.jsonl",
  checkpoints: "checkpoints",
  weights: "checkpoints/encoders.safetensors",
  best: "checkpoints/best_encoders.safetensors",
  base: "checkpoints/public_encoders.safetensors",
  injectionState: "checkpoints/injection.state",
  injection: "checkpoints/injection",
  evaluation: "evaluation.json",
  report: "report.html",
} as const;

/** The output folder of a run: plan, metrics, checkpoints and results. */
export class RunFolder {
  private constructor(
    /** Path of the folder. */
    readonly path: string,
  ) {}

  /** Makes the folder. */
  static async create(path: string): Promise<RunFolder> {
    await Deno.mkdir(join(path, RUN_FILES.checkpoints), { recursive: true });
    return new RunFolder(path);
  }

  /** Path of one of its files. */
  file(name: keyof typeof RUN_FILES): string {
    return join(this.path, RUN_FILES[name]);
  }

  /** Appends a line to `metrics.jsonl`. Only sums, public validation results and timings belong here. */
  async metric(line: Readonly<Record<string, unknown>>): Promise<void> {
    const path = this.file("metrics");
    await Deno.writeTextFile(path, `${JSON.stringify(line)}\n`, { append: true }).catch((error) => {
      throw asDiskFull(path, error);
    });
  }

  /** Makes room for a new run: what an older one left here would be taken for its own. */
  async begin(): Promise<void> {
    for (const name of ["metrics", "injectionState", "best"] as const) await this.remove(name);
  }

  /** Removes a file; one that does not exist is removed already. */
  async remove(name: keyof typeof RUN_FILES): Promise<void> {
    try {
      await Deno.remove(this.file(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Replaces `metrics.jsonl` by the lines of a run that is carried on. */
  async rewriteMetrics(lines: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    await writeDurable(
      this.file("metrics"),
      lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
      0o644,
    );
  }

  /** Replaces a checkpoint: a crash or a full disk leaves the old one or the new one, never a part. */
  async checkpoint(name: "weights" | "best" | "base", bytes: Uint8Array): Promise<void> {
    await writeDurable(this.file(name), bytes, 0o644);
  }

  /** Writes a JSON file of the run. */
  async json(name: keyof typeof RUN_FILES, value: unknown): Promise<void> {
    await writeDurable(this.file(name), JSON.stringify(value, null, 2), 0o644);
  }
}
