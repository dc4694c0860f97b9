import { Session } from "node:inspector/promises";

/** What V8 says of one script since the last question. */
interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/** Blocks of the product's source that were run, from V8's own precise coverage of this process. */
export class EdgeCoverage {
  readonly #seen = new Set<string>();

  private constructor(private readonly session: Session, private readonly folder: string) {}

  /** Begins to count blocks of the files below `folder`, a URL. */
  static async start(folder: string): Promise<EdgeCoverage> {
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    return new EdgeCoverage(session, folder);
  }

  /** Blocks that were run since the last call and never before; they count as unknown until {@link known} is told. */
  async fresh(): Promise<readonly string[]> {
    const { result } = await this.session.post("Profiler.takePreciseCoverage") as {
      result: readonly ScriptCoverage[];
    };
    const found: string[] = [];
    for (const { url, functions } of result) {
      if (!url.startsWith(this.folder)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          const key = `${url}:${startOffset}:${endOffset}`;
          if (count > 0 && !this.#seen.has(key)) found.push(key);
        }
      }
    }
    return found;
  }

  /** From now on these blocks are nothing new. */
  known(blocks: Iterable<string>): void {
    for (const block of blocks) this.#seen.add(block);
  }

  /** Blocks seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Ends the counting. */
  stop(): void {
    this.session.disconnect();
  }
}
