import { messageType, type ServerEvent } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { Durability, Fence, Store } from "./store/mod.ts";

/** Entries that are read at once; each may hold a whole upload chunk. */
const PAGE = 4;

const KIND = { close: 0, message: 1, order: 2, release: 3 } as const;

/** What a step began with: fixed before its order leaves, so that a restart gives the same order to the same sites. */
export interface StepOrder {
  /** The signed order. */
  readonly order: Uint8Array;
  /** Sites that it went to. */
  readonly sites: readonly string[];
}

/**
 * Write-ahead log of one aggregation step, in the aggregator's store: the order, then every message and every closed
 * phase. What was recorded is durable once {@link RoundLog.flush} resolves; concurrent flushes share one transaction.
 * Chunks alone survive the process and not a loss of power, until the commit that follows them: nothing depends on them
 * before, and a commit without its chunks lets the site send the very same ones again.
 */
export class RoundLog {
  #pending: Uint8Array[][] = [];
  #durability: Durability = "process";
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param store where the log is kept
   * @param stream its name there
   * @param fence proof that this process leads
   */
  constructor(
    private readonly store: Store,
    private readonly stream: string,
    private readonly fence: Fence | undefined,
  ) {}

  /** True where the step has begun. */
  async begun(): Promise<boolean> {
    return await this.store.newest(this.stream) > 0;
  }

  /** What the step began with; undefined where it has not begun. @throws FedKimError `StoreError` */
  async order(): Promise<StepOrder | undefined> {
    const [first] = await this.store.read(this.stream, 0, 1);
    const entry = first && decode(first.body);
    return entry?.kind === "order" ? entry.begun : undefined;
  }

  /** Everything that was recorded after the order, a few entries in memory at a time. @throws FedKimError `StoreError` */
  async *events(): AsyncGenerator<ServerEvent> {
    for (let after = 0;;) {
      const entries = await this.store.read(this.stream, after, PAGE);
      for (const { sequence, body } of entries) {
        after = sequence;
        const entry = decode(body);
        if (entry.kind !== "order") yield entry;
      }
      if (entries.length < PAGE) return;
    }
  }

  /** Fixes the step's order, durably. */
  async begin(begun: StepOrder): Promise<void> {
    const sites = new TextEncoder().encode(JSON.stringify(begun.sites));
    this.#pending.push([entryHead(KIND.order, sites), begun.order]);
    this.#durability = "power";
    await this.flush();
  }

  /** Takes an event; it is durable after the next flush, and its bytes must not change before. */
  record(event: ServerEvent): void {
    const chunk = event.kind === "message" && messageType(event.bytes) === "masked_chunk";
    if (!chunk) this.#durability = "power";
    const sender = event.kind === "close" ? new Uint8Array() : new TextEncoder().encode(event.clientId);
    const head = entryHead(KIND[event.kind], sender);
    this.#pending.push(event.kind === "message" ? [head, event.bytes] : [head]);
  }

  /** Resolves when everything recorded so far is durable. @throws FedKimError `StoreError`, for ever after a failure */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#pending.length === 0) return;
      const [bodies, durability] = [this.#pending, this.#durability];
      [this.#pending, this.#durability] = [[], "process"];
      await this.store.append(this.stream, bodies, this.fence, durability);
    });
    return this.#writing;
  }

  /** Drops the log of a step whose outcome is durable elsewhere. */
  async trim(): Promise<void> {
    await this.store.forget(this.stream, this.fence);
  }
}

/** What stands before an entry's body: one byte of kind, the head's length, the head. */
function entryHead(kind: number, head: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + head.length);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(1, head.length);
  bytes.set(head, 5);
  return bytes;
}

function decode(
  bytes: Uint8Array<ArrayBuffer>,
): ServerEvent | { readonly kind: "order"; readonly begun: StepOrder } {
  const length = bytes.length < 5 ? Infinity : new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (5 + length <= bytes.length) {
    const head = new TextDecoder().decode(bytes.subarray(5, 5 + length));
    const body = bytes.slice(5 + length);
    if (bytes[0] === KIND.close) return { kind: "close" };
    if (bytes[0] === KIND.release) return { kind: "release", clientId: head };
    if (bytes[0] === KIND.message) return { kind: "message", clientId: head, bytes: body };
    if (bytes[0] === KIND.order) return { kind: "order", begun: { order: body, sites: JSON.parse(head) } };
  }
  throw new FedKimError("StoreError", "The log of a step cannot be read.", {
    reason: "damaged",
    remedy: "restore the aggregator's store from a backup",
  });
}
