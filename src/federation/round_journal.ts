import { join } from "node:path";
import type { ServerEvent } from "../secure_agg/mod.ts";

/**
 * Write-ahead record of one aggregation step: every message and every closed phase, in order. A closed phase (it fixes
 * who is in U1 or U2) is fsynced before any message that depends on it can leave. Removed when the step is over.
 */
export class RoundJournal {
  readonly #file: Deno.FsFile;
  readonly #path: string;

  /** @param stateFolder the aggregator's state folder; @param round number of the step */
  constructor(stateFolder: string, round: number) {
    const folder = join(stateFolder, "journal");
    Deno.mkdirSync(folder, { recursive: true });
    this.#path = join(folder, `round-${String(round).padStart(6, "0")}.bin`);
    this.#file = Deno.openSync(this.#path, { write: true, create: true, truncate: true, mode: 0o600 });
  }

  /** Appends an event; returns after it is as durable as the protocol needs. */
  record(event: ServerEvent): void {
    const header = new TextEncoder().encode(
      event.kind === "close" ? "close\n" : `message ${event.clientId} ${event.bytes.length}\n`,
    );
    this.#write(header);
    if (event.kind === "message") this.#write(event.bytes);
    else this.#file.syncSync();
  }

  /** Closes and removes the journal of a finished or aborted step. */
  finish(): void {
    this.#file.close();
    Deno.removeSync(this.#path);
  }

  #write(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length;) offset += this.#file.writeSync(bytes.subarray(offset));
  }
}
